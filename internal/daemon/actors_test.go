package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"grantd/internal/tenantsim"
)

// actor is one kind of thing that happens to a tenant and its grantd. act does
// it and says what it did. A new kind is a new row; if eligible clients are to
// be left alone because of it, also a brake of the witness.
type actor struct {
	name   string
	weight int
	act    func(*model) string
	rough  bool // grantd may hear of it, or of other things, late or not at all, or need a sweep for it
}

// actors are all of them.
func actors() []actor {
	return []actor{
		{"register", 14, (*model).register, false},
		{"register hostile", 4, (*model).registerHostile, false},
		{"import", 3, (*model).importDocument, false},
		{"make application", 3, (*model).makeApplication, false},
		{"edit client", 14, (*model).editClient, false},
		{"switch off or on", 4, (*model).switchOff, false},
		{"edit what is ours", 6, (*model).undo, false},
		{"edit it while grantd is at it", 6, (*model).undoTwice, false},
		{"delete client", 3, (*model).deleteClient, false},
		{"edit grant", 8, (*model).editGrant, false},
		{"make grant", 5, (*model).makeGrant, false},
		{"edit connection", 4, (*model).editConnection, true},
		{"edit members", 4, (*model).editMembers, true},
		{"edit API", 4, (*model).editAPI, true},
		{"edit tenant", 1, (*model).editTenant, true},
		{"log in", 8, (*model).login, false},
		{"forge", 10, (*model).forge, false},
		{"faults", 5, (*model).faults, true},
		{"log trouble", 5, (*model).logTrouble, true},
		{"permissions", 2, (*model).permission, true},
		{"restart", 2, (*model).restart, true},
		{"reload", 4, (*model).reload, true},
		{"command", 2, (*model).command, false},
		{"time", 30, (*model).pass, false},
	}
}

// mostClients bounds a tenant: beyond, clients are deleted instead of made.
const mostClients = 30

func (m *model) full() bool { return len(m.tenant.Clients()) >= mostClients }

// callbackOf is a callback that the entry allows, or a hostile one for "".
func (m *model) callbackOf(entry string) string {
	known := catalogue()
	var found []string
	for _, uri := range slices.Sorted(maps.Keys(known)) {
		if known[uri] == entry {
			found = append(found, uri)
		}
	}
	return choose(m, found...)
}

func entries() []string {
	return []string{"chatgpt", "chatgpt", "chatgpt", "claude", "mcp-inspector", "http://localhost:*/cb", "https://exact.example.com/cb"}
}

func (m *model) goodCallbacks() []string {
	out := []string{m.callbackOf(choose(m, entries()...))}
	if m.rand.IntN(4) == 0 {
		out = append(out, m.callbackOf(choose(m, entries()...)))
	}
	return out
}

func (m *model) badCallbacks() []string {
	out := []string{m.callbackOf("")}
	if m.rand.IntN(2) == 0 { // beside one that is allowed, on either side
		out = append(out, m.callbackOf("chatgpt"))
		if m.rand.IntN(2) == 0 {
			slices.Reverse(out)
		}
	}
	return out
}

func (m *model) preexisting() {
	c := m.tenant.AddClient(tenantsim.Client{
		Name: "from before", Callbacks: []string{m.callbackOf("chatgpt")}, SecurityMode: choose(m, tenantsim.Strict, tenantsim.Permissive),
		GrantTypes: []string{"authorization_code"}, FirstPartyHidden: m.rand.IntN(4) == 0,
	})
	g := m.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: worldAPI, Scopes: choose(m, []string{"notes:read", "notes:share"}, []string{"notes:read"}, nil)})
	m.witness.foreign[g.ID], m.witness.unmade[c.ID] = true, true
	m.made++
}

func (m *model) register() string {
	if m.full() {
		return m.deleteClient()
	}
	reg := tenantsim.ChatGPT("x")
	reg.RedirectURIs = m.goodCallbacks()
	reg.TokenEndpointAuthMethod = choose(m, "none", "none", "client_secret_post", "")
	reg.GrantTypes = choose(m, []string{"authorization_code", "refresh_token"}, []string{"authorization_code"}, nil)
	reg.IP = fmt.Sprintf("20.161.%d.1", m.rand.IntN(6))
	c, err := m.tenant.Register(reg)
	m.made++
	return fmt.Sprintf("%s %v %v", c.ID, reg.RedirectURIs, err)
}

