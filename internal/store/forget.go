package store

import (
	"context"
	"errors"
	"fmt"

	"grantd/internal/dcr"
)

// Errors of Forget.
var (
	// ErrInUse: the client is neither gone nor refused, so that a sweep would
	// find it again.
	ErrInUse = errors.New("the client is in use")
	// ErrGrantKept: the client's grant was there before grantd and is never
	// narrowed, which nobody would know any more without the record.
	ErrGrantKept = errors.New("the client's grant is from before grantd and is kept as it was")
)

// Forget removes the record of a client and returns it as it was. That is
// journalled in the same transaction; the journal's other entries and the
// holds of the client stay. Without force it removes only what is refused or
// gone, else it fails with ErrInUse or ErrGrantKept. ErrNotFound where there is
// no record. A worker that has the client meanwhile cannot bring the record
// back: Save has nothing to save it to.
func (l *Ledger) Forget(ctx context.Context, id string, force bool) (was dcr.Record, err error) {
	now := l.now()
	err = l.update(ctx, func(t tx) error {
		r, err := t.record(id)
		if err != nil {
			return err
		}
		if err := forgettable(r); err != nil && !force {
			return err
		}
		was = r
		if err := t.forget(r); err != nil {
			return err
		}
		return t.addJournal(dcr.JournalEntry{
			ClientID: id, Cause: dcr.Cause{Feed: dcr.FeedCommand},
			Change: dcr.Change{Step: dcr.StepForget, Before: map[string]any{
				"phase": string(r.Phase), "reason": string(r.Reason), "grant_made": r.GrantMade,
			}},
		}, now)
	})
	if err != nil {
		return dcr.Record{}, fmt.Errorf("forget client %.128q: %w", id, err)
	}
	return was, nil
}

// forgettable reports why the record should stay.
func forgettable(r dcr.Record) error {
	switch {
	case r.Phase == dcr.Gone:
		return nil
	case r.Unadopted && r.GrantID != "":
		return ErrGrantKept
	case r.Phase != dcr.Refused:
		return fmt.Errorf("%w: it is %s", ErrInUse, r.Phase)
	default:
		return nil
	}
}
