package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

const (
	// syncTick is how often a sync looks how far the work is.
	syncTick = 200 * time.Millisecond
	// headOfQueue is how many due clients a sync looks at to see whether any is
	// still to be worked on for the first time. What failed meanwhile stands
	// behind those in the queue.
	headOfQueue = 200
)

// errStopping ends a command whose daemon is told to stop.
var errStopping = errors.New("the daemon is stopping; what it has begun it goes on with when it runs again")

// Plan implements http.Commands.
func (e *Engine) Plan(ctx context.Context, progress func(http.Progress)) (http.Plan, error) {
	ctx, done := e.untilStop(ctx)
	defer done()
	if e.serving {
		e.unguard(ctx)
	} else {
		e.scopes.Refresh(ctx)
		e.reconciler.SetSettings(e.settings())
	}
	p, err := e.reconciler.Plan(ctx, e.tenant, e.ledger, func(s reconcile.Sweep) { progress(http.Progress{Listed: s.Listed}) })
	if err != nil {
		return http.Plan{}, failed(ctx, "plan", err)
	}
	return http.PlanView(p), nil
}

// Sync implements http.Commands.
func (e *Engine) Sync(ctx context.Context, adopt bool, progress func(http.Progress)) (s http.Synced, err error) {
	ctx, done := e.untilStop(ctx)
	defer done()
	if e.serving {
		s, err = e.sync(ctx, adopt, progress)
	} else {
		s, err = e.syncAlone(ctx, adopt, progress)
	}
	if err != nil {
		return http.Synced{}, failed(ctx, "sync", err)
	}
	return s, nil
}

// syncAlone is a sync where no daemon runs: the loop works for as long as it
// takes.
func (e *Engine) syncAlone(ctx context.Context, adopt bool, progress func(http.Progress)) (s http.Synced, err error) {
	err = e.alone(ctx, func(ctx context.Context) (err error) {
		s, err = e.sync(ctx, adopt, progress)
		return err
	})
	return s, err
}

// alone runs what needs the loop where no daemon runs.
func (e *Engine) alone(ctx context.Context, run func(context.Context) error) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	g, work := errgroup.WithContext(work)
	e.work(work, g)
	err := run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

func (e *Engine) sync(ctx context.Context, adopt bool, progress func(http.Progress)) (s http.Synced, err error) {
	started := time.Now()
	if e.serving {
		e.unguard(ctx)
	}
	e.scopes.Refresh(ctx)
	if err := e.desire(ctx); err != nil {
		return s, err
	}
	listed := func(s reconcile.Sweep) { progress(http.Progress{Listed: s.Listed}) }
	adopted := 0
	if adopt {
		if adopted, err = e.adopt(ctx, listed); err != nil {
			return s, err
		}
	}
	found, err := e.sweeper.Sweep(ctx, listed)
	if err != nil {
		return s, err
	}
	// Whoever asks for a sync may have mended what made clients fail, and does
	// not want to wait for their next attempt. Of the blocked ones the sweep has
	// taken care.
	again, err := e.ledger.Requeue(ctx, store.Failing, dcr.Background, dcr.Cause{})
	if err != nil {
		return s, err
	}
	defer e.loop.Rush()()
	if err := e.worked(ctx, started, found.Listed, found.Due+found.Unlisted+again, progress); err != nil {
		return s, err
	}
	counts, err := e.ledger.Counts(ctx)
	if err != nil {
		return s, err
	}
	left, err := e.left(ctx, started)
	if err != nil {
		return s, err
	}
	return http.SyncedView(found, adopted, time.Since(started), counts, left), nil
}

// adopt gives grantd the grants that were there before it. What they are, a
// first sweep must have found.
func (e *Engine) adopt(ctx context.Context, listed func(reconcile.Sweep)) (int, error) {
	if !e.ledger.FirstSweepEnded() {
		if _, err := e.sweeper.Sweep(ctx, listed); err != nil {
			return 0, err
		}
	}
	return e.ledger.Adopt(ctx)
}

// worked waits until everything that is due and was known when the sync began
// was worked on once. What failed for now is tried again later, and not waited
// for; otherwise a client that fails again and again, or clients that register
// without end, would hold up a sync for ever.
func (e *Engine) worked(ctx context.Context, started time.Time, listed, due int, progress func(http.Progress)) error {
	tick := time.NewTicker(syncTick)
	defer tick.Stop()
	for done := 0; ; {
		counts, err := e.ledger.DueCounts(ctx, time.Now())
		if err != nil {
			return err
		}
		more, err := e.untried(ctx, started)
		if err != nil {
			return err
		}
		if done = max(done, due-counts[dcr.Background]); !more {
			done = due
		}
		if due > 0 {
			progress(http.Progress{Listed: listed, Done: done, Due: due})
		}
		if !more {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// untried reports whether a client is due that was known at a time and has not
// failed since it became due.
func (e *Engine) untried(ctx context.Context, at time.Time) (bool, error) {
	for _, class := range []dcr.Class{dcr.Background, dcr.Urgent} {
		due, _, err := e.ledger.Due(ctx, class, time.Now(), headOfQueue)
		if err != nil {
			return false, err
		}
		ids := make([]string, len(due))
		for i, d := range due {
			ids[i] = d.ID
		}
		records, err := e.ledger.Records(ctx, ids)
		if err != nil {
			return false, err
		}
		for _, r := range records {
			if r.Attempts == 0 && concerned(r, at) {
				return true, nil
			}
		}
	}
	return false, nil
}

// concerned reports whether a sync that began at a time is about a client. One
// that registered since is the daemon's everyday work, and no concern of whoever
// asked for the sync; one that a sweep found is.
func concerned(r dcr.Record, began time.Time) bool {
	return r.FirstSeenFeed == dcr.FeedSweep || r.FirstSeenAt.Before(began)
}

// left tells which clients are not as desired, by reason.
func (e *Engine) left(ctx context.Context, started time.Time) ([]http.Left, error) {
	var left []http.Left
	for _, phase := range []dcr.Phase{dcr.Blocked, dcr.Pending} {
		for after, more := "", true; more; {
			page, next, err := e.ledger.Clients(ctx, store.Query{Phase: phase, Limit: 1000, After: after})
			if err != nil {
				return nil, err
			}
			for _, r := range page {
				if phase == dcr.Blocked || concerned(r, started) {
					left = http.AddLeft(left, r)
				}
			}
			after, more = next, next != ""
		}
	}
	return left, nil
}

// unguard tries a token that was refused again at once: whoever gives a command
// may have mended something.
func (e *Engine) unguard(ctx context.Context) {
	if s := e.tenant.TokenStatus(); !s.OK || !s.NextTryAt.IsZero() {
		_ = e.tenant.Renew(ctx) // the command's first call tells
	}
}

// untilStop is ctx, and ends too when the daemon is told to stop: a command may
// take longer than a stop.
func (e *Engine) untilStop(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(e.stopping, func() { cancel(errStopping) })
	return ctx, func() { unhook(); cancel(nil) }
}

// failed says what a command failed for, and what a person can do about it.
func failed(ctx context.Context, command string, err error) error {
	if errors.Is(context.Cause(ctx), errStopping) {
		err = errStopping
	}
	return fmt.Errorf("%s: %w", command, auth0.Hinted(err))
}
