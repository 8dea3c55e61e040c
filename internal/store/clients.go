package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
)

// Sizes of a page of a list.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// Query selects records, in the order of their ids.
type Query struct {
	Phase dcr.Phase // empty: every phase
	Limit int       // 0: 50; at most 1000
	After string    // the cursor of the page before; empty: from the start
}

// Client returns one record, or ErrNotFound.
func (l *Ledger) Client(ctx context.Context, id string) (dcr.Record, error) {
	var r dcr.Record
	err := l.view(ctx, func(t tx) (err error) {
		r, err = t.record(id)
		return err
	})
	return r, err
}

// Records returns those of the ids that have a record that can be read, at one
// moment.
func (l *Ledger) Records(ctx context.Context, ids []string) (map[string]dcr.Record, error) {
	records := make(map[string]dcr.Record, len(ids))
	err := l.view(ctx, func(t tx) error {
		for _, id := range ids {
			r, err := t.record(id)
			switch {
			case err == nil:
				records[id] = r
			case !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrCorrupt):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}

// Clients returns a page of records and the cursor of the next page, empty
// when this is the last one.
func (l *Ledger) Clients(ctx context.Context, q Query) (page []dcr.Record, next string, err error) {
	if q.After != "" && !dcr.ValidClientID(q.After) {
		return nil, "", fmt.Errorf("list clients: %w: %.40q", ErrCursor, q.After)
	}
	limit := pageSize(q.Limit)
	err = l.view(ctx, func(t tx) error {
		ids := t.ids(q.Phase, q.After, limit+1)
		for i, id := range ids {
			if i == limit {
				next = ids[limit-1]
				return nil
			}
			r, err := t.record(id)
			if errors.Is(err, ErrCorrupt) {
				continue // one bad value does not hide all others
			}
			if err != nil {
				return err
			}
			page = append(page, r)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

func pageSize(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return min(limit, maxLimit)
}

// Counts returns how many records are in each phase. Its cost does not grow
// with the ledger.
func (l *Ledger) Counts(ctx context.Context) (map[dcr.Phase]int, error) {
	counts := map[dcr.Phase]int{}
	err := l.view(ctx, func(t tx) (err error) {
		for _, p := range dcr.Phases() {
			if counts[p], err = t.count(string(p)); err != nil {
				return err
			}
		}
		return nil
	})
	return counts, err
}

// ids returns up to n client ids that come after the given one, of one phase
// or of all.
func (t tx) ids(p dcr.Phase, after string, n int) []string {
	b, prefix := t.clients(), []byte(nil)
	if p != "" {
		b, prefix = t.phases(), phaseKey(p, "")
	}
	start := append(bytes.Clone(prefix), after...)
	var ids []string
	c := b.Cursor()
	k, _ := c.Seek(start)
	if after != "" && bytes.Equal(k, start) {
		k, _ = c.Next()
	}
	for ; k != nil && bytes.HasPrefix(k, prefix) && len(ids) < n; k, _ = c.Next() {
		ids = append(ids, string(k[len(prefix):]))
	}
	return ids
}

// record reads one record, or fails with ErrNotFound.
func (t tx) record(id string) (dcr.Record, error) {
	v := t.clients().Get([]byte(id))
	if v == nil {
		return dcr.Record{}, fmt.Errorf("client %.128q: %w", id, ErrNotFound)
	}
	return decodeRecord(id, v)
}

func decodeRecord(id string, v []byte) (dcr.Record, error) {
	var r dcr.Record
	if err := json.Unmarshal(v, &r); err != nil {
		return dcr.Record{}, fmt.Errorf("%w: record of client %q: %w", ErrCorrupt, id, err)
	}
	if r.ClientID != id {
		return dcr.Record{}, fmt.Errorf("%w: record of client %q is of %q", ErrCorrupt, id, r.ClientID)
	}
	return r, nil
}

// put stores a record and keeps every index and counter in step. old is the
// record as it was, with an empty ClientID if there was none.
func (t tx) put(old, r dcr.Record) error {
	r = tidy(r)
	v, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record of client %s: %w", r.ClientID, err)
	}
	if err := t.clients().Put([]byte(r.ClientID), v); err != nil {
		return fmt.Errorf("put record of client %s: %w", r.ClientID, err)
	}
	if old.ClientID == "" || old.Phase != r.Phase {
		if err := t.movePhase(old, r); err != nil {
			return err
		}
	}
	if err := t.age(old, r); err != nil {
		return err
	}
	if from, to := dueKey(old), dueKey(r); !bytes.Equal(from, to) || len(to) > 0 && old.Source != r.Source {
		if err := move(t.due(), from, to, []byte(r.Source)); err != nil {
			return err
		}
	}
	if err := t.rest(old, r); err != nil {
		return err
	}
	if old.GrantID != r.GrantID {
		var from, to []byte
		if string(t.grants().Get([]byte(old.GrantID))) == r.ClientID {
			from = []byte(old.GrantID)
		}
		if r.GrantID != "" {
			to = []byte(r.GrantID)
		}
		return move(t.grants(), from, to, []byte(r.ClientID))
	}
	return nil
}

func (t tx) movePhase(old, r dcr.Record) error {
	var from []byte
	if old.ClientID != "" {
		from = phaseKey(old.Phase, old.ClientID)
		if err := t.addCount(string(old.Phase), -1); err != nil {
			return err
		}
	}
	if err := move(t.phases(), from, phaseKey(r.Phase, r.ClientID), nil); err != nil {
		return err
	}
	return t.addCount(string(r.Phase), 1)
}

// move replaces an entry of an index; an empty key stands for none.
func move(b *bolt.Bucket, from, to, value []byte) error {
	if len(from) > 0 {
		if err := b.Delete(from); err != nil {
			return err
		}
	}
	if len(to) > 0 {
		return b.Put(to, value)
	}
	return nil
}

// count reads a counter: of a phase's records, or one of the constants.
func (t tx) count(key string) (int, error) {
	n, err := strconv.Atoi(string(t.counts().Get([]byte(key))))
	if err != nil {
		return 0, fmt.Errorf("%w: counter %s: %w", ErrCorrupt, key, err)
	}
	return n, nil
}

func (t tx) addCount(key string, delta int) error {
	n, err := t.count(key)
	if err != nil {
		return err
	}
	return t.counts().Put([]byte(key), []byte(strconv.Itoa(n+delta)))
}

// tidy brings a record into the form that is stored: bounded, in UTC, without
// a class when nothing is due.
func tidy(r dcr.Record) dcr.Record {
	r = bound(r)
	if r.NextAttemptAt.IsZero() {
		r.Class = ""
	}
	for _, at := range []*time.Time{
		&r.FirstSeenAt, &r.RegisteredAt, &r.ReadyAt, &r.LastCheckedAt, &r.LastUsedAt, &r.LastDeniedAt, &r.SightedAt,
		&r.NextAttemptAt,
		&r.Conditions.Promoted.Since, &r.Conditions.Connected.Since, &r.Conditions.Granted.Since,
	} {
		*at = at.UTC().Round(0)
	}
	return r
}
