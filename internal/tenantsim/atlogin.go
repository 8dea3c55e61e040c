package tenantsim

import (
	"encoding/json"
	"net/http"
	"slices"
)

// script is a Rule, or a Hook where it has a trigger: what runs at a login or a
// token exchange.
type script struct {
	id, name, trigger string
	enabled           bool
}

func (s *script) render() json.RawMessage {
	return withExtra(struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Script  string `json:"script"`
		Trigger string `json:"triggerId,omitempty"`
		Enabled bool   `json:"enabled"`
	}{s.id, s.name, "function (user, context, callback) { callback(null, user, context); }", s.trigger, s.enabled}, nil)
}

// organization is one of the tenant's organizations.
type organization struct {
	id, name, access string
}

func (o *organization) render() json.RawMessage {
	return withExtra(struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Display string `json:"display_name"`
		Access  string `json:"third_party_client_access"`
	}{o.id, o.name, o.name, o.access}, nil)
}

// AddRule adds a Rule, and AddHook a Hook at a trigger such as
// credentials-exchange; AddOrganization adds an organization, which allows
// third-party clients or blocks them.
func (t *Tenant) AddRule(name string, enabled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.atLogin.rules = append(t.atLogin.rules, &script{id: "rul_" + t.letters(16), name: name, enabled: enabled})
}

// AddHook adds a Hook.
func (t *Tenant) AddHook(name, trigger string, enabled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.atLogin.hooks = append(t.atLogin.hooks, &script{id: t.letters(20), name: name, trigger: trigger, enabled: enabled})
}

// AddOrganization adds an organization, and returns its id.
func (t *Tenant) AddOrganization(name string, thirdParty bool) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := &organization{id: "org_" + t.letters(16), name: name, access: "block"}
	if thirdParty {
		o.access = "allow"
	}
	t.atLogin.organizations.add(o.id, o)
	return o.id
}

// atLogin is what has a say in a login besides clients, grants and connections.
type atLogin struct {
	rules, hooks  []*script
	organizations *table[organization]
}

func (t *Tenant) listRules(r *request) (response, *Error) { return t.listScripts(r, t.atLogin.rules) }

func (t *Tenant) listHooks(r *request) (response, *Error) { return t.listScripts(r, t.atLogin.hooks) }

// listScripts pages by offset, as a bare array or with totals.
func (t *Tenant) listScripts(r *request, all []*script) (response, *Error) {
	if t.quirks.ScriptsGone {
		return response{}, &Error{http.StatusForbidden, "operation_not_supported", "This feature is not available for this tenant."}
	}
	page, fail := t.paging(r.query, PagingIgnored)
	if fail != nil {
		return response{}, fail
	}
	rows := newTable[script]()
	for _, s := range all {
		rows.add(s.id, s)
	}
	enabled, trigger := r.query.Get("enabled"), r.query.Get("triggerId")
	list, fail := collect(rows, page, func(s *script) bool {
		return (enabled == "" || (enabled == "true") == s.enabled) && (trigger == "" || trigger == s.trigger)
	})
	if fail != nil {
		return response{}, fail
	}
	fields, include := splitList(r.query.Get("fields")), r.query.Get("include_fields") != "false"
	items := make([]json.RawMessage, len(list.items))
	for i, s := range list.items {
		items[i] = selectFields(s.render(), fields, include)
	}
	name := "rules"
	if slices.Contains(r.route.scopes, "read:hooks") {
		name = "hooks"
	}
	return list.envelope(name, items), nil
}

func (t *Tenant) listOrganizations(r *request) (response, *Error) {
	page, fail := t.paging(r.query, PagingServed)
	if fail != nil {
		return response{}, fail
	}
	list, fail := collect(t.atLogin.organizations, page, func(*organization) bool { return true })
	if fail != nil {
		return response{}, fail
	}
	items := make([]json.RawMessage, len(list.items))
	for i, o := range list.items {
		items[i] = o.render()
	}
	return list.envelope("organizations", items), nil
}
