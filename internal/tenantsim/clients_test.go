package tenantsim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

// refused holds a call to a refusal with this status and errorCode.
func (a *api) refused(status int, code, method, path string, body any) string {
	a.t.Helper()
	answer := a.want(status, method, path, body)
	if got := text(a.t, answer, "errorCode"); got != code {
		a.t.Errorf("%s %s: errorCode %q, want %q: %s", method, path, got, code, answer)
	}
	if got := text(a.t, answer, "error"); got != http.StatusText(status) {
		a.t.Errorf("%s %s: error %q", method, path, got)
	}
	return text(a.t, answer, "message")
}

func addMany(tenant *tenantsim.Tenant, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = tenant.AddClient(tenantsim.Client{Name: fmt.Sprintf("client %d", i), Callbacks: []string{"https://chatgpt.com/x"}}).ID
	}
	return ids
}

func clientIDs(items []any) []string {
	var out []string
	for _, item := range items {
		out = append(out, item.(map[string]any)["client_id"].(string))
	}
	return out
}

func TestClientListForms(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	ids := addMany(a.tenant, 5)
	const third = "/api/v2/clients?is_first_party=false"

	if got := len(array(t, a.want(200, "GET", third+"&per_page=3&page=1", nil))); got != 2 {
		t.Errorf("second page of three has %d clients", got)
	}
	page := object(t, a.want(200, "GET", third+"&include_totals=true&per_page=2", nil))
	if diff := cmp.Diff(map[string]any{"total": 5.0, "start": 0.0, "limit": 2.0, "clients": page["clients"]}, page); diff != "" {
		t.Error(diff)
	}
	if got := array(t, a.want(200, "GET", third+"&page=9", nil)); len(got) != 0 {
		t.Errorf("a page past the end has %d clients", len(got))
	}
	var walked []string
	path := third + "&take=2"
	for path != "" {
		m := object(t, a.want(200, "GET", path, nil))
		walked = append(walked, clientIDs(m["clients"].([]any))...)
		path = ""
		if next, ok := m["next"].(string); ok {
			path = third + "&take=2&from=" + url.QueryEscape(next)
		}
	}
	if diff := cmp.Diff(ids, walked); diff != "" {
		t.Errorf("by cursor (-want +got):\n%s", diff)
	}
}

// A cursor stays good when the row it points behind is deleted.
func TestCursorSurvivesDeletion(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	ids := addMany(a.tenant, 300)
	m := object(t, a.want(200, "GET", "/api/v2/clients?is_first_party=false&take=100", nil))
	for _, id := range ids[:200] {
		a.tenant.DeleteClient(id)
	}
	m = object(t, a.want(200, "GET", "/api/v2/clients?is_first_party=false&take=100&from="+url.QueryEscape(m["next"].(string)), nil))
	if got := clientIDs(m["clients"].([]any)); got[0] != ids[200] || len(got) != 100 || m["next"] != nil {
		t.Errorf("%d clients from %s, next %v", len(got), got[0], m["next"])
	}
}

func TestClientListRefusals(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	for _, q := range []string{"per_page=101", "take=101", "take=0", "per_page=x", "page=-1", "is_first_party=maybe"} {
		a.refused(400, "invalid_query_string", "GET", "/api/v2/clients?"+q, nil)
	}
	if m := a.refused(400, "invalid_paging", "GET", "/api/v2/clients?page=10&per_page=100", nil); !strings.Contains(m, "maximum of 1000 records") {
		t.Error(m)
	}
	a.refused(400, "invalid_paging", "GET", "/api/v2/clients?from=made-up", nil)
	a.want(200, "GET", "/api/v2/clients?page=9&per_page=100", nil)
}

func TestClientPagingQuirk(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Quirks: tenantsim.Quirks{ClientPaging: tenantsim.PagingRefused}})
	addMany(a.tenant, 60)
	a.refused(400, "invalid_query_string", "GET", "/api/v2/clients?take=10", nil)
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.ClientPaging = tenantsim.PagingIgnored })
	if got := len(array(t, a.want(200, "GET", "/api/v2/clients?take=10", nil))); got != 50 {
		t.Errorf("%d clients, want the first page of 50", got)
	}
}

