package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/display"
)

const base = "/api/v2"

// Plan says what is to be done, in the order in which it is best done, what is
// so already, and at the end what only a person can do.
func Plan(s State) []Action {
	var all []Action
	add := func(as ...Action) { all = append(all, as...) }
	add(s.envFile()...)
	add(s.api()...)
	add(s.application()...)
	add(s.registration(), s.profile())
	for _, name := range s.Want.Connections {
		add(s.connection(name)...)
	}
	add(s.stream()...)
	slices.SortStableFunc(all, func(a, b Action) int { return rank(a) - rank(b) })
	return all
}

// rank puts what a person has to do last.
func rank(a Action) int {
	if a.Status == Person {
		return 1
	}
	return 0
}

func (s State) envFile() []Action {
	if s.File.Path == "" {
		return nil
	}
	a := Action{Kind: EnvFile, Status: Is, Title: "What you answered is in " + s.File.Path}
	if len(s.File.Misses) == 0 {
		return []Action{a}
	}
	a.Status = Todo
	a.do = func(_ context.Context, d Doer) error { return d.File.Keep() }
	a.Title = fmt.Sprintf("Add lines to %s", s.File.Path)
	a.Why = "The daemon reads its configuration from there. Nothing that stands there is changed."
	if s.File.New {
		a.Title = "Write the env file " + s.File.Path
		a.Why = "The daemon reads its configuration from there. Only its owner can read it (mode 0600)."
	}
	var lines []string
	for _, l := range s.File.Misses {
		value := l.Value
		switch {
		case l.Generated:
			value = "[generated]"
		case l.Secret:
			value = "[as given]"
		}
		lines = append(lines, l.Name+"="+value)
	}
	a.Writes = strings.Join(lines, "\n")
	return []Action{a}
}

func (s State) api() []Action {
	if s.API == nil {
		return []Action{s.newAPI()}
	}
	all := []Action{{Kind: API, Status: Is, Title: "API " + s.Audience + " exists"}, s.offlineAccess()}
	missing := dcr.Without(s.Scopes, s.API.Scopes)
	if len(missing) > 0 {
		all = append(all, s.defineScopes(missing))
	}
	if alg := s.API.SigningAlg; alg != "" && alg != "RS256" {
		all = append(all, Action{
			Kind: APISigning, Status: Person, Title: "Have the API's tokens signed with RS256, not " + alg,
			Why:       "Strict clients need it, and your server verifies tokens with the tenant's public key.",
			Dashboard: "Applications → APIs → the API → Settings → JSON Web Token (JWT) Signing Algorithm; it may want a new API",
		})
	}
	if s.API.UserPolicy == dcr.DenyAll {
		all = append(all, Action{
			Kind: APIPolicy, Status: Person, Title: "Let people have tokens for the API", Why: "Its policy denies them to everybody, with a grant or without.",
			Dashboard: "Applications → APIs → the API → Settings → Application Access Policy → User Access: Allow via client grant",
			Command:   patchCommand("resource-servers/"+s.API.ID, `{"subject_type_authorization":{"user":{"policy":"require_client_grant"}}}`),
		})
	}
	return all
}

func (s State) newAPI() Action {
	body := auth0.NewAPI{
		Name: strings.NewReplacer("<", "", ">", "").Replace(s.Audience), Identifier: s.Audience, SigningAlg: "RS256", AllowOfflineAccess: true,
		Scopes: []auth0.APIScope{},
	}
	for _, scope := range s.Scopes {
		body.Scopes = append(body.Scopes, auth0.APIScope{Value: scope, Description: scope})
	}
	return Action{
		Kind: API, Status: Todo, Title: "Create the API " + s.Audience,
		Why:    "Tokens are issued for an API. Its identifier is the resource of your MCP server, byte for byte, and it defines the scopes that clients are granted.",
		Calls:  []Call{{"POST", base + "/resource-servers", body}},
		Scopes: []string{"create:resource_servers"},
		do:     func(ctx context.Context, d Doer) error { return d.Tenant.CreateAPI(ctx, d.ID, body) },
	}
}

func (s State) offlineAccess() Action {
	a := Action{Kind: OfflineAccess, Status: Is, Title: "The API allows refresh tokens"}
	if s.API.AllowOfflineAccess {
		return a
	}
	id := s.API.ID
	a.Status, a.Title = Todo, "Allow refresh tokens for the API"
	a.Why = "Without one, people have to log in again whenever a token expires. Nothing else of the API is sent."
	a.Calls = []Call{{"PATCH", base + "/resource-servers/" + id, auth0.OfflineAccess{AllowOfflineAccess: true}}}
	a.Scopes = []string{"update:resource_servers"}
	a.do = func(ctx context.Context, d Doer) error { return d.Tenant.AllowOfflineAccess(ctx, d.ID, id) }
	return a
}

