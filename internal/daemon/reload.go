package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/config"
	"grantd/internal/scope"
	"grantd/internal/store"
)

// The names of the scheduled jobs.
const pollJob, sweepJob, jwksJob, streamJob = "poll", "sweep", "jwks", "streams"

func (d *Daemon) setSchedule(c *config.Config) error {
	if err := d.schedule.set(pollJob, c.PollSchedule, d.poll); err != nil {
		return fmt.Errorf("GRANTD_POLL_SCHEDULE: %w", err)
	}
	if err := d.schedule.set(sweepJob, c.SweepSchedule, func(context.Context) { d.sweeper.Request() }); err != nil {
		return fmt.Errorf("GRANTD_SWEEP_SCHEDULE: %w", err)
	}
	return errors.Join(
		d.schedule.set(jwksJob, jwksSchedule, d.jwks),
		d.schedule.set(streamJob, streamSchedule, d.streams),
		d.schedule.set(capacityJob, capacitySchedule, d.count),
	)
}

// sweepGap is how long ago the last sweep must be for a start to make one where
// there is no schedule: as long as the usual schedule allows.
const sweepGap = time.Hour

// missedSweep reports whether the schedule had a sweep since the last.
func (d *Daemon) missedSweep(last time.Time) bool {
	next, ok := d.schedule.next(sweepJob, last)
	if !ok {
		next = last.Add(sweepGap)
	}
	return !next.After(time.Now())
}

// Reload reads the configuration anew and puts into effect what can be without
// a restart: scopes, policy, secrets, schedules, limits, the log level. What
// needs one is named. A configuration with errors is refused as a whole, and
// the running one stays.
//
// A person asks for it, so that what a source of scopes no longer names is taken
// away at once.
func (d *Daemon) Reload(ctx context.Context) error {
	d.reloads.Lock()
	defer d.reloads.Unlock()
	notify(d.log, reloading())
	defer d.ready(ctx)
	c, notices, err := d.load()
	if err != nil {
		d.refuse(err.Error())
		d.tell(notices)
		return fmt.Errorf("the new configuration is refused, the running one stays:\n%w", err)
	}
	return d.put(ctx, c, notices, d.scopes.Set)
}

// put puts c into effect, the scopes by setScopes, and says what that comes to.
// The caller holds reloads.
func (d *Daemon) put(
	ctx context.Context, c *config.Config, notices []config.Notice, setScopes func(context.Context, scope.Config),
) error {
	d.refuse("")
	d.tell(notices)
	var changed, restart []string
	for _, ch := range config.Diff(d.config.Load(), c) {
		changed = append(changed, ch.Name)
		if ch.Restart {
			restart = append(restart, ch.Name)
		}
	}
	d.restart.Store(strings.Join(restart, " "))
	if len(restart) > 0 {
		d.log.Warn("a restart is needed before these take effect", "variables", strings.Join(restart, " "))
	}
	if err := d.apply(ctx, c, setScopes); err != nil {
		return err
	}
	d.read = c
	d.log.Info("reloaded", "changed", strings.Join(changed, " "))
	return nil
}

func (d *Daemon) tell(notices []config.Notice) {
	for _, n := range notices {
		d.log.Warn(n.String())
	}
}

// apply swaps the running configuration for c. The caller holds reloads.
func (d *Daemon) apply(ctx context.Context, c *config.Config, setScopes func(context.Context, scope.Config)) error {
	was := d.config.Load()
	// What needs a restart stays as it is until then.
	now := *c
	now.Domain, now.Audience, now.MgmtURL, now.StateDir, now.Socket = was.Domain, was.Audience, was.MgmtURL, was.StateDir, was.Socket
	now.Listen, now.AdminListen, now.WebhookPath, now.LogFormat = was.Listen, was.AdminListen, was.WebhookPath, was.LogFormat
	now.TLSCertFile, now.TLSKeyFile = was.TLSCertFile, was.TLSKeyFile
	now.ACMEDomain, now.ACMEDirectoryURL, now.ACMEEmail = was.ACMEDomain, was.ACMEDirectoryURL, was.ACMEEmail
	c = &now

	if d.logLevel != nil {
		d.logLevel.Set(c.LogLevel)
	}
	d.secrets.Set(c.WebhookSecret.Reveal(), c.WebhookSecretPrevious.Reveal())
	d.adminToken.Set(c.AdminToken.Reveal())
	d.budget.SetRPS(c.MgmtRPS)
	d.ledger.SetJournalLimits(journalLimits(c))
	signal(d.rebound)
	if err := d.setSchedule(c); err != nil {
		return err
	}
	d.tenant.SetCredentials(c.ClientID, c.ClientSecret.Reveal())
	// Who may be touched, and whether anything may be written, holds from now on
	// and does not wait for a gateway to tell its scopes.
	d.configure(c)
	d.notifier.Changed()
	d.reconciler.TenantChanged()
	setScopes(ctx, scopeConfig(c))
	if err := d.desire(ctx); err != nil {
		return err
	}
	d.loop.Wake()
	signal(d.reloaded)
	return nil
}

// retryAtOnce does not wait for the token guard: whoever reloads has mended
// something, or has rotated the credentials.
func (d *Daemon) retryAtOnce(ctx context.Context) {
	if s := d.tenant.TokenStatus(); !s.OK || !s.NextTryAt.IsZero() {
		if err := d.tenant.Renew(ctx); err != nil {
			d.log.Error("renew token", "error", auth0.Hinted(err), "token_until", s.ExpiresAt)
			return
		}
	}
	d.requeue(ctx, store.Blocked)
}
