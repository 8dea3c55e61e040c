package daemon_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/explain"
	"grantd/internal/tenantsim"
)

const theAPI = "https://mcp.example.com/mcp"

// login is a user's try, which is to fail.
func login(id string) tenantsim.Login {
	return tenantsim.Login{ClientID: id, Audience: theAPI, Scopes: []string{"notes:read"}, Connection: "google-oauth2"}
}

// refusedLogin logs in, and wants it refused.
func refusedLogin(t *testing.T, tenant *tenantsim.Tenant, l tenantsim.Login) {
	t.Helper()
	if _, err := tenant.Login(l); err == nil {
		t.Fatal("the login works")
	}
}

// Each way in which a login can fail, made in a tenant that was in order, is
// told by its cause; and no story costs more than six calls or writes anything.
func TestExplainNamesTheCause(t *testing.T) {
	for name, tt := range map[string]struct {
		// breaks is done after everything was in order; it returns whom to
		// explain, or "" for the client.
		breaks func(t *testing.T, tenant *tenantsim.Tenant, id string) string
		code   explain.Code
		who    explain.Who
		says   string // among the evidence of the cause
	}{
		"in order": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			if _, err := tenant.Login(login(id)); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "", explain.Nobody, ""},
		"the grant was deleted": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			g, _ := tenant.UserGrant(id, theAPI)
			tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+g.ID, nil)
			refusedLogin(t, tenant, login(id))
			return ""
		}, explain.NoDaemon, explain.Person, "control socket"},
		"another audience": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			l := login(id)
			l.Audience += "/"
			refusedLogin(t, tenant, l)
			return ""
		}, explain.WrongAudience, explain.Person, "“Service not found: " + theAPI + "/”"},
		"deleted": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			tenant.DeleteClient(id)
			refusedLogin(t, tenant, login(id))
			return ""
		}, explain.ClientDeleted, explain.Person, "“Unknown client: "},
		"never was": {func(*testing.T, *tenantsim.Tenant, string) string { return "tpc_neverwas" },
			explain.ClientUnknown, explain.Person, "404"},
		"a document nobody registered": {func(t *testing.T, tenant *tenantsim.Tenant, _ string) string {
			const document = "https://chatgpt.com/oauth/client.json"
			refusedLogin(t, tenant, login(document))
			return document
		}, explain.DocumentUnknown, explain.Person, "“Unknown client: https://chatgpt.com/oauth/client.json”"},
		"another callback": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			l := login(id)
			l.RedirectURI = "https://chatgpt.com/connector/oauth/new"
			refusedLogin(t, tenant, l)
			return ""
		}, explain.CallbackMismatch, explain.Person, "https://chatgpt.com/connector/oauth/new"},
		"the connection was demoted": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			tenant.SetDomainLevel("google-oauth2", false)
			refusedLogin(t, tenant, login(id))
			return ""
		}, explain.NotDomainLevel, explain.Person, "“no connections enabled for the client”"},
		"no PKCE": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			l := login(id)
			l.NoPKCE = true
			refusedLogin(t, tenant, l)
			return ""
		}, explain.PKCEMissing, explain.Person, "code_challenge"},
		"a code used twice": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			if tenant.Exchange(tenantsim.Exchange{ClientID: id, CodeSpent: true}) == nil {
				t.Error("it works")
			}
			return ""
		}, explain.CodeInvalid, explain.Person, "(feacft): “Invalid authorization code”"},
		"another verifier": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			if tenant.Exchange(tenantsim.Exchange{ClientID: id, WrongVerifier: true}) == nil {
				t.Error("it works")
			}
			return ""
		}, explain.PKCEFailed, explain.Person, "code verifier"},
		"a refresh token used twice": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			if tenant.Refresh(tenantsim.Refresh{ClientID: id, Audience: theAPI, Spent: true}) == nil {
				t.Error("it works")
			}
			return ""
		}, explain.RefreshInvalid, explain.Person, "(fertft)"},
		"an organization": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			tenant.AddLog(tenantsim.Log{Type: "f", ClientID: id, Description: "invalid_request: parameter organization is invalid: org_kUlZkhnQWYKaYljn", UserName: "jane@example.com", IP: "203.0.113.8"})
			return ""
		}, explain.OrganizationBlocks, explain.Person, "org_kUlZkhnQWYKaYljn"},
		"a Rule": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			tenant.AddLog(tenantsim.Log{Type: "f", ClientID: id, Description: "Rules are not supported for third-party applications"})
			return ""
		}, explain.RulesActive, explain.Person, "Rules are not supported"},
		"a scope the API lost": {func(t *testing.T, tenant *tenantsim.Tenant, _ string) string {
			tenant.AddAPI(theAPI, "other:read")
			return ""
		}, explain.ScopesUndefined, explain.Person, "Auth0 now, granted"},
		"refused by the allow-list": {func(t *testing.T, tenant *tenantsim.Tenant, _ string) string {
			id := tenant.AddClient(tenantsim.Client{Callbacks: []string{"https://evil.example/cb"}}).ID
			refusedLogin(t, tenant, login(id))
			return id
		}, explain.CallbackRefused, explain.Person, `callback "https://evil.example/cb" (1 of 1)`},
		"a scope that was taken away": {func(_ *testing.T, tenant *tenantsim.Tenant, _ string) string {
			tenant.SetScopes("grantd", "read:logs")
			tenant.RevokeTokens()
			return ""
		}, explain.ScopeMissing, explain.Person, "The tenant (management_scope_missing): grantd's application lacks read:clients"},
		"first-party": {func(t *testing.T, tenant *tenantsim.Tenant, _ string) string {
			return tenant.AddClient(tenantsim.Client{FirstParty: true}).ID
		}, explain.Refused, explain.Nobody, "first-party"},
		"a denial that only quotes it": {func(t *testing.T, tenant *tenantsim.Tenant, id string) string {
			g, _ := tenant.UserGrant(id, theAPI)
			tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+g.ID, nil)
			tenant.AddLog(tenantsim.Log{Type: "f", Description: `Client "` + id + `" is not authorized to access resource server "` + theAPI + `"`})
			return ""
		}, explain.GrantMissing, explain.Grantd, "is not authorized"},
	} {
		t.Run(name, func(t *testing.T) {
			tenant, o := setup(t)
			id := fill(tenant, 1)[0]
			e := engine(t, o)
			if _, err := e.Sync(t.Context(), false, nobody); err != nil {
				t.Fatal(err)
			}
			if asked := tt.breaks(t, tenant, id); asked != "" {
				id = asked
			}
			tenant.ResetCalls()
			s, err := e.Explain(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(tenant.AllCalls()); n > 6+20 || len(tenant.Writes()) > 0 {
				t.Errorf("%d calls, %d writes", n, len(tenant.Writes()))
			}
			if tt.code == "" {
				if len(s.Causes) > 0 || s.Next.Who != tt.who {
					t.Errorf("%s\n%+v", s.Summary, s.Causes)
				}
				return
			}
			i := slices.IndexFunc(s.Causes, func(c explain.Cause) bool { return c.Code == tt.code })
			if i < 0 || s.Causes[i].Over || s.Causes[i].Who != tt.who || !strings.Contains(strings.Join(s.Causes[i].Evidence, "\n"), tt.says) {
				t.Fatalf("%s\n%+v", s.Summary, s.Causes)
			}
			if tt.who != explain.Grantd && (i != 0 || s.Next.Who != tt.who) {
				t.Errorf("not the first: %+v, next %+v", s.Causes, s.Next)
			}
		})
	}
}

