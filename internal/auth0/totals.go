package auth0

import (
	"context"
	"net/url"
)

// ApplicationTotal counts the tenant's applications of every kind, without the
// global client, in one call. It needs read:clients.
func (c *Client) ApplicationTotal(ctx context.Context) (int, error) {
	return c.total(ctx, listing{
		op: opListClients, path: "/clients", name: "clients",
		query: url.Values{"is_global": {"false"}, "fields": {"client_id"}, "include_fields": {"true"}},
	})
}

// GrantTotal counts the tenant's client grants of every kind, for whatever API,
// in one call. It needs read:client_grants.
func (c *Client) GrantTotal(ctx context.Context) (int, error) {
	return c.total(ctx, listing{op: opListGrants, path: "/client-grants", name: "client_grants"})
}

// total reads how long a list is, and as little of it as can be.
func (c *Client) total(ctx context.Context, l listing) (int, error) {
	e, err := c.readEnvelope(ctx, l, url.Values{"page": {"0"}, "per_page": {"1"}, "include_totals": {"true"}})
	switch {
	case err != nil:
		return 0, err
	case e.total == nil || *e.total < 0:
		return 0, badResponse(l.op, errNoTotal)
	}
	return *e.total, nil
}
