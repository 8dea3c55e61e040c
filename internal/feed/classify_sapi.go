package feed

import (
	"strings"

	"grantd/internal/dcr"
)

// What is looked up in details.request and details.response.
const (
	reqMethod = iota
	reqPath
	reqBody
	reqAuth
	reqChannel
)

const (
	resStatus = iota
	resBody
)

// What is looked up in the body of a request or response about a client: by
// RFC 7591's names, and by the Management API's.
const (
	bodyClientID = iota
	bodyClientName
	bodyName
	bodyRedirectURIs
	bodyCallbacks
)

func clientMembers(body value) ([]value, Flaw) {
	return body.members("client_id", "client_name", "name", "redirect_uris", "callbacks")
}

// call is a Management API call as a sapi entry tells of it.
type call struct {
	method, path string // the method in lower case; the path without a trailing slash
	body         value  // of the request
	answer       value  // the response's body
}

// dcrDescription marks a dynamic registration.
// https://auth0.com/docs/get-started/applications/dynamic-client-registration
const dcrDescription = "dynamic client registration"

// managementCall classifies a sapi entry: a successful write through the
// Management API, or a dynamic registration. Its top-level client_id is the
// caller's, and says nothing of the client that was made or changed.
func (e *entry) managementCall() ([]dcr.Sighting, Flaw) {
	c, request, status, flaw := e.call()
	if flaw != none {
		return nil, flaw
	}
	registered := c.method == "post" && c.path == "/oidc/register" ||
		strings.Contains(strings.ToLower(e.value(mDescription).hint()), dcrDescription)
	if !registered && !c.ofInterest() {
		return nil, none
	}
	if len(status) != 3 || !isDigit(status[0]) || !isDigit(status[1]) || !isDigit(status[2]) {
		return nil, BadShape
	}
	if status[0] != '2' {
		return nil, none
	}
	var found []dcr.Sighting
	if registered {
		found, flaw = c.registration(dcr.RegistrationDCR)
	} else {
		found, flaw = c.change()
	}
	if len(found) > 0 {
		actor := e.actor(request)
		for i := range found {
			found[i].Actor = actor
		}
	}
	return found, flaw
}

// call looks up details.request and details.response.
func (e *entry) call() (c call, request []value, status value, flaw Flaw) {
	details, flaw := e.value(mDetails).members("request", "response")
	if flaw != none {
		return c, nil, nil, flaw
	}
	request, flaw = details[0].members("method", "path", "body", "auth", "channel")
	if flaw != none {
		return c, nil, nil, flaw
	}
	c.method = strings.ToLower(request[reqMethod].hint())
	c.path = strings.TrimSuffix(request[reqPath].hint(), "/")
	c.body = request[reqBody]
	response, flaw := details[1].members("statusCode", "body")
	if flaw != none {
		return c, request, nil, flaw
	}
	c.answer = response[resBody]
	return c, request, response[resStatus], none
}

// sample is what the entry is about, fit for a log.
func (e *entry) sample() Sample {
	s := Sample{Type: printable(e.value(mType).hint())}
	if c, _, _, flaw := e.call(); flaw == none {
		// Ids, and users' ids are mail addresses at times, come fourth.
		segments := strings.SplitN(c.path, "/", 5)
		s.Path = printable(strings.Join(segments[:min(4, len(segments))], "/"))
		if len(segments) > 4 {
			s.Path += "/…"
		}
	}
	return s
}

// printable is s if it is short and harmless in a log.
func printable(s string) string {
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte("_-./", s[i]) < 0 || len(s) > 64 {
			return "?"
		}
	}
	return s
}

// registration is the sighting of a new client. Its id stands in the answer and
// nowhere else: a request may claim any.
func (c call) registration(how dcr.Registration) ([]dcr.Sighting, Flaw) {
	answer, flaw := clientMembers(c.answer)
	if flaw != none {
		return nil, flaw
	}
	id, ok := answer[bodyClientID].text()
	if !ok || !dcr.ValidClientID(id) {
		return nil, BadClientID
	}
	s := dcr.Sighting{Kind: dcr.Registered, ClientID: id, Registration: how}
	describe(&s, answer)
	// The answer's word goes first, the request's fills in.
	if asked, flaw := clientMembers(c.body); flaw == none {
		describe(&s, asked)
	}
	return []dcr.Sighting{s}, none
}

// describe fills in name and callbacks from a body, as far as they are missing.
func describe(s *dcr.Sighting, body []value) {
	for _, v := range []value{body[bodyClientName], body[bodyName]} {
		if s.Name == "" {
			s.Name = cut(v.hint(), maxName)
		}
	}
	for _, v := range []value{body[bodyRedirectURIs], body[bodyCallbacks]} {
		if len(s.Callbacks) > 0 {
			continue
		}
		uris, _, _ := v.elements(maxCallbacks)
		for _, uri := range uris {
			s.Callbacks = append(s.Callbacks, cut(uri.hint(), maxCallback))
		}
	}
}
