package plan_test

import (
	stdcmp "cmp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

const (
	audience = "https://mcp.example.com/mcp"
	strictID = "tpc_bU3H7iEFPD3nVwc6a6yoa2"
	plainID  = "FSAHVFwCcW9nSs8O97U3eCEeXOUOC0cV"
)

func desired(edit ...func(*plan.Desired)) plan.Desired {
	d := plan.Desired{
		Audience: audience, Scopes: []string{"read:a", "write:a"}, ScopeMode: plan.Exact,
		Connections: []string{"google-oauth2"}, ConnectionLevel: plan.ClientLevel, Allowed: []string{"chatgpt"},
	}
	for _, e := range edit {
		e(&d)
	}
	return d
}

func additive(d *plan.Desired)    { d.ScopeMode = plan.Additive }
func domainLevel(d *plan.Desired) { d.ConnectionLevel = plan.DomainLevel }

// promotedClient is a client that is as it should be.
func promotedClient(id string) dcr.Client {
	c := dcr.Client{
		ID: id, AppType: "regular_web", TokenEndpointAuthMethod: "none",
		GrantTypes: []string{"refresh_token", "authorization_code"}, ThirdPartySecurityMode: dcr.Permissive,
	}
	if strings.HasPrefix(id, "tpc_") {
		c.ThirdPartySecurityMode = dcr.Strict
	}
	return c
}

func connection(name string, domain bool, e plan.Enabled) plan.Connection {
	return plan.Connection{Name: name, Connection: &dcr.Connection{ID: "con_" + name, Name: name, DomainLevel: domain}, Enabled: e}
}

func userGrant(scopes ...string) plan.Grant {
	return plan.Grant{Known: true, Grant: &dcr.Grant{
		ID: "cgr_1", ClientID: strictID, Audience: audience, SubjectType: dcr.SubjectUser, Scopes: scopes,
	}}
}

func allScopes() plan.Grant {
	g := userGrant()
	g.Grant.AllowAllScopes = true
	return g
}

func api(scopes ...string) plan.API {
	return plan.API{Known: true, API: &dcr.API{ID: "rs_1", Identifier: audience, Scopes: scopes}}
}

// settled is a strict client in the desired state.
func settled(edit ...func(*plan.Observed)) plan.Observed {
	o := plan.Observed{
		Client:      promotedClient(strictID),
		Grant:       userGrant("write:a", "read:a"),
		Connections: []plan.Connection{connection("google-oauth2", true, plan.NotAsked)},
		API:         api("read:a", "write:a", "other"),
	}
	for _, e := range edit {
		e(&o)
	}
	return o
}

func foreign(o *plan.Observed) { o.Foreign = true }
func unread(o *plan.Observed)  { o.Unread = true }
func unknown(d *plan.Desired)  { d.Scopes, d.ScopesUnknown = nil, true }

func client(edit func(*dcr.Client)) func(*plan.Observed) {
	return func(o *plan.Observed) { edit(&o.Client) }
}
func permissive(o *plan.Observed) { o.Client = promotedClient(plainID) }
func grant(g plan.Grant) func(*plan.Observed) {
	return func(o *plan.Observed) { o.Grant = g }
}
func conns(c ...plan.Connection) func(*plan.Observed) {
	return func(o *plan.Observed) { o.Connections = c }
}
func withAPI(a plan.API) func(*plan.Observed) {
	return func(o *plan.Observed) { o.API = a }
}

// lines shows a plan so that a case can be read: a line for each step, and one
// for each condition that does not simply hold.
func lines(p plan.Plan) []string {
	var out []string
	for _, s := range p.Steps() {
		l := string(s.Kind)
		switch s.Kind {
		case dcr.StepPromote:
			if s.Patch.AppType != nil {
				l += " app_type=" + *s.Patch.AppType
			}
			if s.Patch.TokenEndpointAuthMethod != nil {
				l += " auth=" + *s.Patch.TokenEndpointAuthMethod
			}
			if s.Patch.GrantTypes != nil {
				l += " grant_types=" + strings.Join(s.Patch.GrantTypes, ",")
			}
		case dcr.StepConnect, dcr.StepDomainLevel:
			l += " " + s.Connection.ID
		case dcr.StepGrant:
			l += " " + stdcmp.Or(s.Grant.ID, "new") + " " + s.Grant.SubjectType + " [" + strings.Join(s.Scopes, " ") + "]"
		}
		out = append(out, l)
	}
	for _, part := range []struct {
		name string
		plan.Part
	}{{"promoted", p.Promote}, {"connected", p.Connect}, {"granted", p.Grant}} {
		f := part.Result
		if f.Status && f.Reason == "" {
			continue
		}
		l := part.name
		if !f.Status {
			l += " not"
		}
		out = append(out, l+": "+string(f.Reason))
	}
	return out
}

const createGrant = "grant new user [read:a write:a]"

func TestCompute(t *testing.T) {
	unproven := "connected: per_client_unproven"
	notDomain := "connected not: connection_not_domain_level"
	tests := []struct {
		name string
		d    plan.Desired
		o    plan.Observed
		want []string
	}{
		{"all as desired", desired(), settled(), nil},
		{"fresh strict client", desired(), settled(grant(plan.Grant{}), client(func(c *dcr.Client) {
			c.AppType, c.GrantTypes = "", []string{"authorization_code"}
		})), []string{"promote app_type=regular_web grant_types=authorization_code,refresh_token", createGrant}},
		{"fresh permissive client", desired(), settled(permissive, grant(plan.Grant{}), conns(connection("google-oauth2", false, plan.NotAsked))),
			[]string{"connect con_google-oauth2", createGrant, unproven}},

		// The client itself.
		{"app type native", desired(), settled(client(func(c *dcr.Client) { c.AppType = "native" })), []string{"promote app_type=regular_web"}},
		{"confidential", desired(), settled(client(func(c *dcr.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })), []string{"promote auth=none"}},
		{"auth method absent", desired(), settled(client(func(c *dcr.Client) { c.TokenEndpointAuthMethod = "" })), []string{"promote auth=none"}},
		{"implicit taken away", desired(), settled(client(func(c *dcr.Client) {
			c.GrantTypes = []string{"authorization_code", "implicit", "refresh_token"}
		})), []string{"promote grant_types=authorization_code,refresh_token"}},
		{"no grant types", desired(), settled(client(func(c *dcr.Client) { c.GrantTypes = nil })), []string{"promote grant_types=authorization_code,refresh_token"}},
		{"grant types repeated", desired(), settled(client(func(c *dcr.Client) {
			c.GrantTypes = []string{"refresh_token", "authorization_code", "refresh_token"}
		})), nil},
		{"CIMD without refresh token", desired(), settled(client(func(c *dcr.Client) {
			c.ExternalClientID, c.AppType, c.GrantTypes = "https://a.example/c.json", "native", []string{"authorization_code"}
		})), []string{"promote grant_types=authorization_code,refresh_token"}},
		{"CIMD keeps what its document says", desired(), settled(client(func(c *dcr.Client) {
			c.ExternalClientID, c.AppType, c.TokenEndpointAuthMethod = "https://a.example/c.json", "native", "private_key_jwt"
			c.GrantTypes = []string{"implicit", "refresh_token"}
		})), nil},

		// Connections.
		{"strict, connection not domain-level", desired(), settled(conns(connection("google-oauth2", false, plan.NotAsked))), []string{notDomain}},
		{"strict, enabled for it alone", desired(), settled(conns(connection("google-oauth2", false, plan.Yes))), []string{notDomain}},
		{"strict by its id alone", desired(), settled(client(func(c *dcr.Client) { c.ThirdPartySecurityMode = "" }), conns(connection("google-oauth2", false, plan.No))), []string{notDomain}},
		{"strict by its mode alone", desired(), settled(permissive, client(func(c *dcr.Client) { c.ThirdPartySecurityMode = dcr.Strict }), conns(connection("google-oauth2", false, plan.No))), []string{notDomain}},
		{"strict, level domain", desired(domainLevel), settled(conns(connection("google-oauth2", false, plan.NotAsked))), []string{"domain_level con_google-oauth2"}},
		{"permissive, domain-level", desired(), settled(permissive), nil},
		{"permissive, enabled", desired(), settled(permissive, conns(connection("google-oauth2", false, plan.Yes))), []string{unproven}},
		{"permissive, not enabled", desired(), settled(permissive, conns(connection("google-oauth2", false, plan.No))), []string{"connect con_google-oauth2", unproven}},
		{"permissive, level domain", desired(domainLevel), settled(permissive, conns(connection("google-oauth2", false, plan.Yes))), []string{"domain_level con_google-oauth2"}},
		{"connection missing", desired(), settled(conns(plan.Connection{Name: "gone"})), []string{"connected not: connection_not_found"}},
		{"connection missing, level domain", desired(domainLevel), settled(conns(plan.Connection{Name: "gone"})), []string{"connected not: connection_not_found"}},
		{"several connections, each for itself", desired(), settled(permissive, conns(
			connection("a", true, plan.NotAsked), connection("b", false, plan.No), connection("c", false, plan.Yes), connection("d", false, plan.No))),
			[]string{"connect con_b", "connect con_d", unproven}},
		{"the worst connection stands for all", desired(), settled(permissive, conns(
			connection("a", true, plan.NotAsked), connection("b", false, plan.Yes), plan.Connection{Name: "gone"}, connection("d", false, plan.No))),
			[]string{"connect con_d", "connected not: connection_not_found"}},
		{"of two that fail the first is named", desired(), settled(conns(connection("a", false, plan.NotAsked), plan.Connection{Name: "gone"})), []string{notDomain}},
		{"no connections", desired(), settled(conns()), nil},

		// The grant.
		{"grant not asked for", desired(), settled(grant(plan.Grant{})), []string{createGrant}},
		{"no grant", desired(), settled(grant(plan.Grant{Known: true})), []string{createGrant}},
		{"grant too narrow", desired(), settled(grant(userGrant("read:a"))), []string{"grant cgr_1 user [read:a write:a]"}},
		{"grant empty", desired(), settled(grant(userGrant())), []string{"grant cgr_1 user [read:a write:a]"}},
		{"grant too wide, exact", desired(), settled(grant(userGrant("read:a", "write:a", "other"))), []string{"grant cgr_1 user [read:a write:a]"}},
		{"grant too wide, additive", desired(additive), settled(grant(userGrant("read:a", "write:a", "other"))), nil},
		{"grant of others, additive", desired(additive), settled(grant(userGrant("other", "read:a"))), []string{"grant cgr_1 user [other read:a write:a]"}},
		{"all scopes, exact", desired(), settled(grant(allScopes())), []string{"grant cgr_1 user [read:a write:a]"}},
		{"all scopes, additive", desired(additive), settled(grant(allScopes())), nil},
		{"no scopes desired, exact", desired(func(d *plan.Desired) { d.Scopes = nil }), settled(), []string{"grant cgr_1 user []"}},
		{"no scopes desired, all held, exact", desired(func(d *plan.Desired) { d.Scopes = nil }), settled(grant(allScopes())), []string{"grant cgr_1 user []"}},
		{"desired scopes repeated and unsorted", desired(func(d *plan.Desired) { d.Scopes = []string{"write:a", "read:a", "write:a"} }), settled(), nil},

		// What was there before grantd is widened, and not narrowed.
		{"foreign grant with more", desired(), settled(foreign, grant(userGrant("other", "read:a"))), []string{"grant cgr_1 user [other read:a write:a]", "granted: not_adopted"}},
		{"foreign grant with more, nothing missing", desired(), settled(foreign, grant(userGrant("other", "read:a", "write:a"))), []string{"granted: not_adopted"}},
		{"foreign grant with less", desired(), settled(foreign, grant(userGrant("read:a"))), []string{"grant cgr_1 user [read:a write:a]"}},
		{"foreign grant as desired", desired(), settled(foreign), nil},
		{"foreign grant of all scopes", desired(), settled(foreign, grant(allScopes())), []string{"granted: not_adopted"}},
		{"foreign grant with more, additive", desired(additive), settled(foreign, grant(userGrant("other", "read:a", "write:a"))), nil},
		{"foreign, and none there", desired(), settled(foreign, grant(plan.Grant{Known: true})), []string{createGrant}},

		// Scopes that nobody has told yet.
		{"scopes unknown", desired(unknown), settled(), []string{"granted not: scopes_unknown"}},
		{"scopes unknown, no grant", desired(unknown), settled(grant(plan.Grant{Known: true})), []string{"granted not: scopes_unknown"}},

		// A connection that Auth0 did not keep.
		{"enabled before, and not kept", desired(), settled(permissive, unread, conns(connection("a", false, plan.No))), []string{"connected not: connection_not_domain_level"}},
		{"enabled before, and kept", desired(), settled(permissive, unread, conns(connection("a", false, plan.Yes))), []string{unproven}},

		// What is known of the API.
		{"API may not be looked at", desired(), settled(withAPI(plan.API{}), grant(plan.Grant{})), []string{createGrant}},
		{"API missing", desired(), settled(withAPI(plan.API{Known: true}), grant(plan.Grant{})), []string{"granted not: api_not_found"}},
		{"API missing, the rest converges", desired(), settled(permissive, withAPI(plan.API{Known: true}), conns(connection("a", false, plan.No)), client(func(c *dcr.Client) { c.AppType = "spa" })),
			[]string{"promote app_type=regular_web", "connect con_a", unproven, "granted not: api_not_found"}},
		{"a scope undefined", desired(), settled(withAPI(api("read:a")), grant(plan.Grant{Known: true})), []string{"grant new user [read:a]", "granted: scopes_undefined"}},
		{"a scope undefined, grant as far as possible", desired(), settled(withAPI(api("read:a")), grant(userGrant("read:a"))), []string{"granted: scopes_undefined"}},
		{"a scope undefined, still granted, additive", desired(additive), settled(withAPI(api("read:a")), grant(userGrant("read:a", "write:a"))), []string{"granted: scopes_undefined"}},
		{"a scope undefined, still granted", desired(), settled(withAPI(api("read:a")), grant(userGrant("read:a", "write:a"))), []string{"granted: scopes_undefined"}},
		{"no scope defined any more", desired(), settled(withAPI(api()), grant(userGrant("read:a", "write:a"))), []string{"granted: scopes_undefined"}},
		{"a scope undefined, another to go", desired(), settled(withAPI(api("read:a")), grant(userGrant("read:a", "write:a", "x"))), []string{"grant cgr_1 user [read:a]", "granted: scopes_undefined"}},
		{"no scope defined", desired(), settled(withAPI(api()), grant(plan.Grant{Known: true})), []string{"grant new user []", "granted: scopes_undefined"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lines(plan.Compute(tt.d, tt.o))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// What is wrong has a message that names the thing, and where to mend it is said
// apart from it.
func TestMessages(t *testing.T) {
	tests := []struct {
		name string
		f    plan.Finding
		what string
		fix  []string
	}{
		{"not domain-level", plan.NotDomainLevel("corp"), `"corp"`, []string{"corp", "GRANTD_CONNECTION_LEVEL=domain", "Promote Connection to Domain Level"}},
		{"connection missing", plan.Compute(desired(), settled(conns(plan.Connection{Name: "gone"}))).Connect.Result, `"gone"`, []string{"GOOGLE_CONNECTION_NAME"}},
		{"unproven", plan.Compute(desired(), settled(permissive, conns(connection("corp", false, plan.Yes)))).Connect.Result, `"corp"`, []string{"domain level"}},
		{"API missing", plan.Compute(desired(), settled(withAPI(plan.API{Known: true}))).Grant.Result, audience, []string{"OAUTH_AUDIENCE"}},
		{"scopes undefined", plan.Compute(desired(), settled(withAPI(api()))).Grant.Result, "read:a, write:a", []string{"Permissions"}},
		{"grant from before", plan.Compute(desired(), settled(foreign, grant(userGrant("other:b", "read:a")))).Grant.Result, "other:b", []string{"--adopt"}},
		{"and undefined", plan.Compute(desired(), settled(foreign, grant(userGrant("other:b", "read:a")), withAPI(api()))).Grant.Result, "does not define", []string{"--adopt", "Permissions"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.f.Message, tt.what) {
				t.Errorf("message %q does not say %q", tt.f.Message, tt.what)
			}
			advice := tt.f.Reason.Advice(tt.f.Fix).String()
			for _, w := range tt.fix {
				if !strings.Contains(advice, w) || w != "corp" && strings.Contains(tt.f.Message, w) {
					t.Errorf("what to do about %q is %q, want %q", tt.f.Message, advice, w)
				}
			}
		})
	}
}

// A step that keeps scopes which are there must be made from a fresh look.
func TestReadsBefore(t *testing.T) {
	more := grant(userGrant("other"))
	tests := []struct {
		name string
		d    plan.Desired
		o    plan.Observed
		want bool
	}{
		{"exact", desired(), settled(more), false},
		{"additive", desired(additive), settled(more), true},
		{"additive, nothing to do", desired(additive), settled(), false},
		{"additive, to be created", desired(additive), settled(grant(plan.Grant{Known: true})), false},
		{"foreign", desired(), settled(more, foreign), true},
	}
	for _, tt := range tests {
		if got := plan.Compute(tt.d, tt.o).ReadsBefore(tt.d, tt.o); got != tt.want {
			t.Errorf("%s: ReadsBefore = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// ComputeGrant is the grant's part of Compute, whatever else there is.
func TestComputeGrant(t *testing.T) {
	for _, g := range []plan.Grant{{}, {Known: true}, userGrant("x"), allScopes()} {
		o := settled(grant(g))
		if diff := cmp.Diff(plan.Compute(desired(), o).Grant, plan.ComputeGrant(desired(), o)); diff != "" {
			t.Errorf("ComputeGrant differs (-Compute +ComputeGrant):\n%s", diff)
		}
	}
}

func TestPartHas(t *testing.T) {
	p := plan.Compute(desired(), settled(grant(plan.Grant{}))).Grant
	if !p.Has(dcr.StepGrant) || p.Has(dcr.StepPromote) {
		t.Errorf("Has: grant %v, promote %v", p.Has(dcr.StepGrant), p.Has(dcr.StepPromote))
	}
}
