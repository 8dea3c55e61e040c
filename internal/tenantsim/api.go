package tenantsim

import (
	"encoding/json"
	"net/http"
	"slices"
)

// api is a resource server.
type api struct {
	id, identifier, name string
	scopes               []apiScope
	scopesSet            bool // "scopes" is absent until it was set once
	system               bool
	policy               map[string]string // subject type → access policy
	extra                map[string]json.RawMessage
}

type apiScope struct {
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
}

// The access policies of an API.
// https://auth0.com/docs/get-started/apis/api-access-policies-for-applications
const (
	AllowAll           = "allow_all"
	RequireClientGrant = "require_client_grant"
	DenyAll            = "deny_all"
)

// defines reports whether the API has every one of scopes.
func (a *api) defines(scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !a.has(s) })
}

func (a *api) has(scope string) bool {
	return slices.ContainsFunc(a.scopes, func(s apiScope) bool { return s.Value == scope })
}

func (a *api) flag(name string) bool { return props(a.extra).boolean(name) }

func (a *api) render() json.RawMessage {
	type policy struct {
		Policy string `json:"policy"`
	}
	w := struct {
		ID         string            `json:"id"`
		Name       string            `json:"name"`
		Identifier string            `json:"identifier"`
		System     bool              `json:"is_system,omitempty"`
		Policies   map[string]policy `json:"subject_type_authorization"`
		Scopes     *[]apiScope       `json:"scopes,omitempty"`
	}{ID: a.id, Name: a.name, Identifier: a.identifier, System: a.system, Policies: map[string]policy{}}
	for subject, p := range a.policy {
		w.Policies[subject] = policy{p}
	}
	if a.scopesSet {
		scopes := a.scopes
		if scopes == nil {
			scopes = []apiScope{}
		}
		w.Scopes = &scopes
	}
	return withExtra(w, a.extra)
}

func noAPI() *Error {
	return &Error{http.StatusNotFound, "inexistent_resource_server", "The resource server does not exist"}
}

func apiShape(name string) (shape, bool) {
	switch name {
	case "name", "signing_alg", "signing_secret", "token_dialect", "consent_policy", "verificationLocation":
		return isString, true
	case "allow_offline_access", "allow_online_access", "skip_consent_for_verifiable_first_party_clients", "enforce_policies":
		return isBool, true
	case "token_lifetime", "token_lifetime_for_web":
		return isNumber, true
	case "scopes", "authorization_details":
		return isArray, true
	case "subject_type_authorization", "token_encryption", "proof_of_possession":
		return isObject, true
	}
	return "", false
}

func (t *Tenant) insertAPI(identifier, name string) *api {
	a := &api{
		id: t.hex(24), identifier: identifier, name: name,
		policy: map[string]string{SubjectUser: AllowAll, SubjectClient: RequireClientGrant},
		extra: map[string]json.RawMessage{
			"allow_offline_access":                            json.RawMessage("false"),
			"skip_consent_for_verifiable_first_party_clients": json.RawMessage("false"),
			"token_lifetime":                                  json.RawMessage("86400"),
			"token_lifetime_for_web":                          json.RawMessage("7200"),
			"signing_alg":                                     json.RawMessage(`"RS256"`),
		},
	}
	t.apis.add(a.id, a)
	return a
}

func (t *Tenant) apiNamed(identifier string) *api {
	for a := range t.apis.all() {
		if a.identifier == identifier {
			return a
		}
	}
	return nil
}

// findAPI takes an id or an identifier.
func (t *Tenant) findAPI(key string) *api {
	if a := t.apis.get(key); a != nil {
		return a
	}
	return t.apiNamed(key)
}

func (t *Tenant) listAPIs(r *request) (response, *Error) {
	page, fail := t.paging(r.query, PagingServed)
	if fail != nil {
		return response{}, fail
	}
	identifiers := r.query["identifiers"]
	if len(identifiers) > 10 {
		return response{}, badQuery("Array is too long ("+itoa(len(identifiers))+"), maximum 10", "identifiers")
	}
	list, fail := collect(t.apis, page, func(a *api) bool {
		return len(identifiers) == 0 || slices.Contains(identifiers, a.identifier)
	})
	if fail != nil {
		return response{}, fail
	}
	items := make([]json.RawMessage, len(list.items))
	for i, a := range list.items {
		items[i] = a.render()
	}
	return list.envelope("resource_servers", items), nil
}

