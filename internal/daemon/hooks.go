package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/plan"
	"grantd/internal/store"
)

// desired is the desired state that a configuration asks for.
func desired(c *config.Config) plan.Desired {
	return plan.Desired{
		Audience: c.Audience, Scopes: c.Scopes(), ScopeMode: c.ScopeMode,
		Connections: c.Connections, ConnectionLevel: c.ConnectionLevel,
		Allowed: c.Policy.Rules(), DryRun: c.DryRun,
	}
}

// called notes an HTTP request to Auth0 that has ended.
func (d *Daemon) called(c auth0.CallInfo) {
	var reason dcr.Reason
	if c.Err != nil {
		reason = c.Err.Reason
	}
	// A call given up because grantd stops says nothing of Auth0, and health
	// survives the restart.
	if c.Err == nil || !errors.Is(c.Err, context.Canceled) {
		d.health.Called(health.Call{Op: c.Op, Status: c.Status, Reason: reason})
	}
	d.metrics.ManagementRequest(c.Op, c.Status, reason, c.Took)
}

// taken notes a delivery.
func (d *Daemon) taken(t feed.Taken) {
	for kind, n := range t.Kinds {
		d.metrics.Sightings(t.Feed, kind, n)
	}
	d.metrics.Malformed(t.Feed, t.Receipt.Malformed)
}

// demote puts a registration back behind the others when the log already shows
// a callback that is not on the allow-list. It approves nothing: what the
// client is, is read from Auth0.
func (d *Daemon) demote(s dcr.Sighting) bool {
	p := d.config.Load().Policy
	return slices.ContainsFunc(s.Callbacks, func(uri string) bool {
		_, ok := p.MatchURI(uri)
		return !ok
	})
}

// rateLimit is the tightest known limit, for health.
func (d *Daemon) rateLimit() *health.RateLimit {
	b := d.budget.Snapshot().Tightest
	if b == nil {
		return nil
	}
	return &health.RateLimit{Limit: b.Limit, Remaining: b.Remaining, ResetAt: dcr.Timestamp{Time: b.ResetAt}}
}

// remaining is the same, for the metrics.
func (d *Daemon) remaining() (int, bool) {
	b := d.budget.Snapshot().Tightest
	if b == nil {
		return 0, false
	}
	return b.Remaining, true
}

// signal says on a channel of capacity 1 that something happened. It does not
// block, and many signals are one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (d *Daemon) onTokenChange() { signal(d.tokenChanged) }

// followToken makes those clients due that failed for want of a token or of a
// scope, once there is one or the configuration was read again.
func (d *Daemon) followToken(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.reloaded:
			d.retryAtOnce(ctx)
		case <-d.tokenChanged:
			d.reconciler.TenantChanged() // what may be read may have changed too
			d.requeue(ctx, store.Failing, store.Blocked)
		}
	}
}

func (d *Daemon) requeue(ctx context.Context, which ...store.Which) {
	for _, w := range which {
		n, err := d.ledger.Requeue(ctx, w, dcr.Urgent, dcr.Cause{})
		if err != nil && ctx.Err() == nil {
			d.log.Error("make clients due again", "error", err)
		}
		if n > 0 {
			d.log.Info("looking at clients again", "which", string(w), "clients_due", n)
		}
	}
	d.loop.Wake()
}

// configuration is what the listeners show of it.
func (d *Daemon) configuration(context.Context) (http.Configuration, error) {
	c := d.config.Load()
	shown := http.Configuration{DesiredDigest: desired(c).Digest()}
	for _, s := range c.Redacted() {
		shown.Settings = append(shown.Settings, http.Setting{Name: s.Name, Value: s.Value, Origin: string(s.Origin)})
	}
	return shown, nil
}

// poll reads the tenant log once. The poller tells health how it went. A
// failure that lasts is one line and not one at every tick.
func (d *Daemon) poll(ctx context.Context) {
	if !d.polling.TryLock() {
		return // under way, by a schedule that a reload has replaced since
	}
	defer d.polling.Unlock()
	err := d.poller.Tick(ctx)
	if ctx.Err() != nil {
		return
	}
	why := failureOf(err)
	switch {
	case why == d.pollFailure:
	case err != nil:
		d.log.Warn("poll failed", "error", err)
	default:
		d.log.Info("polling again")
	}
	d.pollFailure = why
}

// failureOf tells one kind of failure from another; empty for none.
func failureOf(err error) dcr.Reason {
	var e *auth0.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Reason
	default:
		return dcr.InternalError
	}
}

// jwks looks at the tenant's signing keys. Health hears of it by the call, and
// here when the call went well and brought no keys.
func (d *Daemon) jwks(ctx context.Context) {
	err := d.tenant.JWKS(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	d.log.Warn("read signing keys", "error", err)
	d.health.Called(health.Call{Op: health.OpJWKS, Reason: failureOf(err)})
}

// keepHouse writes what is only in memory, and keeps systemd's status line.
func (d *Daemon) keepHouse(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var kept, shown string
	var uncached error
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.tenant.TokenStatus().CacheErr; err != nil && uncached == nil {
			uncached = err
			d.log.Warn("the Management API token cannot be kept: every start costs a new one", "error", err)
		}
		if err := d.ledger.Flush(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("write feed status", "error", err)
		}
		if s := d.health.Snapshot(); string(s) != kept {
			if err := d.ledger.SetFact(ctx, healthFact, s); err == nil {
				kept = string(s)
			}
		}
		r := d.health.Report(ctx)
		line := status("%s: %d ready, %d pending, %d blocked, %d refused", r.Status, r.Clients.Ready, r.Clients.Pending, r.Clients.Blocked, r.Clients.Refused)
		if line != shown {
			notify(d.log, line)
			shown = line
		}
	}
}