func (m *model) registerHostile() string {
	if m.full() {
		return m.deleteClient()
	}
	reg := tenantsim.ChatGPT("x")
	reg.RedirectURIs = m.badCallbacks()
	c, err := m.tenant.Register(reg)
	m.made++
	return fmt.Sprintf("%s %v %v", c.ID, reg.RedirectURIs, err)
}

func (m *model) importDocument() string {
	if m.full() {
		return m.deleteClient()
	}
	doc := fmt.Sprintf("https://app%d.example/client.json", m.rand.IntN(4))
	callbacks := m.goodCallbacks()
	if m.rand.IntN(3) == 0 {
		callbacks = m.badCallbacks()
	}
	m.tenant.SetDocument(doc, tenantsim.Document{ClientName: "App", RedirectURIs: callbacks, GrantTypes: choose(m, nil, []string{"authorization_code", "refresh_token"})})
	m.made++
	return m.as(tenantsim.Admin(), "POST", "/clients/cimd/register", map[string]any{"external_client_id": doc}) + fmt.Sprint(callbacks)
}

// makeApplication makes what grantd must never touch, with callbacks that it
// would like.
func (m *model) makeApplication() string {
	if m.full() {
		return m.deleteClient()
	}
	m.made++
	switch m.rand.IntN(4) {
	case 0:
		return m.as(tenantsim.Admin(), "POST", "/clients", map[string]any{"name": "M2M", "app_type": "non_interactive", "grant_types": []string{"client_credentials"}, "callbacks": m.goodCallbacks()})
	case 1:
		return m.as(tenantsim.Admin(), "POST", "/clients", map[string]any{
			"name": "Third-party M2M", "is_first_party": false, "app_type": choose(m, "regular_web", "non_interactive"),
			"grant_types": []string{"client_credentials", "authorization_code"}, "callbacks": m.goodCallbacks(),
		})
	case 2:
		c := m.tenant.AddClient(tenantsim.Client{Name: "Whose", Callbacks: m.goodCallbacks(), FirstPartyHidden: true, GrantTypes: []string{"authorization_code"}})
		return "does not say whose it is: " + c.ID
	}
	return m.as(tenantsim.Admin(), "POST", "/clients", map[string]any{"name": "Our app", "app_type": "spa", "callbacks": m.goodCallbacks(), "grant_types": []string{"authorization_code"}})
}

// editClient is an admin or another program that edits a client.
func (m *model) editClient() string {
	c, ok := m.pick(anyClient)
	if !ok {
		return "none"
	}
	who := choose(m, tenantsim.Admin(), tenantsim.App("TerraformM2M0000000000000000000"))
	return m.as(who, "PATCH", "/clients/"+c.ID, choose(m,
		map[string]any{"callbacks": m.goodCallbacks()},
		map[string]any{"callbacks": m.goodCallbacks()},
		map[string]any{"callbacks": m.badCallbacks()},
		map[string]any{"callbacks": []string{}},
		map[string]any{"app_type": choose(m, "spa", "native", "regular_web")},
		map[string]any{"app_type": "non_interactive"},
		map[string]any{"grant_types": []string{"authorization_code", "client_credentials"}},
		map[string]any{"grant_types": []string{"authorization_code", "refresh_token"}},
		map[string]any{"token_endpoint_auth_method": choose(m, "none", "client_secret_post")},
		map[string]any{"name": "Renamed", "description": "by somebody"},
		map[string]any{"client_metadata": map[string]any{"team": "a"}},
		map[string]any{"is_first_party": true},
	))
}

// undo changes what grantd makes, on a client it made.
func (m *model) undo() string {
	c, ok := m.pick(func(c seenClient) bool { return m.rules.refusal(c) == "" })
	if !ok {
		return "none"
	}
	return m.as(tenantsim.Admin(), "PATCH", "/clients/"+c.ID, choose(m,
		map[string]any{"app_type": "spa"}, map[string]any{"grant_types": []string{"authorization_code"}},
		map[string]any{"token_endpoint_auth_method": "client_secret_basic"},
	))
}

