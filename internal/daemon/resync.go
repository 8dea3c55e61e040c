package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/store"
)

const (
	// resyncTick is how often a resync looks whether its client is settled.
	resyncTick = 50 * time.Millisecond
	// resyncLooks is how many looks in a row a client may ask for: it is read
	// back, or registered a moment ago and asked for once more.
	resyncLooks = 3
	// maxLookPause bounds the time between two of them.
	maxLookPause = 3 * time.Second
)

// byCommand is the cause of what a person asked for.
func byCommand() dcr.Cause { return dcr.Cause{Feed: dcr.FeedCommand} }

// Resync implements http.Resyncer.
func (e *Engine) Resync(ctx context.Context, id string) (http.Resynced, error) {
	ctx, done := e.untilStop(ctx)
	defer done()
	started := time.Now()
	r, made, err := e.resync(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return http.Resynced{}, err // says who
	}
	if err != nil {
		return http.Resynced{}, failed(ctx, "resync", err)
	}
	return http.ResyncedView(r, made, time.Since(started).Milliseconds()), nil
}

func (e *Engine) resync(ctx context.Context, id string) (dcr.Record, []dcr.JournalEntry, error) {
	if err := e.refresh(ctx); err != nil {
		return dcr.Record{}, nil, err
	}
	began, err := e.lastEntry(ctx)
	if err != nil {
		return dcr.Record{}, nil, err
	}
	r, err := e.ledger.RequeueClient(ctx, id, byCommand())
	if err != nil {
		return r, nil, err
	}
	if e.serving {
		e.loop.Wake()
		r, err = e.settled(ctx, id)
	} else {
		r, err = e.workOn(ctx, r)
	}
	if err != nil {
		return r, nil, err
	}
	made, err := e.entriesSince(ctx, id, began)
	return r, made, err
}

// refresh forgets what is remembered of the tenant and tries a refused token
// again: whoever asks for a resync may have mended something.
func (e *Engine) refresh(ctx context.Context) error {
	e.unguard(ctx)
	e.reconciler.TenantChanged()
	if e.serving {
		return nil
	}
	e.scopes.Refresh(ctx)
	return e.desire(ctx)
}

// settled waits until the loop has looked at a client.
func (e *Engine) settled(ctx context.Context, id string) (dcr.Record, error) {
	tick := time.NewTicker(resyncTick)
	defer tick.Stop()
	for {
		r, err := e.ledger.Client(ctx, id)
		if err != nil || looked(r) {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-tick.C:
		}
	}
}

// looked reports whether a client that was made due, and so was not blocked any
// more, was looked at since: it has come to an end, is blocked, perhaps by a hold
// that ends by itself, or failed.
func looked(r dcr.Record) bool {
	failed := r.LastError != "" && r.LastError != dcr.NotFoundYet // that one is asked for once more
	return r.NextAttemptAt.IsZero() || r.Phase == dcr.Blocked || r.Attempts > 0 && failed
}

// workOn looks at one client and no other, where no loop runs.
func (e *Engine) workOn(ctx context.Context, r dcr.Record) (dcr.Record, error) {
	for range resyncLooks {
		o := e.reconciler.Reconcile(ctx, r)
		// Changes were made in Auth0: they are saved even when we are to stop.
		settled, err := e.ledger.Save(context.WithoutCancel(ctx), o)
		if err != nil {
			return r, err
		}
		e.saved(r, o, settled)
		if r, err = e.ledger.Client(ctx, r.ClientID); err != nil || looked(r) {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(min(time.Until(r.NextAttemptAt), maxLookPause)):
		}
	}
	return r, nil
}

// lastEntry is the number of the journal's newest entry.
func (e *Engine) lastEntry(ctx context.Context) (uint64, error) {
	page, _, err := e.ledger.Journal(ctx, store.JournalQuery{Limit: 1})
	if err != nil || len(page) == 0 {
		return 0, err
	}
	return page[0].Seq, nil
}

// entriesSince are a client's entries after one of the journal, newest first.
func (e *Engine) entriesSince(ctx context.Context, id string, seq uint64) ([]dcr.JournalEntry, error) {
	page, _, err := e.ledger.Journal(ctx, store.JournalQuery{ClientID: id, Limit: 20})
	for i, entry := range page {
		if entry.Seq <= seq {
			return page[:i], err
		}
	}
	return page, err
}

// ResyncAll implements http.Resyncer.
func (e *Engine) ResyncAll(ctx context.Context, phase dcr.Phase, progress func(http.Progress)) (http.ResyncedAll, error) {
	ctx, done := e.untilStop(ctx)
	defer done()
	all, err := e.resyncAll(ctx, phase, progress)
	if err != nil {
		return http.ResyncedAll{}, failed(ctx, "resync", err)
	}
	return all, nil
}

func (e *Engine) resyncAll(ctx context.Context, phase dcr.Phase, progress func(http.Progress)) (http.ResyncedAll, error) {
	started := time.Now()
	if err := e.refresh(ctx); err != nil {
		return http.ResyncedAll{}, err
	}
	n, err := e.ledger.RequeuePhase(ctx, phase, dcr.Background, byCommand())
	if err != nil {
		return http.ResyncedAll{}, err
	}
	if e.serving {
		e.log.Info("looking at clients again", "which", "by command", "phase", phase, "clients_due", n)
		e.loop.Wake()
		return http.ResyncedAllView(phase, n, false, nil), nil
	}
	if err := e.alone(ctx, func(ctx context.Context) error {
		defer e.loop.Rush()()
		return e.worked(ctx, started, 0, n, progress)
	}); err != nil {
		return http.ResyncedAll{}, err
	}
	left, err := e.left(ctx, started)
	return http.ResyncedAllView(phase, n, true, left), err
}

// Forget implements http.Forgetter.
func (e *Engine) Forget(ctx context.Context, id string, force bool) (http.Forgotten, error) {
	f, err := NewForgetter(e.ledger, e.log).Forget(ctx, id, force)
	if err == nil {
		e.publishJournal(id, 1, func(entry dcr.JournalEntry) bool { return entry.Step == dcr.StepForget })
	}
	return f, err
}

// Forgetter removes records from a ledger.
type Forgetter struct {
	ledger *store.Ledger
	log    *slog.Logger
}

// NewForgetter returns the Forgetter of a ledger.
func NewForgetter(l *store.Ledger, log *slog.Logger) Forgetter { return Forgetter{l, log} }

// Forget implements http.Forgetter.
func (f Forgetter) Forget(ctx context.Context, id string, force bool) (http.Forgotten, error) {
	was, err := f.ledger.Forget(ctx, id, force)
	if err != nil {
		return http.Forgotten{}, err
	}
	f.log.Warn("client forgotten", "client_id", id, "phase", was.Phase, "reason", was.Reason)
	kept, err := f.ledger.Holds(ctx)
	var holds []dcr.Hold
	for _, h := range kept {
		if h.ClientID == id && h.Active(time.Now()) {
			holds = append(holds, h)
		}
	}
	return http.ForgottenView(was, holds), err
}
