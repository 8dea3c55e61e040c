package tenantsim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// maxMembers is how many clients one PATCH may name.
const maxMembers = 50

func (t *Tenant) listMembers(r *request) (response, *Error) {
	c := t.connections.get(r.vars[0])
	if c == nil {
		return response{}, noConnection()
	}
	page, fail := t.paging(r.query, PagingServed)
	if fail != nil {
		return response{}, fail
	}
	page.cursor = true // there is no other form
	list, fail := collect(c.members, page, func(*string) bool { return true })
	if fail != nil {
		return response{}, fail
	}
	items := make([]json.RawMessage, len(list.items))
	for i, id := range list.items {
		items[i] = withExtra(struct {
			ClientID string `json:"client_id"`
		}{*id}, nil)
	}
	return list.envelope("clients", items), nil
}

// patchMembers switches the connection on or off for the clients named, and
// leaves all others alone.
// https://auth0.com/docs/api/management/v2/connections/patch-clients
func (t *Tenant) patchMembers(r *request) (response, *Error) {
	c := t.connections.get(r.vars[0])
	if c == nil {
		return response{}, noConnection()
	}
	var items []props
	if err := json.Unmarshal(r.body, &items); err != nil {
		return response{}, &Error{http.StatusBadRequest, "invalid_body", "Payload validation error: 'Expected type array'."}
	}
	if len(items) == 0 {
		return response{}, &Error{http.StatusBadRequest, "invalid_body", "Payload validation error: 'Array is too short (0), minimum 1'."}
	}
	if len(items) > maxMembers {
		return response{}, &Error{http.StatusBadRequest, "invalid_body",
			fmt.Sprintf("Payload validation error: 'Array is too long (%d), maximum %d'.", len(items), maxMembers)}
	}
	for i, item := range items {
		if fail := t.checkMember(i, item); fail != nil {
			return response{}, fail
		}
	}
	for _, item := range items {
		id := item.str("client_id")
		switch {
		case !item.boolean("status"):
			c.disable(id)
		case t.fate(t.clients.get(id)) == MemberKept:
			c.enable(id)
		}
	}
	return noContent(), nil
}

func (t *Tenant) checkMember(i int, item props) *Error {
	if fail := item.only(func(name string) (shape, bool) {
		switch name {
		case "client_id":
			return isString, true
		case "status":
			return isBool, true
		}
		return "", false
	}); fail != nil {
		return fail
	}
	if fail := item.require("client_id", "status"); fail != nil {
		return fail
	}
	c := t.clients.get(item.str("client_id"))
	if c == nil {
		if t.quirks.UnknownMember == http.StatusBadRequest {
			return badPayload("The client does not exist", itoa(i)+".client_id")
		}
		return noClient()
	}
	if item.boolean("status") && t.fate(c) == MemberRefused {
		return &Error{http.StatusBadRequest, "invalid_body",
			"Payload validation error: 'Third-party clients can only use domain-level connections' on property " + itoa(i) + ".client_id."}
	}
	return nil
}

// fate is what becomes of a client that a connection is enabled for.
func (t *Tenant) fate(c *Client) Membership {
	switch {
	case c.FirstParty:
		return MemberKept
	case c.strict():
		return t.quirks.StrictMembers
	}
	return t.quirks.PermissiveMembers
}
