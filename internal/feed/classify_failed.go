package feed

import (
	"strings"

	"grantd/internal/dcr"
)

// failedLogin classifies an entry of type f: a login that failed. One for want
// of a client grant says: Client "…" is not authorized to access resource
// server "…". Strict clients show their user an error page and are told nothing
// themselves, so this entry is the only trace.
// https://auth0.com/docs/get-started/applications/third-party-applications/troubleshooting
func (e *entry) failedLogin() ([]dcr.Sighting, Flaw) {
	client, audience, ok := e.denial()
	if !ok {
		return nil, none
	}
	if audience == "" || len(audience) > maxAudience {
		return nil, BadShape
	}
	top, isText := e.value(mClientID).text()
	switch {
	case !isText:
		return nil, BadClientID
	case strings.HasPrefix(client, "https://"):
		// The text may name a client by the URL of its metadata document.
		client = top
	case top != "" && top != client && !strings.HasPrefix(top, "https://"):
		return nil, Contradiction
	}
	if !dcr.ValidClientID(client) {
		return nil, BadClientID
	}
	return []dcr.Sighting{{Kind: dcr.Denied, ClientID: client, Audience: audience}}, none
}

// denial looks for the sentence where Auth0 writes it. What the request sent
// stands elsewhere in the entry.
func (e *entry) denial() (client, audience string, ok bool) {
	if client, audience, ok = parseDenial(e.value(mDescription).hint()); ok {
		return client, audience, ok
	}
	details, flaw := e.value(mDetails).members("error", "error_description")
	if flaw != none {
		return "", "", false
	}
	texts := details
	if inner, flaw := details[0].members("message", "description", "error_description"); flaw == none {
		texts = append(texts, inner...)
	}
	for _, v := range texts {
		if client, audience, ok = parseDenial(v.hint()); ok {
			return client, audience, ok
		}
	}
	return "", "", false
}

func parseDenial(s string) (client, audience string, ok bool) {
	const head, middle, tail = `Client "`, `" is not authorized to access resource server "`, `"`
	_, s, ok = strings.Cut(s, head)
	if !ok {
		return "", "", false
	}
	if client, s, ok = strings.Cut(s, middle); !ok {
		return "", "", false
	}
	audience, _, ok = strings.Cut(s, tail)
	return client, audience, ok
}
