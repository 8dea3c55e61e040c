package tenantsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// viewOf is what the caller may see of a client.
func (r *request) viewOf() view {
	return view{secret: !r.super && r.may(secretReaders()...)}
}

// shown is a client as the caller may see it, cut to the fields asked for.
func (t *Tenant) shown(r *request, c *Client) (json.RawMessage, *Error) {
	fields := splitList(r.query.Get("fields"))
	include := r.query.Get("include_fields") != "false"
	if !r.viewOf().secret && include {
		for _, f := range fields {
			if f == "client_secret" || f == "signing_keys" || f == "encryption_key" {
				return nil, &Error{http.StatusForbidden, "insufficient_scope", "You cannot read the following fields: " + f}
			}
		}
	}
	body := t.render(c, r.viewOf())
	if !r.may("read:clients", "read:client_keys", "read:client_credentials") {
		fields, include = keepOnly(fields, include, []string{"client_id", "app_type", "name", "description"})
	}
	return selectFields(body, fields, include), nil
}

// keepOnly narrows a selection to the fields in allowed.
func keepOnly(fields []string, include bool, allowed []string) ([]string, bool) {
	if len(fields) == 0 {
		return allowed, true
	}
	return slices.DeleteFunc(allowed, func(f string) bool { return slices.Contains(fields, f) != include }), true
}

// selectFields cuts an object to its fields, or takes them away.
func selectFields(body json.RawMessage, fields []string, include bool, always ...string) json.RawMessage {
	if len(fields) == 0 {
		return body
	}
	var members props
	if json.Unmarshal(body, &members) != nil {
		return body
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool {
		return slices.Contains(fields, name) != include && !slices.Contains(always, name)
	})
	return withExtra(struct{}{}, members)
}

func (t *Tenant) listClients(r *request) (response, *Error) {
	page, fail := t.paging(r.query, t.quirks.ClientPaging)
	if fail != nil {
		return response{}, fail
	}
	keep, fail := t.clientFilter(r)
	if fail != nil {
		return response{}, fail
	}
	list, fail := collect(t.clients, page, keep)
	if fail != nil {
		return response{}, fail
	}
	items := make([]json.RawMessage, len(list.items))
	for i, c := range list.items {
		if items[i], fail = t.shown(r, c); fail != nil {
			return response{}, fail
		}
	}
	if r.viewOf().secret {
		t.logSecretRead(r)
	}
	return list.envelope("clients", items), nil
}

func (t *Tenant) clientFilter(r *request) (func(*Client) bool, *Error) {
	for _, name := range []string{"is_first_party", "is_global"} {
		if v := r.query.Get(name); v != "" && v != "true" && v != "false" {
			return nil, badQuery("Expected type boolean but found type string", name)
		}
	}
	first, global := r.query.Get("is_first_party"), r.query.Get("is_global")
	types, external := splitList(r.query.Get("app_type")), r.query.Get("external_client_id")
	return func(c *Client) bool {
		switch {
		case first != "" && (first == "true") != c.FirstParty,
			global != "" && (global == "true") != c.Global,
			global == "" && c.Global && t.quirks.GlobalHidden,
			len(types) > 0 && !slices.Contains(types, c.AppType),
			external != "" && external != c.ExternalClientID:
			return false
		}
		return true
	}, nil
}

func (t *Tenant) getClient(r *request) (response, *Error) {
	c := t.clients.get(r.vars[0])
	if c == nil {
		return response{}, noClient()
	}
	body, fail := t.shown(r, c)
	if fail != nil {
		return response{}, fail
	}
	if r.viewOf().secret {
		t.logSecretRead(r)
	}
	return response{status: http.StatusOK, body: body}, nil
}

