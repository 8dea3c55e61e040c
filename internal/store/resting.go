package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"grantd/internal/dcr"
)

// countResting counts the clients in the index of those that rest.
const countResting = "resting"

// maxResting is how many clients that are refused or gone are kept. Anybody can
// register clients that are refused.
const maxResting = 20_000

// forgetEach is how many are forgotten at most for one that comes to rest.
const forgetEach = 4

// restKey is the record's key in the index of clients that rest, nil when it is
// none of them: those refused or gone, with nothing to do, that matter to
// nobody. Refused ones that were served before stay for good: they are what a
// person must look at.
func restKey(r dcr.Record) []byte {
	if !stranger(r) || !r.NextAttemptAt.IsZero() {
		return nil
	}
	return append(timeKey(later(r.FirstSeenAt, r.SightedAt)), r.ClientID...)
}

// stranger reports whether the client is none of grantd's.
func stranger(r dcr.Record) bool {
	return r.Phase == dcr.Gone || r.Phase == dcr.Refused && !r.GrantMade && r.ReadyAt.IsZero()
}

// rest keeps the index of clients that rest in step. One more makes others
// forgotten where there are too many: those first of which nothing was heard
// for the longest time.
func (t tx) rest(old, r dcr.Record) error {
	from, to := restKey(old), restKey(r)
	if string(from) == string(to) {
		return nil
	}
	if err := move(t.resting(), from, to, nil); err != nil {
		return err
	}
	switch {
	case from == nil:
		if err := t.addCount(countResting, 1); err != nil {
			return err
		}
		_, err := t.forgetResting(forgetEach)
		return err
	case to == nil:
		return t.addCount(countResting, -1)
	}
	return nil
}

// tooManyRest reports whether there are too many clients that rest, with so
// many more.
func (t tx) tooManyRest(more int) (bool, error) {
	most := t.bounds.resting
	if most == 0 {
		most = maxResting
	}
	n, err := t.count(countResting)
	return n+more > most, err
}

// forgetResting forgets up to n clients that are too many, and returns how many.
func (t tx) forgetResting(n int) (int, error) {
	for done := range n {
		over, err := t.tooManyRest(0)
		if err != nil || !over {
			return done, err
		}
		k, _ := t.resting().Cursor().First()
		if k == nil {
			return done, fmt.Errorf("%w: clients rest that are not in the index", ErrCorrupt)
		}
		id := string(k[min(uint64Size, len(k)):])
		r, err := t.record(id)
		if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotFound) {
			// It was to be forgotten anyway.
			if err := t.quarantine(id, err, time.Now()); err != nil {
				return done, err
			}
			continue
		}
		if err != nil {
			return done, err
		}
		if !bytes.Equal(restKey(r), k) {
			// It does not rest, or not there: only the entry is to be forgotten.
			if err := errors.Join(move(t.resting(), bytes.Clone(k), nil, nil), t.addCount(countResting, -1)); err != nil {
				return done, err
			}
			continue
		}
		if err := t.forget(r); err != nil {
			return done, fmt.Errorf("forget client %s: %w", r.ClientID, err)
		}
	}
	return n, nil
}

// forget removes a record, and what indexes and counters have of it.
func (t tx) forget(r dcr.Record) error {
	if err := t.clients().Delete([]byte(r.ClientID)); err != nil {
		return err
	}
	if err := t.phases().Delete(phaseKey(r.Phase, r.ClientID)); err != nil {
		return err
	}
	if err := t.newest().Delete(newestKey(r)); err != nil {
		return err
	}
	if string(t.grants().Get([]byte(r.GrantID))) == r.ClientID {
		if err := t.grants().Delete([]byte(r.GrantID)); err != nil {
			return err
		}
	}
	if k := dueKey(r); k != nil {
		if err := t.due().Delete(k); err != nil {
			return err
		}
	}
	if k := restKey(r); k != nil {
		if err := errors.Join(t.resting().Delete(k), t.addCount(countResting, -1)); err != nil {
			return err
		}
	}
	return t.addCount(string(r.Phase), -1)
}