// defineScopes is for a person: the list is replaced as a whole, so whoever
// writes it takes away what another adds at the same time.
func (s State) defineScopes(missing []string) Action {
	defined := slices.Clone(s.API.Defined)
	for _, scope := range missing {
		defined = append(defined, auth0.APIScope{Value: scope, Description: scope})
	}
	return Action{
		Kind: APIScopes, Status: Person, Title: "Define on the API: " + strings.Join(missing, " "),
		Why:       "A client cannot be granted a scope that its API does not define. Auth0 takes that list as a whole only, so grantd never writes it: the command below holds the scopes that the API has now. Look at it before you run it.",
		Dashboard: "Applications → APIs → the API → Permissions",
		Command:   patchCommand("resource-servers/"+s.API.ID, display.ASCII(map[string]any{"scopes": defined})),
	}
}

func (s State) registration() Action {
	a := Action{Kind: Registration, Status: Is, Title: "Dynamic client registration is on"}
	if s.Settings.DynamicRegistration {
		return a
	}
	body := auth0.SettingsPatch{Flags: map[string]bool{auth0.RegistrationFlag: true}}
	a.Status, a.Title = Todo, "Switch dynamic client registration on"
	a.Why = "MCP clients such as ChatGPT and Claude register themselves (RFC 7591)."
	a.Opens = "Anybody on the internet can then register an application in your tenant, without logging in; each counts towards your tenant's limit. What registers can do nothing until grantd lets it, and grantd lets those through that GRANTD_ALLOWED_CLIENTS names."
	a.Calls = []Call{{"PATCH", base + "/tenants/settings", body}}
	a.Scopes = []string{"update:tenant_settings"}
	a.do = func(ctx context.Context, d Doer) error { return d.Tenant.PatchSettings(ctx, d.ID, body) }
	return a
}

func (s State) profile() Action {
	a := Action{Kind: Profile, Status: Is, Title: "Auth0 takes the resource parameter that MCP clients send"}
	switch {
	case s.Settings.ResourceProfile == dcr.ProfileCompatibility:
		return a
	case s.Settings.DefaultAudience == s.Audience: // it does as well, and opens nothing more
		a.Title = "Auth0 issues tokens for the API by default"
		return a
	}
	body := auth0.SettingsPatch{ResourceProfile: dcr.ProfileCompatibility}
	a.Status, a.Title = Todo, "Take the resource parameter that MCP clients send (RFC 8707)"
	a.Why = "They say with resource which API they want a token for. By default Auth0 looks at audience only, and they get tokens that no API understands."
	a.Opens = "It holds for every application of the tenant. Where audience is sent too, that wins as before."
	a.Calls = []Call{{"PATCH", base + "/tenants/settings", body}}
	a.Scopes = []string{"update:tenant_settings"}
	a.do = func(ctx context.Context, d Doer) error { return d.Tenant.PatchSettings(ctx, d.ID, body) }
	return a
}

func (s State) connection(name string) []Action {
	c := s.Connections[name]
	if c == nil {
		return []Action{{
			Kind: Connection, Subject: name, Status: Person, Title: fmt.Sprintf("Make a connection named %s, or name another", name),
			Why:       "People log in through it, and the tenant has none of that name. Then run grantd setup again.",
			Dashboard: "Authentication → Database, Social or Enterprise → Create; or set GOOGLE_CONNECTION_NAME to a name that stands there",
		}}
	}
	all := []Action{s.domainLevel(c)}
	if c.Inactive {
		all = append(all, Action{
			Kind: ConnectionOff, Subject: name, Status: Person, Title: "Switch connection " + name + " on for authentication",
			Why:       "Nobody can log in through it as it is; somebody will have had a reason.",
			Dashboard: "Authentication → " + name + " → Purpose: Authentication",
			Command:   patchCommand("connections/"+c.ID, `{"authentication":{"active":true}}`),
		})
	}
	return all
}

func (s State) domainLevel(c *dcr.Connection) Action {
	a := Action{Kind: DomainLevel, Subject: c.Name, Status: Is, Title: "Connection " + c.Name + " is domain-level"}
	switch {
	case c.DomainLevel:
		return a
	case s.permissive() && !s.DomainLevel:
		a.Title = "Connection " + c.Name + " can stay as it is: clients that register are permissive, and grantd enables it for each. Auth0 does not document that this suffices; if a login fails, grantd explain says so"
		return a
	}
	id := c.ID
	a.Status, a.Title = Todo, "Promote connection "+c.Name+" to domain level"
	a.Why = "Clients that register themselves can let people log in through domain-level connections only."
	if s.Settings.RegistrationMode == "" {
		a.Why += " Only for permissive ones grantd can enable it one by one, and the tenant does not say that they are permissive."
	}
	a.Opens = "It opens the connection to every third-party application of the tenant, those to come included."
	a.Calls = []Call{{"PATCH", base + "/connections/" + id, map[string]bool{"is_domain_connection": true}}}
	a.Scopes = []string{"update:connections"}
	a.do = func(ctx context.Context, d Doer) error { return d.Tenant.PromoteConnection(ctx, d.ID, id) }
	return a
}

// permissive reports whether only permissive clients are to be expected, because
// the tenant says so. One with a metadata document is always strict.
func (s State) permissive() bool {
	return s.Settings.RegistrationMode == dcr.Permissive && !s.Settings.CIMD
}
