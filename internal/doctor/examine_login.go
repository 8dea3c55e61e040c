package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/display"
)

func (x *examination) api() {
	f, a := x.f, x.f.API.Value
	if errors.Is(f.API.Err, auth0.ErrNotFound) {
		message := fmt.Sprintf("The tenant has no API with the identifier %s.", f.Audience)
		if f.Sibling != "" {
			message = fmt.Sprintf("The tenant has no API with the identifier %s, but one with %s. The slash at the end counts.", f.Audience, f.Sibling)
		}
		x.found(APIMissing, f.Audience, message, "{scopes}", strings.Join(f.Scopes, ","))
		return
	}
	if !f.API.ok() {
		return
	}
	x.looks(APIMissing, APISigningAlg, APIDeniesUsers, APINoOfflineAccess)
	if a.SigningAlg != "" && a.SigningAlg != "RS256" {
		x.found(APISigningAlg, a.SigningAlg, fmt.Sprintf("The API's tokens are signed with %s and not with RS256.", a.SigningAlg))
	}
	if a.UserPolicy == dcr.DenyAll {
		x.found(APIDeniesUsers, "", "")
	}
	if !a.AllowOfflineAccess {
		x.found(APINoOfflineAccess, "", "")
	}
	if f.ScopesKnown { // else these are the ones that are for certain
		x.looks(APIScopeUndefined)
	}
	if missing := dcr.Without(f.Scopes, a.Scopes); len(missing) > 0 {
		x.found(APIScopeUndefined, few(missing), fmt.Sprintf("The API does not define %s, which shall be granted.", few(missing)), scopeList(missing)...)
	}
}

// gateway compares what the gateway says of itself.
func (x *examination) gateway() {
	r := x.f.Resource
	if !r.Asked {
		return
	}
	if r.Err != nil {
		x.found(GatewayUnreachable, "", fmt.Sprintf("The gateway's protected-resource metadata cannot be read: TOOL_SCOPES_URL %s.", stripped(brief(r.Err))))
		return
	}
	x.looks(GatewayUnreachable, GatewayResourceDiff)
	if r.Value != x.f.Audience {
		x.found(GatewayResourceDiff, display.Line(r.Value, 200), fmt.Sprintf("The gateway says that its resource is %q, and OAUTH_AUDIENCE is %q.", display.Line(r.Value, 200), x.f.Audience))
	}
}

func (x *examination) connections() {
	f := x.f
	for i, c := range f.Connected {
		name := f.Connections[i]
		values := []string{"{connection}", name, "{connection_id}", c.Value.ID}
		if errors.Is(c.Err, auth0.ErrNotFound) {
			x.found(ConnectionMissing, name, fmt.Sprintf("The tenant has no connection named %s.", name), values...)
			continue
		}
		if !c.ok() {
			continue
		}
		x.looks(ConnectionMissing, ConnectionInactive)
		if c.Value.Inactive {
			x.found(ConnectionInactive, name, fmt.Sprintf("The connection %s is switched off for authentication.", name), values...)
		}
		if f.Promotes || !f.strict() {
			continue
		}
		x.looks(ConnectionNotDomainLevel)
		if !c.Value.DomainLevel {
			x.found(ConnectionNotDomainLevel, name, fmt.Sprintf("The connection %s is not domain-level, and clients that register are strict.", name), values...)
		}
	}
}

func (x *examination) settings() {
	f, s := x.f, x.f.Settings.Value
	if !f.Settings.ok() {
		return
	}
	x.looks(RegistrationOff, ResourceNotAudience)
	if !s.DynamicRegistration {
		x.found(RegistrationOff, "", "")
	}
	if s.ResourceProfile != dcr.ProfileCompatibility && s.DefaultAudience != f.Audience {
		message := ""
		if s.DefaultAudience != "" {
			message = fmt.Sprintf("Auth0 ignores the resource parameter that MCP clients send, and the default audience is %s.", display.Line(s.DefaultAudience, 200))
		}
		x.found(ResourceNotAudience, "", message)
	}
	if !s.CIMD {
		x.looks(CIMDWithoutDocument)
		return
	}
	var clients, urls []string
	for i, d := range f.Registered {
		if d.ok() {
			x.looks(CIMDWithoutDocument)
		}
		if d.ok() && !d.Value {
			clients, urls = append(clients, f.Documents[i].Client), append(urls, f.Documents[i].URL)
		}
	}
	for i, client := range clients {
		x.found(CIMDWithoutDocument, client, fmt.Sprintf("The tenant advertises client id metadata documents, and that of %s is not registered.", client),
			"{documents}", strings.Join(urls, ", "), "{document}", urls[i])
	}
}

