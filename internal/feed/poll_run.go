package feed

import (
	"bytes"
	"context"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/failpoint"
)

// polling is one Tick.
type polling struct {
	*Poller
	start time.Time
	calls int
	from  time.Time // the next search begins here, inclusively, in whole milliseconds
	page  int       // of that search
	ahead bool      // the checkpoint lies in the future
	gap   string    // what OnGap is still to be told
	told  bool      // it was told something
	short bool      // the overlap is left out, see crowded
	last  time.Time // the newest date read
}

// all searches until there is no more, or enough for once.
func (p *polling) all(ctx context.Context) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	for p.calls < maxSearches {
		result, err := p.search(ctx)
		if err != nil {
			p.leaveOff()
			return err
		}
		if result.LastEventAt.After(p.last) {
			p.last = result.LastEventAt
		}
		if !p.next(ctx, result) {
			p.caughtUp()
			return nil
		}
	}
	p.leaveOff()
	return nil
}

// begin finds where to begin: the overlap behind the checkpoint, or where the
// last Tick left off, and no farther back than entries are sure to be kept.
//
// A clock that was ahead for a while leaves a checkpoint in the future. Nobody
// knows what was missed meanwhile, so all is read again.
func (p *polling) begin(ctx context.Context) error {
	feeds, err := p.opt.Checkpoints.Feeds(ctx)
	if err != nil {
		return err
	}
	if p.resume.After(p.start) {
		p.resume = time.Time{}
	}
	edge, checkpoint := p.start.Add(-lookback), feeds[dcr.FeedPoll].Checkpoint
	p.from = checkpoint.Add(-p.opt.Overlap)
	p.ahead = p.from.After(p.start)
	switch {
	case checkpoint.IsZero():
		p.gap = "the tenant log was never polled before"
	case checkpoint.Before(edge):
		p.gap = "the tenant log was last polled up to " + stamp(checkpoint) + ", more than a day ago"
	case p.ahead:
		p.from = edge
		if p.resume.IsZero() {
			p.gap = "the clock went back: the tenant log was last polled up to " + stamp(checkpoint)
		}
	}
	p.crowded()
	if p.resume.After(p.from) {
		p.from = p.resume
	}
	if p.from.Before(edge) {
		p.from = edge
	}
	p.from = p.from.Truncate(time.Millisecond)
	return nil
}

// crowded keeps a Tick one search long where others fill the overlap with more
// than a page, a deployment for instance: such an overlap is read once in its own
// time, twice as far back, so that an entry has as long to come to light as ever.
// The Ticks between go on from the newest date that was read.
func (p *polling) crowded() {
	if p.reread.IsZero() || p.ahead {
		return
	}
	if since := p.start.Sub(p.reread); 0 <= since && since < p.opt.Overlap {
		p.short = true
		if p.reached.After(p.from) {
			p.from = p.reached
		}
		return
	}
	p.from = p.from.Add(-p.opt.Overlap)
}

// leaveOff remembers how far this Tick came. It goes without the overlap, which
// may hold more than one Tick reads, but stays behind what could come to light
// since the Tick began.
func (p *polling) leaveOff() {
	p.resume = p.from
	if settled := p.start.Add(-p.opt.Overlap); p.resume.After(settled) {
		p.resume = settled
	}
}

// caughtUp leaves where to begin next to the checkpoint, if that is any good.
func (p *polling) caughtUp() {
	if p.last.After(p.reached) {
		p.reached = p.last
	}
	if p.reached.After(p.start) {
		p.reached = p.start
	}
	switch {
	case p.short:
	case p.calls > 1:
		p.reread = p.start
	default:
		p.reread = time.Time{}
	}
	if p.resume = (time.Time{}); p.ahead {
		p.from = p.start
		p.leaveOff()
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
		Q: query(p.from, p.opt.OwnClientID()), Page: p.page, PerPage: perPage, Sort: "date:1",
	})
	if err != nil {
		return Result{}, err
	}
	p.tellGap()
	result, _, err := p.opt.Intake.take(ctx, dcr.FeedPoll, bytes.NewReader(body), p.status)
	failpoint.Hit("feed.polled")
	return result, err
}

// tellGap tells of a gap once the log can be read again: until then the poll
// closes nothing, and a sweep could not either.
func (p *polling) tellGap() {
	if p.gap != "" && !p.told {
		p.told = true
		p.opt.OnGap(p.gap)
	}
	p.gap = ""
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
		p.undated = false
		return false
	}
	newest := r.LastEventAt.Truncate(time.Millisecond)
	switch {
	case newest.After(p.from):
		p.from, p.page = newest, 0
	case p.page+1 < maxPages:
		p.page++
	case newest.Equal(p.from):
		if newest.After(p.full) && p.beyond(ctx, "more than 1000 log entries of one millisecond, "+stamp(newest)) {
			p.full = newest
		}
		p.from, p.page = newest.Add(time.Millisecond), 0
	default:
		if !p.undated {
			p.undated = p.beyond(ctx, "1000 log entries without a usable date")
		}
		return false
	}
	return true
}

// beyond tells of entries beyond the end of search, and reports whether it could
// or has to wait for the next Tick that meets them.
func (p *polling) beyond(ctx context.Context, what string) bool {
	p.opt.Logger.WarnContext(ctx, "poll: "+what+": the others cannot be read")
	if p.told {
		return false
	}
	p.gap = what
	p.tellGap()
	return true
}