// While the daemon runs it does what is missing, and the story says so.
func TestExplainWhileServing(t *testing.T) {
	tenant, o := setup(t)
	id := fill(tenant, 1)[0]
	d, stop := run(t, o)
	defer stop()
	eventually(t, "the client is ready", func() bool {
		s, err := d.Explain(t.Context(), id)
		return err == nil && s.Phase == dcr.Ready && s.Next.Who == explain.Nobody && len(s.History) == 2
	})
	tenant.Faults(func(r *http.Request) tenantsim.Fault { // or it would be mended at once
		if r.Method == http.MethodGet {
			return tenantsim.Fault{}
		}
		return tenantsim.Fault{Kind: tenantsim.InternalError}
	})
	g, _ := tenant.UserGrant(id, theAPI)
	tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+g.ID, nil)
	s, err := d.Explain(t.Context(), id)
	if err != nil || s.Next.Who == explain.Nobody || slices.ContainsFunc(s.Causes, func(c explain.Cause) bool { return c.Code == explain.NoDaemon }) {
		t.Errorf("%v %+v", err, s)
	}
}

// When Auth0 does not answer, the story is the ledger's, and says so.
func TestExplainWithoutAuth0(t *testing.T) {
	tenant, o := setup(t)
	id := fill(tenant, 1)[0]
	e := engine(t, o)
	if _, err := e.Sync(t.Context(), false, nobody); err != nil {
		t.Fatal(err)
	}
	tenant.OutageBy(tenantsim.InternalError)
	tenant.ResetCalls()
	s, err := e.Explain(t.Context(), id)
	if err != nil || s.Auth0 != explain.Unasked || s.Phase != dcr.Ready || len(s.Problems) != 1 || s.NeedsPerson() ||
		!strings.Contains(s.Summary, "Auth0 did not answer just now") {
		t.Errorf("%v %+v", err, s)
	}
	if n := len(tenant.AllCalls()); n != 1 {
		t.Errorf("%d calls to an Auth0 that does not answer", n)
	}
}

// Auth0 may not take what the search quotes; what names the client is found all
// the same.
func TestExplainWithoutQuoting(t *testing.T) {
	tenant, o := setup(t)
	id := fill(tenant, 1)[0]
	e := engine(t, o)
	if _, err := e.Sync(t.Context(), false, nobody); err != nil {
		t.Fatal(err)
	}
	tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if strings.Contains(r.URL.Query().Get("q"), "description") {
			return tenantsim.Fault{Kind: tenantsim.Conflict}
		}
		return tenantsim.Fault{}
	})
	l := login(id)
	l.NoPKCE = true
	refusedLogin(t, tenant, l)
	s, err := e.Explain(t.Context(), id)
	if err != nil || len(s.Denials) != 1 || s.Denials[0].Cause != explain.PKCEMissing || len(s.Problems) > 0 {
		t.Errorf("%v %+v %+v", err, s.Denials, s.Problems)
	}
}

// Tokens are counted by the month, and neither a story nor doctor needs a newer
// one because of scopes for looking that the application was never granted.
func TestNoTokenForWhatIsNotGranted(t *testing.T) {
	tenant, o := setup(t)
	id := fill(tenant, 1)[0]
	e := engine(t, o)
	if _, err := e.Sync(t.Context(), false, nobody); err != nil {
		t.Fatal(err)
	}
	before := len(tenant.TokenRequests())
	if _, err := e.Explain(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if n := len(tenant.TokenRequests()) - before; n > 0 {
		t.Errorf("%d tokens", n)
	}
	if _, err := e.Doctor(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(tenant.TokenRequests()) - before; n > 0 {
		t.Errorf("%d tokens for doctor", n)
	}
}
