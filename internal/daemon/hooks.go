package daemon

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/store"
)

// taken notes a delivery.
func (d *Daemon) taken(t feed.Taken) {
	for kind, n := range t.Kinds {
		d.metrics.Sightings(t.Feed, kind, n)
	}
	d.metrics.LogEntries(t.Feed, t.Receipt.Received)
	d.metrics.Malformed(t.Feed, t.Receipt.Malformed)
}

// demote puts a sighting back behind the others by what the log says: a
// registration that shows a callback which is not on the allow-list or that
// comes in a storm of them, or a change that was about another API. It approves nothing: what the client is, is read
// from Auth0.
func (d *Daemon) demote(s dcr.Sighting) bool {
	c := d.config.Load()
	if s.Kind == dcr.Changed {
		return s.Audience != c.Audience
	}
	return d.reconciler.Crowded() || slices.ContainsFunc(s.Callbacks, func(uri string) bool {
		_, ok := c.Policy.MatchURI(uri)
		return !ok
	})
}

// tenantEdited is told that a desired connection or the API was edited: what is
// remembered of them may be wrong, and so may every client be.
func (d *Daemon) tenantEdited() {
	d.reconciler.TenantChanged()
	d.sweeper.Follow()
}

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
			d.sweeper.Retry()
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
	desired := d.desired(c)
	shown := http.Configuration{DesiredDigest: desired.Digest(), Scopes: desired.Scopes, ScopesKnown: !desired.ScopesUnknown}
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
		d.sweeper.Retry() // Auth0 answers
	}
	d.pollFailure = why
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

// streams looks whether the log stream that delivers here was stopped. Whoever
// has not granted read:log_streams does without.
func (d *Daemon) streams(ctx context.Context) {
	all, err := d.tenant.LogStreams(ctx)
	if err != nil {
		if failureOf(err) != dcr.MissingScope && ctx.Err() == nil {
			d.log.Warn("read log streams", "error", err)
		}
		return
	}
	d.streamsRead.Store(true)
	c := d.config.Load()
	d.health.LogStream(stopped(all, c.PublicURL, c.WebhookPath))
}

// stopped reports whether there are log streams to our public address, or to our
// path where none is, and all of them are stopped.
func stopped(all []dcr.LogStream, publicURL, path string) bool {
	mine := slices.DeleteFunc(slices.Clone(all), func(s dcr.LogStream) bool { return !s.DeliversTo(publicURL, path) })
	if len(mine) == 0 && publicURL != "" {
		return stopped(all, "", path)
	}
	return len(mine) > 0 && !slices.ContainsFunc(mine, func(s dcr.LogStream) bool { return s.Status == "active" })
}

// keepHouse writes what is only in memory, and keeps systemd's status line.
func (d *Daemon) keepHouse(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var kept, shown string
	var uncached error
	var quiet quietFailures
	troubles, ends := d.newTroubles(ctx), holdEnds{until: time.Now()}
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
		_, known := d.scopes.Scopes()
		d.health.ScopeSources(len(d.scopes.Failing()) > 0, known)
		d.certificateHealth()
		checks, r := d.health.Checks(ctx), d.health.Report(ctx)
		quiet.tell(d.log, checks)
		troubles.tell(ctx, d, checks, r)
		ends.tell(ctx, d, time.Now())
		if line := d.statusLine(r); line != shown {
			notify(d.log, line)
			shown = line
		}
	}
}

// quietFailures are those that nothing else tells of in the log: no call
// failed, there is only silence.
type quietFailures struct{ failing map[dcr.Reason]bool }

// tell says what is newly wrong, and what to do about it.
func (q *quietFailures) tell(log *slog.Logger, checks []health.Check) {
	was := q.failing
	q.failing = map[dcr.Reason]bool{}
	for _, c := range checks {
		if c.Code != dcr.LogStreamStopped && c.Code != dcr.WebhookSilent || !c.Failing {
			continue
		}
		q.failing[c.Code] = true
		if !was[c.Code] {
			log.Warn(c.Message.String(), "reason", c.Code, "fix", c.Fix.String())
		}
	}
}