func TestClientFilters(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	a.tenant.SetDocument("https://claude.ai/meta", tenantsim.Document{ClientName: "Claude", RedirectURIs: []string{"https://claude.ai/cb"}})
	cimd := text(t, a.want(201, "POST", "/api/v2/clients/cimd/register", map[string]string{"external_client_id": "https://claude.ai/meta"}), "client_id")
	count := func(q string) int { return len(array(t, a.want(200, "GET", "/api/v2/clients?"+q, nil))) }
	for q, want := range map[string]int{
		"":                                  3, // the application itself, CIMD, All Applications
		"is_global=true":                    1,
		"is_global=false":                   2,
		"is_first_party=true":               2,
		"is_first_party=false":              1,
		"app_type=native,spa":               1,
		"app_type=non_interactive":          1,
		"external_client_id=https://x.test": 0,
	} {
		if got := count(q); got != want {
			t.Errorf("%q: %d clients, want %d", q, got, want)
		}
	}
	if got := array(t, a.want(200, "GET", "/api/v2/clients?external_client_id=https://claude.ai/meta", nil)); got[0]["client_id"] != cimd {
		t.Errorf("found %v", got)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.GlobalHidden = true })
	if got := count(""); got != 2 {
		t.Errorf("%d clients without the global one, want 2", got)
	}
	if got := count("is_global=true"); got != 1 {
		t.Error("asked for, the global client is hidden too")
	}
}

// What a caller may see depends on its scopes, and seeing a secret is logged.
func TestClientVisibility(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{Name: "web", FirstParty: true})
	path := "/api/v2/clients/" + c.ID
	full := object(t, a.want(200, "GET", path, nil))
	if full["client_secret"] != nil || full["signing_keys"] != nil {
		t.Error("secrets without a scope for them")
	}
	if m := a.refused(403, "insufficient_scope", "GET", path+"?fields=client_secret", nil); !strings.Contains(m, "You cannot read the following fields: client_secret") {
		t.Error(m)
	}
	if got := object(t, a.want(200, "GET", path+"?fields=name,client_id", nil)); len(got) != 2 {
		t.Errorf("fields: %v", got)
	}
	if got := object(t, a.want(200, "GET", path+"?fields=name&include_fields=false", nil)); got["name"] != nil || got["client_id"] == nil {
		t.Errorf("without fields: %v", got)
	}
	reads := len(a.tenant.Logs())
	a.tenant.SetScopes(m2m, "read:client_keys")
	a.login()
	if got := object(t, a.want(200, "GET", path, nil)); got["client_secret"] == nil {
		t.Error("no secret with read:client_keys")
	}
	if logs := a.tenant.Logs(); len(logs) != reads+2 || text(t, logs[len(logs)-1], "type") != "mgmt_api_read" {
		t.Error("the read of a secret is not logged")
	}
	a.tenant.SetScopes(m2m, "read:client_summary")
	a.login()
	if got := object(t, a.want(200, "GET", path, nil)); len(got) != 2 || got["name"] == nil || got["client_id"] == nil {
		t.Errorf("a summary has %v", got)
	}
	a.tenant.SetScopes(m2m, "read:logs")
	a.login()
	if m := a.refused(403, "insufficient_scope", "GET", path, nil); m != "Insufficient scope, expected any of: read:clients,read:client_keys,read:client_credentials,read:client_summary" {
		t.Error(m)
	}
}

