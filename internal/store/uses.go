package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"grantd/internal/dcr"
)

const (
	// useEvery is by how much a client's last use must move to be written: a
	// client that works all day costs a write a minute.
	useEvery = time.Minute
	// maxUses bounds how many clients' uses wait in memory. Those of more
	// clients between two flushes are forgotten: the next use will tell.
	maxUses = 20_000
	// usesEach is how many records one transaction writes, so that a
	// registration that waits for it does not wait long.
	usesEach = 256
)

// uses holds when clients were used, ahead of the file by what the next flush
// will write. Clients are not looked up until then.
type uses struct {
	mu      sync.Mutex
	waiting map[string]time.Time
	// settled are uses that were dealt with since the time from: what is not
	// well after them need not be looked up. It spares a busy client's record to
	// be read at every flush, and that of one without a record.
	settled map[string]time.Time
	from    time.Time
}

// add merges uses. A use lies never ahead of now: whoever wrote the entry may
// have another clock, or have made it up.
func (u *uses) add(all []dcr.Use, now time.Time) {
	if len(all) == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range all {
		at := use.At
		if at.IsZero() || at.After(now) {
			at = now
		}
		if settled, ok := u.settled[use.ClientID]; ok && at.Sub(settled) < useEvery {
			continue
		}
		was, ok := u.waiting[use.ClientID]
		if ok && !at.After(was) || !ok && len(u.waiting) >= maxUses {
			continue
		}
		if u.waiting == nil {
			u.waiting = map[string]time.Time{}
		}
		u.waiting[use.ClientID] = at
	}
}

// take returns the uses that wait, and counts them as dealt with.
func (u *uses) take(now time.Time) []dcr.Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	if age := now.Sub(u.from); age < 0 || age >= useEvery {
		u.settled, u.from = nil, now
	}
	if len(u.waiting) == 0 {
		return nil
	}
	all := make([]dcr.Use, 0, len(u.waiting))
	if u.settled == nil {
		u.settled = make(map[string]time.Time, len(u.waiting))
	}
	for id, at := range u.waiting {
		all = append(all, dcr.Use{ClientID: id, At: at})
		if len(u.settled) < maxUses {
			u.settled[id] = at
		}
	}
	u.waiting = nil
	return all
}

// putBack makes uses wait again that could not be written.
func (u *uses) putBack(all []dcr.Use, now time.Time) {
	u.mu.Lock()
	u.settled = nil
	u.mu.Unlock()
	u.add(all, now)
}

// flushUses writes the uses that wait, in transactions that are short. No other
// commit takes them along, or a registration would wait for them.
func (l *Ledger) flushUses(ctx context.Context) error {
	now := l.now()
	all, err := l.movedUses(ctx, l.uses.take(now), now)
	for err == nil && len(all) > 0 {
		some := all[:min(usesEach, len(all))]
		err = l.update(ctx, func(t tx) error {
			for _, use := range some {
				if err := t.use(use, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			all = all[len(some):]
		}
	}
	if err != nil {
		l.uses.putBack(all, now)
		return fmt.Errorf("write last uses: %w", err)
	}
	return nil
}

// movedUses are those that are worth writing, in the order of their keys, so
// that neighbours share pages. It returns all of them with an error.
func (l *Ledger) movedUses(ctx context.Context, all []dcr.Use, now time.Time) ([]dcr.Use, error) {
	if len(all) == 0 {
		return nil, nil
	}
	var moved []dcr.Use
	err := l.view(ctx, func(t tx) error {
		for _, use := range all {
			_, news, err := t.usable(use, now)
			if err != nil {
				return err
			}
			if news {
				moved = append(moved, use)
			}
		}
		return nil
	})
	if err != nil {
		return all, err
	}
	slices.SortFunc(moved, func(a, b dcr.Use) int { return cmp.Compare(a.ClientID, b.ClientID) })
	return moved, nil
}

// usable returns the client's record and whether the use is news of it. It is
// none of a client without a record, and of one that is gone: that never comes
// back. A refused client's use is: somebody else lets it work. One that was
// written while the clock was ahead does not count. A value that cannot be read
// is left to whoever needs it.
func (t tx) usable(use dcr.Use, now time.Time) (dcr.Record, bool, error) {
	r, err := t.record(use.ClientID)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt):
		return dcr.Record{}, false, nil
	case err != nil:
		return dcr.Record{}, false, err
	}
	return r, r.Phase != dcr.Gone && !between(r.LastUsedAt, use.At.Add(-useEvery), now), nil
}

// use moves a client's last use forward. It is no reason to look: neither the
// sequence number nor the place in the queue changes.
func (t tx) use(use dcr.Use, now time.Time) error {
	old, news, err := t.usable(use, now)
	if err != nil || !news {
		return err
	}
	r := old
	r.LastUsedAt = use.At
	return t.put(old, r)
}
