package tenantsim

import (
	"encoding/json"
	"slices"
	"strings"
)

// The letters of Auth0's ids.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func (t *Tenant) letters(n int) string { return t.random(n, alphabet) }

func (t *Tenant) hex(n int) string { return t.random(n, "0123456789abcdef") }

func (t *Tenant) random(n int, from string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[t.rand.IntN(len(from))]
	}
	return string(b)
}

// seed makes what every tenant has: the Management API, and the client that
// stands for all applications.
func (t *Tenant) seed() {
	a := t.insertAPI(t.Audience(), "Auth0 Management API")
	a.system, a.scopesSet = true, true
	seen := map[string]bool{}
	for _, r := range t.routes {
		for _, s := range r.scopes {
			if !seen[s] {
				seen[s] = true
				a.scopes = append(a.scopes, apiScope{Value: s})
			}
		}
	}
	t.insertClient(&Client{ID: t.letters(32), Name: "All Applications", FirstParty: true, Global: true})
}

// AddM2M adds a machine-to-machine application with a grant on the Management
// API, none of it logged.
func (t *Tenant) AddM2M(clientID, secret string, scopes ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets[clientID] = secret
	t.insertClient(&Client{
		ID: clientID, Name: clientID, AppType: "non_interactive", FirstParty: true,
		GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "client_secret_post",
	})
	t.insertGrant(&Grant{ClientID: clientID, Audience: t.Audience(), SubjectType: SubjectClient, Scopes: scopes})
}

// SetScopes changes the scopes of an application's grant on the Management API.
// A token issued before keeps its own.
func (t *Tenant) SetScopes(clientID string, scopes ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.grants.find(clientID, "", t.Audience(), SubjectClient); g != nil {
		g.Scopes = slices.Clone(scopes)
	}
}

// SetSecret changes an application's secret.
func (t *Tenant) SetSecret(clientID, secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets[clientID] = secret
}

// AddConnection adds a connection and returns its id.
func (t *Tenant) AddConnection(name string, domainLevel bool) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.insertConnection(name, name)
	c.domainLevel = domainLevel
	return c.id
}

// SetDomainLevel promotes or demotes a connection, without a log entry.
func (t *Tenant) SetDomainLevel(name string, domainLevel bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.connectionNamed(name); c != nil {
		c.domainLevel = domainLevel
	}
}

// EnableConnection enables a connection for clients, without a log entry.
func (t *Tenant) EnableConnection(name string, clientIDs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.connectionNamed(name); c != nil {
		for _, id := range clientIDs {
			c.enable(id)
		}
	}
}

// AddAPI adds a resource server, or replaces the scopes of the one that is
// there, without a log entry. It returns its id.
func (t *Tenant) AddAPI(identifier string, scopes ...string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apiNamed(identifier)
	if a == nil {
		a = t.insertAPI(identifier, identifier)
	}
	a.scopes, a.scopesSet = nil, len(scopes) > 0
	for _, s := range scopes {
		a.scopes = append(a.scopes, apiScope{Value: s, Description: s})
	}
	a.extra["allow_offline_access"] = json.RawMessage("true")
	return a.id
}

// SetPolicy sets an API's access policy for a subject type, SubjectUser or
// SubjectClient.
func (t *Tenant) SetPolicy(identifier, subject, policy string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.apiNamed(identifier); a != nil {
		a.policy[subject] = policy
	}
}

// AddClient adds a client that was there before, without a log entry. What it
// leaves out gets the default of its kind. The zero value becomes a strict
// third-party client. FirstParty makes it first-party.
func (t *Tenant) AddClient(c Client) Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	added := c.clone()
	if added.thirdParty() && added.SecurityMode == "" {
		added.SecurityMode = Strict
	}
	if added.Name == "" {
		added.Name = "client " + itoa(t.clients.len())
	}
	return t.insertClient(&added).clone()
}

// AddGrant adds a grant as it is, without checks or a log entry, and returns it
// with its id. An empty subject type is SubjectUser here.
func (t *Tenant) AddGrant(g Grant) Grant {
	t.mu.Lock()
	defer t.mu.Unlock()
	added := g.clone()
	if added.SubjectType == "" {
		added.SubjectType = SubjectUser
	}
	return t.insertGrant(&added).clone()
}

// DeleteClient deletes a client as a dashboard user would, with a log entry.
func (t *Tenant) DeleteClient(id string) bool {
	status, _ := t.Do(Admin(), "DELETE", "/api/v2/clients/"+id, nil)
	return status == 204
}

// Clients returns all applications in the order in which they came.
func (t *Tenant) Clients() []Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Client
	for c := range t.clients.all() {
		if !c.Global {
			out = append(out, c.clone())
		}
	}
	return out
}

// Client returns the client with an id.
func (t *Tenant) Client(id string) (Client, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.clients.get(id); c != nil {
		return c.clone(), true
	}
	return Client{}, false
}

// GlobalClient is the id of the client that stands for all applications.
func (t *Tenant) GlobalClient() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.clients.all() {
		if c.Global {
			return c.ID
		}
	}
	return ""
}

// Grants returns the grants of a client; "" stands for the default grants.
func (t *Tenant) Grants(clientID string) []Grant {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Grant
	for _, g := range t.grants.of(clientID) {
		out = append(out, g.clone())
	}
	return out
}

// UserGrant returns the grant that serves a client's logins at an API.
func (t *Tenant) UserGrant(clientID, audience string) (Grant, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.grants.find(clientID, "", audience, SubjectUser); g != nil {
		return g.clone(), true
	}
	return Grant{}, false
}

// ConnectionClients returns the clients that a connection is enabled for.
func (t *Tenant) ConnectionClients(name string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.connectionNamed(name)
	if c == nil {
		return nil
	}
	var out []string
	for id := range c.members.all() {
		out = append(out, *id)
	}
	return out
}

// DomainLevel reports whether a connection is domain-level.
func (t *Tenant) DomainLevel(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.connectionNamed(name)
	return c != nil && c.domainLevel
}

// SevenScopes are the Management API scopes that a registration needs at the
// least when no grant is ever repaired and no scope of the API looked up.
func SevenScopes() []string {
	return strings.Fields("read:logs read:clients update:clients read:connections update:connections read:client_grants create:client_grants")
}
