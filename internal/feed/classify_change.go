package feed

import (
	"slices"
	"strings"

	"grantd/internal/dcr"
)

const (
	clientsPath     = "/api/v2/clients"
	cimdPath        = "/api/v2/clients/cimd/register"
	grantsPath      = "/api/v2/client-grants"
	connectionsPath = "/api/v2/connections"
	apisPath        = "/api/v2/resource-servers"
)

// ofInterest reports whether the call may say something of a client.
func (c call) ofInterest() bool {
	for _, p := range []string{clientsPath, grantsPath, connectionsPath, apisPath} {
		if rest, ok := strings.CutPrefix(c.path, p); ok && (rest == "" || rest[0] == '/') {
			return c.method == "post" || c.method == "patch" || c.method == "delete"
		}
	}
	return false
}

// under is the rest of the path below a collection.
func (c call) under(collection string) (rest string, ok bool) {
	return strings.CutPrefix(c.path, collection+"/")
}

// change classifies a call by method and path, which are documented; the
// descriptions are not.
// https://auth0.com/docs/api/management/v2
func (c call) change() ([]dcr.Sighting, Flaw) {
	if c.method == "post" {
		switch c.path {
		case clientsPath:
			return c.registration(dcr.RegistrationUnknown)
		case cimdPath:
			return c.registration(dcr.RegistrationCIMD)
		case grantsPath:
			return c.ofAPI(c.grantMade())
		case connectionsPath, apisPath:
			return c.made()
		}
		return nil, none
	}
	if rest, ok := c.under(clientsPath); ok {
		return c.clientEdited(rest)
	}
	if rest, ok := c.under(grantsPath); ok {
		return c.ofAPI(c.grantEdited(rest))
	}
	if rest, ok := c.under(connectionsPath); ok {
		return c.connectionEdited(rest)
	}
	if rest, ok := c.under(apisPath); ok {
		return c.apiEdited(rest)
	}
	return nil, none
}

// made: POST /connections and POST /resource-servers. It may be what clients
// wait for.
func (c call) made() ([]dcr.Sighting, Flaw) {
	_, named, flaw := ids(c.answer)
	if flaw != none {
		return nil, flaw
	}
	id := named.hint()
	switch {
	case !dcr.ValidClientID(id):
		return nil, none
	case c.path == apisPath:
		return changed(dcr.Sighting{APIID: id})
	}
	return changed(dcr.Sighting{ConnectionID: id})
}

func changed(s dcr.Sighting) ([]dcr.Sighting, Flaw) {
	s.Kind = dcr.Changed
	return []dcr.Sighting{s}, none
}

// ids looks up the ids in the body of a request or response. One that is no
// object has none.
func ids(body value) (clientID, id value, flaw Flaw) {
	if body == nil || body[0] != '{' {
		return nil, nil, none
	}
	found, flaw := body.members("client_id", "id")
	if flaw != none {
		return nil, nil, flaw
	}
	return found[0], found[1], none
}

// clientEdited: PATCH or DELETE /clients/{id}. What lies below a client, such
// as its credentials, is of no interest.
func (c call) clientEdited(rest string) ([]dcr.Sighting, Flaw) {
	id, below, isBelow := strings.Cut(rest, "/")
	if !dcr.ValidClientID(id) {
		return nil, BadClientID
	}
	if isBelow && below != "" {
		return nil, none
	}
	if c.method == "delete" {
		return []dcr.Sighting{{Kind: dcr.Deleted, ClientID: id}}, none
	}
	named, _, flaw := ids(c.answer)
	if flaw != none {
		return nil, flaw
	}
	if s, ok := named.text(); !ok || s != "" && s != id {
		return nil, Contradiction
	}
	return changed(dcr.Sighting{ClientID: id})
}

