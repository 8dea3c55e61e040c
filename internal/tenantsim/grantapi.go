package tenantsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// The values of subject_type and default_for.
const (
	SubjectUser       = "user"
	SubjectClient     = "client"
	DefaultThirdParty = "third_party_clients"
)

func noGrant() *Error {
	return &Error{http.StatusNotFound, "inexistent_client_grant", "The grant does not exist."}
}

func grantPatchShape(name string) (shape, bool) {
	switch name {
	case "scope", "authorization_details_types":
		return isStrings, true
	case "organization_usage":
		return isString, true
	case "allow_any_organization", "allow_all_scopes":
		return isBool, true
	}
	return "", false
}

func grantShape(name string) (shape, bool) {
	switch name {
	case "client_id", "audience", "subject_type", "default_for":
		return isString, true
	}
	return grantPatchShape(name)
}

func (t *Tenant) listGrants(r *request) (response, *Error) {
	page, fail := t.paging(r.query, t.quirks.GrantPaging)
	if fail != nil {
		return response{}, fail
	}
	q := r.query
	client, audience, subject, def := q.Get("client_id"), q.Get("audience"), q.Get("subject_type"), q.Get("default_for")
	if subject != "" && subject != SubjectUser && subject != SubjectClient {
		return response{}, badQuery("No enum match for: "+subject, "subject_type")
	}
	anyOrg := q.Get("allow_any_organization")
	list, fail := collect(t.grants.narrowest(client, audience), page, func(g *Grant) bool {
		return (client == "" || g.ClientID == client) && (audience == "" || g.Audience == audience) &&
			(subject == "" || g.SubjectType == subject) && (def == "" || g.DefaultFor == def) &&
			(anyOrg == "" || (anyOrg == "true") == props(g.extra).boolean("allow_any_organization"))
	})
	if fail != nil {
		return response{}, fail
	}
	items := make([]json.RawMessage, len(list.items))
	for i, g := range list.items {
		items[i] = g.render()
	}
	return list.envelope("client_grants", items), nil
}

func (t *Tenant) getGrant(r *request) (response, *Error) {
	g := t.grants.all.get(r.vars[0])
	if g == nil {
		return response{}, noGrant()
	}
	return response{status: http.StatusOK, body: g.render()}, nil
}

func (t *Tenant) createGrant(r *request) (response, *Error) {
	p := r.props
	if fail := p.only(grantShape); fail != nil {
		return response{}, fail
	}
	if fail := p.require("audience"); fail != nil {
		return response{}, fail
	}
	if !p.has("scope") && !p.boolean("allow_all_scopes") {
		return response{}, badPayload("Missing required property: scope", "scope")
	}
	g := &Grant{ClientID: p.str("client_id"), DefaultFor: p.str("default_for"), Audience: p.str("audience"), SubjectType: p.str("subject_type")}
	if g.SubjectType == "" {
		g.SubjectType = SubjectClient
	}
	if fail := t.checkGrant(g); fail != nil {
		return response{}, fail
	}
	if fail := t.applyGrant(g, p, !t.quirks.UndefinedScopes); fail != nil {
		return response{}, fail
	}
	if t.grants.find(g.ClientID, g.DefaultFor, g.Audience, g.SubjectType) != nil {
		who := g.ClientID
		if who == "" {
			who = g.DefaultFor
		}
		return response{}, &Error{http.StatusConflict, t.conflictCode(),
			fmt.Sprintf("A client grant already exists between %s and %s", who, g.Audience)}
	}
	if full(t.plan.entities().grants, t.grants.all.len()) {
		return response{}, tooManyEntities()
	}
	t.insertGrant(g)
	return response{status: http.StatusCreated, body: g.render()}, nil
}

func (t *Tenant) conflictCode() string { return t.quirks.ConflictCode }

// checkGrant holds the fixed parts of a new grant to the rules.
func (t *Tenant) checkGrant(g *Grant) *Error {
	switch {
	case (g.ClientID == "") == (g.DefaultFor == ""):
		return badPayload("Exactly one of client_id and default_for must be sent", "client_id")
	case g.DefaultFor != "" && g.DefaultFor != DefaultThirdParty:
		return badPayload("No enum match for: "+g.DefaultFor, "default_for")
	case g.SubjectType != SubjectUser && g.SubjectType != SubjectClient:
		return badPayload("No enum match for: "+g.SubjectType, "subject_type")
	}
	a := t.apiNamed(g.Audience)
	if a == nil {
		return &Error{http.StatusNotFound, "inexistent_resource_server", "No resource with identifier " + g.Audience}
	}
	if g.ClientID == "" {
		if a.system {
			return &Error{http.StatusBadRequest, "operation_not_supported", "A system API cannot be granted by default."}
		}
		return nil
	}
	c := t.clients.get(g.ClientID)
	if c == nil {
		return noClient()
	}
	if fail := c.checkKind(); fail != nil {
		return fail
	}
	if a.system && c.strict() {
		return &Error{http.StatusBadRequest, "operation_not_supported", "A system API cannot be granted to a third-party client in strict mode."}
	}
	return nil
}

func (t *Tenant) patchGrant(r *request) (response, *Error) {
	g := t.grants.all.get(r.vars[0])
	if g == nil {
		return response{}, noGrant()
	}
	if fail := r.props.only(grantPatchShape); fail != nil {
		return response{}, fail
	}
	if g.System {
		return response{}, &Error{http.StatusForbidden, "operation_not_supported", "System grants are read-only."}
	}
	next := g.clone()
	if fail := t.applyGrant(&next, r.props, !t.quirks.UndefinedScopes && !t.quirks.PatchScopesUnchecked); fail != nil {
		return response{}, fail
	}
	*g = next
	return response{status: http.StatusOK, body: g.render()}, nil
}

// applyGrant sets what the body of POST or PATCH may set. defined refuses
// scopes that the API does not define.
func (t *Tenant) applyGrant(g *Grant, p props, defined bool) *Error {
	a := t.apiNamed(g.Audience)
	if a != nil && a.system && p.has("allow_all_scopes") {
		return &Error{http.StatusBadRequest, "invalid_body", "`allow_all_scopes` cannot be provided when `audience` is a system API"}
	}
	all := g.AllowAllScopes
	if p.has("allow_all_scopes") {
		all = p.boolean("allow_all_scopes")
		g.sentAll = true
	}
	if all && len(p.strs("scope")) > 0 {
		return badPayload("scope must not be provided when allow_all_scopes is true", "scope")
	}
	if p.has("scope") {
		if p.null("scope") {
			return badPayload("Expected type array but found type null", "scope")
		}
		scopes := p.strs("scope")
		if a != nil && defined && !a.defines(scopes) {
			return &Error{http.StatusBadRequest, "invalid_body", "Payload validation error: scope must be a subset of resource server scopes"}
		}
		g.Scopes = scopes
	}
	g.AllowAllScopes, g.noScopes = all, all
	if all {
		g.Scopes = nil
	}
	for _, name := range []string{"organization_usage", "allow_any_organization", "authorization_details_types"} {
		if p.has(name) {
			g.extra = maps.Clone(g.extra) // it may be shared with the grant as it was
			if g.extra == nil {
				g.extra = map[string]json.RawMessage{}
			}
			g.extra[name] = slices.Clone(p[name])
		}
	}
	return nil
}

// deleteGrant answers 204 also when there was no such grant, as Auth0 does.
func (t *Tenant) deleteGrant(r *request) (response, *Error) {
	res := noContent()
	res.silent = !t.grants.remove(r.vars[0])
	return res, nil
}