// atLogin is about what runs at the login of a strict client.
func (x *examination) atLogin() {
	f := x.f
	if !f.strict() {
		return
	}
	if f.Rules.ok() {
		x.looks(RulesActive)
		if names := f.Rules.Value; len(names) > 0 {
			x.found(RulesActive, few(names), fmt.Sprintf("The tenant has active Rules: %s.", few(names)))
		}
	}
	if f.Hooks.ok() {
		x.looks(HookActive)
		if names := f.Hooks.Value; len(names) > 0 {
			x.found(HookActive, few(names), fmt.Sprintf("A Hook at credentials-exchange is active: %s.", few(names)))
		}
	}
	if !f.Organizations.ok() {
		return
	}
	x.looks(OrganizationBlocks)
	blocking := slices.DeleteFunc(slices.Clone(f.Organizations.Value.List), func(o auth0.Organization) bool { return o.ThirdParty })
	for i, o := range blocking {
		values := []string{"{organization}", o.Name, "{organization_id}", o.ID}
		if i == listed {
			x.found(OrganizationBlocks, fmt.Sprintf("%d more", len(blocking)-i), "", values...)
			break
		}
		x.found(OrganizationBlocks, o.Name, fmt.Sprintf("The organization %s does not let third-party clients in.", o.Name), values...)
	}
}

// grants is about the default grant of third-party clients and about those
// that are in front of it.
func (x *examination) grants() {
	f := x.f
	if !f.Defaults.ok() {
		return
	}
	x.looks(DefaultGrantOpen, DefaultGrantNarrower, GrantShadowsDefault)
	if len(f.Defaults.Value) == 0 {
		return
	}
	def := f.Defaults.Value[0]
	missing := dcr.Without(f.Scopes, def.Scopes)
	if def.AllowAllScopes {
		missing = nil
	}
	if len(missing) > 0 {
		x.found(DefaultGrantNarrower, "", fmt.Sprintf("A default grant lets every third-party client reach the API, without %s.", few(missing)), "{grant_id}", def.ID)
	} else {
		x.found(DefaultGrantOpen, "", "", "{grant_id}", def.ID)
	}
	if !f.Grants.ok() {
		delete(x.seen, GrantShadowsDefault)
		return
	}
	x.shadows(def)
}

func (x *examination) shadows(def dcr.Grant) {
	gives := def.Scopes
	if def.AllowAllScopes {
		gives = x.f.API.Value.Scopes
	}
	n := 0
	for _, g := range x.f.Grants.Value.List {
		less := dcr.Without(gives, g.Scopes)
		if g.AllowAllScopes || len(less) == 0 {
			continue
		}
		if n++; n > listed {
			continue
		}
		values := append(scopeList(less), "{grant_id}", g.ID)
		values[1] = quoteList(slices.Concat(g.Scopes, less)) // the PATCH replaces the list
		x.found(GrantShadowsDefault, g.ClientID, fmt.Sprintf("The grant of %s itself takes the place of the default grant and lacks %s.", g.ClientID, few(less)), values...)
	}
	if n > listed {
		x.found(GrantShadowsDefault, fmt.Sprintf("%d more", n-listed), "")
		x.findings[len(x.findings)-1].Fix.Command = ""
	}
}

// few names the first ones.
func few(all []string) string {
	if len(all) <= listed {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:listed], ", "), len(all)-listed)
}
