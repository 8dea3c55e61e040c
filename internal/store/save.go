package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grantd/internal/dcr"
)

// Save stores an outcome with its holds and journals its changes, in one
// transaction that concurrent callers share. It reports false when the client
// was made due again since the record was read: what was observed is kept, but
// the record stays due, for the newer cause. It returns ErrNotFound for a
// client without a record. The changes are journalled in all three cases,
// since they were made, and the holds are set, but in place of none that a person
// set meanwhile.
func (l *Ledger) Save(ctx context.Context, o dcr.Outcome) (settled bool, err error) {
	if err := errors.Join(validate(o.Record), validateHolds(o.Holds)); err != nil {
		return false, fmt.Errorf("save: %w", err)
	}
	now := l.now()
	var missing error
	err = l.update(ctx, func(t tx) error {
		settled, missing = false, nil
		holds, err := t.besidePersons(o.Holds, now)
		if err != nil {
			return err
		}
		if err := errors.Join(t.addChanges(o, now), t.putHolds(holds, now)); err != nil {
			return err
		}
		stored, err := t.writable(o.Record.ClientID, now)
		switch {
		case errors.Is(err, ErrNotFound):
			missing = err
			return nil
		case err != nil:
			return err
		}
		settled = stored.Seq == o.Record.Seq
		r := merge(stored, o.Record, settled)
		// A sweep may have found it as desired by a list of before the writes, or
		// by a newer desired state than this one.
		wrote, older := len(o.Changes) > 0, r.Digest != stored.Digest
		overtook := (r.Phase == dcr.Ready || r.Phase == dcr.Blocked) && (wrote || older) || r.Phase == dcr.Refused && wrote
		if !settled && r.NextAttemptAt.IsZero() && overtook {
			if err := t.makeDue(&r, now, dcr.Background, r.Cause); err != nil {
				return err
			}
		}
		return t.put(stored, r)
	})
	if err := errors.Join(err, missing); err != nil {
		return false, fmt.Errorf("save: %w", err)
	}
	return settled, nil
}

// merge is the record to store for an outcome: what is known of the client
// from what was saved, and, unless that settles it, the work still to do from
// the stored record.
func merge(stored, saved dcr.Record, settled bool) dcr.Record {
	r := saved
	r.FirstSeenAt, r.FirstSeenFeed = stored.FirstSeenAt, stored.FirstSeenFeed
	r.RegisteredAt, r.Source = stored.RegisteredAt, stored.Source
	r.LastUsedAt = later(stored.LastUsedAt, saved.LastUsedAt)
	r.LastDeniedAt, r.SightedAt = later(stored.LastDeniedAt, saved.LastDeniedAt), stored.SightedAt
	if r.Registration == "" || r.Registration == dcr.RegistrationUnknown {
		r.Registration = stored.Registration
	}
	if !stored.ReadyAt.IsZero() { // the first time only
		r.ReadyAt, r.TimeToReady = stored.ReadyAt, stored.TimeToReady
	}
	measure(&r)
	r.Unadopted = stored.Unadopted && !r.GrantMade
	if !settled {
		r.Phase, r.Reason, r.Message, r.Fix = stored.Phase, stored.Reason, stored.Message, stored.Fix
		r.NextAttemptAt, r.Class, r.Attempts = stored.NextAttemptAt, stored.Class, stored.Attempts
		r.Cause, r.Seq = stored.Cause, stored.Seq
	}
	return r
}

func validate(r dcr.Record) error {
	switch {
	case !dcr.ValidClientID(r.ClientID):
		return fmt.Errorf("client id %.128q is not one", r.ClientID)
	case !slices.Contains(dcr.Phases(), r.Phase):
		return fmt.Errorf("phase %q of client %s is unknown", r.Phase, r.ClientID)
	case !r.NextAttemptAt.IsZero() && r.Class != dcr.Urgent && r.Class != dcr.Background:
		return fmt.Errorf("class %q of client %s is unknown", r.Class, r.ClientID)
	default:
		return nil
	}
}

// addChanges journals the outcome's changes.
func (t tx) addChanges(o dcr.Outcome, now time.Time) error {
	cause := o.Record.Cause
	if cause.Digest == "" {
		cause.Digest = o.Record.Digest
	}
	for _, c := range o.Changes {
		if err := t.addJournal(dcr.JournalEntry{ClientID: o.Record.ClientID, Change: c, Cause: cause}, now); err != nil {
			return err
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// measure sets how long a client took that was ready before the log told when it
// had registered: a sweep may be faster than the log.
func measure(r *dcr.Record) {
	if !r.ReadyAt.IsZero() && !r.RegisteredAt.IsZero() && r.TimeToReady == 0 {
		r.TimeToReady = max(0, r.ReadyAt.Sub(r.RegisteredAt))
	}
}
