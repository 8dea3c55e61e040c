package reconcile

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// errClientGone says that Auth0 does not know the client.
var errClientGone = errors.New("auth0 does not know the client")

// observe reads what Auth0 holds for the client, everything at the same time.
//
// What a client never had is not asked for: a fresh one costs one GET, and its
// grant is created outright; should one be there already, the 409 says so.
func (j *job) observe(ctx context.Context) (plan.Observed, error) {
	o := plan.Observed{Foreign: j.rec.Unadopted, Unread: j.rec.Unread}
	g, ctx := errgroup.WithContext(ctx)
	start := func(f func() error) {
		g.Go(func() error { return contain(j.log, f) })
	}
	start(func() error {
		c, err := j.r.tenant.Client(ctx, j.rec.ClientID)
		if errors.Is(err, auth0.ErrNotFound) {
			return errClientGone
		}
		o.Client = c
		return err
	})
	if j.rec.GrantID != "" || j.s.Desired.DryRun {
		start(func() error {
			var err error
			o.Grant, err = j.grant(ctx)
			return err
		})
	}
	start(func() error {
		var err error
		o.Connections, err = j.enabledConnections(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return plan.Observed{}, err
	}
	return o, nil
}

func (j *job) grant(ctx context.Context) (plan.Grant, error) {
	g, ok, err := j.r.tenant.UserGrant(ctx, j.rec.ClientID, j.s.Desired.Audience)
	if err != nil || !ok {
		return plan.Grant{Known: err == nil}, err
	}
	return plan.Grant{Known: true, Grant: &g}, nil
}

// enabledConnections finds out which desired connections are enabled for this
// one client, where that matters: for a permissive client that was connected
// before, through a connection that is not domain-level. One that lacks another
// connection altogether may have been, too.
func (j *job) enabledConnections(ctx context.Context) ([]plan.Connection, error) {
	conns, _, _, err := j.r.facts.get(ctx, j.s.Desired, factsTTL)
	if err != nil {
		return nil, err
	}
	domainLevel := !slices.ContainsFunc(conns, func(c plan.Connection) bool {
		return c.Connection != nil && !c.Connection.DomainLevel
	})
	mode := j.rec.SecurityMode
	if mode == "" {
		mode = dcr.Client{ID: j.rec.ClientID}.Mode()
	}
	was := j.rec.Conditions.Connected.Reason
	known := was == dcr.PerClientUnproven || was == dcr.ConnectionNotFound || j.s.Desired.DryRun
	if domainLevel || !known || mode == dcr.Strict || j.s.Desired.ConnectionLevel == plan.DomainLevel {
		return conns, nil
	}
	return j.readConnections(ctx, conns)
}

// readConnections asks Auth0 which of the connections are enabled for the client.
func (j *job) readConnections(ctx context.Context, conns []plan.Connection) ([]plan.Connection, error) {
	have, err := j.r.tenant.ClientConnections(ctx, j.rec.ClientID)
	if errors.Is(err, auth0.ErrNotFound) {
		return nil, errClientGone
	}
	if err != nil {
		return nil, err
	}
	conns = slices.Clone(conns)
	for i, c := range conns {
		if c.Connection == nil {
			continue
		}
		conns[i].Enabled = plan.No
		if slices.ContainsFunc(have, func(h dcr.Connection) bool { return h.ID == c.Connection.ID }) {
			conns[i].Enabled = plan.Yes
		}
	}
	return conns, nil
}
