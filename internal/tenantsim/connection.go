package tenantsim

import (
	"encoding/json"
	"net/http"
	"slices"
)

// connection is a source of users.
type connection struct {
	id, name, strategy string
	displayName        string
	domainLevel        bool
	options            json.RawMessage
	realms             []string
	extra              map[string]json.RawMessage
	members            *table[string]
}

func (c *connection) enable(clientID string) {
	if c.members.get(clientID) == nil {
		c.members.add(clientID, &clientID)
	}
}

func (c *connection) disable(clientID string) { c.members.remove(clientID) }

// shownMembers bounds the deprecated enabled_clients in an answer, which with
// a hundred thousand clients nobody reads.
const shownMembers = 1000

func (t *Tenant) renderConnection(c *connection) json.RawMessage {
	enabled := []string{}
	for id := range c.members.all() {
		if len(enabled) == shownMembers {
			break
		}
		enabled = append(enabled, *id)
	}
	realms := c.realms
	if realms == nil {
		realms = []string{}
	}
	return withExtra(struct {
		ID          string          `json:"id"`
		Options     json.RawMessage `json:"options"`
		Strategy    string          `json:"strategy"`
		Name        string          `json:"name"`
		DisplayName string          `json:"display_name,omitempty"`
		DomainLevel bool            `json:"is_domain_connection"`
		Enabled     []string        `json:"enabled_clients"`
		Realms      []string        `json:"realms"`
	}{c.id, c.options, c.strategy, c.name, c.displayName, c.domainLevel, enabled, realms}, c.extra)
}

// defaultOptions of a connection that is made, or whose options are replaced.
func defaultOptions(strategy string) json.RawMessage {
	if strategy == "auth0" {
		return json.RawMessage(`{"mfa":{"active":true,"return_enroll_settings":true},"passwordPolicy":"good","strategy_version":2,"authentication_methods":{"password":{"enabled":true},"passkey":{"enabled":false}},"passkey_options":{"challenge_ui":"both","progressive_enrollment_enabled":true,"local_enrollment_enabled":true},"brute_force_protection":true}`)
	}
	return json.RawMessage(`{"email":true,"scope":["email","profile"],"profile":true}`)
}

func noConnection() *Error {
	return &Error{http.StatusNotFound, "inexistent_connection", "The connection does not exist"}
}

func connectionShape(name string) (shape, bool) {
	switch name {
	case "name", "strategy", "display_name":
		return isString, true
	case "is_domain_connection", "show_as_button":
		return isBool, true
	case "options", "metadata", "authentication", "connected_accounts", "cross_app_access_requesting_app":
		return isObject, true
	case "realms", "enabled_clients":
		return isStrings, true
	}
	return "", false
}

func (t *Tenant) insertConnection(name, strategy string) *connection {
	c := &connection{
		id: "con_" + t.letters(16), name: name, strategy: strategy, options: defaultOptions(strategy),
		realms: []string{name}, members: newTable[string](),
		extra: map[string]json.RawMessage{
			"authentication":     json.RawMessage(`{"active":true}`),
			"connected_accounts": json.RawMessage(`{"active":false}`),
		},
	}
	t.connections.add(c.id, c)
	return c
}

func (t *Tenant) connectionNamed(name string) *connection {
	for c := range t.connections.all() {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (t *Tenant) listConnections(r *request) (response, *Error) {
	page, fail := t.paging(r.query, PagingServed)
	if fail != nil {
		return response{}, fail
	}
	name, strategies := r.query.Get("name"), r.query["strategy"]
	list, fail := collect(t.connections, page, func(c *connection) bool {
		return (name == "" || c.name == name) && (len(strategies) == 0 || slices.Contains(strategies, c.strategy))
	})
	if fail != nil {
		return response{}, fail
	}
	fields, include := splitList(r.query.Get("fields")), r.query.Get("include_fields") != "false"
	items := make([]json.RawMessage, len(list.items))
	for i, c := range list.items {
		items[i] = selectFields(t.renderConnection(c), fields, include, "id", "is_domain_connection", "authentication", "connected_accounts")
	}
	return list.envelope("connections", items), nil
}

func (t *Tenant) createConnection(r *request) (response, *Error) {
	if fail := r.props.only(connectionShape); fail != nil {
		return response{}, fail
	}
	if fail := r.props.require("name", "strategy"); fail != nil {
		return response{}, fail
	}
	if full(t.plan.entities().connections, t.connections.len()) {
		return response{}, tooManyEntities()
	}
	if t.connectionNamed(r.props.str("name")) != nil {
		return response{}, &Error{http.StatusConflict, "connection_conflict", "A connection with the same name already exists"}
	}
	c := t.insertConnection(r.props.str("name"), r.props.str("strategy"))
	t.applyConnection(c, r.props)
	for _, id := range r.props.strs("enabled_clients") {
		if t.clients.get(id) != nil {
			c.enable(id)
		}
	}
	return response{status: http.StatusCreated, body: t.renderConnection(c)}, nil
}

func (t *Tenant) getConnection(r *request) (response, *Error) {
	c := t.connections.get(r.vars[0])
	if c == nil {
		return response{}, noConnection()
	}
	fields, include := splitList(r.query.Get("fields")), r.query.Get("include_fields") != "false"
	return response{status: http.StatusOK, body: selectFields(t.renderConnection(c), fields, include, "id")}, nil
}

func (t *Tenant) patchConnection(r *request) (response, *Error) {
	c := t.connections.get(r.vars[0])
	if c == nil {
		return response{}, noConnection()
	}
	if fail := r.props.only(connectionShape); fail != nil {
		return response{}, fail
	}
	for _, fixed := range []string{"name", "strategy"} {
		if r.props.has(fixed) {
			return response{}, badPayload("Additional properties not allowed: "+fixed, fixed)
		}
	}
	if r.props.has("enabled_clients") && !t.quirks.EnabledClientsWritable {
		return response{}, badPayload("Additional properties not allowed: enabled_clients", "enabled_clients")
	}
	t.applyConnection(c, r.props)
	// Only a body that is about more than the level resets what it leaves out.
	_, level := r.props["is_domain_connection"]
	if !level || len(r.props) > 1 {
		if !r.props.has("display_name") {
			c.displayName = ""
		}
		if len(r.props.strs("realms")) == 0 {
			c.realms = []string{c.name}
		}
	}
	if r.props.has("enabled_clients") {
		c.members = newTable[string]()
		for _, id := range r.props.strs("enabled_clients") {
			if t.clients.get(id) != nil {
				c.enable(id)
			}
		}
	}
	return response{status: http.StatusOK, body: t.renderConnection(c)}, nil
}

// applyConnection sets what the body holds. options is replaced: what is not
// sent falls back to its default.
func (t *Tenant) applyConnection(c *connection, p props) {
	for name, raw := range p {
		switch name {
		case "name", "strategy", "enabled_clients":
		case "display_name":
			c.displayName = p.str(name)
		case "is_domain_connection":
			c.domainLevel = p.boolean(name)
		case "realms":
			c.realms = p.strs(name)
		case "options":
			c.options = mergeObject(defaultOptions(c.strategy), raw)
		default:
			if c.extra == nil {
				c.extra = map[string]json.RawMessage{}
			}
			c.extra[name] = slices.Clone(raw)
		}
	}
}

func (t *Tenant) deleteConnection(r *request) (response, *Error) {
	if !t.connections.remove(r.vars[0]) {
		return response{}, noConnection()
	}
	return jsonResponse(http.StatusAccepted, map[string]string{"deleted_at": stamp(t.now())}), nil
}
