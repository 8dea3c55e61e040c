package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"grantd/internal/dcr"
)

// JournalQuery selects journal entries, newest first.
type JournalQuery struct {
	ClientID string // empty: of every client
	Limit    int    // 0: 50; at most 1000
	After    string // the cursor of the page before; empty: from the newest
}

// Journal returns a page of entries and the cursor of the next page, empty
// when this is the last one.
func (l *Ledger) Journal(ctx context.Context, q JournalQuery) (page []dcr.JournalEntry, next string, err error) {
	before, err := parseCursor(q.After)
	if err != nil {
		return nil, "", fmt.Errorf("list journal: %w", err)
	}
	limit := pageSize(q.Limit)
	err = l.view(ctx, func(t tx) error {
		seqs, err := t.journalSeqs(q.ClientID, before, limit+1)
		if err != nil {
			return err
		}
		for i, seq := range seqs {
			if i == limit {
				next = strconv.FormatUint(seqs[limit-1], 10)
				return nil
			}
			var e dcr.JournalEntry
			if json.Unmarshal(t.journal().Get(seqKey(seq)), &e) != nil {
				continue // one bad value does not hide all others; Check tells of it
			}
			page = append(page, e)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// journalSeqs returns up to n sequence numbers below before, falling; before 0
// stands for no bound.
func (t tx) journalSeqs(clientID string, before uint64, n int) ([]uint64, error) {
	b, prefix := t.journal(), []byte(nil)
	if clientID != "" {
		b, prefix = t.journalClients(), journalClientPrefix(clientID)
	}
	end := append(bytes.Clone(prefix), seqKey(before-1)...) // the last one wanted; 0 wraps to the last of all
	c := b.Cursor()
	k, _ := c.Seek(end)
	if k == nil {
		k, _ = c.Last()
	} else if !bytes.Equal(k, end) {
		k, _ = c.Prev()
	}
	var seqs []uint64
	for ; k != nil && bytes.HasPrefix(k, prefix) && len(seqs) < n; k, _ = c.Prev() {
		seq, ok := parseSeq(k[len(prefix):])
		if !ok {
			return nil, fmt.Errorf("%w: key %q of the journal", ErrCorrupt, k)
		}
		seqs = append(seqs, seq)
	}
	return seqs, nil
}

// Entry returns one entry, or ErrNotFound.
func (l *Ledger) Entry(ctx context.Context, seq uint64) (dcr.JournalEntry, error) {
	var e dcr.JournalEntry
	err := l.view(ctx, func(t tx) error {
		v := t.journal().Get(seqKey(seq))
		if v == nil {
			return fmt.Errorf("journal entry %d was pruned or never there: %w", seq, ErrNotFound)
		}
		if err := json.Unmarshal(v, &e); err != nil {
			return fmt.Errorf("%w: journal entry %d: %w", ErrCorrupt, seq, err)
		}
		return nil
	})
	if err != nil {
		return dcr.JournalEntry{}, err
	}
	return e, nil
}

// AddJournal journals what no client's outcome carries, such as a changed scope
// source (dcr.StepScopes), in one transaction. The entries get their numbers
// here and, where they have none, the present time. Their client may be empty.
func (l *Ledger) AddJournal(ctx context.Context, entries ...dcr.JournalEntry) error {
	for _, e := range entries {
		if e.ClientID != "" && !dcr.ValidClientID(e.ClientID) {
			return fmt.Errorf("add to journal: client id %.128q is not one", e.ClientID)
		}
	}
	now := l.now()
	err := l.update(ctx, func(t tx) error {
		for _, e := range entries {
			if err := t.addJournal(e, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add to journal: %w", err)
	}
	return nil
}

// addJournal appends an entry to the journal.
func (t tx) addJournal(e dcr.JournalEntry, now time.Time) (err error) {
	if e.Seq, err = t.journal().NextSequence(); err != nil {
		return fmt.Errorf("number journal entry: %w", err)
	}
	if e.At.IsZero() {
		e.At = now
	}
	e.At = e.At.UTC().Round(0)
	v, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode journal entry: %w", err)
	}
	t.journal().FillPercent = 0.95 // it grows at its end alone
	if err := t.journal().Put(seqKey(e.Seq), v); err != nil {
		return fmt.Errorf("put journal entry: %w", err)
	}
	size := entrySize(v)
	if e.ClientID != "" {
		size += indexSize(e.ClientID)
		if err := t.journalClients().Put(journalClientKey(e.ClientID, e.Seq), nil); err != nil {
			return fmt.Errorf("index journal entry: %w", err)
		}
	}
	if err := t.addCount(countJournal, size); err != nil {
		return err
	}
	_, err = t.pruneJournal(now, pruneEntries)
	return err
}

// parseCursor reads a cursor of the journal: the last page's last sequence
// number, in decimal.
func parseCursor(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	seq, err := strconv.ParseUint(s, 10, 64)
	if err != nil || seq == 0 {
		return 0, fmt.Errorf("%w: %.40q", ErrCursor, s)
	}
	return seq, nil
}
