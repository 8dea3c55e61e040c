package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grantd/internal/dcr"
)

// Swept is what a sweep found of one client.
type Swept struct {
	// Record as judged: what was seen of the client, and, unless Due, phase and
	// conditions. One that is refused and due stays refused. Record.Seq is the sequence number it was judged at; 0 for a
	// client without a record. Record.Cause is why it becomes due.
	Record dcr.Record
	// ObservedAt is when Auth0's answer was asked for.
	ObservedAt time.Time
	// Due: it is not as desired, and becomes due in the background.
	Due bool
	// DueAt is its place in the queue; now when it is later or zero.
	DueAt time.Time
}

// SaveSwept stores what a sweep found of a page of clients, in one transaction.
// Clients without a record get one.
//
// Result i is the sequence number of record i, 0 where it was left alone: it
// was made due or changed since it was judged, a log entry about it came in or
// a worker checked it after ObservedAt, it is due now in the urgent class, or it
// was forgotten.
//
// A due record that failed before and waits for its next attempt goes on
// waiting, so that an outage is not followed by a burst; its number is that at
// which it was judged.
func (l *Ledger) SaveSwept(ctx context.Context, found []Swept) (seqs []uint64, err error) {
	for _, f := range found {
		r := f.Record
		if f.Due { // its phase and class are not used
			r.Phase, r.NextAttemptAt = dcr.Pending, time.Time{}
		}
		if err := validate(r); err != nil {
			return nil, fmt.Errorf("save sweep: %w", err)
		}
	}
	if len(found) == 0 {
		return nil, ctx.Err()
	}
	now := l.now()
	err = l.update(ctx, func(t tx) error {
		seqs = make([]uint64, len(found))
		s := sweeper{tx: t, now: now, unadopted: !l.feeds.swept()}
		for i, f := range found {
			if seqs[i], err = s.take(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("save sweep: %w", err)
	}
	return seqs, nil
}

// sweeper stores what a sweep found.
type sweeper struct {
	tx
	now       time.Time
	unadopted bool // no sweep has ended yet
}

// take stores one client and returns its record's sequence number, 0 when it
// is left alone.
func (s sweeper) take(f Swept) (uint64, error) {
	stored, err := s.writable(f.Record.ClientID, s.now)
	switch {
	case errors.Is(err, ErrNotFound):
		if f.Record.Seq != 0 {
			return 0, nil // forgotten meanwhile
		}
		return s.create(f)
	case err != nil:
		return 0, err
	case s.overtaken(stored, f):
		return 0, nil
	case f.Due && s.failing(stored):
		return stored.Seq, s.put(stored, seen(stored, f.Record))
	case f.Due:
		return s.queue(stored, seen(stored, f.Record), f)
	}
	r := merge(stored, f.Record, true)
	r.GrantMade, r.Undone = seen(stored, f.Record).GrantMade, stored.Undone
	r.Unadopted = stored.Unadopted && !r.GrantMade
	return r.Seq, s.put(stored, r)
}

// overtaken reports whether something newer than what the sweep saw stands in
// the way, or somebody waits for a worker who looks anyway.
func (s sweeper) overtaken(stored dcr.Record, f Swept) bool {
	return stored.Seq != f.Record.Seq ||
		between(stored.LastCheckedAt, f.ObservedAt, s.now) ||
		between(stored.SightedAt, f.ObservedAt, s.now) ||
		stored.Class == dcr.Urgent && isDue(stored, s.now)
}

// clockSlack is by how much a time may be later than now: it was taken while a
// commit was waited for.
const clockSlack = time.Minute

// between reports whether t is after from and not ahead of now. A time ahead of
// now is none at all: the clock was set back since.
func between(t, from, now time.Time) bool { return t.After(from) && t.Sub(now) <= clockSlack }

// failing reports whether the record failed for now and waits to be tried again.
func (s sweeper) failing(r dcr.Record) bool {
	return r.Attempts > 0 && r.LastError != "" && r.NextAttemptAt.After(s.now)
}

// create makes the record of a client that was never sighted.
func (s sweeper) create(f Swept) (uint64, error) {
	r := f.Record
	r.FirstSeenAt, r.FirstSeenFeed = s.now, dcr.FeedSweep
	r.RegisteredAt, r.LastDeniedAt, r.SightedAt, r.Source = time.Time{}, time.Time{}, time.Time{}, ""
	if r.Registration == "" {
		r.Registration = dcr.RegistrationUnknown
	}
	r.Unadopted = s.unadopted && !r.GrantMade
	if !f.Due && restKey(r) != nil {
		// Whatever is recorded now would make another forgotten, which the next
		// sweep would find again.
		if full, err := s.tooManyRest(1); err != nil || full {
			return 0, err
		}
	}
	if f.Due {
		r.NextAttemptAt, r.Class = time.Time{}, ""
		return s.queue(dcr.Record{}, r, f)
	}
	var err error
	if r.Seq, err = s.clients().NextSequence(); err != nil {
		return 0, err
	}
	return r.Seq, s.put(dcr.Record{}, r)
}

// queue makes a record due in the background, at its place or where it stands
// already if that is earlier.
func (s sweeper) queue(stored, r dcr.Record, f Swept) (uint64, error) {
	if err := s.makeDue(&r, s.now, dcr.Background, f.Record.Cause); err != nil {
		return 0, err
	}
	r.Enter(dcr.Pending, dcr.Drifted, "")
	if f.Record.Phase == dcr.Refused { // and yet there is something to write
		r.Phase, r.Reason, r.Message, r.Fix = dcr.Refused, f.Record.Reason, f.Record.Message, f.Record.Fix
	}
	if !f.DueAt.IsZero() && f.DueAt.Before(r.NextAttemptAt) {
		r.NextAttemptAt = f.DueAt
	}
	return r.Seq, s.put(stored, r)
}

// seen is the stored record with what the sweep saw of the client itself. What
// a worker keeps of its own work is left as it is.
func seen(stored, found dcr.Record) dcr.Record {
	r := stored
	r.Name, r.Callbacks, r.SecurityMode, r.Off = found.Name, found.Callbacks, found.SecurityMode, found.Off
	if found.Registration != "" && found.Registration != dcr.RegistrationUnknown {
		r.Registration = found.Registration
	}
	if r.GrantID != found.GrantID {
		r.GrantID, r.GrantMade = found.GrantID, false
	}
	r.LastUsedAt = later(stored.LastUsedAt, found.LastUsedAt)
	return r
}
