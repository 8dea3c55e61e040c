package daemon

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/reconcile"
)

// syncTick is how often a sync looks how far the work is.
const syncTick = 200 * time.Millisecond

// Plan implements http.Commands.
func (e *Engine) Plan(ctx context.Context, progress func(http.Progress)) (http.Plan, error) {
	if !e.serving {
		e.scopes.Refresh(ctx)
		e.reconciler.SetSettings(e.settings())
	}
	p, err := e.reconciler.Plan(ctx, e.tenant, e.ledger, func(s reconcile.Sweep) { progress(http.Progress{Listed: s.Listed}) })
	if err != nil {
		return http.Plan{}, fmt.Errorf("plan: %w", hinted(err))
	}
	return http.PlanView(p), nil
}

// Sync implements http.Commands.
func (e *Engine) Sync(ctx context.Context, adopt bool, progress func(http.Progress)) (s http.Synced, err error) {
	e.scopes.Refresh(ctx)
	if err := e.desire(ctx); err != nil {
		return s, fmt.Errorf("sync: %w", err)
	}
	if e.serving {
		return e.sync(ctx, adopt, progress)
	}
	// No daemon: work for as long as it takes.
	work, stop := context.WithCancel(ctx)
	defer stop()
	g, work := errgroup.WithContext(work)
	g.Go(func() error { return e.loop.Run(work) })
	g.Go(func() error { e.tenant.Run(work); return nil })
	s, err = e.sync(ctx, adopt, progress)
	stop()
	if failed := g.Wait(); err == nil {
		err = failed
	}
	return s, err
}

func (e *Engine) sync(ctx context.Context, adopt bool, progress func(http.Progress)) (http.Synced, error) {
	started := time.Now()
	adopted := 0
	if adopt {
		var err error
		if adopted, err = e.ledger.Adopt(ctx); err != nil {
			return http.Synced{}, fmt.Errorf("sync: adopt grants: %w", err)
		}
	}
	s, err := e.sweeper.Sweep(ctx, func(s reconcile.Sweep) { progress(http.Progress{Listed: s.Listed}) })
	if err != nil {
		return http.Synced{}, fmt.Errorf("sync: %w", hinted(err))
	}
	if err := e.drained(ctx, s, progress); err != nil {
		return http.Synced{}, fmt.Errorf("sync: %w", err)
	}
	counts, err := e.ledger.Counts(ctx)
	if err != nil {
		return http.Synced{}, fmt.Errorf("sync: %w", err)
	}
	return http.SyncedView(s, adopted, time.Since(started), counts[dcr.Pending]-s.Waiting, counts[dcr.Blocked]), nil
}

// drained waits until no background work is due. What failed for now is tried
// again later, and not waited for.
func (e *Engine) drained(ctx context.Context, s reconcile.Sweep, progress func(http.Progress)) error {
	tick := time.NewTicker(syncTick)
	defer tick.Stop()
	due := s.Due + s.Unlisted
	for {
		counts, err := e.ledger.DueCounts(ctx, time.Now())
		if err != nil {
			return err
		}
		left := counts[dcr.Background]
		if due > 0 {
			progress(http.Progress{Listed: s.Listed, Done: max(due-left, 0), Due: due})
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
