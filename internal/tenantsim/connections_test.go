package tenantsim_test

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

type member struct {
	ClientID string `json:"client_id"`
	Status   bool   `json:"status"`
}

func TestConnectionList(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	a.tenant.AddConnection("github", true)
	if got := array(t, a.want(200, "GET", "/api/v2/connections?name=github", nil)); len(got) != 1 || got[0]["is_domain_connection"] != true {
		t.Errorf("by name: %v", got)
	}
	if got := array(t, a.want(200, "GET", "/api/v2/connections?name=GitHub", nil)); len(got) != 0 {
		t.Errorf("a name is matched exactly, got %v", got)
	}
	if got := object(t, a.want(200, "GET", "/api/v2/connections?take=1", nil)); len(got["connections"].([]any)) != 1 || got["next"] == nil {
		t.Errorf("by cursor: %v", got)
	}
	if got := array(t, a.want(200, "GET", "/api/v2/connections?strategy=github&strategy=x", nil)); len(got) != 1 {
		t.Errorf("by strategy: %v", got)
	}
	got := array(t, a.want(200, "GET", "/api/v2/connections?name=github&fields=strategy,name", nil))[0]
	for _, name := range []string{"id", "strategy", "name", "is_domain_connection", "authentication", "connected_accounts"} {
		if got[name] == nil {
			t.Errorf("fields left %s out: %v", name, got)
		}
	}
	if got["options"] != nil {
		t.Error("fields left options in")
	}
	a.refused(404, "inexistent_connection", "GET", "/api/v2/connections/con_nobody", nil)
}

// A PATCH of the level alone changes the level alone; of anything else it
// resets what it leaves out.
func TestConnectionPatch(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	type m = map[string]any
	made := object(t, a.want(201, "POST", "/api/v2/connections", m{
		"name": "users", "strategy": "auth0", "display_name": "Our users", "options": m{"password_options": m{"complexity": 1}}, "realms": []string{"r"},
	}))
	path := "/api/v2/connections/" + made["id"].(string)
	want := maps.Clone(made)
	want["is_domain_connection"] = true
	if diff := cmp.Diff(want, object(t, a.want(200, "PATCH", path, m{"is_domain_connection": true}))); diff != "" {
		t.Errorf("the level alone (-want +got):\n%s", diff)
	}
	got := object(t, a.want(200, "PATCH", path, m{"options": m{"brute_force_protection": false}}))
	options := got["options"].(m)
	if options["password_options"] != nil || options["brute_force_protection"] != false || options["mfa"] == nil {
		t.Errorf("options are not replaced: %v", options)
	}
	if got["display_name"] != nil || !cmp.Equal(got["realms"], []any{"users"}) {
		t.Errorf("display name %v, realms %v", got["display_name"], got["realms"])
	}
	for _, body := range []m{{"name": "x"}, {"strategy": "x"}, {"foo": 1}, {"enabled_clients": []string{}}} {
		a.refused(400, "invalid_body", "PATCH", path, body)
	}
	a.refused(404, "inexistent_connection", "PATCH", "/api/v2/connections/con_nobody", m{"is_domain_connection": true})
	a.refused(409, "connection_conflict", "POST", "/api/v2/connections", m{"name": "users", "strategy": "auth0"})
	a.want(202, "DELETE", path, nil)
	a.refused(404, "inexistent_connection", "DELETE", path, nil)
}

func TestEnabledClientsQuirk(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Quirks: tenantsim.Quirks{EnabledClientsWritable: true}})
	x, y := a.tenant.AddClient(tenantsim.Client{FirstParty: true}), a.tenant.AddClient(tenantsim.Client{FirstParty: true})
	a.tenant.EnableConnection(google, x.ID)
	id := array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string)
	a.want(200, "PATCH", "/api/v2/connections/"+id, map[string]any{"enabled_clients": []string{y.ID}})
	if got := a.tenant.ConnectionClients(google); !cmp.Equal(got, []string{y.ID}) {
		t.Errorf("the list was not replaced: %v", got)
	}
}

