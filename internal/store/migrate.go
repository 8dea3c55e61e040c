package store

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"grantd/internal/dcr"
	"grantd/internal/failpoint"
)

// migration brings a ledger from one schema version to the next.
type migration func(tx) error

// migrations are all steps since the empty file, which is version 0. The
// schema version is their number. A released step is never edited: later ones
// follow it.
func migrations() []migration {
	return []migration{createBuckets, addHolds, addBounds, addNewest}
}

// createBuckets makes version 1.
func createBuckets(t tx) error {
	for _, name := range []string{
		bucketMeta, bucketClients, bucketDue, bucketPhases, bucketCounts, bucketGrants,
		bucketJournal, bucketJournalClients, bucketSeen, bucketSeenTimes, bucketFeeds, bucketFacts,
	} {
		if _, err := t.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	for _, p := range dcr.Phases() {
		if err := t.counts().Put([]byte(p), []byte("0")); err != nil {
			return err
		}
	}
	return nil
}

// addHolds makes version 2. The values of the due index, which were empty until
// then, hold the source of records that have one.
func addHolds(t tx) error {
	for _, name := range []string{bucketHolds, bucketHoldTimes} {
		if _, err := t.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return t.counts().Put([]byte(countHolds), []byte("0"))
}

// addBounds makes version 3: how much the journal takes is counted, and clients
// that rest are in the order in which they may be forgotten. It goes through
// all without decoding the journal; a record that cannot be read is left to
// Check.
func addBounds(t tx) error {
	if _, err := t.CreateBucket([]byte(bucketResting)); err != nil {
		return fmt.Errorf("create bucket %s: %w", bucketResting, err)
	}
	resting := 0
	for _, p := range []dcr.Phase{dcr.Refused, dcr.Gone} {
		prefix := phaseKey(p, "")
		c := t.phases().Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			r, err := t.record(string(k[len(prefix):]))
			if err != nil {
				continue
			}
			if key := restKey(r); key != nil {
				resting++
				if err := t.resting().Put(key, nil); err != nil {
					return fmt.Errorf("index client that rests: %w", err)
				}
			}
		}
	}
	size := 0
	each(t.journal(), func(_, v []byte) { size += entrySize(v) })
	each(t.journalClients(), func(k, _ []byte) { size += len(k) + elementSize })
	return errors.Join(
		t.counts().Put([]byte(countResting), []byte(strconv.Itoa(resting))),
		t.counts().Put([]byte(countJournal), []byte(strconv.Itoa(size))),
	)
}

// addNewest makes version 4: clients are in the order in which they were first
// seen. A record that cannot be read is left to Check.
func addNewest(t tx) error {
	if _, err := t.CreateBucket([]byte(bucketNewest)); err != nil {
		return fmt.Errorf("create bucket %s: %w", bucketNewest, err)
	}
	for c, k, v := first(t.clients()); k != nil; k, v = c.Next() {
		r, err := decodeRecord(string(k), v)
		if err != nil {
			continue
		}
		if err := t.newest().Put(newestKey(r), []byte(r.Phase)); err != nil {
			return fmt.Errorf("index client by age: %w", err)
		}
	}
	return nil
}

// migrate applies the steps that the ledger has not seen, each in a
// transaction of its own together with the new version. A ledger that holds
// something is copied before the first of them.
func (l *Ledger) migrate(steps []migration) error {
	var version int
	if err := l.read(func(t tx) (err error) { version, err = t.version(); return err }); err != nil {
		return err
	}
	switch {
	case version > len(steps):
		return newerSchema(l.path, version, len(steps))
	case version < len(steps) && l.readOnly:
		return fmt.Errorf("%w: schema %d, this one needs %d; start the daemon once", ErrOlderSchema, version, len(steps))
	case 0 < version && version < len(steps):
		if err := l.keepCopy(version); err != nil {
			return fmt.Errorf("copy the ledger before it is migrated from schema %d: %w; nothing was migrated", version, err)
		}
	}
	for ; version < len(steps); version++ {
		err := l.group.transact(func(t tx) error {
			if err := steps[version](t); err != nil {
				return err
			}
			failpoint.Hit("store.migrating")
			return t.meta().Put([]byte(metaVersion), []byte(strconv.Itoa(version+1)))
		})
		if err != nil {
			return fmt.Errorf("migrate to schema %d: %w", version+1, err)
		}
		failpoint.Hit("store.migrated")
	}
	return nil
}

// version is the ledger's schema version: 0 for an empty file.
func (t tx) version() (int, error) {
	meta := t.meta()
	if meta == nil {
		if k, _ := t.Cursor().First(); k != nil {
			return 0, fmt.Errorf("%w: it is a bbolt file of something else", ErrCorrupt)
		}
		return 0, nil
	}
	v, err := strconv.Atoi(string(meta.Get([]byte(metaVersion))))
	if err != nil || v < 0 {
		return 0, fmt.Errorf("%w: its schema version is unreadable", ErrCorrupt)
	}
	return v, nil
}
