package auth0_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// lookScopes are those with which everything of a tenant can be looked at.
const lookScopes = allScope + " read:log_streams read:tenant_settings read:rules read:hooks read:organizations"

func looking(t *testing.T, o tenantsim.Options) (*tenantsim.Tenant, *auth0.Client, string) {
	t.Helper()
	tenant, c, id := simulated(t, o)
	tenant.SetScopes("own", strings.Fields(lookScopes)...)
	return tenant, c, id
}

// What decides whether clients can register and people log in is read, one call
// each.
func TestReadsOfATenant(t *testing.T) {
	ctx := t.Context()
	tenant, c, id := looking(t, tenantsim.Options{})
	const document = "https://chatgpt.com/oauth/client.json"
	tenant.AddClient(tenantsim.Client{ID: "tpc_document", ExternalClientID: document})
	tenant.SetSetting("client_id_metadata_document_supported", "true")
	tenant.SetSetting("dynamic_client_registration_security_mode", `"strict"`)
	tenant.SetSetting("default_audience", `"https://mcp.example.com/mcp"`)
	tenant.AddRule("add claims", true)
	tenant.AddRule("off", false)
	tenant.AddHook("exchange", "credentials-exchange", true)
	tenant.AddHook("signup", "pre-user-registration", true)
	org := tenant.AddOrganization("acme", false)
	open := tenant.AddOrganization("open", true)
	own := tenant.AddGrant(tenantsim.Grant{DefaultFor: "third_party_clients", Audience: audience, SubjectType: "user", Scopes: []string{"a"}})
	tenant.AddGrant(tenantsim.Grant{DefaultFor: "third_party_clients", Audience: audience, SubjectType: "client", Scopes: []string{"a"}})
	tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"b"}})
	tenant.SetPolicy(audience, "user", "deny_all")
	tenant.SetAPI(audience, "signing_alg", `"HS256"`)
	tenant.SetAPI(audience, "enforce_policies", "true")
	tenant.SetConnectionActive("google-oauth2", false)

	tests := map[string]struct {
		call func() (any, error)
		want any
	}{
		"settings": {func() (any, error) { return c.TenantSettings(ctx) }, dcr.TenantSettings{
			DynamicRegistration: true, RegistrationMode: dcr.Strict, CIMD: true, ResourceProfile: dcr.ProfileAudience, DefaultAudience: audience,
		}},
		"API": {func() (any, error) {
			a, err := c.API(ctx, audience)
			a.ID = ""
			return a, err
		}, dcr.API{
			Name: audience, Identifier: audience, Scopes: []string{"a", "b"}, SigningAlg: "HS256", UserPolicy: dcr.DenyAll,
			AllowOfflineAccess: true, EnforcePolicies: true,
		}},
		"connection": {func() (any, error) {
			conn, err := c.Connection(ctx, "google-oauth2")
			conn.ID = ""
			return conn, err
		}, dcr.Connection{Name: "google-oauth2", Strategy: "google-oauth2", Inactive: true}},
		"rules": {func() (any, error) { return c.ActiveRules(ctx) }, []string{"add claims"}},
		"hooks": {func() (any, error) { return c.ActiveExchangeHooks(ctx) }, []string{"exchange"}},
		"organizations": {func() (any, error) {
			found, more, err := c.Organizations(ctx)
			if more {
				t.Error("more than these")
			}
			return found, err
		}, []auth0.Organization{{ID: org, Name: "acme"}, {ID: open, Name: "open", ThirdParty: true}}},
		"default grants": {func() (any, error) { return c.DefaultGrants(ctx, audience) }, []dcr.Grant{
			{ID: own.ID, Audience: audience, SubjectType: "user", Scopes: []string{"a"}},
		}},
		"clients":          {func() (any, error) { return c.ApplicationTotal(ctx) }, 3},
		"grants":           {func() (any, error) { return c.GrantTotal(ctx) }, 4},
		"a document":       {func() (any, error) { return c.Documented(ctx, document) }, true},
		"another document": {func() (any, error) { return c.Documented(ctx, document+"x") }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tenant.ResetCalls()
			got, err := tt.call()
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if n := len(tenant.Calls()); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// A tenant whose Rules and Hooks are gone has none of them active.
func TestScriptsGone(t *testing.T) {
	_, c, _ := looking(t, tenantsim.Options{Quirks: tenantsim.Quirks{ScriptsGone: true}})
	for _, list := range []func(context.Context) ([]string, error){c.ActiveRules, c.ActiveExchangeHooks} {
		if got, err := list(t.Context()); len(got) != 0 || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// Reads that are done without cost neither a call nor ever a token.
func TestReadsWithoutScope(t *testing.T) {
	ctx := t.Context()
	tenant, c, _ := simulated(t, tenantsim.Options{})
	if err := c.Renew(ctx); err != nil {
		t.Fatal(err)
	}
	for scope, call := range map[string]func() error{
		"read:tenant_settings": func() error { _, err := c.TenantSettings(ctx); return err },
		"read:rules":           func() error { _, err := c.ActiveRules(ctx); return err },
		"read:hooks":           func() error { _, err := c.ActiveExchangeHooks(ctx); return err },
		"read:organizations":   func() error { _, _, err := c.Organizations(ctx); return err },
	} {
		err := call()
		if reasonOf(err) != dcr.MissingScope || !strings.Contains(err.Error(), scope) {
			t.Errorf("%s: %v", scope, err)
		}
	}
	if n := len(tenant.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
	if !c.TokenStatus().NextTryAt.IsZero() {
		t.Error("another token will be asked for")
	}
}

// Garbage is an error and never a panic, and nothing of it is believed.
func TestReadsOfGarbage(t *testing.T) {
	for _, answer := range []string{`{}`, `null`, `[]`, `7`, `"x"`, `[null,7,"x",[]]`, `{"total":"x","clients":7}`, `{"flags":7}`, `{"total":-1,"clients":[],"client_grants":[]}`} {
		c := open(t, &stub{API: always(200, answer), scope: lookScopes})
		ctx := t.Context()
		_, err := c.TenantSettings(ctx)
		settings := fmt.Sprint(err)
		rules, _ := c.ActiveRules(ctx)
		orgs, _, _ := c.Organizations(ctx)
		grants, _ := c.DefaultGrants(ctx, audience)
		if len(rules)+len(orgs)+len(grants) > 0 {
			t.Errorf("%s: %v %v %v, settings %s", answer, rules, orgs, grants, settings)
		}
		if n, err := c.ApplicationTotal(ctx); err == nil {
			t.Errorf("%s: %d clients", answer, n)
		}
		if ok, _ := c.Documented(ctx, "https://a.example/c.json"); ok {
			t.Errorf("%s: registered", answer)
		}
	}
	if _, err := open(t, &stub{API: always(200, `{}`)}).DefaultGrants(t.Context(), ""); err == nil {
		t.Error("default grants of any API")
	}
}

// Secrets of a stream are told as sums only, whichever header holds them.
func TestLogStreamCredentials(t *testing.T) {
	sum := func(s string) [32]byte { return sha256.Sum256([]byte(s)) }
	tests := map[string]struct {
		sink string
		want [][32]byte
	}{
		"bare":          {`"httpAuthorization":"the-secret"`, [][32]byte{sum("the-secret")}},
		"bearer":        {`"httpAuthorization":"bearer  the-secret "`, [][32]byte{sum("the-secret")}},
		"other scheme":  {`"httpAuthorization":"Basic the-secret"`, [][32]byte{sum("Basic the-secret")}},
		"custom header": {`"httpCustomHeaders":[{"header":"x-webhook-secret","value":"Bearer the-secret"},{"header":"X-Other","value":"o"}]`, [][32]byte{sum("Bearer the-secret")}},
		"authorization": {`"httpCustomHeaders":[{"header":"authorization","value":"Bearer the-secret"}]`, [][32]byte{sum("the-secret")}},
		"none":          {`"httpAuthorization":null`, nil},
		"empty bearer":  {`"httpAuthorization":"Bearer "`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := `[{"id":"lst_1","type":"http","sink":{"httpContentFormat":"JSONARRAY",` + tt.sink + `},` +
				`"filters":[{"type":"category","name":"management.success"}],"pii_config":{"log_fields":["email"],"method":"mask"}}]`
			got, err := open(t, &stub{API: always(200, answer), scope: lookScopes}).LogStreams(t.Context())
			want := []dcr.LogStream{{
				ID: "lst_1", Type: "http", ContentFormat: "JSONARRAY", Filters: []string{"management.success"}, Masked: []string{"email"}, Credentials: tt.want,
			}}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// The tenant's clock is told by the answers there are.
func TestNoticed(t *testing.T) {
	tenant, c, id := looking(t, tenantsim.Options{Plan: tenantsim.Essentials})
	if n := c.Noticed(); n.SkewKnown {
		t.Errorf("before any answer: %+v", n)
	}
	tenant.SetClockSkew(-5 * time.Minute)
	if _, err := c.Client(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ApplicationTotal(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := c.Noticed()
	if off := (n.Skew + 5*time.Minute).Abs(); !n.SkewKnown || off > 2*time.Second {
		t.Errorf("skew %v", n.Skew)
	}
}

// A kept token serves, and no other is fetched for the asking.
func TestToken(t *testing.T) {
	tenant, c, _ := looking(t, tenantsim.Options{})
	for range 2 {
		s, err := c.Token(t.Context())
		if err != nil || !s.OK || !slices.Contains(s.Scopes, "read:rules") {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	if n := len(tenant.TokenRequests()); n != 1 {
		t.Errorf("%d token requests", n)
	}
}