// The three kinds of clients come with the defaults of recorded ones.
func TestClientDefaults(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	create := func(body map[string]any) map[string]any {
		body["name"] = "x"
		return object(t, a.want(201, "POST", "/api/v2/clients", body))
	}
	strict := create(map[string]any{
		"is_first_party": false, "app_type": "regular_web", "callbacks": []string{"https://example.com/callback"},
		"token_endpoint_auth_method": "client_secret_post", "third_party_security_mode": "strict",
	})
	refresh := strict["refresh_token"].(map[string]any)
	if !strings.HasPrefix(strict["client_id"].(string), "tpc_") || strict["redirection_policy"] != "open_redirect_protection" ||
		strict["oidc_conformant"] != true || refresh["expiration_type"] != "expiring" || strict["client_secret"] == nil {
		t.Errorf("strict: %v", strict)
	}
	permissive := create(map[string]any{"is_first_party": false, "app_type": "spa", "token_endpoint_auth_method": "none", "third_party_security_mode": "permissive"})
	if id := permissive["client_id"].(string); len(id) != 32 || permissive["redirection_policy"] != nil || permissive["client_secret"] != nil ||
		permissive["jwt_configuration"].(map[string]any)["alg"] != nil {
		t.Errorf("permissive: %v", permissive)
	}
	first := create(map[string]any{})
	if first["third_party_security_mode"] != nil || first["is_first_party"] != true || first["created_at"] != nil {
		t.Errorf("first-party: %v", first)
	}
	a.refused(400, "invalid_body", "POST", "/api/v2/clients", map[string]any{"name": "x", "third_party_security_mode": "strict"})
	a.refused(400, "invalid_body", "POST", "/api/v2/clients", map[string]any{"app_type": "spa"})
	a.refused(400, "invalid_body", "POST", "/api/v2/clients", map[string]any{"name": "x", "is_first_party": false, "grant_types": []string{"implicit"}})
}

