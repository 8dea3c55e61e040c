package feed

import (
	"bytes"
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
	// Overlap is how far behind the checkpoint a poll begins: search is
	// eventually consistent, and an entry that comes to light later than this
	// can be missed. 0 means 2 minutes.
	Overlap time.Duration
	Now     func() time.Time // time.Now when nil
	Logger  *slog.Logger     // none when nil
	// OnPolled is told of every poll that ended, for health. It is not told
	// of one that was interrupted.
	OnPolled func(Polled)
}

// Polled is one poll that ended.
type Polled struct {
	At     time.Time
	Calls  int        // searches made
	Reason dcr.Reason // empty when it succeeded, else PollFailing or PollUnauthorized
	Err    error
}

const (
	// lookback is how far a first poll goes: as far as the shortest retention.
	// https://auth0.com/docs/deploy-monitor/logs/log-data-retention
	lookback = 24 * time.Hour
	// quiet is how far the checkpoint may lie behind when nothing happens.
	quiet = 10 * time.Minute
	// perPage and maxPages are the ends of search: 100 entries a page, 1,000
	// a query.
	// https://auth0.com/docs/deploy-monitor/logs/retrieve-log-events-using-mgmt-api
	perPage  = 100
	maxPages = 10
)

// Poller reads the tenant log by search. It holds no state of its own: the
// ledger knows how far it came.
type Poller struct {
	opt PollerOptions
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
	return &Poller{opt: o}
}

// Tick polls once: one search when less than a page is new, and more until all
// is read otherwise. What a search brought is on disk, with the checkpoint,
// before the next. A poll that fails is taken up by the next Tick where it
// ended. Tick must not run twice at the same time.
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

// polling is one Tick.
type polling struct {
	*Poller
	start time.Time
	calls int
	from  time.Time // the next search begins here, inclusively, in whole milliseconds
	page  int       // of that search
}

// all searches until there is no more.
func (p *polling) all(ctx context.Context) error {
	feeds, err := p.opt.Checkpoints.Feeds(ctx)
	if err != nil {
		return err
	}
	p.from = p.start.Add(-lookback)
	if c := feeds[dcr.FeedPoll].Checkpoint; !c.IsZero() {
		p.from = c.Add(-p.opt.Overlap)
	}
	p.from = p.from.Truncate(time.Millisecond)
	for {
		result, err := p.search(ctx)
		if err != nil {
			return err
		}
		if !p.next(ctx, result) {
			return nil
		}
	}
}

// search reads and takes one page.
func (p *polling) search(ctx context.Context) (Result, error) {
	class := dcr.Urgent
	if p.calls > 0 {
		class = dcr.Background // what is behind by a page can wait for those who do not
	}
	p.calls++
	body, err := p.opt.Logs.SearchLogs(auth0.WithCall(ctx, class, ""), auth0.LogQuery{
		Q: query(p.from), Page: p.page, PerPage: perPage, Sort: "date:1",
	})
	if err != nil {
		return Result{}, err
	}
	result, _, err := p.opt.Intake.take(ctx, dcr.FeedPoll, bytes.NewReader(body), p.status)
	return result, err
}

// query finds the entries that can lead to sightings.
// https://auth0.com/docs/deploy-monitor/logs/log-search-query-syntax
func query(from time.Time) string {
	return "(type:sapi OR type:f) AND date:[" + from.UTC().Format("2006-01-02T15:04:05.000Z") + " TO *]"
}

// status moves the checkpoint to the newest entry of the page: entries come
// oldest first, so that what is dated before was read. It never goes beyond
// the start of the poll, for younger entries may still be hidden.
//
// After the last page it follows the clock at a distance, or entries that the
// ledger has long forgotten would be read again and again.
func (p *polling) status(r Result) dcr.FeedStatus {
	s := dcr.FeedStatus{Checkpoint: r.LastEventAt}
	if r.Received < perPage {
		s.LastSuccessAt = p.opt.Now()
		if settled := p.start.Add(-quiet); s.Checkpoint.Before(settled) {
			s.Checkpoint = settled
		}
	}
	if s.Checkpoint.After(p.start) {
		s.Checkpoint = p.start
	}
	return s
}

// next says where to go on after a page, and whether to.
//
// It goes on from the last date read, that date included, and not by page
// number: a page number counts from an end that moves when entries come to
// light or expire meanwhile, and ends at 1,000. Only among entries of one and
// the same millisecond there is no other way.
func (p *polling) next(ctx context.Context, r Result) bool {
	if r.Received < perPage {
		return false
	}
	newest := r.LastEventAt.Truncate(time.Millisecond)
	switch {
	case newest.After(p.from):
		p.from, p.page = newest, 0
	case p.page+1 < maxPages:
		p.page++
	case newest.Equal(p.from):
		p.opt.Logger.WarnContext(ctx, "poll: more than 1000 log entries of one millisecond, the others cannot be read", "date", newest)
		p.from, p.page = newest.Add(time.Millisecond), 0
	default:
		p.opt.Logger.WarnContext(ctx, "poll: 1000 log entries without a usable date, the others cannot be read")
		return false
	}
	return true
}
