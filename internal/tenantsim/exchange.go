package tenantsim

import "slices"

// Exchange is a client's try to exchange the code of a login for tokens.
type Exchange struct {
	ClientID      string
	CodeSpent     bool // the code was used before, or had expired
	WrongVerifier bool // it does not fit the login's code challenge
}

// Exchange judges an exchange now and logs it as Auth0 does (seacft or feacft).
// A refusal is a *LoginError. The words for a wrong verifier are those of public
// reports.
func (t *Tenant) Exchange(e Exchange) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case e.CodeSpent:
		return t.refuse("feacft", e.ClientID, "Invalid authorization code")
	case e.WrongVerifier:
		return t.refuse("feacft", e.ClientID, "Failed to verify code verifier")
	}
	t.addLog(t.exchanged("seacft", e.ClientID))
	return nil
}

// Refresh is a client's try to get new tokens for a refresh token.
type Refresh struct {
	ClientID string
	Audience string
	Spent    bool // the token is expired, revoked, or was used before
}

// Refresh judges it now and logs it as Auth0 does (sertft or fertft). Where the
// API does not allow offline access, or the client refresh tokens, there is none
// that is good. A refusal is a *LoginError; its words are those of public reports.
func (t *Tenant) Refresh(r Refresh) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, a := t.clients.get(r.ClientID), t.apiNamed(r.Audience)
	if r.Spent || c == nil || !slices.Contains(c.GrantTypes, "refresh_token") || a == nil || !a.flag("allow_offline_access") {
		return t.refuse("fertft", r.ClientID, "Unknown or invalid refresh token.")
	}
	t.addLog(t.exchanged("sertft", r.ClientID))
	return nil
}

func (t *Tenant) refuse(kind, clientID, why string) error {
	l := t.exchanged(kind, clientID)
	l.Description, l.UserID, l.UserName = why, "", ""
	t.addLog(l)
	return &LoginError{"invalid_grant", why}
}

// exchanged is the entry of an exchange.
func (t *Tenant) exchanged(kind, clientID string) Log {
	l := Log{
		Type: kind, ClientID: clientID, UserID: "google-oauth2|1050", UserName: "user@example.com",
		IP: "203.0.113.50", UserAgent: "python-httpx/0.27", Hostname: t.domain, Details: map[string]any{"code": "***PDH"},
	}
	if c := t.clients.get(clientID); c != nil {
		l.ClientName = c.Name
	}
	return l
}
