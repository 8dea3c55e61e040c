package health

import (
	"context"
	"time"

	"grantd/internal/dcr"
)

// Severity is what a failing check does to the status.
type Severity string

// The severities.
const (
	// Down: grantd cannot do its job.
	Down Severity = "down"
	// Degraded: part of it does not work, or a person should look.
	Degraded Severity = "degraded"
)

// Check is one thing that can be wrong.
type Check struct {
	Code     dcr.Reason
	Severity Severity // when failing
	// Unready checks, when failing, make /readyz answer 503: nothing can be
	// acknowledged.
	Unready bool
	Failing bool
	Message dcr.Text // what it means when it fails
	Fix     dcr.Text // what a person can do; may be empty
}

const (
	// downAfter is how long calls may fail before the status is down.
	downAfter = 5 * time.Minute
	// pollFailures is how many polls in a row must fail to be worth a word.
	pollFailures = 3
	// sweepFailures is the same for sweeps.
	sweepFailures = 3
	// webhookSilence is how much later than the poll the webhook may bring an
	// entry.
	webhookSilence = 5 * time.Minute
)

// state is everything the checks look at.
type state struct {
	now, started time.Time
	mgmt         management
	jwks         jwks
	poll         poll
	ledgerErr    error
	counts       map[dcr.Phase]int
	feeds        map[dcr.Feed]dcr.FeedStatus
	rest         rest
	storm        bool                // of registrations
	held         map[dcr.Reason]bool // why there are active holds
}

func (t *Tracker) state(ctx context.Context) state {
	t.mu.Lock()
	s := state{
		now: t.o.Now(), started: t.started,
		mgmt: t.mgmt, jwks: t.jwks, poll: t.poll, ledgerErr: t.ledgerErr, rest: t.rest,
	}
	t.mu.Unlock()
	var err error
	if s.counts, err = t.o.Ledger.Counts(ctx); err != nil {
		s.ledgerErr = err
	}
	if s.feeds, err = t.o.Ledger.Feeds(ctx); err != nil {
		s.ledgerErr = err
	}
	holds, err := t.o.Holds(ctx)
	if err != nil {
		s.ledgerErr = err
	}
	s.held, s.storm = held(holds, s.now), t.o.Storm()
	return s
}

// held sorts the active holds: a fight with somebody else and a storm are told
// apart from everything that a person wanted.
func held(holds []dcr.Hold, now time.Time) map[dcr.Reason]bool {
	why := map[dcr.Reason]bool{}
	for _, h := range holds {
		switch {
		case !h.Active(now):
		case h.Reason == dcr.Fighting, h.Reason == dcr.RegistrationStorm:
			why[h.Reason] = true
		default:
			why[dcr.Held] = true
		}
	}
	return why
}

// Checks returns all checks, the graver first, with what fails now.
func (t *Tracker) Checks(ctx context.Context) []Check { return t.state(ctx).checks() }

func (s state) checks() []Check {
	list := []Check{
		{Code: dcr.TokenRefused, Severity: s.tokenSeverity(), Failing: s.mgmt.refused},
		{Code: dcr.ManagementFailing, Severity: Down, Failing: s.managementFailing()},
		{Code: dcr.LedgerUnavailable, Severity: Degraded, Unready: true, Failing: s.ledgerErr != nil},
		{Code: dcr.JWKSUnreachable, Severity: Degraded, Failing: s.jwks.tried && !s.jwks.reachable},
		{Code: dcr.PollUnauthorized, Severity: Degraded, Failing: s.poll.reason == dcr.PollUnauthorized},
		{Code: dcr.PollFailing, Severity: Degraded, Failing: s.poll.failures >= pollFailures && s.poll.reason != dcr.PollUnauthorized},
		{Code: dcr.WebhookSilent, Severity: Degraded, Failing: s.webhookSilent()},
		{Code: dcr.LogStreamStopped, Severity: Degraded, Failing: s.rest.streamStopped},
		{Code: dcr.SweepFailing, Severity: Degraded, Failing: s.rest.sweepFailures >= sweepFailures},
		{Code: dcr.ScopesUnknown, Severity: Degraded, Failing: s.rest.scopesUnknown},
		{Code: dcr.ScopeSourceFailed, Severity: Degraded, Failing: s.rest.scopesFailing},
		{Code: dcr.CertFailing, Severity: Degraded, Failing: s.rest.certFailing},
		{Code: dcr.CertExpiring, Severity: Degraded, Failing: s.rest.certExpiring},
		{Code: dcr.Fighting, Severity: Degraded, Failing: s.held[dcr.Fighting]},
		{Code: dcr.Held, Severity: Degraded, Failing: s.held[dcr.Held]},
		{Code: dcr.RegistrationStorm, Severity: Degraded, Failing: s.storm || s.held[dcr.RegistrationStorm]},
		{Code: dcr.ClientsBlocked, Severity: Degraded, Failing: s.counts[dcr.Blocked] > 0},
		{Code: dcr.Starting, Severity: Degraded, Failing: s.nothingTried()},
	}
	for i := range list {
		info := list[i].Code.Info()
		list[i].Message, list[i].Fix = info.Meaning, info.Fix
	}
	return list
}

// tokenSeverity: while the last token still serves nothing is down yet.
func (s state) tokenSeverity() Severity {
	if s.mgmt.ok {
		return Degraded
	}
	return Down
}

// managementFailing: the first failure after a success starts the clock, and
// only a success stops it. Without a failure silence is no news.
func (s state) managementFailing() bool {
	return !s.mgmt.failingSince.IsZero() && s.now.Sub(s.mgmt.failingSince) >= downAfter
}

// webhookSilent: the poll has found a Management API call that the webhook has
// not brought although it had the time. What is older than this process may
// have been logged before there was a stream, so it proves nothing. Nor do
// entries of other types: a stream may be filtered to these, which are all it
// has to bring. The webhook may be ahead by grantd's own calls, which the poll
// leaves out: that proves it alive.
func (s state) webhookSilent() bool {
	seen := s.feeds[dcr.FeedPoll].LastManagementAt
	return seen.After(s.started) &&
		seen.After(s.feeds[dcr.FeedWebhook].LastManagementAt) &&
		s.now.Sub(seen) >= webhookSilence
}

func (s state) nothingTried() bool {
	return !s.jwks.tried && !s.mgmt.ok && s.mgmt.failingSince.IsZero()
}