func (t *Tenant) createClient(r *request) (response, *Error) {
	if fail := r.props.only(clientShape); fail != nil {
		return response{}, fail
	}
	if fail := r.props.require("name"); fail != nil {
		return response{}, fail
	}
	if full(t.plan.entities().clients, t.countClients()) {
		return response{}, tooManyEntities()
	}
	c := &Client{FirstParty: true}
	c.apply(r.props)
	if !c.FirstParty && c.SecurityMode == "" {
		c.SecurityMode = t.settings.securityMode()
	}
	switch {
	case c.FirstParty && c.SecurityMode != "":
		return response{}, badPayload("third_party_security_mode is for third-party clients only", "third_party_security_mode")
	case !c.FirstParty && c.SecurityMode != Strict && c.SecurityMode != Permissive:
		return response{}, badPayload("No enum match for: "+c.SecurityMode, "third_party_security_mode")
	}
	t.nameCredentials(c)
	if fail := c.check(); fail != nil {
		return response{}, fail
	}
	if s := r.props.str("client_secret"); s != "" {
		c.ID = t.newClientID(c)
		t.secrets[c.ID] = s
	}
	t.insertClient(c)
	res := response{status: http.StatusCreated, body: t.render(c, view{secret: true}), logBody: t.render(c, view{secret: true, log: true})}
	if t.secrets[c.ID] != "" {
		res.secrets = []string{"client_secret"}
	}
	return res, nil
}

// nameCredentials answers a private_key_jwt credential as Auth0 does: with an
// id and without the key.
func (t *Tenant) nameCredentials(c *Client) {
	raw, ok := c.Extra["client_authentication_methods"]
	if !ok {
		return
	}
	var methods map[string]struct {
		Credentials []map[string]any `json:"credentials"`
	}
	if json.Unmarshal(raw, &methods) != nil {
		return
	}
	for _, m := range methods {
		for _, cred := range m.Credentials {
			delete(cred, "pem")
			cred["id"], cred["kid"], cred["alg"] = "cred_"+t.letters(22), t.letters(43), "RS256"
			cred["created_at"], cred["updated_at"] = stamp(t.now()), stamp(t.now())
		}
	}
	if body, err := json.Marshal(methods); err == nil {
		c.Extra["client_authentication_methods"] = body
	}
}

func (t *Tenant) patchClient(r *request) (response, *Error) {
	c := t.clients.get(r.vars[0])
	if c == nil {
		return response{}, noClient()
	}
	if fail := t.checkPatch(c, r.props); fail != nil {
		return response{}, fail
	}
	next := c.clone()
	next.apply(r.props)
	*c = next
	v := r.viewOf()
	v.patch = true
	return response{status: http.StatusOK, body: t.render(c, v), logBody: t.render(c, view{patch: true, log: true, secret: v.secret})}, nil
}

func (t *Tenant) deleteClient(r *request) (response, *Error) {
	if c := t.clients.get(r.vars[0]); c != nil && c.Global {
		return response{}, &Error{http.StatusBadRequest, "operation_not_supported", "The global client cannot be deleted"}
	}
	if !t.removeClient(r.vars[0]) {
		if t.quirks.DeleteUnknown == http.StatusNotFound {
			return response{}, noClient()
		}
		res := noContent()
		res.silent = true
		return res, nil
	}
	return noContent(), nil
}

// clientConnections lists the connections that are enabled for a client.
func (t *Tenant) clientConnections(r *request) (response, *Error) {
	c := t.clients.get(r.vars[0])
	if c == nil {
		return response{}, noClient()
	}
	page, fail := t.paging(r.query, PagingServed)
	if fail != nil {
		return response{}, fail
	}
	page.cursor = true // there is no other form
	list, fail := collect(t.connections, page, func(conn *connection) bool { return conn.members.get(c.ID) != nil })
	if fail != nil {
		return response{}, fail
	}
	items := make([]json.RawMessage, len(list.items))
	for i, conn := range list.items {
		items[i] = t.renderConnection(conn)
	}
	return list.envelope("connections", items), nil
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func sortedNames(p props) []string { return slices.Sorted(maps.Keys(p)) }
