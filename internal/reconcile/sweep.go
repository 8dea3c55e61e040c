package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/failpoint"
	"grantd/internal/store"
)

// SweepLedger is what a sweep needs of the ledger.
type SweepLedger interface {
	// Records returns those of the ids that have a record.
	Records(ctx context.Context, ids []string) (map[string]dcr.Record, error)
	// SaveSwept keeps what was found of a page of clients. Result i is the
	// sequence number of record i, 0 where something newer stands in the way.
	SaveSwept(ctx context.Context, found []store.Swept) ([]uint64, error)
	// QueueUnlisted makes those recorded clients due that the lists did not
	// show: all that were not checked against the digest, and at most limit of
	// the others.
	QueueUnlisted(ctx context.Context, since time.Time, digest string, limit int, cause dcr.Cause) (unchecked, others int, err error)
	// Feeds and SetFeed know when a sweep last ended.
	Feeds(ctx context.Context) (map[dcr.Feed]dcr.FeedStatus, error)
	SetFeed(ctx context.Context, feed dcr.Feed, s dcr.FeedStatus) error
	// SweepWanted is when something last happened that a whole sweep is to see.
	SweepWanted(ctx context.Context) (time.Time, error)
	// Fact and SetFact keep how far a sweep came.
	Fact(ctx context.Context, key string) ([]byte, error)
	SetFact(ctx context.Context, key string, value []byte) error
}

// Sweep is what one pass over the tenant found.
type Sweep struct {
	Listed     int           `json:"listed"`      // third-party clients that Auth0 listed
	InSync     int           `json:"in_sync"`     // found as desired
	Due        int           `json:"due"`         // not as desired: to be put right
	New        int           `json:"new"`         // of all listed, never seen before
	Blocked    int           `json:"blocked"`     // a person must act
	Refused    int           `json:"refused"`     // not to be touched
	Waiting    int           `json:"waiting"`     // dry run, or no scopes known
	NotAdopted int           `json:"not_adopted"` // with a grant that would be narrowed
	Unlisted   int           `json:"unlisted"`    // recorded and not listed: read one by one
	Capped     bool          `json:"capped"`      // Auth0 does not list all clients or grants
	Resumed    bool          `json:"resumed"`     // went on where one was interrupted
	Took       time.Duration `json:"-"`
}

// sweepFact is where the ledger keeps the state.
const sweepFact = "sweep"

// sweepState is how far the newest sweep came.
type sweepState struct {
	StartedAt time.Time `json:"started_at"`
	Digest    string    `json:"digest"`         // it was held against
	From      string    `json:"from,omitempty"` // the page it is at; empty at the first
	Done      bool      `json:"done"`
	// Day and Read bound how many clients beyond the end of the lists are read
	// one by one.
	Day  string `json:"day,omitempty"`
	Read int    `json:"read,omitempty"`
}

const (
	// resumable is how old an interrupted sweep may be to be gone on with.
	resumable = time.Hour
	// readsADay bounds the clients read one by one, where Auth0 lists the first
	// 1,000 only and has listed nothing that says they changed.
	readsADay = 1000
)

// errSettingsChanged ends a sweep that was overtaken by a new desired state.
var errSettingsChanged = errors.New("the desired state changed during the sweep")

// sweeping is one sweep under way.
type sweeping struct {
	*survey
	ledger   SweepLedger
	log      *slog.Logger
	state    sweepState
	first    bool // none has ever ended
	blocked  bool // those are tried too that a person must look after
	beyond   bool // there are clients that Auth0 does not list
	result   Sweep
	progress func(Sweep)
	changed  func(was, is dcr.Record)
}

// sweep makes one pass over the tenant and makes due what is not as desired. It
// lists grants and clients by the hundred and reads none singly. One that was
// interrupted is gone on with, unless something asked for a sweep since.
func (s *Sweeper) sweep(ctx context.Context, blocked bool, progress func(Sweep)) (_ Sweep, err error) {
	started := s.o.Now()
	w := &sweeping{ledger: s.o.Ledger, log: s.o.Logger, blocked: blocked, progress: progress, changed: s.o.OnChanged}
	settings := s.o.Reconciler.settings.Load()
	if err := w.begin(ctx, settings.Desired.Digest(), started, s.askedAt()); err != nil {
		return Sweep{}, err
	}
	s.o.Reconciler.observed.prune(started)
	if w.survey, err = s.o.Reconciler.newSurvey(ctx, s.o.Lister, settings); err != nil {
		return Sweep{}, err
	}
	if err := w.clients(ctx, s.o.Wake); err != nil {
		return w.result, err
	}
	if err := w.finish(ctx); err != nil {
		return w.result, err
	}
	s.o.Wake()
	w.result.Took = s.o.Now().Sub(started)
	return w.result, nil
}

