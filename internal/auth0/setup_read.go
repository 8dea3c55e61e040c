package auth0

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// APIScope is a scope that an API defines.
type APIScope struct {
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
}

// FullAPI is an API with all that setup looks at.
type FullAPI struct {
	dcr.API
	Defined []APIScope // its scopes with their descriptions, in Auth0's order
}

// FullAPI reads an API by its identifier, which is matched exactly; ErrNotFound
// when there is none.
func (c *Client) FullAPI(ctx context.Context, identifier string) (FullAPI, error) {
	r, api, err := c.readAPI(ctx, identifier)
	if err != nil {
		return FullAPI{}, err
	}
	full := FullAPI{API: api}
	for _, s := range r.Scopes {
		if s != nil {
			full.Defined = append(full.Defined, APIScope{s.Value, s.GetDescription()})
		}
	}
	return full, nil
}

// ManagementGrant finds the grant by which an application itself reaches the
// API called audience, such as the Management API.
func (c *Client) ManagementGrant(ctx context.Context, clientID, audience string) (dcr.Grant, bool, error) {
	if !dcr.ValidClientID(clientID) {
		return dcr.Grant{}, false, invalid(opListGrants, "client id")
	}
	l := listing{
		op: opListGrants, path: "/client-grants", name: "client_grants", byOffset: &c.grantsByOffset,
		query: url.Values{"audience": {audience}, "client_id": {clientID}},
	}
	for from, n := "", 0; n < maxPages; n++ {
		p, err := c.readPage(ctx, l, from)
		if err != nil {
			return dcr.Grant{}, false, err
		}
		for _, raw := range p.items {
			r := &management.ClientGrantResponseContent{}
			if json.Unmarshal(raw, r) != nil || r.GetClientID() != clientID || r.GetAudience() != audience ||
				string(r.GetSubjectType()) == dcr.SubjectUser {
				continue
			}
			g, err := toGrant(opListGrants, r)
			return g, err == nil, err
		}
		if from = p.next; from == "" {
			return dcr.Grant{}, false, nil
		}
	}
	return dcr.Grant{}, false, badResponse(opListGrants, errNoPages)
}

// MachineApplications are the ids of the tenant's own machine-to-machine
// applications of that name, among the first 100 of their kind.
func (c *Client) MachineApplications(ctx context.Context, name string) ([]string, error) {
	p, err := c.readPage(ctx, listing{
		op: opListClients, path: "/clients", name: "clients", byOffset: &c.clientsByOffset,
		query: url.Values{
			"is_first_party": {"true"}, "app_type": {"non_interactive"}, "fields": {"client_id,name"}, "include_fields": {"true"},
		},
	}, "")
	if err != nil {
		return nil, err
	}
	type wire struct {
		ID   string `json:"client_id"`
		Name text   `json:"name"`
	}
	return translate(p.items, func(w *wire) (string, bool) {
		return w.ID, string(w.Name) == name && dcr.ValidClientID(w.ID)
	}), nil
}

// Webhook is a log stream of type http. What opens the door at its other end is
// in it, and is not printed.
type Webhook struct {
	ID, Name, Status string
	Endpoint         string // scheme, host and path
	ContentFormat    string
	ContentType      string
	Filters          []string // category names; empty is everything

	// Behind a pointer, so that printing shows an address.
	sink *keptSink
}

// keptSink is a sink as it is read and sent. A PATCH replaces it whole.
type keptSink struct {
	Authorization string          `json:"httpAuthorization,omitempty"`
	Format        string          `json:"httpContentFormat,omitempty"`
	ContentType   string          `json:"httpContentType,omitempty"`
	Endpoint      string          `json:"httpEndpoint,omitempty"`
	Headers       json.RawMessage `json:"httpCustomHeaders,omitempty"`
}

// HasHeaders reports whether the webhook has custom headers, which are kept.
func (w Webhook) HasHeaders() bool {
	return w.sink != nil && !slices.Contains([]string{"", "null", "[]"}, string(w.sink.Headers))
}

// Sends reports whether the webhook sends the secret where grantd looks for it:
// as its Authorization, with or without the word Bearer before it, or in a
// header of its own.
func (w Webhook) Sends(secret string) bool {
	if w.sink == nil || secret == "" {
		return false
	}
	sink := wireSink{Authorization: text(w.sink.Authorization)}
	_ = json.Unmarshal(w.sink.Headers, &sink.Headers) // what cannot be read says nothing
	return slices.Contains(sink.sums(), sha256.Sum256([]byte(secret)))
}

// Webhooks lists the tenant's log streams of type http. An entry that cannot be
// read is left out.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	body, err := c.get(ctx, opListLogStreams, "/log-streams", nil)
	if err != nil {
		return nil, err
	}
	items, err := array(opListLogStreams, body)
	if err != nil {
		return nil, err
	}
	type wire struct {
		ID      string   `json:"id"`
		Name    text     `json:"name"`
		Type    text     `json:"type"`
		Status  text     `json:"status"`
		Sink    keptSink `json:"sink"`
		Filters []struct {
			Name text `json:"name"`
		} `json:"filters"`
	}
	return translate(items, func(w *wire) (Webhook, bool) {
		hook := Webhook{
			ID: w.ID, Name: display.Line(string(w.Name), maxMessage), Status: display.Line(string(w.Status), maxCode),
			Endpoint:      bareURL(w.Sink.Endpoint),
			ContentFormat: display.Line(w.Sink.Format, maxCode), ContentType: display.Line(w.Sink.ContentType, maxCode), sink: &w.Sink,
		}
		for _, f := range w.Filters {
			hook.Filters = append(hook.Filters, display.Line(string(f.Name), maxCode))
		}
		hook.Filters = slices.Clip(hook.Filters)
		return hook, validID(w.ID) && w.Type == "http"
	}), nil
}
