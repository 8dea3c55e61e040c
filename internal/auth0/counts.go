package auth0

import (
	"context"
	"net/url"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
)

// CountClients is how many applications the tenant has, in one call.
func (c *Client) CountClients(ctx context.Context) (int, error) {
	return c.count(ctx, opListClients, "/clients", "clients", url.Values{"is_global": {"false"}, "fields": {"client_id"}, "include_fields": {"true"}})
}

// CountGrants is how many client grants the tenant has, in one call.
func (c *Client) CountGrants(ctx context.Context) (int, error) {
	return c.count(ctx, opListGrants, "/client-grants", "client_grants", url.Values{})
}

// count asks for the shortest page that tells the total.
func (c *Client) count(ctx context.Context, op, path, name string, q url.Values) (int, error) {
	q.Set("page", "0")
	q.Set("per_page", "1")
	q.Set("include_totals", "true")
	body, err := c.get(ctx, op, path, q)
	if err != nil {
		return 0, err
	}
	e, err := decodeEnvelope(body, name)
	switch {
	case err != nil:
		return 0, badResponse(op, err)
	case e.total == nil || *e.total < 0:
		return 0, badResponse(op, errNoTotal)
	}
	return *e.total, nil
}

// Documented reports whether the client id metadata document at a URL is
// registered with the tenant. Auth0 knows none that was not.
// https://auth0.com/docs/get-started/auth0-overview/create-applications/register-applications-with-cimd
func (c *Client) Documented(ctx context.Context, document string) (bool, error) {
	body, err := c.get(ctx, opListClients, "/clients", url.Values{
		"external_client_id": {document}, "fields": {"client_id,external_client_id"}, "include_fields": {"true"},
		"page": {"0"}, "per_page": {"10"}, "include_totals": {"true"},
	})
	if err != nil {
		return false, err
	}
	e, err := decodeEnvelope(body, "clients")
	if err != nil {
		return false, badResponse(opListClients, err)
	}
	found := translate(e.items, func(r *management.GetClientResponseContent) (string, bool) {
		// The filter is Auth0's word.
		return r.GetClientID(), r.GetExternalClientID() == document
	})
	return len(found) > 0, nil
}

// DefaultGrants are the grants by which users of any third-party client without
// a grant of its own reach the API.
// https://auth0.com/docs/get-started/applications/application-access-to-apis-client-grants
func (c *Client) DefaultGrants(ctx context.Context, audience string) ([]dcr.Grant, error) {
	if audience == "" {
		return nil, invalid(opListGrants, "audience") // it would be no filter
	}
	l := c.userGrants(audience)
	l.query.Set("default_for", "third_party_clients")
	p, err := c.readPage(ctx, l, "")
	if err != nil {
		return nil, err
	}
	return translate(p.items, func(r *management.ClientGrantResponseContent) (dcr.Grant, bool) {
		g, err := toGrant(opListGrants, r)
		return g, err == nil && r.DefaultFor != nil && r.GetAudience() == audience && g.SubjectType == dcr.SubjectUser
	}), nil
}
