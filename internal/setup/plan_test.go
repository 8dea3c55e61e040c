package setup

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

const (
	testAudience = "https://mcp.example.com/mcp"
	testStream   = "https://grantd.example.com/auth0-log-webhook"
)

// want is a usual configuration before the first run of setup.
func want() Want {
	return Want{
		Domain: "acme.us.auth0.com", Audience: testAudience, Scopes: []string{"notes:read", "notes:write"},
		Connections: []string{"google-oauth2"}, StreamURL: testStream, OwnScopes: []string{"read:clients", "read:logs"},
		File: File{Path: "grantd.env", New: true, Misses: []Line{{Name: "OAUTH_AUDIENCE", Value: testAudience}, {Name: "LOG_WEBHOOK_SECRET", Secret: true}}},
	}
}

// prepared is a tenant in which all is so.
func prepared() State {
	s := State{Want: want()}
	s.ClientID, s.HasSecret, s.File = "own", true, File{Path: "grantd.env"}
	s.API = &auth0.FullAPI{
		API:     dcr.API{ID: "api1", Identifier: testAudience, Scopes: s.Scopes, SigningAlg: "RS256", UserPolicy: dcr.AllowAll, AllowOfflineAccess: true},
		Defined: []auth0.APIScope{{Value: "notes:read", Description: "Read"}, {Value: "notes:write"}},
	}
	s.App = &dcr.Client{ID: "own", FirstParty: true}
	s.AppGrant = &dcr.Grant{ID: "cgr_1", ClientID: "own", Scopes: []string{"read:logs", "read:clients", "read:users"}}
	s.Settings = dcr.TenantSettings{DynamicRegistration: true, ResourceProfile: dcr.ProfileCompatibility}
	s.Connections = map[string]*dcr.Connection{"google-oauth2": {ID: "con_1", Name: "google-oauth2", DomainLevel: true}}
	s.Webhooks = []Webhook{{Webhook: auth0.Webhook{
		ID: "lst_1", Status: "active", Endpoint: testStream, ContentFormat: "JSONLINES", ContentType: "application/json", Filters: Categories(),
	}, Sends: true}}
	return s
}

// situation is how a tenant differs from one that is prepared, and what is to be
// done then, each as KIND:STATUS and the calls.
type situation struct {
	name   string
	change func(*State)
	want   []string
}

