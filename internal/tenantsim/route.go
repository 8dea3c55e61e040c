package tenantsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is one endpoint.
type route struct {
	method, template string
	segments         []string
	scopes           []string // any of them; a public endpoint has none
	public           bool
	bucket           string // "": the shared one
	description      string // in the log, for writes
	array            bool   // the body is an array
	handle           func(*Tenant, *request) (response, *Error)
}

// operation names the endpoint: "PATCH /clients/{id}" for the Management API,
// "POST /oidc/register" for the others.
func (r *route) operation() string {
	return r.method + " " + strings.TrimPrefix(r.template, "/api/v2")
}

func (r *route) bucketFor(req *request) string {
	switch {
	case r.bucket == bucketClients && req.query.Has("q"):
		return bucketClientQuery
	case r.bucket != "":
		return r.bucket
	case r.public:
		return "none"
	}
	return bucketAll
}

// Scopes that let a caller see a client, and its secrets.
func clientReaders() []string {
	return []string{"read:clients", "read:client_keys", "read:client_credentials", "read:client_summary"}
}

func secretReaders() []string { return []string{"read:client_keys", "read:client_credentials"} }

// table lists every endpoint.
func (t *Tenant) table() []route {
	get, post, patch, del := http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	updClient := []string{"update:clients", "update:client_keys", "update:client_credentials"}
	regCIMD := []string{"create:clients", "update:clients"}
	one := func(s string) []string { return []string{s} }
	rs := []route{
		{method: post, template: "/oidc/register", public: true, bucket: bucketRegister, description: "Dynamic client registration", handle: (*Tenant).register},
		{method: post, template: "/oauth/token", public: true, bucket: bucketToken, handle: (*Tenant).issueToken},
		{method: get, template: "/.well-known/jwks.json", public: true, bucket: bucketJWKS, handle: (*Tenant).jwks},
		{method: get, template: "/.well-known/openid-configuration", public: true, handle: (*Tenant).discovery},
		{method: get, template: "/.well-known/oauth-authorization-server", public: true, handle: (*Tenant).discovery},

		{method: get, template: "/api/v2/clients", scopes: clientReaders(), bucket: bucketClients, handle: (*Tenant).listClients},
		{method: post, template: "/api/v2/clients", scopes: one("create:clients"), description: "Create a client", handle: (*Tenant).createClient},
		{method: post, template: "/api/v2/clients/cimd/preview", scopes: one("read:clients"), handle: (*Tenant).previewCIMD},
		{method: post, template: "/api/v2/clients/cimd/register", scopes: regCIMD, description: "Register a CIMD client", handle: (*Tenant).registerCIMD},
		{method: get, template: "/api/v2/clients/{id}", scopes: clientReaders(), handle: (*Tenant).getClient},
		{method: patch, template: "/api/v2/clients/{id}", scopes: updClient, description: "Update a client", handle: (*Tenant).patchClient},
		{method: del, template: "/api/v2/clients/{id}", scopes: one("delete:clients"), description: "Delete a client", handle: (*Tenant).deleteClient},
		{method: get, template: "/api/v2/clients/{id}/connections", scopes: one("read:connections"), handle: (*Tenant).clientConnections},

		{method: get, template: "/api/v2/client-grants", scopes: one("read:client_grants"), handle: (*Tenant).listGrants},
		{method: post, template: "/api/v2/client-grants", scopes: one("create:client_grants"), description: "Create client grant", handle: (*Tenant).createGrant},
		{method: get, template: "/api/v2/client-grants/{id}", scopes: one("read:client_grants"), handle: (*Tenant).getGrant},
		{method: patch, template: "/api/v2/client-grants/{id}", scopes: one("update:client_grants"), description: "Update client grant", handle: (*Tenant).patchGrant},
		{method: del, template: "/api/v2/client-grants/{id}", scopes: one("delete:client_grants"), description: "Delete client grant", handle: (*Tenant).deleteGrant},

		{method: get, template: "/api/v2/connections", scopes: one("read:connections"), bucket: bucketConnections, handle: (*Tenant).listConnections},
		{method: post, template: "/api/v2/connections", scopes: one("create:connections"), description: "Create a connection", handle: (*Tenant).createConnection},
		{method: get, template: "/api/v2/connections/{id}", scopes: one("read:connections"), handle: (*Tenant).getConnection},
		{method: patch, template: "/api/v2/connections/{id}", scopes: one("update:connections"), description: "Update a connection", handle: (*Tenant).patchConnection},
		{method: del, template: "/api/v2/connections/{id}", scopes: one("delete:connections"), description: "Delete a connection", handle: (*Tenant).deleteConnection},
		{method: get, template: "/api/v2/connections/{id}/clients", scopes: one("read:connections"), handle: (*Tenant).listMembers},
		{method: patch, template: "/api/v2/connections/{id}/clients", scopes: one("update:connections"), array: true, description: "Update Connection Clients", handle: (*Tenant).patchMembers},

		{method: get, template: "/api/v2/resource-servers", scopes: one("read:resource_servers"), handle: (*Tenant).listAPIs},
		{method: post, template: "/api/v2/resource-servers", scopes: one("create:resource_servers"), description: "Create a resource server", handle: (*Tenant).createAPI},
		{method: get, template: "/api/v2/resource-servers/{id}", scopes: one("read:resource_servers"), handle: (*Tenant).getAPI},
		{method: patch, template: "/api/v2/resource-servers/{id}", scopes: one("update:resource_servers"), description: "Update a resource server", handle: (*Tenant).patchAPI},
		{method: del, template: "/api/v2/resource-servers/{id}", scopes: one("delete:resource_servers"), description: "Delete a resource server", handle: (*Tenant).deleteAPI},

		{method: get, template: "/api/v2/logs", scopes: []string{"read:logs", "read:logs_users"}, bucket: bucketLogs, handle: (*Tenant).listLogs},
		{method: get, template: "/api/v2/logs/{id}", scopes: []string{"read:logs", "read:logs_users"}, bucket: bucketLogs, handle: (*Tenant).getLog},

		{method: get, template: "/api/v2/log-streams", scopes: one("read:log_streams"), handle: (*Tenant).listStreams},
		{method: post, template: "/api/v2/log-streams", scopes: one("create:log_streams"), description: "Create a log stream", handle: (*Tenant).createStream},
		{method: get, template: "/api/v2/log-streams/{id}", scopes: one("read:log_streams"), handle: (*Tenant).getStream},
		{method: patch, template: "/api/v2/log-streams/{id}", scopes: one("update:log_streams"), description: "Update a log stream", handle: (*Tenant).patchStream},
		{method: del, template: "/api/v2/log-streams/{id}", scopes: one("delete:log_streams"), description: "Delete a log stream", handle: (*Tenant).deleteStream},

		{method: get, template: "/api/v2/hooks", scopes: one("read:hooks"), handle: (*Tenant).listHooks},
		{method: get, template: "/api/v2/organizations", scopes: one("read:organizations"), handle: (*Tenant).listOrganizations},
		{method: get, template: "/api/v2/rules", scopes: one("read:rules"), handle: (*Tenant).listRules},

		{method: get, template: "/api/v2/tenants/settings", scopes: one("read:tenant_settings"), handle: (*Tenant).getSettings},
		{method: patch, template: "/api/v2/tenants/settings", scopes: one("update:tenant_settings"), description: "Update tenant settings", handle: (*Tenant).patchSettings},
	}
	for i := range rs {
		rs[i].segments = strings.Split(rs[i].template, "/")
	}
	return rs
}

