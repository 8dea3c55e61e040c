package tenantsim

import (
	"fmt"
	"slices"
	"strings"
)

// Login is a user's try to log in with a client, as /authorize and the token
// endpoint would judge it.
type Login struct {
	ClientID    string   // or the document's URL of a CIMD client
	Audience    string   // the API; "" makes an opaque token
	Scopes      []string // asked for
	Connection  string   // the connection's name
	RedirectURI string   // "" means the client's first
	NoPKCE      bool
}

// LoginError is a refused login.
type LoginError struct {
	Code        string // OAuth error code
	Description string
}

// Error implements error.
func (e *LoginError) Error() string { return "login refused: " + e.Code + ": " + e.Description }

// Login judges a login now, logs it as Auth0 does (s and seacft, or f) and
// returns the scopes that the access token would hold. A refusal is a
// *LoginError.
func (t *Tenant) Login(l Login) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients.get(l.ClientID)
	if c == nil {
		for other := range t.clients.all() {
			if l.ClientID != "" && other.ExternalClientID == l.ClientID {
				c = other
			}
		}
	}
	if c == nil {
		return nil, t.denied(l, &Client{ID: l.ClientID}, "invalid_request", "Unknown client: "+l.ClientID)
	}
	scopes, code, why := t.judge(l, c)
	if why != "" {
		return nil, t.denied(l, c, code, why)
	}
	entry := Log{
		ClientID: c.ID, ClientName: c.Name, UserID: "google-oauth2|1050", UserName: "user@example.com",
		IP: "203.0.113.50", UserAgent: "Chrome 140.0.0 / Mac OS X", Hostname: t.domain,
	}
	ok, exchanged := entry, entry
	ok.Type, ok.Connection, ok.Strategy = "s", l.Connection, l.Connection
	ok.Details = map[string]any{"prompts": []any{}, "session_id": t.letters(32), "stats": map[string]any{"loginsCount": 1}}
	exchanged.Type, exchanged.Audience = "seacft", l.Audience
	exchanged.Details = map[string]any{"code": "*****************************************VM-", "requested_client_id": l.ClientID}
	t.addLog(ok)
	t.addLog(exchanged)
	return scopes, nil
}

func (t *Tenant) denied(l Login, c *Client, code, why string) error {
	t.addLog(Log{
		Type: "f", Description: why, ClientID: c.ID, ClientName: c.Name, Connection: "", IP: "203.0.113.50",
		UserAgent: "Chrome 140.0.0 / Mac OS X", Hostname: t.domain,
		Details: map[string]any{
			"body": map[string]any{}, "qs": map[string]any{"client_id": l.ClientID, "audience": l.Audience, "scope": strings.Join(l.Scopes, " ")},
			"connection": nil, "error": map[string]any{"message": why, "oauthError": code, "type": "request-error"},
		},
	})
	return &LoginError{code, why}
}

// judge is what the documentation says about third-party applications.
// https://auth0.com/docs/get-started/applications/third-party-applications
func (t *Tenant) judge(l Login, c *Client) (scopes []string, code, why string) {
	redirect := l.RedirectURI
	if redirect == "" && len(c.Callbacks) > 0 {
		redirect = c.Callbacks[0]
	}
	switch {
	case !slices.Contains(c.Callbacks, redirect):
		return nil, "invalid_request", "Callback URL mismatch. " + redirect + " is not in the list of allowed callback URLs"
	case !slices.Contains(c.GrantTypes, "authorization_code"):
		return nil, "unauthorized_client", "Grant type 'authorization_code' not allowed for the client."
	case l.NoPKCE && (c.strict() || c.TokenEndpointAuthMethod == "none"):
		return nil, "invalid_request", "Parameter 'code_challenge' is required."
	}
	if l.Audience != "" {
		a := t.apiNamed(l.Audience)
		if a == nil {
			return nil, "access_denied", "Service not found: " + l.Audience
		}
		var ok bool
		if scopes, ok = t.granted(c, a, l.Scopes); !ok {
			return nil, "invalid_request", fmt.Sprintf("Client %q is not authorized to access resource server %q", c.ID, a.identifier)
		}
	}
	if !c.strict() {
		for _, s := range l.Scopes {
			if s == "openid" || s == "profile" || s == "email" {
				scopes = append(scopes, s)
			}
		}
	}
	if !t.reaches(c, l.Connection) {
		return nil, "invalid_request", "no connections enabled for the client"
	}
	return scopes, "", ""
}

// granted are the scopes that c may have at a of those it asks for.
func (t *Tenant) granted(c *Client, a *api, asked []string) ([]string, bool) {
	policy := a.policy[SubjectUser]
	g := t.grants.find(c.ID, "", a.identifier, SubjectUser)
	if g == nil && c.thirdParty() {
		g = t.grants.find("", DefaultThirdParty, a.identifier, SubjectUser)
	}
	switch {
	case policy == DenyAll, a.system && c.strict():
		return nil, false
	case g == nil && (c.strict() || policy == RequireClientGrant):
		return nil, false
	}
	scopes := []string{}
	for _, s := range asked {
		defined := a.has(s)
		switch {
		case s == "offline_access":
			if a.flag("allow_offline_access") && slices.Contains(c.GrantTypes, "refresh_token") {
				scopes = append(scopes, s)
			}
		case g == nil && defined, g != nil && g.AllowAllScopes && defined,
			g != nil && slices.Contains(g.Scopes, s) && (defined || t.quirks.UndefinedScopes):
			scopes = append(scopes, s)
		}
	}
	return scopes, true
}

// reaches reports whether users can log in to c through the connection.
func (t *Tenant) reaches(c *Client, name string) bool {
	conn := t.connectionNamed(name)
	switch {
	case conn == nil:
		return false
	case c.FirstParty:
		return conn.members.get(c.ID) != nil
	case conn.domainLevel:
		return true
	}
	return t.quirks.PerClientLogin && !c.strict() && conn.members.get(c.ID) != nil
}
