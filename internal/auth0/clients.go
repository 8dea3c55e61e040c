package auth0

import (
	"context"
	"net/url"
	"strings"

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

// ClientPage is one page of the tenant's third-party clients.
type ClientPage struct {
	Clients []dcr.Client
	Next    string // where the next page begins, for ThirdPartyClients; empty after the last
	Capped  bool   // the last page Auth0 gives, and there are more clients than it lists
}

// clientFields are what a dcr.Client is made of. Secrets are not among them.
const clientFields = "client_id,name,is_first_party,global,app_type,token_endpoint_auth_method," +
	"grant_types,callbacks,third_party_security_mode,external_client_id,client_metadata"

// ThirdPartyClients lists the third-party clients, at most 100 a page. from is
// empty for the first page and the Next of the page before for all others,
// though that was read by another process; ErrCursor says to begin anew. An
// entry that cannot be read is left out.
func (c *Client) ThirdPartyClients(ctx context.Context, from string) (ClientPage, error) {
	p, err := c.readPage(ctx, listing{
		op: opListClients, path: "/clients", name: "clients", byOffset: &c.clientsByOffset,
		query: url.Values{"is_first_party": {"false"}, "fields": {clientFields}, "include_fields": {"true"}},
	}, from)
	if err != nil {
		return ClientPage{}, err
	}
	found := translate(p.items, func(r *management.GetClientResponseContent) (dcr.Client, bool) {
		found, err := toClient(opListClients, r.GetClientID(), r)
		// The filter is Auth0's word; whom we touch is our responsibility.
		return found, err == nil && dcr.ValidClientID(found.ID) && !found.FirstParty
	})
	return ClientPage{Clients: found, Next: p.next, Capped: p.capped}, nil
}

// PatchClient sends the difference p, an empty authentication method as none, and returns the client as it is then.
func (c *Client) PatchClient(ctx context.Context, correlationID, id string, p dcr.ClientPatch) (dcr.Client, error) {
	if !dcr.ValidClientID(id) {
		return dcr.Client{}, invalid(opUpdateClient, "client id")
	}
	var req management.UpdateClientRequestContent
	if p.AppType != nil {
		req.SetAppType(management.ClientAppTypeEnum(*p.AppType).Ptr())
	}
	if p.TokenEndpointAuthMethod != nil {
		method := management.ClientTokenEndpointAuthMethodOrNullEnum(*p.TokenEndpointAuthMethod).Ptr()
		if *method == "" {
			method = nil // as it was before anybody set one
		}
		req.SetTokenEndpointAuthMethod(method)
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
		Off:                     switchedOff(r.GetClientMetadata()),
	}, nil
}

// switchedOff reports whether the application's metadata has grantd=off, by
// which an admin keeps grantd from it.
func switchedOff(metadata management.ClientMetadata) bool {
	v, ok := metadata["grantd"].(string)
	return ok && strings.EqualFold(strings.TrimSpace(v), "off")
}
