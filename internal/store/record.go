package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grantd/internal/dcr"
)

const (
	// SeenFor is how long a log entry is known again after it was first taken.
	SeenFor = 7 * 24 * time.Hour
	// DeniedEvery is how often denied logins can make one client due. Anybody
	// can cause them.
	DeniedEvery = 10 * time.Minute
	// maxTouched bounds how many blocked clients one edit of a connection or an
	// API makes due at once: each is read by itself. The others are left to the
	// sweep that such an edit leads to.
	maxTouched = 10
)

// Batch is what one delivery or one page of a feed brought.
type Batch struct {
	Feed      dcr.Feed
	Sightings []dcr.Sighting // without those of grantd's own writes, and none of kind used
	// Uses are kept in memory and written by Flush: they cost no commit and make
	// nothing due.
	Uses []dcr.Use
	// Status is merged into the feed's. A checkpoint covers the sightings: both
	// are kept or neither.
	Status dcr.FeedStatus
}

// Recorded says what of a batch was new.
type Recorded struct {
	Sightings     int  // of every kind, also those of clients the ledger does not know
	Registrations int  // those of kind registered
	Changes       int  // those of kind changed
	Deletions     int  // those of kind deleted
	Denials       int  // those of kind denied
	TenantChanged bool // a connection or an API was edited
}

// Record takes sightings into the ledger and makes their clients due, in one
// transaction that concurrent callers share. When it returns without error,
// all of it is on disk; otherwise nothing is, and the batch may be offered
// again. It returns ErrUnavailable when the disk is full or failing.
//
// A log entry taken within SeenFor before, by whatever feed, is not taken
// again. A batch of such entries, or of none, commits nothing: its status is
// written with the next commit or by Flush, unless it moves the checkpoint.
//
// Only sightings of kind registered create records. Others of unknown clients
// are counted and dropped. Denied ones count for the ledger's audience only.
func (l *Ledger) Record(ctx context.Context, b Batch) (Recorded, error) {
	if !isFeed(b.Feed) {
		return Recorded{}, fmt.Errorf("record: %q is not a feed", b.Feed)
	}
	now := l.now()
	d := feedDelta{feed: b.Feed, status: tidyStatus(b.Status)}
	commit, err := l.hasNew(ctx, b, now)
	if err != nil {
		return Recorded{}, fmt.Errorf("record: %w", err)
	}
	if !commit && !d.status.Checkpoint.After(l.feeds.checkpoint(b.Feed)) {
		if l.readOnly {
			return Recorded{}, fmt.Errorf("record: %w", ErrReadOnly)
		}
		l.feeds.add(d)
		l.uses.add(b.Uses, now)
		return Recorded{}, nil
	}
	var result Recorded
	err = l.updateFeed(ctx, d, func(t tx) error {
		rec := recorder{tx: t, ledger: l, feed: b.Feed, now: now, fresh: map[logKey]map[subject]bool{}}
		for _, s := range b.Sightings {
			if err := rec.take(s); err != nil {
				return err
			}
		}
		if result = rec.result; result.TenantChanged {
			if err := t.wantSweep(now); err != nil {
				return err
			}
		}
		_, err := t.prune(now, pruneBase+pruneEach*len(rec.fresh))
		return err
	})
	if err != nil {
		return Recorded{}, fmt.Errorf("record: %w", err)
	}
	l.uses.add(b.Uses, now)
	return result, nil
}

// hasNew reports whether any sighting would be taken.
func (l *Ledger) hasNew(ctx context.Context, b Batch, now time.Time) (found bool, err error) {
	if len(b.Sightings) == 0 {
		return false, ctx.Err()
	}
	err = l.view(ctx, func(t tx) error {
		for _, s := range b.Sightings {
			if l.counts(s) && (s.LogID == "" || !t.wasSeen(newLogKey(s.LogID), now)) {
				found = true
				return nil
			}
		}
		return nil
	})
	return found, err
}

// counts reports whether a sighting can matter to this ledger at all. Those
// that cannot are not even remembered: anybody can cause denials for audiences
// that are not ours.
func (l *Ledger) counts(s dcr.Sighting) bool {
	switch {
	case s.Kind == dcr.Used:
		return false
	case s.Kind == dcr.Denied && s.Audience != l.audience:
		return false
	case s.ClientID != "":
		return dcr.ValidClientID(s.ClientID)
	default:
		return s.GrantID != "" || s.ConnectionID != "" || s.APIID != ""
	}
}

// subject tells apart the sightings that one log entry leads to.
type subject struct {
	kind                       dcr.SightingKind
	client, grant, conn, apiID string
}

// recorder takes the sightings of one batch.
type recorder struct {
	tx
	ledger *Ledger
	feed   dcr.Feed
	now    time.Time
	fresh  map[logKey]map[subject]bool // entries first seen in this batch
	result Recorded
}