func TestConnectionClients(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	id := array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string)
	path := "/api/v2/connections/" + id + "/clients"
	clients := addMany(a.tenant, 60)
	items := func(ids []string, status bool) []member {
		var out []member
		for _, id := range ids {
			out = append(out, member{id, status})
		}
		return out
	}
	a.refused(400, "invalid_body", "PATCH", path, items(clients[:51], true))
	a.refused(400, "invalid_body", "PATCH", path, []member{})
	a.refused(400, "invalid_body", "PATCH", path, map[string]any{"client_id": "x"})
	a.refused(400, "invalid_body", "PATCH", path, []any{map[string]any{"client_id": clients[0]}})
	a.refused(400, "invalid_body", "PATCH", path, []any{map[string]any{"client_id": clients[0], "status": true, "foo": 1}})
	if got := a.tenant.ConnectionClients(google); got != nil {
		t.Fatalf("refused calls enabled %v", got)
	}
	a.want(204, "PATCH", path, items(clients[:50], true))
	a.want(204, "PATCH", path, items(clients[50:], true))
	a.want(204, "PATCH", path, items(clients[50:], true)) // repeatable
	a.want(204, "PATCH", path, items(clients[:1], false))
	if diff := cmp.Diff(clients[1:], a.tenant.ConnectionClients(google)); diff != "" {
		t.Errorf("others were touched (-want +got):\n%s", diff)
	}
	first := object(t, a.want(200, "GET", path, nil))
	if n := len(first["clients"].([]any)); n != 50 || first["next"] == nil {
		t.Errorf("default page has %d, next %v", n, first["next"])
	}
	rest := object(t, a.want(200, "GET", path+"?take=100&from="+url.QueryEscape(first["next"].(string)), nil))
	if n := len(rest["clients"].([]any)); n != 9 || rest["next"] != nil {
		t.Errorf("the rest is %d, next %v", n, rest["next"])
	}
	reverse := object(t, a.want(200, "GET", "/api/v2/clients/"+clients[5]+"/connections", nil))
	if got := reverse["connections"].([]any); len(got) != 1 || got[0].(map[string]any)["name"] != google {
		t.Errorf("reverse view: %v", reverse)
	}
	if got := object(t, a.want(200, "GET", "/api/v2/clients/"+clients[0]+"/connections?take=50", nil))["connections"].([]any); len(got) != 0 {
		t.Errorf("reverse view of a client that is off: %v", got)
	}
	a.refused(404, "inexistent_client", "GET", "/api/v2/clients/nobody/connections", nil)
	a.refused(404, "inexistent_connection", "PATCH", "/api/v2/connections/con_x/clients", items(clients[:1], true))
}

func TestMembershipQuirks(t *testing.T) {
	for _, mode := range []string{tenantsim.Strict, tenantsim.Permissive} {
		for _, fate := range []tenantsim.Membership{tenantsim.MemberKept, tenantsim.MemberDropped, tenantsim.MemberRefused} {
			a := newAPI(t, tenantsim.Options{})
			a.tenant.SetQuirks(func(q *tenantsim.Quirks) {
				if mode == tenantsim.Strict {
					q.StrictMembers = fate
				} else {
					q.PermissiveMembers = fate
				}
			})
			c := a.tenant.AddClient(tenantsim.Client{SecurityMode: mode})
			first := a.tenant.AddClient(tenantsim.Client{FirstParty: true})
			id := array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string)
			status, members := 204, []string{c.ID, first.ID}
			switch fate {
			case tenantsim.MemberDropped:
				members = []string{first.ID}
			case tenantsim.MemberRefused:
				status, members = 400, nil
			case tenantsim.MemberKept:
			}
			a.want(status, "PATCH", "/api/v2/connections/"+id+"/clients", []member{{c.ID, true}, {first.ID, true}})
			if diff := cmp.Diff(members, a.tenant.ConnectionClients(google)); diff != "" {
				t.Errorf("%s, %v (-want +got):\n%s", mode, fate, diff)
			}
		}
	}
}

// One unknown client spoils the whole call.
func TestUnknownMember(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	path := "/api/v2/connections/" + array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string) + "/clients"
	body := []member{{c.ID, true}, {"nobody", true}}
	a.refused(404, "inexistent_client", "PATCH", path, body)
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.UnknownMember = http.StatusBadRequest })
	a.refused(400, "invalid_body", "PATCH", path, body)
	if got := a.tenant.ConnectionClients(google); got != nil {
		t.Errorf("enabled %v", got)
	}
}

