package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
)

const (
	// holdKept is how long a hold is kept after its time is over. Until then it
	// counts as one in a row.
	holdKept = 24 * time.Hour
	// maxHolds bounds how many are kept. Of those that grantd set, the one that
	// ends first makes room.
	maxHolds = 10_000
	// maxHoldActor bounds the id of who set one, in bytes.
	maxHoldActor = 128
	// maxField bounds the name of a hold's step, in bytes.
	maxField = 64
	// pruneHolds is how many a new hold makes forgotten at most.
	pruneHolds = 16
	// countHolds is their counter.
	countHolds = "holds"
)

// holdCache is what Holds read last, for it is asked before every write to
// Auth0.
type holdCache struct {
	version uint64 // the bucket's sequence number, which every change raises
	holds   []dcr.Hold
}

// Holds returns all holds kept, sorted by scope, client and field; also those
// whose time is over: they count in a row. What the holds point to is shared
// and must not be changed.
func (l *Ledger) Holds(ctx context.Context) ([]dcr.Hold, error) {
	var holds []dcr.Hold
	err := l.view(ctx, func(t tx) error {
		version := t.holds().Sequence()
		if c := l.held.Load(); c != nil && c.version == version {
			holds = c.holds
			return nil
		}
		c := t.holds().Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			h, err := decodeHold(k, v)
			if err != nil {
				return err
			}
			holds = append(holds, h)
		}
		l.held.Store(&holdCache{version, holds})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.Clone(holds), nil
}

func decodeHold(k, v []byte) (dcr.Hold, error) {
	var h dcr.Hold
	if err := json.Unmarshal(v, &h); err != nil {
		return dcr.Hold{}, fmt.Errorf("%w: hold %q: %w", ErrCorrupt, k, err)
	}
	if !bytes.Equal(holdKey(h), k) {
		return dcr.Hold{}, fmt.Errorf("%w: hold %q is %q", ErrCorrupt, k, holdKey(h))
	}
	return h, nil
}

func validateHolds(holds []dcr.Hold) error {
	for _, h := range holds {
		ok := h.ClientID == "" || dcr.ValidClientID(h.ClientID)
		switch h.Scope {
		case dcr.HoldField:
			ok = ok && h.Field != "" && len(h.Field) <= maxField && !strings.Contains(string(h.Field), "\x00")
		case dcr.HoldClient:
			ok = ok && h.ClientID != "" && h.Field == ""
		case dcr.HoldAll:
			ok = h.ClientID == "" && h.Field == ""
		default:
			ok = false
		}
		if !ok {
			return fmt.Errorf("hold of scope %q, client %.128q and field %.64q is none", h.Scope, h.ClientID, h.Field)
		}
	}
	return nil
}

// putHolds sets holds. One of the same scope, client and field is replaced.
func (t tx) putHolds(holds []dcr.Hold, now time.Time) error {
	for _, h := range holds {
		if _, err := t.holds().NextSequence(); err != nil {
			return err
		}
		if h.Actor != nil && len(h.Actor.ID) > maxHoldActor {
			h.Actor = &dcr.Actor{Kind: h.Actor.Kind, ID: fit(h.Actor.ID, maxHoldActor)}
		}
		h.Since, h.Until = h.Since.UTC().Round(0), h.Until.UTC().Round(0)
		if err := t.forgetHold(holdKey(h)); err != nil {
			return err
		}
		more := 1
		if h.Reason == dcr.RegistrationStorm {
			more = 0
		}
		if _, err := t.makeRoom(now, more); err != nil {
			return err
		}
		if n, err := t.count(countHolds); err != nil || n >= maxHolds && h.Reason == dcr.RegistrationStorm {
			if err != nil {
				return err
			}
			continue // anybody can register: what no hold is kept of goes on behind everything else
		}
		v, err := json.Marshal(h)
		if err != nil {
			return fmt.Errorf("encode hold: %w", err)
		}
		if err := t.holds().Put(holdKey(h), v); err != nil {
			return fmt.Errorf("put hold: %w", err)
		}
		if err := move(t.holdTimes(), nil, holdTimeKey(h), nil); err != nil {
			return fmt.Errorf("index hold: %w", err)
		}
		if err := t.addCount(countHolds, 1); err != nil {
			return err
		}
	}
	return nil
}

// besidePersons are those of the holds in whose place no person's is in force:
// one set by grantd would be released with others of its reason, or end by itself.
func (t tx) besidePersons(holds []dcr.Hold, now time.Time) (rest []dcr.Hold, err error) {
	for _, h := range holds {
		v := t.holds().Get(holdKey(h))
		if v == nil {
			rest = append(rest, h)
			continue
		}
		there, err := decodeHold(holdKey(h), v)
		if err != nil {
			return nil, err
		}
		if !persons(there) || !there.Active(now) {
			rest = append(rest, h)
		}
	}
	return rest, nil
}

// makeRoom forgets holds whose time is long over and, when so many more would be
// too many, of those that grantd set the one that ends first. Holds without an end
// stay, and so do a person's that are in force. It returns how many were forgotten.
func (t tx) makeRoom(now time.Time, more int) (int, error) {
	for done := range pruneHolds {
		n, err := t.count(countHolds)
		if err != nil {
			return done, err
		}
		k := t.spareHold(now, n+more > maxHolds)
		if k == nil {
			return done, nil
		}
		if err := t.forgetHold(k[uint64Size:]); err != nil {
			return done, err
		}
		if err := t.holdTimes().Delete(k); err != nil { // of a hold that is not there, or ends at another time
			return done, err
		}
	}
	return pruneHolds, nil
}

// spareHold is the key, in the index by their ends, of the hold to be forgotten
// next, nil if there is none.
func (t tx) spareHold(now time.Time, full bool) []byte {
	c := t.holdTimes().Cursor()
	for k, _ := c.First(); ; k, _ = c.Next() {
		until, ok := parseTime(k)
		if !ok || !full && now.Sub(until) <= holdKept {
			return nil
		}
		if h, err := decodeHold(k[uint64Size:], t.holds().Get(k[uint64Size:])); err != nil || !persons(h) || !h.Active(now) {
			return bytes.Clone(k)
		}
	}
}

// persons reports whether a person set the hold.
func persons(h dcr.Hold) bool { return h.Reason == dcr.Held || h.Reason == dcr.Reverted }

// forgetHold removes a hold, if it is there.
func (t tx) forgetHold(key []byte) error {
	v := t.holds().Get(key)
	if v == nil {
		return nil
	}
	h, err := decodeHold(key, v)
	if err != nil {
		return err
	}
	if _, err := t.holds().NextSequence(); err != nil {
		return err
	}
	if err := move(t.holdTimes(), holdTimeKey(h), nil, nil); err != nil {
		return err
	}
	if err := t.holds().Delete(key); err != nil {
		return err
	}
	return t.addCount(countHolds, -1)
}