// match finds the endpoint of an escaped path and the values of its variables.
// A segment is unescaped by itself, so that an identifier may hold slashes.
func (t *Tenant) match(method, escaped string) (*route, []string) {
	segments := strings.Split(escaped, "/")
	for i := range t.routes {
		r := &t.routes[i]
		if r.method != method || len(r.segments) != len(segments) {
			continue
		}
		if vars, ok := r.vars(segments); ok {
			return r, vars
		}
	}
	return nil, nil
}

func (r *route) vars(segments []string) ([]string, bool) {
	var vars []string
	for i, want := range r.segments {
		if !strings.HasPrefix(want, "{") {
			if want != segments[i] {
				return nil, false
			}
			continue
		}
		v, err := url.PathUnescape(segments[i])
		if err != nil || v == "" {
			return nil, false
		}
		vars = append(vars, v)
	}
	return vars, true
}

// request is a call as the endpoints see it, over HTTP or by Do.
type request struct {
	route  *route
	method string
	path   string
	base   string // scheme and host that the caller used
	query  url.Values
	header http.Header
	vars   []string
	body   []byte
	props  props    // of an object body
	actor  Actor    // who calls
	scopes []string // of the token
	super  bool     // all scopes: a call by Do
	lost   bool     // a fault keeps the answer from the caller
}

