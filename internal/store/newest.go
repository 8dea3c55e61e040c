package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
)

// Search selects records in the order in which they were first seen, newest
// first.
type Search struct {
	Phase dcr.Phase // empty: every phase
	// Text is looked for in id, name, callbacks and reason, whatever the case;
	// empty: everything.
	Text  string
	Limit int // 0: 50; at most 1000
	// Within is how long it may look, though always at a thousand records or
	// so; 0: 170 ms.
	Within time.Duration
	After  string // the cursor of the page before; empty: from the newest
}

// Found is a page of what a Search finds.
type Found struct {
	Clients []dcr.Record
	// Next is the cursor of the page that follows, empty at the end.
	Next string
	// Looked is how many clients were looked at for this page.
	Looked int
	// Cut: the search was given up before the page was full, because it had
	// looked at enough; Next goes on from there.
	Cut bool
}

const (
	// searchWork bounds a page of a search: looking at a record's bytes costs
	// one, and reading it decodeWork. That is about 100 ms, and searchTime on a
	// machine that has other things to do; the clock is read every clockWork.
	searchWork, decodeWork, clockWork = 160_000, 16, 1000
	searchTime                        = 170 * time.Millisecond
)

// Newest returns a page of records, those first that were seen last. Its cost
// grows with the text's rarity and is bounded: see Found.Cut. ErrCursor where
// After is none.
func (l *Ledger) Newest(ctx context.Context, s Search) (f Found, err error) {
	from, err := parseNewest(s.After)
	if err != nil {
		return Found{}, fmt.Errorf("search clients: %w", err)
	}
	if s.Within <= 0 {
		s.Within = searchTime
	}
	n, began := newNeedle(s.Text), time.Now()
	err = l.view(ctx, func(t tx) error {
		limit, work, look := pageSize(s.Limit), 0, clockWork
		var last []byte
		for c, k, phase := before(t.newest(), from); k != nil; k, phase = c.Prev() {
			if work >= look {
				look, f.Cut = work+clockWork, time.Since(began) > s.Within
			}
			if f.Cut = f.Cut || work >= searchWork; f.Cut || len(f.Clients) == limit {
				f.Next = hex.EncodeToString(last[:uint64Size]) + "-" + string(last[uint64Size:])
				return nil
			}
			last = k
			work++
			if s.Phase != "" && string(phase) != string(s.Phase) {
				continue
			}
			id := string(k[uint64Size:])
			f.Looked++
			if !n.possible(id, t.clients()) {
				continue
			}
			work += decodeWork
			r, err := t.record(id)
			if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotFound) {
				continue // one bad value does not hide all others
			}
			if err != nil {
				return err
			}
			if n.in(r) {
				f.Clients = append(f.Clients, r)
			}
		}
		return nil
	})
	if err != nil {
		return Found{}, err
	}
	return f, nil
}

// before is a cursor at the last key below from, of all where that is empty.
func before(b *bolt.Bucket, from []byte) (*bolt.Cursor, []byte, []byte) {
	c := b.Cursor()
	if len(from) > 0 {
		if k, _ := c.Seek(from); k != nil {
			k, v := c.Prev()
			return c, k, v
		}
	}
	k, v := c.Last()
	return c, k, v
}

// parseNewest reads a cursor: the key in the index by age.
func parseNewest(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	at, id, ok := strings.Cut(s, "-")
	key, err := hex.DecodeString(at)
	if !ok || err != nil || len(key) != uint64Size || !dcr.ValidClientID(id) {
		return nil, fmt.Errorf("%w: %.40q", ErrCursor, s)
	}
	return append(key, id...), nil
}

// needle is what a search looks for.
type needle struct {
	lower string
	// plain is what stands in a record's JSON as it is, so that records without
	// it need not be read.
	plain []byte
	buf   []byte
}

func newNeedle(text string) *needle {
	n := &needle{lower: strings.ToLower(text)}
	if strings.IndexFunc(n.lower, func(r rune) bool { return r >= 0x7f || r < ' ' || strings.ContainsRune(`"\<>&`, r) }) < 0 {
		n.plain = []byte(n.lower)
	}
	return n
}

// possible reports whether the client's record can be one that is looked for.
func (n *needle) possible(id string, records *bolt.Bucket) bool {
	if n.lower == "" {
		return true
	}
	v := records.Get([]byte(id))
	if n.plain == nil {
		return v != nil
	}
	// What is searched stands before this in dcr.Record. It cannot stand within
	// a text, where JSON escapes quotes.
	head, _, _ := bytes.Cut(v, []byte(`,"first_seen_at":"`))
	n.buf = append(n.buf[:0], head...)
	for i, c := range n.buf {
		if 'A' <= c && c <= 'Z' {
			n.buf[i] = c + 'a' - 'A'
		}
	}
	return bytes.Contains(n.buf, n.plain)
}

// in reports whether the record is one that is looked for.
func (n *needle) in(r dcr.Record) bool {
	if n.lower == "" {
		return true
	}
	for _, text := range append([]string{r.ClientID, r.Name, string(r.Reason)}, r.Callbacks...) {
		if strings.Contains(strings.ToLower(text), n.lower) {
			return true
		}
	}
	return false
}

// age keeps the index by age in step.
func (t tx) age(old, r dcr.Record) error {
	var from []byte
	if old.ClientID != "" {
		from = newestKey(old)
	}
	to := newestKey(r)
	if bytes.Equal(from, to) && old.Phase == r.Phase {
		return nil
	}
	return move(t.newest(), from, to, []byte(r.Phase))
}
