package store

import (
	"context"
	"fmt"
	"slices"

	"grantd/internal/dcr"
)

// Which selects records to requeue.
type Which string

// What Requeue can select.
const (
	Blocked Which = "blocked"
	Failing Which = "failing" // pending with a last error
	Refused Which = "refused"
	All     Which = "all" // but those gone
)

// phase is the phase to which the selection is confined, if it is.
func (w Which) phase() dcr.Phase {
	switch w {
	case Blocked:
		return dcr.Blocked
	case Failing:
		return dcr.Pending
	case Refused:
		return dcr.Refused
	default:
		return ""
	}
}

func (w Which) matches(r dcr.Record) bool {
	switch w {
	case Failing:
		return r.LastError != ""
	case All:
		return r.Phase != dcr.Gone
	default:
		return true
	}
}

// Requeue makes the selected records due now and returns how many. With a zero
// cause they keep their own: what is tried again is still done for the reason
// it was first tried for. It takes several transactions; when it fails or is
// interrupted, those before it hold.
func (l *Ledger) Requeue(ctx context.Context, w Which, class dcr.Class, cause dcr.Cause) (int, error) {
	if !slices.Contains([]Which{Blocked, Failing, Refused, All}, w) {
		return 0, fmt.Errorf("requeue: selection %q is unknown", w)
	}
	n, err := l.edit(ctx, w.phase(), w.matches, func(t tx, r *dcr.Record) error {
		why := cause
		if why == (dcr.Cause{}) {
			why = r.Cause
		}
		return t.makeDue(r, l.now(), class, why)
	})
	if err != nil {
		return n, fmt.Errorf("requeue %s clients: %w", w, err)
	}
	return n, nil
}

// RequeuePhase is Requeue of the records of one phase, or of all that are not
// gone where it is empty.
func (l *Ledger) RequeuePhase(ctx context.Context, p dcr.Phase, class dcr.Class, cause dcr.Cause) (int, error) {
	n, err := l.edit(ctx, p, func(r dcr.Record) bool { return p != "" && r.Phase == p || p == "" && r.Phase != dcr.Gone },
		func(t tx, r *dcr.Record) error { return t.makeDue(r, l.now(), class, cause) })
	if err != nil {
		return n, fmt.Errorf("requeue clients: %w", err)
	}
	return n, nil
}

// RequeueClient makes one client due now in the urgent class and returns its
// record as it is from then on, or ErrNotFound.
func (l *Ledger) RequeueClient(ctx context.Context, id string, cause dcr.Cause) (r dcr.Record, err error) {
	now := l.now()
	err = l.update(ctx, func(t tx) error {
		old, err := t.writable(id, now)
		if err != nil {
			return err
		}
		r = old
		if err := t.makeDue(&r, now, dcr.Urgent, cause); err != nil {
			return err
		}
		r.Source = "" // of a person, and not of whoever caused the last look
		r = tidy(r)
		return t.put(old, r)
	})
	if err != nil {
		return dcr.Record{}, fmt.Errorf("requeue client %.128q: %w", id, err)
	}
	return r, nil
}
