package auth0

import (
	"context"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// API reads a resource server by its identifier, which is matched exactly;
// ErrNotFound when there is none.
func (c *Client) API(ctx context.Context, identifier string) (dcr.API, error) {
	_, api, err := c.readAPI(ctx, identifier)
	return api, err
}

func (c *Client) readAPI(ctx context.Context, identifier string) (*management.GetResourceServerResponseContent, dcr.API, error) {
	switch identifier {
	case "", ".", "..":
		// Nothing that a URL path would swallow.
		return nil, dcr.API{}, invalid(opGetResourceServer, "API identifier")
	}
	r, err := c.apis.Get(c.with(ctx, opGetResourceServer), identifier, &management.GetResourceServerRequestParameters{})
	if err != nil {
		return nil, dcr.API{}, result(opGetResourceServer, err)
	}
	if r.GetIdentifier() != identifier {
		// The path takes ids too.
		return nil, dcr.API{}, badResponse(opGetResourceServer, errOther)
	}
	if !validID(r.GetID()) {
		return nil, dcr.API{}, badResponse(opGetResourceServer, errNoID)
	}
	api := dcr.API{
		ID: r.GetID(), Name: display.Line(r.GetName(), maxMessage), Identifier: identifier,
		SigningAlg: display.Line(string(r.GetSigningAlg()), maxCode), AllowOfflineAccess: r.GetAllowOfflineAccess(),
		EnforcePolicies: r.GetEnforcePolicies(),
	}
	access := r.GetSubjectTypeAuthorization()
	users := access.GetUser()
	api.UserPolicy = dcr.AccessPolicy(display.Line(string(users.GetPolicy()), maxCode))
	for _, s := range r.Scopes {
		if s != nil {
			api.Scopes = append(api.Scopes, s.Value)
		}
	}
	return r, api, nil
}
