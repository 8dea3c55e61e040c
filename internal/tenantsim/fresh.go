package tenantsim

// The connections that a new tenant has. None of them is domain-level.
const (
	connectionGoogle   = "google-oauth2"
	connectionDatabase = "Username-Password-Authentication"
)

// refresh makes of a tenant one as Auth0 makes it: dynamic client registration
// is off, there are no API and no log stream, and two connections that third
// parties cannot use.
func (t *Tenant) refresh() {
	t.settings = newSettings(DCROff)
	t.insertConnection(connectionGoogle, connectionGoogle)
	t.insertConnection(connectionDatabase, "auth0")
	t.insertClient(&Client{Name: "Default App", FirstParty: true})
}

// PersonToken issues a Management API token to a person, as the dashboard's API
// Explorer does, with the scopes given, and all there are if none is.
func (t *Tenant) PersonToken(scopes ...string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(scopes) == 0 {
		for _, s := range t.apiNamed(t.Audience()).scopes {
			scopes = append(scopes, s.Value)
		}
	}
	return t.newToken(Admin().ClientID, t.Audience(), scopes)
}
