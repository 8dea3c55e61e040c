package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"grantd/internal/dcr"
)

// fewReleased is up to how many clients a release makes due one by one. A sweep
// looks at more of them in fewer calls.
const fewReleased = 100

// SetHolds sets holds, each in place of one of the same scope, client and
// field. They are in force when it returns. The clients that they cover become
// due in the background, so that the loop shows them as held: those of single
// clients in the same transaction, and all of them, where a hold covers
// everything, in further ones of bounded size. Interrupted, it is called again.
//
// Clients that are refused or gone are left alone: nothing is written to them
// anyway. A hold of a client that has no record is kept until there is one.
func (l *Ledger) SetHolds(ctx context.Context, holds ...dcr.Hold) error {
	if err := validateHolds(holds); err != nil {
		return fmt.Errorf("set holds: %w", err)
	}
	now := l.now()
	cause := dcr.Cause{Feed: dcr.FeedCommand}
	all := false
	err := l.update(ctx, func(t tx) error {
		all = false
		if err := t.putHolds(holds, now); err != nil {
			return err
		}
		for _, h := range holds {
			all = all || h.Scope == dcr.HoldAll
			if err := t.lookAgain(h.ClientID, dcr.Background, cause, l.now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && all {
		_, err = l.edit(ctx, "", touchable, func(t tx, r *dcr.Record) error {
			return t.makeDue(r, l.now(), dcr.Background, cause)
		})
	}
	if err != nil {
		return fmt.Errorf("set holds: %w", err)
	}
	return nil
}

// touchable reports whether grantd would write to the client at all.
func touchable(r dcr.Record) bool { return r.Phase != dcr.Refused && r.Phase != dcr.Gone }

// HoldSelector selects holds. What it leaves empty may be anything; with
// nothing at all, and without All, it selects none.
type HoldSelector struct {
	Scope    dcr.HoldScope
	ClientID string
	Field    dcr.StepKind
	Reason   dcr.Reason
	All      bool // every hold there is
}

// Matches reports whether the hold is selected.
func (s HoldSelector) Matches(h dcr.Hold) bool {
	if s.All {
		return true
	}
	return s != HoldSelector{} &&
		(s.Scope == "" || s.Scope == h.Scope) &&
		(s.ClientID == "" || s.ClientID == h.ClientID) &&
		(s.Field == "" || s.Field == h.Field) &&
		(s.Reason == "" || s.Reason == h.Reason)
}

// Released is what a release came to.
type Released struct {
	Holds []dcr.Hold // that were in force, sorted as by Holds
	// Due clients are looked at now. Unchecked ones wait for a sweep, which is
	// wanted (SweepWanted): two calls a hundred clients instead of two a client.
	Due, Unchecked int
}

// Release removes the selected holds, also those whose time is over, so that
// they count no more. The clients that were blocked by them become due in the
// urgent class, if they are few; else they are pending, reason unchecked, for a
// sweep to look at, which is wanted from then on. Interrupted, it leaves clients
// blocked that the sweep finds.
func (l *Ledger) Release(ctx context.Context, s HoldSelector) (Released, error) {
	var done Released
	var many bool
	var ids map[string]bool
	err := l.update(ctx, func(t tx) error {
		done = Released{}
		holds, err := t.release(s)
		if err != nil {
			return err
		}
		for _, h := range holds {
			if h.Active(l.now()) {
				done.Holds = append(done.Holds, h)
			}
		}
		ids, many = covered(done.Holds)
		if many {
			return t.wantSweep(l.now())
		}
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			due, err := t.lookNow(id, l)
			if err != nil {
				return err
			}
			done.Due += due
		}
		return nil
	})
	if err == nil && many {
		done.Unchecked, err = l.uncheck(ctx, ids)
	}
	if err != nil {
		return done, fmt.Errorf("release holds: %w", err)
	}
	return done, nil
}

// release removes the selected holds and returns them.
func (t tx) release(s HoldSelector) ([]dcr.Hold, error) {
	var found []dcr.Hold
	c := t.holds().Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		h, err := decodeHold(k, v)
		if err != nil {
			return nil, err
		}
		if s.Matches(h) {
			found = append(found, h)
		}
	}
	for _, h := range found {
		if err := t.forgetHold(holdKey(h)); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// covered are the clients that holds name, and whether they are too many to be
// looked at one by one. Nil are all there are.
func covered(holds []dcr.Hold) (ids map[string]bool, many bool) {
	ids = map[string]bool{}
	for _, h := range holds {
		if h.ClientID == "" {
			return nil, true
		}
		ids[h.ClientID] = true
	}
	return ids, len(ids) > fewReleased
}

// lookNow makes a client due that a hold kept from what it needs, for somebody
// may be waiting, or from losing the scopes that it had before it was refused.
// It returns how many that are.
func (t tx) lookNow(id string, l *Ledger) (int, error) {
	r, err := t.recordIfAny(id)
	revocable := r.Phase == dcr.Refused && !r.ReadyAt.IsZero()
	if err != nil || r.Phase != dcr.Blocked && r.Phase != dcr.Pending && !revocable {
		return 0, err
	}
	was := r
	if err := t.makeDue(&r, l.now(), dcr.Urgent, dcr.Cause{Feed: dcr.FeedCommand}); err != nil {
		return 0, err
	}
	return 1, t.put(was, r)
}

// lookAgain makes a client due in a class, if it has a record and could be
// written to.
func (t tx) lookAgain(id string, class dcr.Class, cause dcr.Cause, now time.Time) error {
	r, err := t.recordIfAny(id)
	if err != nil || r.ClientID == "" || !touchable(r) {
		return err
	}
	was := r
	if err := t.makeDue(&r, now, class, cause); err != nil {
		return err
	}
	return t.put(was, r)
}

// recordIfAny reads a record, one without a client id where there is none.
func (t tx) recordIfAny(id string) (dcr.Record, error) {
	if t.clients().Get([]byte(id)) == nil {
		return dcr.Record{}, nil
	}
	return t.record(id)
}

// uncheck leaves the clients that holds kept back to a sweep: those of ids, or
// all. Those that wait singly for nothing but to be shown as held wait no more.
func (l *Ledger) uncheck(ctx context.Context, ids map[string]bool) (int, error) {
	match := func(r dcr.Record) bool {
		if ids != nil && !ids[r.ClientID] {
			return false
		}
		held := r.Phase == dcr.Blocked && (r.Reason == dcr.Held || r.Reason == dcr.Fighting)
		waits := r.Phase == dcr.Pending && r.Class == dcr.Background && r.Cause.Feed == dcr.FeedCommand && isDue(r, l.now())
		return held || waits
	}
	return l.edit(ctx, "", match, func(t tx, r *dcr.Record) (err error) {
		r.Enter(dcr.Pending, dcr.Unchecked, "")
		r.Cause = dcr.Cause{Feed: dcr.FeedCommand}
		// Without a digest it is read by itself, should no list show it.
		r.Digest, r.NextAttemptAt, r.Attempts = "", time.Time{}, 0
		r.Seq, err = t.clients().NextSequence()
		return err
	})
}

// maxSwitchedOff bounds how many SwitchedOff returns.
const maxSwitchedOff = 1000

// SwitchedOff returns the clients that are blocked because their metadata in
// Auth0 says so, as holds of reason switched_off: at most 1,000.
func (l *Ledger) SwitchedOff(ctx context.Context) ([]dcr.Hold, error) {
	var off []dcr.Hold
	collect := func(r dcr.Record) bool {
		if r.Off && len(off) < maxSwitchedOff {
			off = append(off, dcr.Hold{Scope: dcr.HoldClient, ClientID: r.ClientID, Reason: dcr.SwitchedOff, Since: r.LastCheckedAt})
		}
		return false
	}
	for after, more := "", true; more && len(off) < maxSwitchedOff; {
		_, last, err := l.candidates(ctx, dcr.Blocked, after, collect)
		if err != nil {
			return nil, fmt.Errorf("list switched off clients: %w", err)
		}
		after, more = last, last != ""
	}
	return off, nil
}