func TestClientPatch(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	a.tenant.SetDocument("https://claude.ai/meta", tenantsim.Document{ClientName: "Claude", RedirectURIs: []string{"https://claude.ai/cb"}})
	cimd := text(t, a.want(201, "POST", "/api/v2/clients/cimd/register", map[string]string{"external_client_id": "https://claude.ai/meta"}), "client_id")
	strict, err := a.tenant.Register(tenantsim.ChatGPT("x"))
	if err != nil {
		t.Fatal(err)
	}
	permissive := a.tenant.AddClient(tenantsim.Client{SecurityMode: tenantsim.Permissive, Callbacks: []string{"https://a.test/cb"}})
	first := a.tenant.AddClient(tenantsim.Client{FirstParty: true})
	type m = map[string]any
	expiring := m{"expiration_type": "expiring", "rotation_type": "rotating", "token_lifetime": 3600}
	tests := []struct {
		name string
		id   string
		body any
		want int
	}{
		{"promotion", strict.ID, m{"app_type": "regular_web", "grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none"}, 200},
		{"expiring refresh tokens", strict.ID, m{"refresh_token": expiring}, 200},
		{"lifetime and algorithm", strict.ID, m{"jwt_configuration": m{"lifetime_in_seconds": 7200, "alg": "RS256"}}, 200},
		{"unchanged immutables", strict.ID, m{"is_first_party": false, "third_party_security_mode": "strict", "oidc_conformant": true}, 200},
		{"first-party", strict.ID, m{"is_first_party": true}, 400},
		{"other mode", strict.ID, m{"third_party_security_mode": "permissive"}, 400},
		{"presence of sso", strict.ID, m{"sso": true}, 400},
		{"presence of require_pushed_authorization_requests", strict.ID, m{"require_pushed_authorization_requests": false}, 400},
		{"jwt scopes", strict.ID, m{"jwt_configuration": m{"scopes": m{}}}, 400},
		{"implicit grant", strict.ID, m{"grant_types": []string{"implicit"}}, 400},
		{"client credentials of a registered client", strict.ID, m{"grant_types": []string{"client_credentials"}}, 400},
		{"wildcard callback", strict.ID, m{"callbacks": []string{"https://*.example.com/cb"}}, 400},
		{"wildcard origin", strict.ID, m{"web_origins": []string{"https://*.example.com"}}, 400},
		{"endless refresh tokens", strict.ID, m{"refresh_token": m{"expiration_type": "non-expiring", "rotation_type": "rotating"}}, 400},
		{"infinite idle refresh tokens", strict.ID, m{"refresh_token": m{"expiration_type": "expiring", "infinite_idle_token_lifetime": true}}, 400},
		{"unknown app type", strict.ID, m{"app_type": "toaster"}, 400},
		{"unknown property", strict.ID, m{"foo": 1}, 400},
		{"wrong type", strict.ID, m{"name": 1}, 400},
		{"wrong element", strict.ID, m{"grant_types": []any{1}}, 400},
		{"no object", strict.ID, []int{1}, 400},
		{"no JSON", strict.ID, "{", 400},
		{"unknown client", "tpc_nobody", m{"name": "x"}, 404},
		{"CIMD grant types", cimd, m{"grant_types": []string{"authorization_code", "refresh_token"}, "oidc_conformant": true, "app_type": "native"}, 200},
		{"CIMD name", cimd, m{"name": "x"}, 400},
		{"CIMD callbacks", cimd, m{"callbacks": []string{"https://evil.test"}}, 400},
		{"CIMD authentication", cimd, m{"token_endpoint_auth_method": "none"}, 400},
		{"permissive wildcard", permissive.ID, m{"callbacks": []string{"https://*.a.test/cb"}}, 200},
		{"permissive sso", permissive.ID, m{"sso": true}, 200},
		{"permissive to first-party", permissive.ID, m{"is_first_party": true}, 400},
		{"permissive to strict", permissive.ID, m{"third_party_security_mode": "strict"}, 400},
		{"first-party to third", first.ID, m{"is_first_party": false}, 400},
		{"first-party endless refresh tokens", first.ID, m{"refresh_token": m{"expiration_type": "non-expiring"}}, 200},
		{"null clears", first.ID, m{"client_metadata": nil, "app_type": nil}, 200},
	}
	for name := range strings.FieldsSeq("callback_url_template signing_keys global tenant resource_server_identifier external_metadata_type external_metadata_created_by jwks_uri client_id") {
		tests = append(tests, struct {
			name string
			id   string
			body any
			want int
		}{"read-only " + name, first.ID, m{name: "x"}, 400})
	}
	tests = append(tests, struct {
		name string
		id   string
		body any
		want int
	}{"read-only secret_encoded", first.ID, m{"jwt_configuration": m{"secret_encoded": false}}, 400})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := a.tenant.Client(tt.id)
			status, body := a.send("PATCH", "/api/v2/clients/"+tt.id, tt.body)
			if status != tt.want {
				t.Fatalf("%d, want %d: %s", status, tt.want, body)
			}
			after, _ := a.tenant.Client(tt.id)
			if status >= 400 && !cmp.Equal(before, after, cmp.AllowUnexported(tenantsim.Client{})) {
				t.Error("a refused patch changed the client")
			}
		})
	}
	got, _ := a.tenant.Client(strict.ID)
	if got.AppType != "regular_web" || string(got.Extra["jwt_configuration"]) != `{"alg":"RS256","lifetime_in_seconds":7200,"secret_encoded":false}` {
		t.Errorf("patched: %+v %s", got, got.Extra["jwt_configuration"])
	}
	if body := a.want(200, "PATCH", "/api/v2/clients/"+cimd, m{"description": "d"}); object(t, body)["external_client_id"] != nil {
		t.Error("a PATCH answers external_client_id")
	}
	if body := a.want(200, "GET", "/api/v2/clients/"+cimd, nil); object(t, body)["external_metadata_type"] != "cimd" {
		t.Errorf("GET does not say what it is: %s", body)
	}
}

func TestImmutableQuirks(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Quirks: tenantsim.Quirks{FirstPartyConvertible: true, ImmutablesRefused: true}})
	strict := a.tenant.AddClient(tenantsim.Client{Callbacks: []string{"https://a.test/cb"}})
	permissive := a.tenant.AddClient(tenantsim.Client{SecurityMode: tenantsim.Permissive})
	a.refused(400, "invalid_body", "PATCH", "/api/v2/clients/"+strict.ID, map[string]any{"is_first_party": true})
	a.refused(400, "invalid_body", "PATCH", "/api/v2/clients/"+strict.ID, map[string]any{"is_first_party": false})
	a.refused(400, "invalid_body", "PATCH", "/api/v2/clients/"+strict.ID, map[string]any{"third_party_security_mode": "strict"})
	a.want(200, "PATCH", "/api/v2/clients/"+permissive.ID, map[string]any{"is_first_party": true})
	if c, _ := a.tenant.Client(permissive.ID); !c.FirstParty || c.SecurityMode != "" {
		t.Errorf("not converted: %+v", c)
	}
}