// What Auth0 calls the switch in its log is not known.
func TestMembersDescription(t *testing.T) {
	for quirk, want := range map[string]string{"": "Update Connection Clients", "Enable clients": "Enable clients"} {
		a := newAPI(t, tenantsim.Options{Quirks: tenantsim.Quirks{MembersDescription: quirk}})
		c := a.tenant.AddClient(tenantsim.Client{})
		id := array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string)
		a.want(204, "PATCH", "/api/v2/connections/"+id+"/clients", []member{{c.ID, true}})
		entries := a.tenant.Logs()
		if got := text(t, entries[len(entries)-1], "description"); got != want {
			t.Errorf("described as %q, want %q", got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	const path = "/api/v2/tenants/settings"
	type m = map[string]any
	got := object(t, a.want(200, "GET", path, nil))
	if _, set := got["dynamic_client_registration_security_mode"]; set || got["resource_parameter_profile"] != "audience" || got["sandbox_versions_available"] == nil {
		t.Errorf("fresh settings: %v", got)
	}
	got = object(t, a.want(200, "PATCH", path, m{
		"dynamic_client_registration_security_mode": "permissive", "resource_parameter_profile": "compatibility",
		"flags": m{"enable_dynamic_client_registration": false},
	}))
	flags := got["flags"].(m)
	if flags["enable_dynamic_client_registration"] != false || flags["enable_sso"] != true || flags["enforce_client_authentication_on_passwordless_start"] == nil {
		t.Errorf("flags do not merge: %v", flags)
	}
	if _, err := a.tenant.Register(tenantsim.ChatGPT("x")); err == nil {
		t.Error("registered while it is off")
	}
	a.want(200, "PATCH", path, m{"flags": m{"enable_dynamic_client_registration": true}})
	if c, err := a.tenant.Register(tenantsim.ChatGPT("x")); err != nil || c.SecurityMode != tenantsim.Permissive {
		t.Errorf("%+v, %v", c, err)
	}
	if got := object(t, a.want(200, "GET", path, nil)); got["dynamic_client_registration_security_mode"] != "permissive" {
		t.Errorf("GET: %v", got)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.SecurityModeHidden = true })
	if got := object(t, a.want(200, "GET", path, nil)); got["dynamic_client_registration_security_mode"] != nil {
		t.Errorf("GET shows the mode: %v", got)
	}
	for _, body := range []m{{"foo": 1}, {"flags": 1}, {"flags": m{"x": "y"}}, {"resource_parameter_profile": "x"}, {"dynamic_client_registration_security_mode": "lax"}} {
		a.refused(400, "invalid_body", "PATCH", path, body)
	}
}

// New first-party applications get every connection where the flag says so.
func TestClientConnectionsFlag(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	for _, on := range []bool{false, true} {
		a.want(200, "PATCH", "/api/v2/tenants/settings", map[string]any{"flags": map[string]bool{"enable_client_connections": on}})
		a.want(201, "POST", "/api/v2/clients", map[string]any{"name": "web"})
		if got := len(a.tenant.ConnectionClients(google)) == 1; got != on {
			t.Errorf("flag %v: enabled %v", on, got)
		}
	}
}

func TestDiscovery(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Domain: "t.eu.auth0.com", DCR: tenantsim.DCROff})
	a.token = ""
	doc := object(t, a.want(200, "GET", "/.well-known/openid-configuration", nil))
	if doc["issuer"] != "https://t.eu.auth0.com/" || doc["registration_endpoint"] != "https://t.eu.auth0.com/oidc/register" {
		t.Errorf("%v", doc)
	}
	if other := object(t, a.want(200, "GET", "/.well-known/oauth-authorization-server", nil)); !cmp.Equal(doc, other) {
		t.Error("the two documents differ")
	}
	methods := func() []any {
		return object(t, a.want(200, "GET", "/.well-known/openid-configuration", nil))["token_endpoint_auth_methods_supported"].([]any)
	}
	before := len(methods())
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.NoneAdvertised = true })
	if len(methods()) != before+1 {
		t.Error("none is not advertised")
	}
	if keys := object(t, a.want(200, "GET", "/.well-known/jwks.json", nil))["keys"].([]any); len(keys) != 1 {
		t.Errorf("keys: %v", keys)
	}
	a.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/tenants/settings", map[string]any{"client_id_metadata_document_supported": true})
	if doc := object(t, a.want(200, "GET", "/.well-known/openid-configuration", nil)); doc["client_id_metadata_document_supported"] != true {
		t.Error("CIMD is not advertised")
	}
	if n := len(a.tenant.Calls()); n != 0 {
		t.Errorf("%d Management API calls", n)
	}
}