func (r *request) may(anyOf ...string) bool {
	return r.super || slices.ContainsFunc(anyOf, func(s string) bool { return slices.Contains(r.scopes, s) })
}

func (r *request) authorize() *Error {
	if r.route.public || r.may(r.route.scopes...) {
		return nil
	}
	return &Error{http.StatusForbidden, "insufficient_scope",
		"Insufficient scope, expected any of: " + strings.Join(r.route.scopes, ",")}
}

// decode reads the members of an object body.
func (r *request) decode() *Error {
	if r.method != http.MethodPost && r.method != http.MethodPatch || r.route.bucket == bucketToken {
		return nil
	}
	if r.route.array {
		return nil
	}
	if len(bytes.TrimSpace(r.body)) == 0 {
		r.props = props{}
		return nil
	}
	if err := json.Unmarshal(r.body, &r.props); err != nil || r.props == nil {
		if !json.Valid(r.body) {
			return &Error{http.StatusBadRequest, "invalid_body", "Invalid request payload JSON format"}
		}
		return &Error{http.StatusBadRequest, "invalid_body", "Payload validation error: 'Expected type object'."}
	}
	return nil
}

// props are the members of a JSON object, not yet read.
type props map[string]json.RawMessage

func (p props) str(name string) string {
	var s string
	_ = json.Unmarshal(p[name], &s) // the shape was checked; absent is ""
	return s
}

func (p props) strs(name string) []string {
	var s []string
	_ = json.Unmarshal(p[name], &s)
	return s
}

func (p props) boolean(name string) bool {
	var b bool
	_ = json.Unmarshal(p[name], &b)
	return b
}

func (p props) has(name string) bool {
	_, ok := p[name]
	return ok
}

func (p props) null(name string) bool { return string(p[name]) == "null" }

// shape is the JSON type that a property must have.
type shape string

// The shapes of properties.
const (
	isString  shape = "string"
	isBool    shape = "boolean"
	isNumber  shape = "number"
	isObject  shape = "object"
	isArray   shape = "array"
	isStrings shape = "array of strings"
	isAny     shape = ""
)

// check refuses a value of another type. null is let through: it clears.
func (s shape) check(name string, raw json.RawMessage) *Error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return badPayload("Invalid JSON", name)
	}
	ok := true
	switch s {
	case isString:
		_, ok = v.(string)
	case isBool:
		_, ok = v.(bool)
	case isNumber:
		_, ok = v.(float64)
	case isObject:
		_, ok = v.(map[string]any)
	case isArray:
		_, ok = v.([]any)
	case isStrings:
		var items []any
		items, ok = v.([]any)
		for i, item := range items {
			if _, isStr := item.(string); !isStr {
				return badPayload("Expected type string", name+"["+itoa(i)+"]")
			}
		}
	case isAny:
	}
	if !ok && v != nil {
		return badPayload("Expected type "+strings.TrimSuffix(string(s), " of strings")+" but found type "+jsonType(v), name)
	}
	return nil
}

func jsonType(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case []any:
		return "array"
	case nil:
		return "null"
	}
	return "object"
}

// only refuses every property that is not in shapes, and every wrong type.
// Names are looked at in order, so that the same body gets the same answer.
func (p props) only(shapes func(name string) (shape, bool)) *Error {
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s, ok := shapes(name)
		if !ok {
			return badPayload("Additional properties not allowed: "+name, name)
		}
		if fail := s.check(name, p[name]); fail != nil {
			return fail
		}
	}
	return nil
}

func (p props) require(names ...string) *Error {
	for _, name := range names {
		if !p.has(name) || p.null(name) {
			return badPayload("Missing required property: "+name, name)
		}
	}
	return nil
}
