package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
)

// maxFindings bounds how many defects Check reports.
const maxFindings = 20

// Check reads the whole file and reports what is wrong with it: pages that
// bbolt finds damaged, values that cannot be read, and indexes and counters
// that disagree with the records. Nil means that all is well. Writers wait
// while it runs.
func (l *Ledger) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	found, err := l.findings(true)
	if err := errors.Join(append(found, err)...); err != nil {
		return fmt.Errorf("check ledger: %w", err)
	}
	return nil
}

// findings are the first defects of the ledger. The content is only understood
// in a ledger of today's schema.
func (l *Ledger) findings(content bool) (found []error, err error) {
	// bbolt's check must not run beside a writer.
	t, err := l.db.Begin(!l.readOnly)
	if err != nil {
		return nil, beginError(err)
	}
	c := checker{tx: tx{t, l.group.limits()}}
	err = guard(func() error {
		if _, err := l.checkPages(); err != nil {
			return err
		}
		c.walk()
		for err := range t.Check() {
			c.found("%v", err)
		}
		if len(c.findings) == 0 && content {
			c.records()
			c.indexes()
			c.log()
			c.brakes()
			c.rest()
		}
		return nil
	})
	if errors.Is(err, ErrCorrupt) {
		c.findings = append(c.findings, err)
		err = nil
	}
	return c.first(), errors.Join(err, t.Rollback())
}

// checkPages returns how many bytes are free, or the first defect of the
// file's pages.
func (l *Ledger) checkPages() (free int64, err error) {
	f, err := os.Open(l.db.Path())
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	used, err := checkPages(f, info.Size(), l.db.Info().PageSize)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return info.Size() - used, nil
}

// checker collects findings.
type checker struct {
	tx
	findings []error
	indexed  map[string]indexed // by client id
	resting  int
}

// indexed is what the indexes must say of a record.
type indexed struct {
	phase  dcr.Phase
	due    string
	source string
	grant  string
	rest   string
	newest string
}

func (c *checker) found(format string, args ...any) {
	c.findings = append(c.findings, fmt.Errorf("%w: "+format, slices.Insert(args, 0, any(ErrCorrupt))...))
}

// first are as many findings as are reported.
func (c *checker) first() []error {
	if n := len(c.findings); n > maxFindings {
		return append(c.findings[:maxFindings:maxFindings], fmt.Errorf("%w: and %d more", ErrCorrupt, n-maxFindings))
	}
	return c.findings
}

// walk reads every key and value.
func (c *checker) walk() {
	_ = c.ForEach(func(name []byte, b *bolt.Bucket) error {
		var last []byte
		return b.ForEach(func(k, _ []byte) error {
			if last != nil && bytes.Compare(last, k) >= 0 {
				c.found("keys of bucket %s are out of order", name)
			}
			last = k
			return nil
		})
	})
}

// each calls fn for every entry of a bucket.
func each(b *bolt.Bucket, fn func(k, v []byte)) {
	for cur, k, v := first(b); k != nil; k, v = cur.Next() {
		fn(k, v)
	}
}

func first(b *bolt.Bucket) (*bolt.Cursor, []byte, []byte) {
	c := b.Cursor()
	k, v := c.First()
	return c, k, v
}

// records checks the records and that every index has its entry of each.
func (c *checker) records() {
	counts := map[dcr.Phase]int{}
	c.indexed = map[string]indexed{}
	each(c.clients(), func(k, v []byte) {
		r, err := decodeRecord(string(k), v)
		if err == nil {
			err = validate(r)
		}
		if err != nil {
			c.found("%w", err)
			return
		}
		counts[r.Phase]++
		c.indexed[r.ClientID] = indexed{r.Phase, string(dueKey(r)), r.Source, r.GrantID, string(restKey(r)), string(newestKey(r))}
		if r.Seq > c.clients().Sequence() {
			c.found("client %s has a sequence number of the future", k)
		}
		if key := dueKey(r); key != nil && c.due().Get(key) == nil {
			c.found("client %s is missing from the due index", k)
		}
		if c.phases().Get(phaseKey(r.Phase, r.ClientID)) == nil {
			c.found("client %s is missing from the phase index", k)
		}
		if string(c.newest().Get(newestKey(r))) != string(r.Phase) {
			c.found("client %s is missing from the index by age, or of another phase there", k)
		}
		if key := restKey(r); key != nil {
			c.resting++
			if c.tx.resting().Get(key) == nil {
				c.found("client %s is missing from the index of those that rest", k)
			}
		}
		if r.GrantID != "" && c.grants().Get([]byte(r.GrantID)) == nil {
			c.found("client %s is missing from the grant index", k)
		}
	})
	for _, p := range dcr.Phases() {
		if n, err := c.count(string(p)); err != nil {
			c.found("%w", err)
		} else if n != counts[p] {
			c.found("the counter says %d %s clients, there are %d", n, p, counts[p])
		}
	}
	if n, err := c.count(countResting); err != nil {
		c.found("%w", err)
	} else if n != c.resting {
		c.found("the counter says %d clients rest, %d do", n, c.resting)
	}
}