// begin takes up the sweep that was interrupted, or a new one: what was asked
// for at asked is to be seen by all of it.
func (w *sweeping) begin(ctx context.Context, digest string, now, asked time.Time) error {
	feeds, err := w.ledger.Feeds(ctx)
	if err != nil {
		return err
	}
	w.first = feeds[dcr.FeedSweep].LastSuccessAt.IsZero()
	if w.state, err = w.load(ctx); err != nil {
		return err
	}
	age := now.Sub(w.state.StartedAt)
	covers := !w.state.StartedAt.Before(asked) && 0 <= age && age < resumable
	if !w.state.Done && w.state.From != "" && w.state.Digest == digest && covers {
		w.result.Resumed = true
		return nil
	}
	w.state = sweepState{StartedAt: now.UTC(), Digest: digest, Day: w.state.Day, Read: w.state.Read}
	return w.keep(ctx)
}

// load reads how far the newest sweep came.
func (w *sweeping) load(ctx context.Context) (state sweepState, err error) {
	b, err := w.ledger.Fact(ctx, sweepFact)
	if err != nil || json.Unmarshal(b, &state) != nil {
		return sweepState{}, err // whatever was written there: a new sweep needs nothing of it
	}
	return state, nil
}

func (w *sweeping) keep(ctx context.Context) error {
	b, err := json.Marshal(w.state)
	if err != nil {
		return fmt.Errorf("encode the state of the sweep: %w", err)
	}
	return w.ledger.SetFact(ctx, sweepFact, b)
}

// clients goes through the tenant's clients, page by page.
func (w *sweeping) clients(ctx context.Context, wake func()) error {
	for {
		found, page, err := w.page(ctx, w.state.From)
		if errors.Is(err, auth0.ErrCursor) && w.result.Resumed {
			w.state.From = "" // too old for Auth0; what was found is found again
			w.result.Resumed = false
			continue
		}
		if err != nil {
			return err
		}
		if w.r.settings.Load().Desired.Digest() != w.state.Digest {
			return errSettingsChanged
		}
		if err := w.take(ctx, found); err != nil {
			return err
		}
		failpoint.Hit("sweep.page-taken")
		wake()
		w.beyond = page.Capped
		w.result.Capped = w.beyond || w.partial
		w.progress(w.result)
		if page.Next == "" {
			return nil
		}
		w.state.From = page.Next
		if err := w.keep(ctx); err != nil {
			return err
		}
		failpoint.Hit("sweep.page-kept")
	}
}

// take judges a page of clients and keeps what came of it.
func (w *sweeping) take(ctx context.Context, found []listed) error {
	records, err := w.ledger.Records(ctx, idsOf(found))
	if err != nil {
		return err
	}
	// A sweep takes long enough for holds to come and go.
	if w.holds, err = w.r.holds(ctx); err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	var kept []store.Swept
	var seen []observation
	var says []func()
	for _, l := range found {
		if k, s, say, ok := w.found(records[l.client.ID], l); ok {
			kept, seen, says = append(kept, k), append(seen, s), append(says, say)
		}
	}
	// From here until what was seen is put, no worker looks for it.
	w.r.observed.saving.Lock()
	defer w.r.observed.saving.Unlock()
	seqs, err := w.ledger.SaveSwept(ctx, kept)
	if err != nil {
		return err
	}
	for i, seq := range seqs {
		if seq != 0 && says[i] != nil { // else a worker is at it, and will say so
			says[i]()
		}
		if is := kept[i].Record; seq != 0 && !w.first && (!kept[i].Due || is.Phase == dcr.Refused) {
			w.changed(records[is.ClientID], is)
		}
		if seq != 0 && kept[i].Due && seen[i].seen.Grant.Known {
			seen[i].seq = seq
			w.r.observed.put(kept[i].Record.ClientID, seen[i])
		}
	}
	return nil
}

func idsOf(found []listed) []string {
	ids := make([]string, len(found))
	for i, l := range found {
		ids[i] = l.client.ID
	}
	return ids
}

