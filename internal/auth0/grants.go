package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
)

var (
	errOther   = errors.New("the answer is about something else")
	errNoID    = errors.New("the answer has no usable id")
	errNoPages = errors.New("the list does not end")
)

// UserGrant finds the grant by which users of the client reach the API. There
// is at most one. Grants for machine-to-machine use and default grants, which
// the same API may have, are left out.
func (c *Client) UserGrant(ctx context.Context, clientID, audience string) (dcr.Grant, bool, error) {
	if !dcr.ValidClientID(clientID) {
		return dcr.Grant{}, false, invalid(opListGrants, "client id")
	}
	l := c.userGrants(audience)
	l.query.Set("client_id", clientID)
	for from, n := "", 0; n < maxPages; n++ {
		p, err := c.readPage(ctx, l, from)
		if err != nil {
			return dcr.Grant{}, false, err
		}
		for _, raw := range p.items {
			r := &management.ClientGrantResponseContent{}
			// The filter is Auth0's word; what is written to is our responsibility.
			if json.Unmarshal(raw, r) != nil || r.GetClientID() != clientID || !forUsers(r, audience) {
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

// userGrants is the list of an API's grants for users.
func (c *Client) userGrants(audience string) listing {
	return listing{
		op: opListGrants, path: "/client-grants", name: "client_grants", byOffset: &c.grantsByOffset,
		query: url.Values{"audience": {audience}, "subject_type": {dcr.SubjectUser}},
	}
}

// forUsers reports whether users of one client reach the API by the grant.
func forUsers(r *management.ClientGrantResponseContent, audience string) bool {
	return r.GetAudience() == audience && string(r.GetSubjectType()) == dcr.SubjectUser && r.DefaultFor == nil
}

// GrantPage is one page of an API's grants for users.
type GrantPage struct {
	Grants []dcr.Grant
	Next   string // where the next page begins, for UserGrants; empty after the last
	Capped bool   // the last page Auth0 gives, and there are more grants than it lists
}

// UserGrants lists the grants by which users of any client reach the API, at
// most 100 a page, as ThirdPartyClients does.
func (c *Client) UserGrants(ctx context.Context, audience, from string) (GrantPage, error) {
	if audience == "" {
		return GrantPage{}, invalid(opListGrants, "audience") // it would be no filter
	}
	p, err := c.readPage(ctx, c.userGrants(audience), from)
	if err != nil {
		return GrantPage{}, err
	}
	found := translate(p.items, func(r *management.ClientGrantResponseContent) (dcr.Grant, bool) {
		g, err := toGrant(opListGrants, r)
		return g, err == nil && dcr.ValidClientID(g.ClientID) && forUsers(r, audience)
	})
	return GrantPage{Grants: found, Next: p.next, Capped: p.capped}, nil
}

// CreateGrant creates a client grant for logins. One that exists already is
// ErrConflict.
func (c *Client) CreateGrant(ctx context.Context, correlationID string, g dcr.Grant) (dcr.Grant, error) {
	if !dcr.ValidClientID(g.ClientID) {
		return dcr.Grant{}, invalid(opCreateGrant, "client id")
	}
	req := management.CreateClientGrantRequestContent{
		ClientID:    &g.ClientID,
		Audience:    g.Audience,
		SubjectType: management.ClientGrantSubjectTypeEnumUser.Ptr(),
	}
	req.SetScope(list(g.Scopes))
	r, err := c.grants.Create(c.with(ctx, opCreateGrant), &req, correlation(correlationID))
	if err != nil {
		return dcr.Grant{}, result(opCreateGrant, err)
	}
	return toGrant(opCreateGrant, (*management.ClientGrantResponseContent)(r))
}

// SetGrantScopes replaces the scopes of a grant; none is a valid set. A grant
// of all scopes becomes one of these.
func (c *Client) SetGrantScopes(ctx context.Context, correlationID string, g dcr.Grant, scopes []string) (dcr.Grant, error) {
	if !validID(g.ID) {
		return dcr.Grant{}, invalid(opUpdateGrant, "grant id")
	}
	var req management.UpdateClientGrantRequestContent
	req.SetScope(list(scopes))
	if g.AllowAllScopes {
		off := false
		req.SetAllowAllScopes(&off)
	}
	r, err := c.grants.Update(c.with(ctx, opUpdateGrant), g.ID, &req, correlation(correlationID))
	if err != nil {
		return dcr.Grant{}, result(opUpdateGrant, err)
	}
	return toGrant(opUpdateGrant, (*management.ClientGrantResponseContent)(r))
}

// maxPages bounds a list that a faulty answer would make endless.
const maxPages = 100

// list is s, or an empty slice that is sent as one.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func toGrant(op string, r *management.ClientGrantResponseContent) (dcr.Grant, error) {
	if !validID(r.GetID()) {
		return dcr.Grant{}, badResponse(op, errNoID)
	}
	return dcr.Grant{
		ID:             r.GetID(),
		ClientID:       r.GetClientID(),
		Audience:       r.GetAudience(),
		SubjectType:    string(r.GetSubjectType()),
		Scopes:         slices.Clone(r.Scope),
		AllowAllScopes: r.GetAllowAllScopes(),
	}, nil
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