// indexes checks that no index has an entry of its own invention.
func (c *checker) indexes() {
	each(c.due(), func(k, source []byte) {
		_, id, _ := parseDue(k)
		if r, ok := c.indexed[id]; !ok || r.due != string(k) {
			c.found("the due index has a stray entry of client %q", id)
		} else if r.source != string(source) {
			c.found("the due index has client %q of source %q, which is of %q", id, source, r.source)
		}
	})
	each(c.phases(), func(k, _ []byte) {
		phase, id, _ := bytes.Cut(k, []byte{0})
		if r, ok := c.indexed[string(id)]; !ok || r.phase != dcr.Phase(phase) {
			c.found("the phase index has a stray entry of client %q", id)
		}
	})
	each(c.newest(), func(k, _ []byte) {
		if id := string(k[min(uint64Size, len(k)):]); c.indexed[id].newest != string(k) {
			c.found("the index by age has a stray entry of client %q", id)
		}
	})
	each(c.tx.resting(), func(k, _ []byte) {
		if id := string(k[min(uint64Size, len(k)):]); c.indexed[id].rest != string(k) {
			c.found("the index of clients that rest has a stray entry of %q", id)
		}
	})
	each(c.grants(), func(k, id []byte) {
		if r, ok := c.indexed[string(id)]; !ok || r.grant != string(k) {
			c.found("the grant index has a stray entry of client %q", id)
		}
	})
}

// log checks the journal and what is remembered of log entries.
func (c *checker) log() {
	entries, size := 0, 0 // entries: those of a client
	each(c.journal(), func(k, v []byte) {
		var e dcr.JournalEntry
		seq, _ := parseSeq(k)
		size += entrySize(v)
		if err := json.Unmarshal(v, &e); err != nil || e.Seq != seq || seq == 0 || seq > c.journal().Sequence() {
			c.found("journal entry %d is unreadable", seq)
		} else if e.ClientID == "" {
			return
		} else if c.journalClients().Get(journalClientKey(e.ClientID, seq)) == nil {
			c.found("journal entry %d is missing from the index by client", seq)
		}
		entries++
		size += indexSize(e.ClientID)
	})
	if n, err := c.count(countJournal); err != nil {
		c.found("%w", err)
	} else if n != size {
		c.found("the counter says the journal has %d bytes, it has %d", n, size)
	}
	if n := c.journalClients().Stats().KeyN; n != entries {
		c.found("the journal has %d entries of clients, its index %d", entries, n)
	}
	seen := 0
	each(c.seen(), func(k, v []byte) {
		seen++
		if c.seenTimes().Get(slices.Concat(v, k)) == nil {
			c.found("log entry %x is missing from the index by time", k)
		}
	})
	if n := c.seenTimes().Stats().KeyN; n != seen {
		c.found("%d log entries are remembered, their index has %d", seen, n)
	}
}

// brakes checks the holds and their index by time.
func (c *checker) brakes() {
	held, ending := 0, 0
	each(c.holds(), func(k, v []byte) {
		held++
		h, err := decodeHold(k, v)
		if err != nil {
			c.found("%w", err)
			return
		}
		if key := holdTimeKey(h); key != nil {
			ending++
			if c.holdTimes().Get(key) == nil {
				c.found("hold %q is missing from the index by time", k)
			}
		}
	})
	if n := c.holdTimes().Stats().KeyN; n != ending {
		c.found("%d holds end, their index has %d", ending, n)
	}
	if n, err := c.count(countHolds); err != nil {
		c.found("%w", err)
	} else if n != held {
		c.found("the counter says %d holds, there are %d", n, held)
	}
}

// rest checks the small buckets.
func (c *checker) rest() {
	var f feeds
	if err := f.load(c.tx); err != nil {
		c.found("%w", err)
	}
	for _, key := range []string{metaVersion, metaCreated, metaTenant, metaAudience, metaPrefix} {
		if c.meta().Get([]byte(key)) == nil {
			c.found("%s is missing", key)
		}
	}
	if _, err := strconv.Atoi(string(c.meta().Get([]byte(metaVersion)))); err != nil {
		c.found("its schema version is unreadable")
	}
}