func (t *Tenant) getAPI(r *request) (response, *Error) {
	a := t.findAPI(r.vars[0])
	if a == nil {
		return response{}, noAPI()
	}
	return response{status: http.StatusOK, body: a.render()}, nil
}

func (t *Tenant) createAPI(r *request) (response, *Error) {
	p := r.props
	if fail := p.only(func(name string) (shape, bool) {
		if name == "identifier" {
			return isString, true
		}
		return apiShape(name)
	}); fail != nil {
		return response{}, fail
	}
	if fail := p.require("identifier"); fail != nil {
		return response{}, fail
	}
	if t.apiNamed(p.str("identifier")) != nil {
		return response{}, &Error{http.StatusConflict, "resource_server_conflict", "A resource server with the same identifier already exists."}
	}
	if full(t.plan.entities().apis, t.apis.len()-1) { // the Management API does not count
		return response{}, tooManyEntities()
	}
	a := t.insertAPI(p.str("identifier"), p.str("name"))
	if fail := t.applyAPI(a, p); fail != nil {
		t.apis.remove(a.id)
		return response{}, fail
	}
	return response{status: http.StatusCreated, body: a.render()}, nil
}

func (t *Tenant) patchAPI(r *request) (response, *Error) {
	a := t.findAPI(r.vars[0])
	if a == nil {
		return response{}, noAPI()
	}
	if fail := r.props.only(apiShape); fail != nil {
		return response{}, fail
	}
	if a.system {
		return response{}, &Error{http.StatusBadRequest, "operation_not_supported", "A system API cannot be modified."}
	}
	if fail := t.applyAPI(a, r.props); fail != nil {
		return response{}, fail
	}
	return response{status: http.StatusOK, body: a.render()}, nil
}

// maxScopes is how many scopes an API can define.
const maxScopes = 1000

func (t *Tenant) applyAPI(a *api, p props) *Error {
	var scopes []apiScope
	if p.has("scopes") {
		if json.Unmarshal(p["scopes"], &scopes) != nil || slices.ContainsFunc(scopes, func(s apiScope) bool { return s.Value == "" }) {
			return badPayload("Missing required property: value", "scopes")
		}
		if len(scopes) > maxScopes {
			return badPayload("Array is too long ("+itoa(len(scopes))+"), maximum 1000", "scopes")
		}
	}
	var policies map[string]struct {
		Policy string `json:"policy"`
	}
	if p.has("subject_type_authorization") {
		if json.Unmarshal(p["subject_type_authorization"], &policies) != nil {
			return badPayload("Expected type object", "subject_type_authorization")
		}
		for subject, v := range policies {
			known := v.Policy == AllowAll && subject == SubjectUser || v.Policy == RequireClientGrant || v.Policy == DenyAll
			if subject != SubjectUser && subject != SubjectClient || !known {
				return badPayload("No enum match for: "+v.Policy, "subject_type_authorization."+subject)
			}
		}
	}
	for name, raw := range p {
		switch name {
		case "identifier", "signing_secret":
		case "name":
			a.name = p.str(name)
		case "scopes":
			a.scopes, a.scopesSet = scopes, true
			t.scopesRemoved(a)
		case "subject_type_authorization":
			for subject, v := range policies {
				a.policy[subject] = v.Policy
			}
		default:
			a.extra[name] = slices.Clone(raw)
		}
	}
	return nil
}

// scopesRemoved takes scopes that the API no longer defines out of its grants,
// where the tenant does that.
func (t *Tenant) scopesRemoved(a *api) {
	if !t.quirks.ScopeRemovalPrunes {
		return
	}
	for g := range t.grants.narrowest("", a.identifier).all() {
		g.Scopes = slices.DeleteFunc(slices.Clone(g.Scopes), func(s string) bool { return !a.has(s) })
	}
}

// deleteAPI answers 204 also when there was no such API.
func (t *Tenant) deleteAPI(r *request) (response, *Error) {
	a := t.findAPI(r.vars[0])
	res := noContent()
	if a == nil {
		res.silent = true
		return res, nil
	}
	if a.system {
		return response{}, &Error{http.StatusBadRequest, "operation_not_supported", "A system API cannot be deleted."}
	}
	t.apis.remove(a.id)
	for _, g := range slices.Collect(t.grants.narrowest("", a.identifier).all()) {
		t.grants.remove(g.ID)
	}
	return res, nil
}
