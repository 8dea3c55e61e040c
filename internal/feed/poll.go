package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// LogSearcher searches the tenant log.
type LogSearcher interface {
	// SearchLogs returns a page of entries: a whole JSON array, or an error.
	// The context says in which class the call is, by auth0.WithCall.
	SearchLogs(ctx context.Context, q auth0.LogQuery) ([]byte, error)
}

// Checkpoints is what a Poller needs of the ledger: how far it came.
type Checkpoints interface {
	// Feeds returns the status of every feed.
	Feeds(ctx context.Context) (map[dcr.Feed]dcr.FeedStatus, error)
}

// PollerOptions configure a Poller. Intake, Logs and Checkpoints are required.
type PollerOptions struct {
	Intake      *Intake
	Logs        LogSearcher
	Checkpoints Checkpoints
	// OwnClientID is the application that grantd itself logs in with: what it
	// writes is left out of the search. It is asked before every search; nil, or
	// one that is no client id, leaves nothing out.
	OwnClientID func() string
	// Overlap is how far behind the checkpoint a poll begins: search is
	// eventually consistent, and an entry that comes to light later than this
	// can be missed. 0 means 2 minutes.
	Overlap time.Duration
	Now     func() time.Time // time.Now when nil
	Logger  *slog.Logger     // none when nil
	// OnPolled is told of every poll that ended, for health. It is not told
	// of one that was interrupted.
	OnPolled func(Polled)
	// OnGap is told, with the reason in words, that there may be entries that
	// no poll can read any more, so that a sweep is wanted. It is called at
	// most once in a Tick, and for one gap at least once: before the checkpoint
	// behind it is kept. It must not block.
	OnGap func(reason string)
}

// Polled is one poll that ended.
type Polled struct {
	At     time.Time
	Calls  int        // searches made
	Reason dcr.Reason // empty when it succeeded, else PollFailing or PollUnauthorized
	Err    error
}

const (
	// lookback is how far a poll goes at most: as far as the shortest
	// retention, for which plan the tenant has is not known.
	// https://auth0.com/docs/deploy-monitor/logs/log-data-retention
	lookback = 24 * time.Hour
	// quiet is how far the checkpoint may lie behind when nothing happens.
	quiet = 10 * time.Minute
	// perPage and maxPages are the ends of search: 100 entries a page, 1,000
	// a query.
	// https://auth0.com/docs/deploy-monitor/logs/retrieve-log-events-using-mgmt-api
	perPage  = 100
	maxPages = 10
	// maxSearches bounds one Tick: a backlog takes several, so that whoever
	// else needs the budget or the schedule gets his turn.
	maxSearches = 50
)

// Poller reads the tenant log by search. The ledger knows how far it came; what
// a Poller remembers itself saves work and may be lost.
type Poller struct {
	opt PollerOptions
	// resume is where a Tick that did not come to the end left off, zero after
	// one that did: everything dated before was read.
	resume time.Time
	// full is the newest millisecond, and undated whether there was a query,
	// with more entries than can be read. Met again, they are the same gap.
	full    time.Time
	undated bool
	// reread is when the overlap, holding more than a page, was last read, zero
	// when it held less; reached is the newest date that was read.
	reread, reached time.Time
}

// NewPoller returns a Poller.
func NewPoller(o PollerOptions) *Poller {
	if o.Overlap <= 0 {
		o.Overlap = 2 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnPolled == nil {
		o.OnPolled = func(Polled) {}
	}
	if o.OnGap == nil {
		o.OnGap = func(string) {}
	}
	if o.OwnClientID == nil {
		o.OwnClientID = func() string { return "" }
	}
	return &Poller{opt: o}
}

// Tick polls once: one search when less than a page is new, and up to 50, until
// all is read, otherwise. What a search brought is on disk, with the checkpoint,
// before the next. A poll that fails, or has more to read, is taken up by the
// next Tick where it ended. Tick must not run twice at the same time.
func (p *Poller) Tick(ctx context.Context) error {
	run := polling{Poller: p, start: p.opt.Now()}
	err := run.all(ctx)
	if err != nil {
		err = fmt.Errorf("poll the tenant log: %w", err)
	}
	if err == nil || ctx.Err() == nil {
		p.opt.OnPolled(Polled{At: p.opt.Now(), Calls: run.calls, Reason: pollReason(err), Err: err})
	}
	return err
}

func pollReason(err error) dcr.Reason {
	var e *auth0.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && e.Reason == dcr.MissingScope:
		return dcr.PollUnauthorized
	default:
		return dcr.PollFailing
	}
}

// query finds the entries that can lead to sightings: failed logins, and calls
// of the Management API, whose client_id is the caller's. An entry without one,
// such as a dynamic registration, does not match a term, so NOT keeps it.
//
// Own calls are left out because a repair makes many: 16 a second, each read
// again for as long as the overlap, would be 20 pages a tick. The price is that
// what somebody else does with grantd's own application reaches it by webhook
// and sweep alone.
// https://auth0.com/docs/deploy-monitor/logs/log-search-query-syntax
func query(from time.Time, own string) string {
	calls := "type:" + managementCall
	if dcr.ValidClientID(own) {
		calls = "(" + calls + ` AND NOT client_id:"` + own + `")`
	}
	return "(type:" + failedLogin + " OR " + calls + ") AND date:[" + stamp(from) + " TO *]"
}

// stamp is a time as Auth0 writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