// grantMade: POST /client-grants. A default grant has no client; it is known by
// its own id.
func (c call) grantMade() ([]dcr.Sighting, Flaw) {
	client, grant, flaw := ids(c.answer)
	if flaw != none {
		return nil, flaw
	}
	if client == nil {
		if client, _, flaw = ids(c.body); flaw != none {
			return nil, flaw
		}
	}
	if client == nil {
		id := grant.hint()
		if id == "" {
			return nil, none
		}
		return grantChanged(id)
	}
	return clientChanged(client)
}

// grantEdited: PATCH or DELETE /client-grants/{id}.
func (c call) grantEdited(rest string) ([]dcr.Sighting, Flaw) {
	id, below, isBelow := strings.Cut(rest, "/")
	if !dcr.ValidClientID(id) {
		return nil, BadID
	}
	if isBelow && below != "" {
		return nil, none
	}
	if c.method == "patch" {
		client, _, flaw := ids(c.answer)
		if flaw != none {
			return nil, flaw
		}
		if client != nil {
			return clientChanged(client)
		}
	}
	return grantChanged(id)
}

// ofAPI adds which API the grant is for, as far as the entry says.
func (c call) ofAPI(found []dcr.Sighting, flaw Flaw) ([]dcr.Sighting, Flaw) {
	for i := range found {
		for _, body := range []value{c.body, c.answer} { // the answer has the last word
			if named, bad := body.members("audience"); bad == none && len(named[0]) > len(`""`) && len(named[0]) <= maxAudience {
				found[i].Audience = named[0].hint()
			}
		}
	}
	return found, flaw
}

func clientChanged(v value) ([]dcr.Sighting, Flaw) {
	id, ok := v.text()
	if !ok || !dcr.ValidClientID(id) {
		return nil, BadClientID
	}
	return changed(dcr.Sighting{ClientID: id})
}

func grantChanged(id string) ([]dcr.Sighting, Flaw) {
	if !dcr.ValidClientID(id) {
		return nil, BadID
	}
	return changed(dcr.Sighting{GrantID: id})
}

// connectionEdited: PATCH or DELETE /connections/{id}, PATCH
// /connections/{id}/clients.
func (c call) connectionEdited(rest string) ([]dcr.Sighting, Flaw) {
	id, below, _ := strings.Cut(rest, "/")
	switch {
	case !dcr.ValidClientID(id):
		return nil, BadID
	case below == "clients" && c.method == "patch":
		if found, flaw := c.clientsOfConnection(); flaw != none || len(found) > 0 {
			return found, flaw
		}
	case below != "":
		return nil, none
	}
	return changed(dcr.Sighting{ConnectionID: id})
}

// clientsOfConnection are the clients that PATCH /connections/{id}/clients
// names: [{"client_id":"…","status":true}]. There are none if the entry does
// not name them, or too many.
func (c call) clientsOfConnection() ([]dcr.Sighting, Flaw) {
	if c.body == nil || c.body[0] != '[' {
		return nil, none
	}
	items, more, _ := c.body.elements(maxEnabled)
	var found []dcr.Sighting
	for _, item := range items {
		client, _, flaw := ids(item)
		if flaw != none {
			return nil, flaw
		}
		one, flaw := clientChanged(client)
		if flaw != none {
			return nil, flaw
		}
		if !slices.ContainsFunc(found, func(s dcr.Sighting) bool { return s.ClientID == one[0].ClientID }) {
			found = append(found, one[0])
		}
	}
	if more {
		return nil, none
	}
	return found, none
}

// apiEdited: PATCH or DELETE /resource-servers/{id}. The path may have the
// API's identifier instead, percent-encoded; the answer has the id.
func (c call) apiEdited(rest string) ([]dcr.Sighting, Flaw) {
	id, below, _ := strings.Cut(rest, "/")
	if below != "" {
		return nil, none
	}
	_, named, flaw := ids(c.answer)
	if flaw != none {
		return nil, flaw
	}
	if s := named.hint(); s != "" {
		id = s
	}
	if !dcr.ValidClientID(id) {
		return nil, BadID
	}
	return changed(dcr.Sighting{APIID: id})
}