// take records one sighting, unless it was before.
func (r *recorder) take(s dcr.Sighting) error {
	if !r.ledger.counts(s) {
		return nil
	}
	if s.LogID != "" {
		isNew, err := r.remember(s)
		if err != nil || !isNew {
			return err
		}
	}
	r.result.Sightings++
	switch s.Kind {
	case dcr.Registered:
		r.result.Registrations++
	case dcr.Changed:
		r.result.Changes++
	case dcr.Deleted:
		r.result.Deletions++
	case dcr.Denied:
		r.result.Denials++
	}
	switch {
	case s.ClientID != "":
		return r.client(s.ClientID, s)
	case s.GrantID != "":
		if id := r.grants().Get([]byte(s.GrantID)); id != nil {
			return r.client(string(id), s)
		}
		return nil
	default:
		r.result.TenantChanged = true
		return r.blocked(s)
	}
}

// remember notes the sighting's log entry and reports whether it is new.
func (r *recorder) remember(s dcr.Sighting) (bool, error) {
	key := newLogKey(s.LogID)
	subjects, ok := r.fresh[key]
	if !ok {
		if r.wasSeen(key, r.now) {
			return false, nil
		}
		if err := r.markSeen(key, r.now); err != nil {
			return false, err
		}
		subjects = map[subject]bool{}
		r.fresh[key] = subjects
	}
	sub := subject{s.Kind, s.ClientID, s.GrantID, s.ConnectionID, s.APIID}
	isNew := !subjects[sub]
	subjects[sub] = true
	return isNew, nil
}

// client makes one client due, where the sighting is reason enough.
func (r *recorder) client(id string, s dcr.Sighting) error {
	old, err := r.writable(id, r.now)
	switch {
	case errors.Is(err, ErrNotFound):
		if s.Kind != dcr.Registered {
			return nil
		}
		return r.create(s)
	case err != nil:
		return err
	}
	rec := old
	switch s.Kind {
	case dcr.Registered:
		if rec.RegisteredAt.IsZero() {
			rec.RegisteredAt = s.At
			measure(&rec)
		}
		if s.Registration != "" && rec.Registration == dcr.RegistrationUnknown {
			rec.Registration = s.Registration
		}
	case dcr.Deleted:
		if rec.Phase == dcr.Gone {
			return nil
		}
	case dcr.Denied:
		since := r.now.Sub(rec.LastDeniedAt)
		if rec.Phase == dcr.Refused || 0 <= since && since < DeniedEvery {
			return nil
		}
		rec.LastDeniedAt = r.now
	}
	return r.due(old, rec, s)
}

// create makes the record of a client that just appeared.
func (r *recorder) create(s dcr.Sighting) error {
	rec := dcr.Record{
		ClientID:      s.ClientID,
		Name:          s.Name,
		Registration:  s.Registration,
		Callbacks:     s.Callbacks,
		Phase:         dcr.Pending,
		FirstSeenAt:   r.now,
		FirstSeenFeed: r.feed,
		RegisteredAt:  s.At,
		Unadopted:     !r.ledger.feeds.swept(),
	}
	if rec.Registration == "" {
		rec.Registration = dcr.RegistrationUnknown
	}
	return r.due(dcr.Record{}, rec, s)
}

// due stores a record that the sighting is reason to look at.
func (r *recorder) due(old, rec dcr.Record, s dcr.Sighting) error {
	cause := r.cause(s)
	if waits := old.Phase == dcr.Pending && !old.NextAttemptAt.IsZero(); waits && s.Kind == dcr.Denied && old.Cause.Actor != nil {
		// Somebody deleted a grant, and now a user is turned away: the journal
		// is to name the somebody.
		cause = old.Cause
	}
	if err := r.makeDue(&rec, r.now, s.Class, cause); err != nil {
		return err
	}
	rec.SightedAt = r.now
	if s.Class == dcr.Urgent {
		rec.Source = sourceOf(r.ledger.prefix, s.SourceIP)
	}
	return r.put(old, rec)
}

// blocked makes blocked clients due: what they wait for may have been mended.
func (r *recorder) blocked(s dcr.Sighting) error {
	for _, id := range r.ids(dcr.Blocked, "", maxTouched) {
		if err := r.client(id, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) cause(s dcr.Sighting) dcr.Cause {
	c := dcr.Cause{Feed: r.feed, LogID: s.LogID}
	if s.Actor != (dcr.Actor{}) {
		c.Actor = &s.Actor
	}
	return c
}

func tidyStatus(s dcr.FeedStatus) dcr.FeedStatus {
	for _, at := range []*time.Time{&s.LastEventAt, &s.LastDeliveryAt, &s.LastSuccessAt, &s.Checkpoint} {
		*at = at.UTC().Round(0)
	}
	return s
}