func situations() []situation {
	return []situation{
		{"all is so", func(*State) {}, nil},
		{"no API", func(s *State) { s.API = nil }, []string{"api:todo",
			`POST /api/v2/resource-servers {"name":"` + testAudience + `","identifier":"` + testAudience + `","signing_alg":"RS256","allow_offline_access":true,"scopes":[{"value":"notes:read","description":"notes:read"},{"value":"notes:write","description":"notes:write"}]}`}},
		{"no refresh tokens", func(s *State) { s.API.AllowOfflineAccess = false }, []string{"api_offline_access:todo",
			`PATCH /api/v2/resource-servers/api1 {"allow_offline_access":true}`}},
		{"scopes not defined", func(s *State) { s.Scopes = append(s.Scopes, "notes:share") }, []string{"api_scopes:person",
			`auth0 api patch 'resource-servers/api1' --data '{"scopes":[{"value":"notes:read","description":"Read"},{"value":"notes:write"},{"value":"notes:share","description":"notes:share"}]}'`}},
		{"another algorithm", func(s *State) { s.API.SigningAlg = "HS256" }, []string{"api_signing_alg:person"}},
		{"nobody may", func(s *State) { s.API.UserPolicy = dcr.DenyAll }, []string{"api_denies_users:person",
			`auth0 api patch 'resource-servers/api1' --data '{"subject_type_authorization":{"user":{"policy":"require_client_grant"}}}'`}},
		{"no application", func(s *State) { s.ClientID, s.HasSecret, s.App, s.AppGrant = "", false, nil, nil }, []string{"application:todo",
			`POST /api/v2/clients {"name":"grantd","description":"Makes clients that register themselves able to log in","app_type":"non_interactive","is_first_party":true,"oidc_conformant":true,"grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_post"}`,
			`POST /api/v2/client-grants {"client_id":"[the new application's id]","audience":"https://acme.us.auth0.com/api/v2/","subject_type":"client","scope":["read:clients","read:logs"]}`}},
		{"another tenant's application", func(s *State) { s.App, s.AppGrant = nil, nil }, []string{"application_credentials:person"}},
		{"no secret", func(s *State) { s.HasSecret = false }, []string{"application_credentials:person"}},
		{"no grant", func(s *State) { s.AppGrant = nil }, []string{"application_grant:todo",
			`POST /api/v2/client-grants {"client_id":"own","audience":"https://acme.us.auth0.com/api/v2/","subject_type":"client","scope":["read:clients","read:logs"]}`}},
		{"a narrow grant is widened and keeps what it has", func(s *State) { s.AppGrant.Scopes = []string{"read:users", "read:clients"} }, []string{"application_grant:todo",
			`PATCH /api/v2/client-grants/cgr_1 {"scope":["read:users","read:clients","read:logs"]}`}},
		{"a grant of all", func(s *State) { s.AppGrant.Scopes, s.AppGrant.AllowAllScopes = nil, true }, nil},
		{"no registration", func(s *State) { s.Settings.DynamicRegistration = false }, []string{"registration:todo",
			`PATCH /api/v2/tenants/settings {"flags":{"enable_dynamic_client_registration":true}}`}},
		{"no resource parameter", func(s *State) { s.Settings.ResourceProfile = dcr.ProfileAudience }, []string{"resource_parameter_profile:todo",
			`PATCH /api/v2/tenants/settings {"resource_parameter_profile":"compatibility"}`}},
		{"not domain-level", func(s *State) { s.Connections["google-oauth2"].DomainLevel = false }, []string{"connection_domain_level:todo",
			`PATCH /api/v2/connections/con_1 {"is_domain_connection":true}`}},
		{"permissive clients need no domain level", permissive(func(*State) {}), nil},
		{"but those with a document are strict", permissive(func(s *State) { s.Settings.CIMD = true }), []string{"connection_domain_level:todo",
			`PATCH /api/v2/connections/con_1 {"is_domain_connection":true}`}},
		{"and it may be wanted all the same", permissive(func(s *State) { s.DomainLevel = true }), []string{"connection_domain_level:todo",
			`PATCH /api/v2/connections/con_1 {"is_domain_connection":true}`}},
		{"switched off", func(s *State) { s.Connections["google-oauth2"].Inactive = true }, []string{"connection_inactive:person",
			`auth0 api patch 'connections/con_1' --data '{"authentication":{"active":true}}'`}},
		{"no connection", func(s *State) { s.Connections["google-oauth2"] = nil }, []string{"connection_missing:person"}},
		{"lines missing", func(s *State) { s.File.Misses = []Line{{Name: "OAUTH_AUDIENCE", Value: "x"}} }, []string{"env_file:todo"}},
		{"no env file", func(s *State) { s.File = File{} }, nil},
		{"no public address", func(s *State) { s.StreamURL, s.Webhooks = "", nil }, nil},
		{"no stream", func(s *State) { s.Webhooks = nil }, []string{"log_stream:todo", newStreamCall}},
		{"another's stream", func(s *State) {
			s.Webhooks[0].Endpoint, s.Webhooks[0].Sends = "https://staging.example.com/auth0-log-webhook", false
		}, []string{"log_stream:todo", newStreamCall}},
		{"our stream moved", func(s *State) { s.Webhooks[0].Endpoint = "https://old.example.com/auth0-log-webhook" }, []string{"log_stream:todo",
			`PATCH /api/v2/log-streams/lst_1 {"sink":` + sinkShown + `}`}},
		{"another secret", func(s *State) { s.Webhooks[0].Sends = false }, []string{"log_stream:todo", `PATCH /api/v2/log-streams/lst_1 {"sink":` + sinkShown + `}`}},
		{"a format that grantd reads too", func(s *State) { s.Webhooks[0].ContentFormat = "JSONARRAY" }, nil},
		{"a default audience does as well", func(s *State) {
			s.Settings.ResourceProfile, s.Settings.DefaultAudience = dcr.ProfileAudience, testAudience
		}, nil},
		{"another format", func(s *State) { s.Webhooks[0].ContentFormat = "JSONOBJECT" }, []string{"log_stream:todo", `PATCH /api/v2/log-streams/lst_1 {"sink":` + sinkShown + `}`}},
		{"stopped", func(s *State) { s.Webhooks[0].Status = "paused" }, []string{"log_stream:todo", `PATCH /api/v2/log-streams/lst_1 {"status":"active"}`}},
		{"filters leave out, and keep what they had", func(s *State) { s.Webhooks[0].Filters = []string{"actions", "management.success"} }, []string{"log_stream:todo",
			`PATCH /api/v2/log-streams/lst_1 {"filters":[{"type":"category","name":"actions"},{"type":"category","name":"management.success"},{"type":"category","name":"auth.login.fail"},{"type":"category","name":"auth.token_exchange.success"}]}`}},
		{"no filters is everything", func(s *State) { s.Webhooks[0].Filters = nil }, nil},
	}
}

// permissive is a tenant that says that clients register as permissive ones, and
// a connection that is not domain-level.
func permissive(change func(*State)) func(*State) {
	return func(s *State) {
		s.Settings.RegistrationMode, s.Connections["google-oauth2"].DomainLevel = dcr.Permissive, false
		change(s)
	}
}