// undoTwice edits a client, and again before grantd is done with the first.
func (m *model) undoTwice() string {
	c, ok := m.pick(func(c seenClient) bool { return m.rules.refusal(c) == "" && c.Document == "" })
	if !ok {
		return "none"
	}
	first := m.as(tenantsim.Admin(), "PATCH", "/clients/"+c.ID, map[string]any{"app_type": "spa"})
	time.Sleep(choose(m, 30*time.Millisecond, 150*time.Millisecond, 3*time.Second))
	return first + ", " + m.as(tenantsim.Admin(), "PATCH", "/clients/"+c.ID, choose(m,
		map[string]any{"grant_types": []string{"authorization_code"}}, map[string]any{"callbacks": m.badCallbacks()},
		map[string]any{"grant_types": []string{"authorization_code", "client_credentials"}}, map[string]any{"is_first_party": true},
	))
}

func (m *model) deleteClient() string {
	c, ok := m.pick(anyClient)
	if !ok {
		return "none"
	}
	if m.gone = append(m.gone, c.ID); len(m.gone) > 20 {
		m.gone = m.gone[1:]
	}
	return m.as(tenantsim.Admin(), "DELETE", "/clients/"+c.ID, nil)
}

func (m *model) someGrant() (seenGrant, bool) {
	has := func(c seenClient) bool { _, ok := m.tenant.UserGrant(c.ID, worldAPI); return ok }
	c, ok := m.pick(has)
	if !ok {
		return seenGrant{}, false
	}
	g, _ := m.tenant.UserGrant(c.ID, worldAPI)
	return seenGrant{ID: g.ID, ClientID: c.ID}, true
}

func (m *model) scopes() []string {
	var out []string
	for _, s := range []string{"notes:read", "notes:write", "notes:share"} {
		if m.rand.IntN(2) == 0 {
			out = append(out, s)
		}
	}
	return out
}

func (m *model) editGrant() string {
	g, ok := m.someGrant()
	if !ok {
		return "none"
	}
	who := choose(m, tenantsim.Admin(), tenantsim.App("TerraformM2M0000000000000000000"))
	if m.rand.IntN(3) == 0 {
		return m.as(who, "DELETE", "/client-grants/"+g.ID, nil)
	}
	scope := m.scopes()
	if scope == nil {
		scope = []string{}
	}
	return m.as(who, "PATCH", "/client-grants/"+g.ID, choose(m, map[string]any{"scope": scope}, map[string]any{"scope": scope}, map[string]any{"allow_all_scopes": true}))
}

// makeGrant makes grants that are none of grantd's business, and sometimes the
// very one it would make.
func (m *model) makeGrant() string {
	c, ok := m.pick(anyClient)
	if !ok {
		return "none"
	}
	scope := m.scopes()
	if scope == nil {
		scope = []string{}
	}
	return m.as(tenantsim.Admin(), "POST", "/client-grants", map[string]any{
		"client_id": c.ID, "audience": choose(m, worldAPI, worldAPI, "https://other.example.com/"),
		"subject_type": choose(m, "user", "client"), "scope": scope,
	})
}

func (m *model) connectionID(name string) string {
	id, _ := m.tenant.ConnectionID(name)
	return id
}

func (m *model) editConnection() string {
	name := choose(m, "google-oauth2", "google-oauth2", "backup", "staff")
	id := m.connectionID(name)
	switch {
	case id == "":
		return m.as(tenantsim.Admin(), "POST", "/connections", map[string]any{"name": name, "strategy": "google-oauth2", "is_domain_connection": m.rand.IntN(2) == 0})
	case m.rand.IntN(8) == 0:
		return m.as(tenantsim.Admin(), "DELETE", "/connections/"+id, nil)
	}
	return m.as(tenantsim.Admin(), "PATCH", "/connections/"+id, choose(m,
		map[string]any{"is_domain_connection": true}, map[string]any{"is_domain_connection": true},
		map[string]any{"is_domain_connection": false}, map[string]any{"options": map[string]any{"scope": []string{"email"}}},
	))
}