// Deleting a client takes its grants and memberships along.
func TestDeleteClient(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	a.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, Scopes: []string{"mcp:read"}})
	a.tenant.EnableConnection(google, c.ID)
	a.want(204, "DELETE", "/api/v2/clients/"+c.ID, nil)
	a.refused(404, "inexistent_client", "GET", "/api/v2/clients/"+c.ID, nil)
	if g, members := a.tenant.Grants(c.ID), a.tenant.ConnectionClients(google); len(g)+len(members) != 0 {
		t.Errorf("left behind: %v %v", g, members)
	}
	a.want(204, "DELETE", "/api/v2/clients/"+c.ID, nil)
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.DeleteUnknown = 404 })
	a.refused(404, "inexistent_client", "DELETE", "/api/v2/clients/"+c.ID, nil)
	a.refused(400, "operation_not_supported", "DELETE", "/api/v2/clients/"+a.tenant.GlobalClient(), nil)
}

func TestCIMD(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	const doc = "https://claude.ai/meta"
	body := map[string]string{"external_client_id": doc}
	a.refused(400, "invalid_request", "POST", "/api/v2/clients/cimd/preview", body)
	a.tenant.SetDocument(doc, tenantsim.Document{
		ClientName: "Claude", RedirectURIs: []string{"https://claude.ai/cb"}, LogoURI: "https://claude.ai/logo.png",
		GrantTypes: []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
	})
	preview := object(t, a.want(200, "POST", "/api/v2/clients/cimd/preview", body))
	if preview["client_id"] != nil || len(preview["validation"].(map[string]any)["warnings"].([]any)) != 1 {
		t.Errorf("preview: %v", preview)
	}
	if n := len(a.tenant.Clients()); n != 1 {
		t.Errorf("a preview made a client: %d", n)
	}
	id := text(t, a.want(201, "POST", "/api/v2/clients/cimd/register", body), "client_id")
	c, _ := a.tenant.Client(id)
	if !strings.HasPrefix(id, "tpc_") || c.AppType != "native" || c.SecurityMode != tenantsim.Strict || c.TokenEndpointAuthMethod != "none" {
		t.Errorf("%+v", c)
	}
	a.tenant.SetDocument(doc, tenantsim.Document{ClientName: "Claude 2", RedirectURIs: []string{"https://claude.ai/cb2"}})
	if again := text(t, a.want(200, "POST", "/api/v2/clients/cimd/register", body), "client_id"); again != id {
		t.Errorf("a second registration made %s", again)
	}
	if c, _ := a.tenant.Client(id); c.Name != "Claude 2" || c.Callbacks[0] != "https://claude.ai/cb2" {
		t.Errorf("not refreshed: %+v", c)
	}
	for _, bad := range []string{"http://a.test/x", "https://a.test/x?q=1", "https://u@a.test/", "https://localhost/x", "https://a.test/" + strings.Repeat("x", 120)} {
		a.refused(400, "invalid_body", "POST", "/api/v2/clients/cimd/register", map[string]string{"external_client_id": bad})
	}
}

func TestEntityLimits(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Plan: tenantsim.Free})
	addMany(a.tenant, 8)
	if _, err := a.tenant.Register(tenantsim.ChatGPT("10")); err != nil {
		t.Fatalf("the tenth application: %v", err)
	}
	_, err := a.tenant.Register(tenantsim.ChatGPT("11"))
	if fail, ok := errors.AsType[*tenantsim.Error](err); !ok || fail.Status != 403 || fail.Code != "too_many_entities" {
		t.Fatalf("the eleventh: %v", err)
	}
	status, body := a.tenant.Do(tenantsim.Admin(), "POST", "/api/v2/clients", map[string]any{"name": "x"})
	if status != 403 || !json.Valid(body) {
		t.Errorf("%d %s", status, body)
	}
}
