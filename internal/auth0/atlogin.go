package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// What runs at a login is listed up to this many, in one call.
const atLoginLimit = 100

// ActiveRules are the names of the tenant's enabled Rules, at most 100. A tenant
// that has Rules no more has none.
// https://auth0.com/docs/api/management/v2/rules/get-rules
func (c *Client) ActiveRules(ctx context.Context) ([]string, error) {
	return c.active(ctx, opListRules, "/rules", url.Values{"enabled": {"true"}})
}

// ActiveExchangeHooks are the names of the tenant's enabled Hooks at
// credentials-exchange, at most 100.
// https://auth0.com/docs/api/management/v2/hooks/get-hooks
func (c *Client) ActiveExchangeHooks(ctx context.Context) ([]string, error) {
	return c.active(ctx, opListHooks, "/hooks", url.Values{"enabled": {"true"}, "triggerId": {"credentials-exchange"}})
}

// active lists names of what is enabled. Scripts hold secrets and are not asked
// for.
func (c *Client) active(ctx context.Context, op, path string, q url.Values) ([]string, error) {
	q.Set("per_page", strconv.Itoa(atLoginLimit))
	q.Set("page", "0")
	q.Set("fields", "id,name,enabled")
	if op == opListRules {
		q.Set("include_fields", "true")
	}
	body, err := c.get(ctx, op, path, q)
	if e, ok := errors.AsType[*Error](err); ok && unavailableThere(e) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	items, err := array(op, body)
	if err != nil {
		return nil, err
	}
	type wire struct {
		ID      text  `json:"id"`
		Name    text  `json:"name"`
		Enabled *bool `json:"enabled"`
	}
	return translate(items, func(w *wire) (string, bool) {
		name := display.Line(first(string(w.Name), string(w.ID)), maxMessage)
		return name, name != "" && (w.Enabled == nil || *w.Enabled) // the filter is Auth0's word
	}), nil
}

// unavailableThere reports whether an endpoint is refused because the tenant
// does not have the feature: Rules and Hooks are at their end.
// https://auth0.com/docs/deploy-monitor/deprecations-and-migrations
func unavailableThere(e *Error) bool {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return true
	case http.StatusForbidden:
		return e.Reason == dcr.RejectedByAuth0
	}
	return false
}

// Organization is one of the tenant's organizations.
type Organization struct {
	ID, Name string
	// ThirdParty: third-party clients may be used with it. They may not unless
	// that was allowed.
	ThirdParty bool
}

// Organizations are the tenant's first 100; more reports whether there are
// others.
// https://auth0.com/docs/api/management/v2/organizations/get-organizations
func (c *Client) Organizations(ctx context.Context) (found []Organization, more bool, err error) {
	p, err := c.readPage(ctx, listing{op: opListOrganizations, path: "/organizations", name: "organizations"}, "")
	if e, ok := errors.AsType[*Error](err); ok && unavailableThere(e) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	type wire struct {
		ID     string `json:"id"`
		Name   text   `json:"name"`
		Access text   `json:"third_party_client_access"`
	}
	return translate(p.items, func(w *wire) (Organization, bool) {
		return Organization{ID: w.ID, Name: display.Line(string(w.Name), maxMessage), ThirdParty: w.Access == "allow"}, validID(w.ID)
	}), p.next != "", nil
}

// array reads an answer that is a bare JSON array.
func array(op string, body []byte) ([]json.RawMessage, error) {
	if !isArray(body) {
		return nil, badResponse(op, errNoArray)
	}
	var items []json.RawMessage
	if err := unmarshal(body, &items, "list"); err != nil {
		return nil, badResponse(op, err)
	}
	return items, nil
}