func (m *model) editMembers() string {
	c, ok := m.pick(anyClient)
	id := m.connectionID(choose(m, "google-oauth2", "google-oauth2", "staff"))
	if !ok || id == "" {
		return "none"
	}
	return m.as(tenantsim.Admin(), "PATCH", "/connections/"+id+"/clients", []map[string]any{{"client_id": c.ID, "status": m.rand.IntN(3) == 0}})
}

func (m *model) editAPI() string {
	if _, ok := m.tenant.APIScopes(worldAPI); !ok {
		return m.as(tenantsim.Admin(), "POST", "/resource-servers", map[string]any{"identifier": worldAPI, "name": "MCP", "scopes": definitions("notes:read", "notes:write", "notes:share")})
	}
	const path = "/resource-servers/https%3A%2F%2Fmcp.example.com%2Fmcp"
	if m.rand.IntN(5) == 0 {
		return m.as(tenantsim.Admin(), "DELETE", path, nil)
	}
	return m.as(tenantsim.Admin(), "PATCH", path, choose(m,
		map[string]any{"scopes": definitions("notes:read", "notes:write", "notes:share")},
		map[string]any{"scopes": definitions("notes:read", "notes:share")},
		map[string]any{"name": "renamed"},
	))
}

func definitions(scopes ...string) []map[string]string {
	out := make([]map[string]string, len(scopes))
	for i, s := range scopes {
		out[i] = map[string]string{"value": s}
	}
	return out
}

func (m *model) editTenant() string {
	return m.as(tenantsim.Admin(), "PATCH", "/tenants/settings", map[string]any{
		"dynamic_client_registration_security_mode": choose(m, "strict", "permissive"),
		"client_id_metadata_document_supported":     true,
	})
}

func (m *model) login() string {
	c, ok := m.pick(third)
	if !ok {
		return "none"
	}
	_, err := m.tenant.Login(tenantsim.Login{ClientID: c.ID, Audience: worldAPI, Scopes: []string{"notes:read"}, Connection: "google-oauth2"})
	return fmt.Sprint(c.ID, " ", err)
}

// forge is somebody who has the webhook's secret and names whatever client.
func (m *model) forge() string {
	id := choose(m, bubbleApp, m.tenant.GlobalClient(), "tpc_of_another_tenant", "SomeClientOfAnotherTenant0000000",
		"../clients/"+bubbleApp, "a/b", "x%2f..%2f", "tpc_\u202e", strings.Repeat("A", 129), "", bubbleApp+"?fields=x")
	if c, ok := m.pick(anyClient); ok && m.rand.IntN(2) == 0 {
		id = c.ID
	}
	if len(m.gone) > 0 && m.rand.IntN(5) == 0 {
		id = choose(m, m.gone...)
	}
	return m.forged(id, choose(m, "/oidc/register", "/oidc/register", "/api/v2/clients/"+id, "/api/v2/client-grants", "/api/v2/clients"))
}

// forged delivers an entry that names a client.
func (m *model) forged(id, path string) string {
	m.forgeries++
	entry := map[string]any{"log_id": fmt.Sprintf("forged-%d-%d", m.seed, m.forgeries), "data": map[string]any{
		"type": choose(m, "sapi", "sapi", "sapi", "f", "seacft"), "description": choose(m, "Dynamic client registration", "Create a client", "Update a client", ""),
		"date": time.Now().UTC().Format(time.RFC3339Nano), "client_id": choose(m, id, bubbleApp), "ip": "198.51.100.66",
		"details": map[string]any{
			"request":  map[string]any{"method": choose(m, "post", "patch", "delete"), "path": path, "body": map[string]any{"client_id": id, "audience": worldAPI}},
			"response": map[string]any{"statusCode": 201, "body": map[string]any{"client_id": id, "is_first_party": false, "callbacks": []string{"https://chatgpt.com/connector/oauth/x"}, "redirect_uris": []string{"https://chatgpt.com/connector/oauth/x"}}},
			"qs":       map[string]any{"audience": worldAPI},
		},
	}}
	return fmt.Sprintf("%q %v: %d", id, path, m.post(string(mustJSON(entry))))
}
