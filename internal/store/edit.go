package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/failpoint"
)

// chunk is how many records one transaction of edit looks at, so that
// deliveries meanwhile wait for some 20 ms at most.
const chunk = 1000

// candidate is a record as it was read, to be changed in another transaction.
type candidate struct {
	raw    []byte // as stored; nil when it was not read
	record dcr.Record
}

// edit changes the records that match, of one phase or of all, in transactions
// of bounded size, and returns how many. It reads them before it makes writers
// wait. fn must not change what its record points to.
func (l *Ledger) edit(ctx context.Context, p dcr.Phase, match func(dcr.Record) bool, fn func(tx, *dcr.Record) error) (int, error) {
	return l.editAnd(ctx, p, match, fn, func(dcr.Record) bool { return true })
}

// editAnd is edit that returns how many of the records it changed count.
func (l *Ledger) editAnd(ctx context.Context, p dcr.Phase, match func(dcr.Record) bool, fn func(tx, *dcr.Record) error, counts func(was dcr.Record) bool) (int, error) {
	total := 0
	for after, more := "", true; more; {
		found, last, err := l.candidates(ctx, p, after, match)
		if err != nil {
			return total, err
		}
		changed, err := l.change(ctx, found, match, fn)
		if err != nil {
			return total, err
		}
		failpoint.Hit("store.edited")
		for _, was := range changed {
			if counts(was) {
				total++
			}
		}
		after, more = last, last != ""
	}
	return total, nil
}

// candidates returns those that match of the next chunk of records, and the id
// of the last one that was looked at, empty at the end.
func (l *Ledger) candidates(ctx context.Context, p dcr.Phase, after string, match func(dcr.Record) bool) (found []candidate, last string, err error) {
	err = l.view(ctx, func(t tx) error {
		ids := t.ids(p, after, chunk)
		for _, id := range ids {
			r, err := t.record(id)
			if errors.Is(err, ErrCorrupt) {
				continue // a sweep finds the client, and Mend its record
			}
			if err != nil {
				return err
			}
			if match(r) {
				found = append(found, candidate{bytes.Clone(t.clients().Get([]byte(id))), r})
			}
		}
		if len(ids) == chunk {
			last = ids[chunk-1]
		}
		return nil
	})
	return found, last, err
}

// change changes those of the candidates that match still, in one transaction,
// and returns what they were before.
func (l *Ledger) change(ctx context.Context, found []candidate, match func(dcr.Record) bool, fn func(tx, *dcr.Record) error) (was []dcr.Record, err error) {
	if len(found) == 0 {
		return nil, ctx.Err()
	}
	err = l.update(ctx, func(t tx) error {
		was = was[:0]
		for _, c := range found {
			old, err := t.again(c, l.now())
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if !match(old) {
				continue
			}
			r := old
			if err := fn(t, &r); err != nil {
				return err
			}
			if err := t.put(old, r); err != nil {
				return err
			}
			was = append(was, old)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return was, nil
}

// again reads a candidate anew, if it changed.
func (t tx) again(c candidate, now time.Time) (dcr.Record, error) {
	if c.raw != nil && bytes.Equal(c.raw, t.clients().Get([]byte(c.record.ClientID))) {
		return c.record, nil
	}
	return t.writable(c.record.ClientID, now)
}
