package auth0

import (
	"context"
	"errors"
	"net/url"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
)

// ClientByDocument finds the client that was imported from a Client ID Metadata
// Document by the document's URL; ErrNotFound when there is none.
// https://auth0.com/docs/get-started/auth0-overview/create-applications/register-applications-with-cimd
func (c *Client) ClientByDocument(ctx context.Context, document string) (dcr.Client, error) {
	if document == "" {
		return dcr.Client{}, invalid(opListClients, "document") // it would be no filter
	}
	p, err := c.readPage(ctx, listing{
		op: opListClients, path: "/clients", name: "clients", byOffset: &c.clientsByOffset,
		query: url.Values{"external_client_id": {document}, "fields": {clientFields}, "include_fields": {"true"}},
	}, "")
	if err != nil {
		return dcr.Client{}, err
	}
	found := translate(p.items, func(r *management.GetClientResponseContent) (dcr.Client, bool) {
		found, err := toClient(opListClients, r.GetClientID(), r)
		return found, err == nil && dcr.ValidClientID(found.ID) && found.ExternalClientID == document
	})
	if len(found) == 0 {
		return dcr.Client{}, &Error{
			Op: opListClients, Reason: dcr.DeletedInAuth, Err: ErrNotFound, Message: "no client was imported from this document",
		}
	}
	return found[0], nil
}

// Documented reports whether a client was imported from the document at a URL.
func (c *Client) Documented(ctx context.Context, document string) (bool, error) {
	_, err := c.ClientByDocument(ctx, document)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
