package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// Revert implements http.Reverter.
func (e *Engine) Revert(ctx context.Context, seq uint64, dryRun bool) (http.Reverted, error) {
	ctx, done := e.untilStop(ctx)
	defer done()
	if e.serving {
		e.unguard(ctx)
	}
	e.reverting.Lock()
	defer e.reverting.Unlock()
	entry, err := e.revertible(ctx, seq)
	if err != nil {
		return http.Reverted{}, failed(ctx, "revert", err)
	}
	undone, err := e.revert(ctx, entry, dryRun)
	if err != nil {
		return http.Reverted{}, failed(ctx, "revert", err)
	}
	return http.RevertedView(entry, undone, reconcile.RevertHold(entry), dryRun), nil
}

// revertible reads a journal entry that may be undone and was not yet.
func (e *Engine) revertible(ctx context.Context, seq uint64) (dcr.JournalEntry, error) {
	entry, err := e.ledger.Entry(ctx, seq)
	if errors.Is(err, store.ErrNotFound) {
		return entry, fmt.Errorf("the journal has no entry %d; grantd history lists them", seq)
	}
	if err != nil {
		return entry, err
	}
	if err := reconcile.Revertible(entry); err != nil {
		return entry, err
	}
	for after, more := "", true; more; {
		page, next, err := e.ledger.Journal(ctx, store.JournalQuery{ClientID: entry.ClientID, Limit: 1000, After: after})
		if err != nil {
			return entry, err
		}
		for _, later := range page {
			if later.Seq <= seq { // newest first
				return entry, nil
			}
			if later.Reverts == seq {
				return entry, fmt.Errorf("entry %d was reverted already, by entry %d", seq, later.Seq)
			}
		}
		after, more = next, next != ""
	}
	return entry, nil
}

// revert holds what the entry is about, and undoes it. When that turns out not to
// be possible, the hold is as it was before.
func (e *Engine) revert(ctx context.Context, entry dcr.JournalEntry, dryRun bool) (reconcile.Reverted, error) {
	if dryRun {
		return e.reconciler.Revert(ctx, e.tenant, entry, true)
	}
	restore, err := e.holdFor(ctx, entry)
	if err != nil {
		return reconcile.Reverted{}, err
	}
	release, err := e.loop.Claim(ctx, entry.ClientID)
	if err != nil {
		return reconcile.Reverted{}, errors.Join(err, restore())
	}
	defer e.loop.Wake()
	defer release()
	undone, err := e.reconciler.Revert(ctx, e.tenant, entry, false)
	if failureOf(err) == dcr.MissingScope && e.tenant.Renew(ctx) == nil { // it may have been granted for this
		undone, err = e.reconciler.Revert(ctx, e.tenant, entry, false)
	}
	switch {
	case errors.Is(err, reconcile.ErrUnsure):
		return undone, fmt.Errorf("%w; it stays held meanwhile: look, and try again or let it go by %s", err, reconcile.RevertHold(entry).ReleaseCommand())
	case err != nil:
		return undone, errors.Join(err, restore())
	}
	e.tellHold(reconcile.RevertHold(entry))
	return undone, e.keepReverted(context.WithoutCancel(ctx), entry, undone.Change)
}

// holdFor sets the hold of a revert, unless there is one like it without an end.
// restore takes it back.
func (e *Engine) holdFor(ctx context.Context, entry dcr.JournalEntry) (restore func() error, err error) {
	hold := reconcile.RevertHold(entry)
	hold.Since = time.Now()
	holds, err := e.ledger.Holds(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(holds, func(h dcr.Hold) bool {
		return h.Scope == hold.Scope && h.ClientID == hold.ClientID && h.Field == hold.Field
	})
	if i >= 0 && holds[i].Until.IsZero() {
		return func() error { return nil }, nil
	}
	if err := e.ledger.SetHolds(ctx, hold); err != nil {
		return nil, err
	}
	keep := context.WithoutCancel(ctx)
	return func() error {
		if i >= 0 {
			return e.ledger.SetHolds(keep, holds[i])
		}
		_, err := e.ledger.Release(keep, store.HoldSelector{Scope: hold.Scope, ClientID: hold.ClientID, Field: hold.Field, Reason: hold.Reason})
		return err
	}, nil
}

// keepReverted journals the change that undid another.
func (e *Engine) keepReverted(ctx context.Context, entry dcr.JournalEntry, c dcr.Change) error {
	was, err := e.ledger.Client(ctx, entry.ClientID)
	if errors.Is(err, store.ErrNotFound) { // forgotten; the journal is not
		return e.ledger.AddJournal(ctx, dcr.JournalEntry{ClientID: entry.ClientID, Change: c, Cause: dcr.Cause{Feed: dcr.FeedCommand}})
	}
	if err != nil {
		return fmt.Errorf("journal the revert, which is made: %w", err)
	}
	rec := was
	if entry.Step == dcr.StepRevoke {
		rec = reconcile.Restored(rec)
	}
	rec.Cause = dcr.Cause{Feed: dcr.FeedCommand}
	o := dcr.Outcome{Record: rec, Changes: []dcr.Change{c}}
	settled, err := e.ledger.Save(ctx, o)
	if err != nil {
		return fmt.Errorf("journal the revert, which is made: %w", err)
	}
	e.saved(was, o, settled)
	return nil
}