const (
	sinkShown     = `{"httpAuthorization":"[the webhook secret]","httpContentFormat":"JSONLINES","httpContentType":"application/json","httpEndpoint":"` + testStream + `"}`
	newStreamCall = `POST /api/v2/log-streams {"name":"grantd","type":"http","sink":` + sinkShown + `,"filters":[{"type":"category","name":"management.success"},{"type":"category","name":"auth.login.fail"},{"type":"category","name":"auth.token_exchange.success"}]}`
)

func TestPlan(t *testing.T) {
	for _, c := range situations() {
		t.Run(c.name, func(t *testing.T) {
			s := prepared()
			c.change(&s)
			var got []string
			for _, a := range Plan(s) {
				if a.Status == Is {
					if len(a.Calls) > 0 || a.do != nil {
						t.Errorf("%s is so and would be done", a.Kind)
					}
					continue
				}
				got = append(got, string(a.Kind)+":"+string(a.Status))
				for _, c := range a.Calls {
					got = append(got, c.String())
				}
				if a.Command != "" {
					got = append(got, a.Command)
				}
				if a.Title == "" || a.Why == "" {
					t.Errorf("%s says neither what it is nor why: %+v", a.Kind, a)
				}
				if (a.Status == Todo) != (a.do != nil) || a.Status == Person && a.Dashboard == "" {
					t.Errorf("%s can be done neither by grantd nor by a person", a.Kind)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// In a new tenant everything is to be done, in an order in which each can be, and
// what opens something says so.
func TestPlanOfNewTenant(t *testing.T) {
	s := State{Want: want(), Connections: map[string]*dcr.Connection{"google-oauth2": {ID: "con_1"}}}
	var kinds []string
	for _, a := range Plan(s) {
		kinds = append(kinds, string(a.Kind))
		opens := a.Kind == Registration || a.Kind == DomainLevel || a.Kind == Profile
		if (a.Opens != "") != opens {
			t.Errorf("%s opens %q", a.Kind, a.Opens)
		}
	}
	if got, want := strings.Join(kinds, " "), "env_file api application registration resource_parameter_profile connection_domain_level log_stream"; got != want {
		t.Errorf("got %s", got)
	}
}

// Whoever lost the env file is told of the application that is there.
func TestNamesake(t *testing.T) {
	s := prepared()
	s.ClientID, s.HasSecret, s.App, s.AppGrant = "", false, nil, nil
	for _, ids := range [][]string{nil, {"own", "other"}} {
		s.Namesakes = ids
		for _, a := range Plan(s) {
			if a.Kind == Application && strings.Contains(a.Why, "one of that name already, own: ") != (ids != nil) {
				t.Errorf("%q: %s", ids, a.Why)
			}
		}
	}
}

// A line of the env file says of a secret whether it was made up here.
func TestSecretsOfTheEnvFile(t *testing.T) {
	s := prepared()
	s.File.Misses = []Line{
		{Name: "MGMT_CLIENT_SECRET", Value: "the-management-secret", Secret: true},
		{Name: "LOG_WEBHOOK_SECRET", Secret: true, Generated: true},
		{Name: "OAUTH_AUDIENCE", Value: "https://x.example"},
	}
	want := "MGMT_CLIENT_SECRET=[as given]\nLOG_WEBHOOK_SECRET=[generated]\nOAUTH_AUDIENCE=https://x.example"
	if got := Plan(s)[0].Writes; got != want {
		t.Errorf("%s", got)
	}
}

// No call is ever planned that writes the scopes of an API that is there, and
// what a person has to do comes last.
func TestAPIScopesAreNeverWritten(t *testing.T) {
	for _, c := range situations() {
		s := prepared()
		s.Scopes = append(s.Scopes, "more:scopes")
		c.change(&s)
		person := false
		for _, a := range Plan(s) {
			person = person || a.Status == Person
			if person && a.Status != Person {
				t.Errorf("%s: %s comes after what a person has to do", c.name, a.Kind)
			}
			for _, call := range a.Calls {
				if text := call.String(); strings.HasPrefix(text, "PATCH /api/v2/resource-servers") && strings.Contains(text, "scope") {
					t.Errorf("%s: %s", c.name, text)
				}
			}
		}
	}
}

// Every scope that an action asks of the person's token is among those that help
// lists.
func TestScopesAreListed(t *testing.T) {
	for _, c := range situations() {
		s := prepared()
		c.change(&s)
		for _, a := range Plan(s) {
			if len(a.Calls) > 0 && len(a.Scopes) == 0 {
				t.Errorf("%s: %s names no scopes", c.name, a.Kind)
			}
			for _, scope := range a.Scopes {
				if !slices.Contains(AllScopes(), scope) {
					t.Errorf("%s: %s", c.name, scope)
				}
			}
		}
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "a b": "'a b'", "it's $x": `'it'\''s $x'`} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
	for in, want := range map[string]string{"": "''", "/etc/grantd/grantd.env": "/etc/grantd/grantd.env", "my $file": "'my $file'", "~x": "'~x'"} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}
