package auth0

import (
	"context"
	"errors"
	"fmt"

	"github.com/auth0/go-auth0/v3/management"
	"github.com/auth0/go-auth0/v3/management/core"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// connectionFields are what is asked for of a connection: its options hold
// secrets.
const connectionFields = "id,name,strategy,is_domain_connection,authentication"

// Connection finds a connection by its exact name; ErrNotFound when there is
// none.
func (c *Client) Connection(ctx context.Context, name string) (dcr.Connection, error) {
	fields, yes := connectionFields, true
	page, err := c.connections.List(c.with(ctx, opListConnections), &management.ListConnectionsQueryParameters{
		Name: &name, Fields: &fields, IncludeFields: &yes,
	})
	if err != nil {
		return dcr.Connection{}, result(opListConnections, err)
	}
	if page.Response == nil {
		return dcr.Connection{}, badResponse(opListConnections, errNoID)
	}
	for _, r := range page.Results {
		if r.GetName() == name {
			return toConnection(opListConnections, r)
		}
	}
	return dcr.Connection{}, &Error{
		Op: opListConnections, Reason: dcr.ConnectionNotFound, Err: ErrNotFound,
		Message: display.Line(fmt.Sprintf("no connection is named %q", name), maxMessage),
	}
}

// PromoteConnection makes a connection domain-level, open to every third-party
// client of the tenant. Nothing else of it is sent: what is sent is replaced.
// https://auth0.com/docs/authenticate/identity-providers/promote-connections-to-domain-level
func (c *Client) PromoteConnection(ctx context.Context, correlationID, id string) error {
	return c.setDomainLevel(ctx, correlationID, id, true)
}

func (c *Client) setDomainLevel(ctx context.Context, correlationID, id string, level bool) error {
	if !validID(id) {
		return invalid(opUpdateConnection, "connection id")
	}
	var req management.UpdateConnectionRequestContent
	req.SetIsDomainConnection(&level)
	_, err := c.connections.Update(c.with(ctx, opUpdateConnection), id, &req, correlation(correlationID))
	return result(opUpdateConnection, err)
}

// EnableConnection lets at most 50 clients log in through a connection. Other
// clients are not touched.
func (c *Client) EnableConnection(ctx context.Context, correlationID, id string, clientIDs []string) error {
	if !validID(id) {
		return invalid(opEnableClients, "connection id")
	}
	if len(clientIDs) > connectionClientLimit {
		return invalid(opEnableClients, fmt.Sprintf("number of clients %d, the limit is %d", len(clientIDs), connectionClientLimit))
	}
	if len(clientIDs) == 0 {
		return nil
	}
	req := make(management.UpdateEnabledClientConnectionsRequestContent, 0, len(clientIDs))
	for _, clientID := range clientIDs {
		if !dcr.ValidClientID(clientID) {
			return invalid(opEnableClients, "client id")
		}
		req = append(req, &management.UpdateEnabledClientConnectionsRequestContentItem{ClientID: clientID, Status: true})
	}
	err := c.connections.Clients.Update(c.with(ctx, opEnableClients), id, req, correlation(correlationID))
	return result(opEnableClients, err)
}

// MemberPage is one page of the clients that a connection is enabled for.
type MemberPage struct {
	ClientIDs []string
	Next      string // where the next page begins, for ConnectionClients; empty after the last
}

// ConnectionClients lists the clients that a connection is enabled for, at most
// 100 a page, as ThirdPartyClients does. An unknown connection is ErrNotFound.
func (c *Client) ConnectionClients(ctx context.Context, connectionID, from string) (MemberPage, error) {
	if !validID(connectionID) {
		return MemberPage{}, invalid(opConnectionClients, "connection id")
	}
	p, err := c.readPage(ctx, listing{
		op: opConnectionClients, path: "/connections/" + connectionID + "/clients", name: "clients",
	}, from)
	if err != nil {
		return MemberPage{}, err
	}
	ids := translate(p.items, func(r *management.ConnectionEnabledClient) (string, bool) {
		return r.GetClientID(), dcr.ValidClientID(r.GetClientID())
	})
	return MemberPage{ClientIDs: ids, Next: p.next}, nil
}

// ClientConnections lists the connections enabled for a client.
func (c *Client) ClientConnections(ctx context.Context, clientID string) ([]dcr.Connection, error) {
	if !dcr.ValidClientID(clientID) {
		return nil, invalid(opClientConnections, "client id")
	}
	ctx = c.with(ctx, opClientConnections)
	fields, yes := connectionFields, true
	page, err := c.clients.Connections.Get(ctx, clientID, &management.ConnectionsGetRequest{Fields: &fields, IncludeFields: &yes})
	var found []dcr.Connection
	for range maxPages {
		switch {
		case errors.Is(err, core.ErrNoPages):
			return found, nil
		case err != nil:
			return nil, result(opClientConnections, err)
		case page.Response == nil:
			return nil, badResponse(opClientConnections, errNoID)
		}
		for _, r := range page.Results {
			conn, err := toConnection(opClientConnections, r)
			if err != nil {
				return nil, err
			}
			found = append(found, conn)
		}
		page, err = page.GetNextPage(ctx)
	}
	return nil, badResponse(opClientConnections, errNoPages)
}

func toConnection(op string, r *management.ConnectionForList) (dcr.Connection, error) {
	if !validID(r.GetID()) {
		return dcr.Connection{}, badResponse(op, errNoID)
	}
	return dcr.Connection{
		ID: r.GetID(), Name: r.GetName(), Strategy: display.Line(r.GetStrategy(), maxCode), DomainLevel: r.GetIsDomainConnection(),
		Inactive: r.Authentication != nil && !r.Authentication.Active,
	}, nil
}
