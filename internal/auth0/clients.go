package auth0

import (
	"context"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
)

// Client reads one client. An unknown id is ErrNotFound.
func (c *Client) Client(ctx context.Context, id string) (dcr.Client, error) {
	if !dcr.ValidClientID(id) {
		return dcr.Client{}, invalid(opGetClient, "client id")
	}
	r, err := c.clients.Get(c.with(ctx, opGetClient), id, &management.GetClientRequestParameters{})
	if err != nil {
		return dcr.Client{}, result(opGetClient, err)
	}
	return toClient(opGetClient, id, r)
}

// PatchClient sends the difference p and returns the client as it is then.
func (c *Client) PatchClient(ctx context.Context, correlationID, id string, p dcr.ClientPatch) (dcr.Client, error) {
	if !dcr.ValidClientID(id) {
		return dcr.Client{}, invalid(opUpdateClient, "client id")
	}
	var req management.UpdateClientRequestContent
	if p.AppType != nil {
		req.SetAppType(management.ClientAppTypeEnum(*p.AppType).Ptr())
	}
	if p.TokenEndpointAuthMethod != nil {
		req.SetTokenEndpointAuthMethod(management.ClientTokenEndpointAuthMethodOrNullEnum(*p.TokenEndpointAuthMethod).Ptr())
	}
	if p.GrantTypes != nil {
		req.SetGrantTypes(p.GrantTypes)
	}
	r, err := c.clients.Update(c.with(ctx, opUpdateClient), id, &req, correlation(correlationID))
	if err != nil {
		return dcr.Client{}, result(opUpdateClient, err)
	}
	return toClient(opUpdateClient, id, (*management.GetClientResponseContent)(r))
}

// toClient translates an answer, which must be about the client asked for.
func toClient(op, id string, r *management.GetClientResponseContent) (dcr.Client, error) {
	if r.GetClientID() != id {
		return dcr.Client{}, badResponse(op, errOther)
	}
	first := true // what Auth0 does not say is taken for first-party: hands off
	if r.IsFirstParty != nil {
		first = *r.IsFirstParty
	}
	return dcr.Client{
		ID:                      id,
		Name:                    r.GetName(),
		FirstParty:              first,
		Global:                  r.GetGlobal(),
		AppType:                 string(r.GetAppType()),
		TokenEndpointAuthMethod: string(r.GetTokenEndpointAuthMethod()),
		GrantTypes:              r.GrantTypes,
		Callbacks:               r.Callbacks,
		ThirdPartySecurityMode:  dcr.SecurityMode(r.GetThirdPartySecurityMode()),
		ExternalClientID:        r.GetExternalClientID(),
	}, nil
}