// found is what there is to keep of one client, if anything.
func (w *sweeping) found(rec dcr.Record, l listed) (_ store.Swept, _ observation, say func(), keep bool) {
	isNew := rec.ClientID == ""
	if isNew {
		rec = dcr.Record{ClientID: l.client.ID, Phase: dcr.Pending, Registration: dcr.RegistrationUnknown, Unadopted: w.first}
	}
	if !hasCause(rec) {
		rec.Cause = dcr.Cause{Feed: dcr.FeedSweep}
	}
	rec.Cause.Digest = w.state.Digest
	o := w.observed(rec, l)
	j := w.judge(rec, o)
	j.due = j.due || j.unread && isNew // the others are read in their turn, like clients that no list shows
	left := j.due && w.leave(rec) || j.unread && !j.due
	j.due = j.due && !left
	w.result.count(j, isNew)
	return store.Swept{Record: j.record, ObservedAt: l.at, Due: j.due, DueAt: place(rec, w.r.now())},
		observation{at: l.at, digest: w.state.Digest, seen: o}, j.say, !left
}

// leave reports whether a client that is not as desired is left alone, for a
// person must act first, and it is looked at again by itself.
func (w *sweeping) leave(rec dcr.Record) bool {
	return !w.blocked && rec.Phase == dcr.Blocked && rec.Digest == w.state.Digest && rec.NextAttemptAt.After(w.r.now())
}

// hasCause reports whether what the sweep finds of a client is to be put right
// for a reason that there was before: a new desired state, or a log entry that
// is still to be followed up and may say who did it.
func hasCause(rec dcr.Record) bool {
	sighted := rec.Phase == dcr.Pending && !rec.NextAttemptAt.IsZero() && rec.Cause.LogID != ""
	return sighted || rec.Reason == dcr.Unchecked
}

func (r *Sweep) count(j judgement, isNew bool) {
	r.Listed++
	if isNew {
		r.New++
	}
	if j.plan.Grant.Result.Reason == dcr.NotAdopted {
		r.NotAdopted++
	}
	switch {
	case j.due:
		r.Due++
	case j.record.Phase == dcr.Ready:
		r.InSync++
	case j.record.Phase == dcr.Blocked:
		r.Blocked++
	case j.record.Phase == dcr.Refused:
		r.Refused++
	default:
		r.Waiting++
	}
}

// finish looks after what the lists did not show, and notes the end.
func (w *sweeping) finish(ctx context.Context) error {
	now := w.r.now()
	if day := now.UTC().Format(time.DateOnly); w.state.Day != day {
		w.state.Day, w.state.Read = day, 0
	}
	limit := -1 // what a whole list does not show was deleted, most likely: few
	if w.result.Capped {
		limit = max(readsADay-w.state.Read, 0)
	}
	cause := dcr.Cause{Feed: dcr.FeedSweep, Digest: w.state.Digest}
	unchecked, others, err := w.ledger.QueueUnlisted(ctx, w.state.StartedAt, w.state.Digest, limit, cause)
	if err != nil {
		return err
	}
	unknown := 0
	if w.result.Capped {
		w.state.Read += others
	}
	if w.beyond {
		if unknown, err = w.strangers(ctx, cause, readsADay-w.state.Read); err != nil {
			return err
		}
		w.state.Read += unknown
	}
	w.result.Unlisted = unchecked + others + unknown
	failpoint.Hit("sweep.unlisted-queued")
	w.state.Done, w.state.From = true, ""
	if err := w.keep(ctx); err != nil {
		return err
	}
	failpoint.Hit("sweep.done-kept")
	return w.ledger.SetFeed(ctx, dcr.FeedSweep, dcr.FeedStatus{LastSuccessAt: now})
}

// strangers records clients beyond the end of Auth0's list that are known by
// their grant alone, so that they are read, and returns their number.
func (w *sweeping) strangers(ctx context.Context, cause dcr.Cause, limit int) (int, error) {
	n := 0
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(w.grants)), 100) {
		records, err := w.ledger.Records(ctx, ids)
		if err != nil {
			return n, err
		}
		var found []store.Swept
		for _, id := range ids {
			if _, known := records[id]; known || n >= limit {
				continue
			}
			n++
			rec := dcr.Record{
				ClientID: id, Cause: cause,
				GrantID: w.grants[id].id, // so that none is made in vain
			}
			found = append(found, store.Swept{Record: rec, ObservedAt: w.r.now(), Due: true, DueAt: w.r.now()})
		}
		if len(found) == 0 {
			continue
		}
		if _, err := w.ledger.SaveSwept(ctx, found); err != nil {
			return n, err
		}
	}
	return n, nil
}
