package auth0

import (
	"context"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
)

// DeleteGrant deletes a client grant. One that is not there is no error: Auth0
// answers both the same.
func (c *Client) DeleteGrant(ctx context.Context, correlationID, id string) error {
	if !validID(id) {
		return invalid(opDeleteGrant, "grant id")
	}
	return result(opDeleteGrant, c.grants.Delete(c.with(ctx, opDeleteGrant), id, correlation(correlationID)))
}

// AllowAllScopes makes a grant one of every scope of its API, present and
// future.
func (c *Client) AllowAllScopes(ctx context.Context, correlationID, id string) error {
	if !validID(id) {
		return invalid(opUpdateGrant, "grant id")
	}
	var req management.UpdateClientGrantRequestContent
	yes := true
	req.SetAllowAllScopes(&yes)
	_, err := c.grants.Update(c.with(ctx, opUpdateGrant), id, &req, correlation(correlationID))
	return result(opUpdateGrant, err)
}

// DisableConnection keeps one client from logging in through a connection that
// was enabled for it. Other clients are not touched.
func (c *Client) DisableConnection(ctx context.Context, correlationID, id, clientID string) error {
	if !validID(id) {
		return invalid(opEnableClients, "connection id")
	}
	if !dcr.ValidClientID(clientID) {
		return invalid(opEnableClients, "client id")
	}
	req := management.UpdateEnabledClientConnectionsRequestContent{{ClientID: clientID, Status: false}}
	return result(opEnableClients, c.connections.Clients.Update(c.with(ctx, opEnableClients), id, req, correlation(correlationID)))
}

// DemoteConnection makes a connection one that is not domain-level any more:
// every third-party client of the tenant loses it. Nothing else is sent.
func (c *Client) DemoteConnection(ctx context.Context, correlationID, id string) error {
	return c.setDomainLevel(ctx, correlationID, id, false)
}
