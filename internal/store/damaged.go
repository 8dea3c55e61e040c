package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
)

const (
	// damagedFact begins the key of the fact that keeps what was in the place
	// of a record, before its client's id.
	damagedFact = "damaged/"
	// maxDamaged bounds how many are kept, and maxDamagedBytes each of them.
	maxDamaged, maxDamagedBytes = 100, 4 << 10
)

// damaged is what is kept of a record that could not be read.
type damaged struct {
	At    time.Time `json:"at"`
	Error string    `json:"error"`
	Bytes []byte    `json:"bytes"` // the first of them
}

// Mend makes a client due anew whose record cannot be read, or is not there
// although the queue has the client, so that it is not tried for ever. It
// reports whether there was something to mend. The new record knows nothing
// but the client's id, which is enough to look at it; its grant counts as one
// from before grantd, to be widened and never narrowed. What was there is kept
// as a note, which CheckFile reports.
func (l *Ledger) Mend(ctx context.Context, id string) (mended bool, err error) {
	now := l.now()
	err = l.update(ctx, func(t tx) error {
		mended = false
		_, err := t.record(id)
		switch {
		case errors.Is(err, ErrCorrupt):
			mended = true
			if err := t.quarantine(id, err, now); err != nil || !dcr.ValidClientID(id) {
				return err
			}
			return t.renew(id, now)
		case errors.Is(err, ErrNotFound):
			mended, err = t.unqueue(id)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("mend record of client %.128q: %w", id, err)
	}
	return mended, nil
}

// renew makes the record of a client of which nothing else is known.
func (t tx) renew(id string, now time.Time) error {
	r := dcr.Record{
		ClientID: id, Phase: dcr.Pending, Registration: dcr.RegistrationUnknown,
		FirstSeenAt: now, FirstSeenFeed: dcr.FeedSweep, Unadopted: true,
	}
	if err := t.makeDue(&r, now, dcr.Background, dcr.Cause{Feed: dcr.FeedSweep}); err != nil {
		return err
	}
	return t.put(dcr.Record{}, r)
}

// writable is the record of a client that is about to be changed. One that
// cannot be read is set aside, and then there is none: a single bad value must
// not refuse whole deliveries.
func (t tx) writable(id string, now time.Time) (dcr.Record, error) {
	r, err := t.record(id)
	if !errors.Is(err, ErrCorrupt) {
		return r, err
	}
	if err := errors.Join(t.quarantine(id, err, now), t.renew(id, now)); err != nil {
		return dcr.Record{}, err
	}
	return t.record(id)
}

// quarantine takes a record that cannot be read out of the ledger, with what
// the indexes and counters have of it, and keeps its bytes.
func (t tx) quarantine(id string, cause error, now time.Time) error {
	v := bytes.Clone(t.clients().Get([]byte(id)))
	if err := t.clients().Delete([]byte(id)); err != nil {
		return err
	}
	if _, err := t.unqueue(id); err != nil {
		return err
	}
	for _, p := range dcr.Phases() {
		key := phaseKey(p, id)
		if k, _ := t.phases().Cursor().Seek(key); !bytes.Equal(k, key) {
			continue
		}
		if err := t.phases().Delete(key); err != nil {
			return err
		}
		if err := t.addCount(string(p), -1); err != nil {
			return err
		}
	}
	if err := t.unrest(id); err != nil {
		return err
	}
	if _, err := untimed(t.newest(), id); err != nil {
		return err
	}
	var grants [][]byte
	each(t.grants(), func(k, client []byte) {
		if string(client) == id {
			grants = append(grants, bytes.Clone(k))
		}
	})
	for _, k := range grants {
		if err := t.grants().Delete(k); err != nil {
			return err
		}
	}
	return t.keepDamaged(id, damaged{now, fit(cause.Error(), 500), v[:min(len(v), maxDamagedBytes)]})
}

func (t tx) keepDamaged(id string, d damaged) error {
	kept := 0
	c := t.facts().Cursor()
	for k, _ := c.Seek([]byte(damagedFact)); bytes.HasPrefix(k, []byte(damagedFact)); k, _ = c.Next() {
		kept++
	}
	if kept >= maxDamaged {
		return nil
	}
	v, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return t.facts().Put([]byte(damagedFact+id), v)
}

// unrest takes every entry of a client out of the index of those that rest.
func (t tx) unrest(id string) error {
	n, err := untimed(t.resting(), id)
	return errors.Join(err, t.addCount(countResting, -n))
}

// untimed takes every entry of a client out of an index by time, and returns
// how many. It reads the whole index.
func untimed(b *bolt.Bucket, id string) (int, error) {
	var keys [][]byte
	each(b, func(k, _ []byte) {
		if len(k) > uint64Size && string(k[uint64Size:]) == id {
			keys = append(keys, bytes.Clone(k))
		}
	})
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

// unqueue takes every entry of a client out of the due index, wherever it is,
// and reports whether there was one. It reads the whole index.
func (t tx) unqueue(id string) (bool, error) {
	var keys [][]byte
	each(t.due(), func(k, _ []byte) {
		if _, of, ok := parseDue(k); ok && of == id {
			keys = append(keys, bytes.Clone(k))
		}
	})
	for _, k := range keys {
		if err := t.due().Delete(k); err != nil {
			return false, err
		}
	}
	return len(keys) > 0, nil
}
