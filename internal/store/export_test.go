package store

import (
	"context"
	"time"

	"grantd/internal/dcr"
)

// Commits returns how many transactions were committed over the file's life.
func (l *Ledger) Commits() (n int) {
	_ = l.read(func(t tx) error { n = t.ID(); return nil })
	return n
}

// ParseCursor and the functions after it open keys and cursors to fuzzing.
func ParseCursor(s string) (uint64, error) { return parseCursor(s) }

func ParseDue(k []byte) (time.Time, string, bool) { return parseDue(k) }

func DueKey(r dcr.Record) []byte { return dueKey(r) }

func ParseJournalClient(k []byte) (string, uint64, bool) { return parseJournalClient(k) }

func JournalClientKey(id string, seq uint64) []byte { return journalClientKey(id, seq) }

func DecodeRecord(id string, v []byte) (dcr.Record, error) { return decodeRecord(id, v) }

// SetPrefix makes the ledger's random prefix a known one, on which the sources
// depend.
func SetPrefix(l *Ledger, prefix string) { l.prefix = prefix }

// SourceOf opens the hash of addresses.
func SourceOf(prefix, address string) string { return sourceOf(prefix, address) }

// MaxHolds and HoldKept are the bounds of holds.
const (
	MaxHolds = maxHolds
	HoldKept = holdKept
)

// HoldKey and DecodeHold open the keys and values of holds.
func HoldKey(h dcr.Hold) []byte { return holdKey(h) }

func DecodeHold(k, v []byte) (dcr.Hold, error) { return decodeHold(k, v) }

// MaxTurns is how many due clients sources take turns among.
const MaxTurns = maxTurns

// Remembered returns how many log entries are remembered.
func (l *Ledger) Remembered() (n int) {
	_ = l.read(func(t tx) error { n = t.seen().Stats().KeyN; return nil })
	return n
}

// SetMaxResting bounds the clients that are refused or gone.
func SetMaxResting(l *Ledger, n int) {
	b := l.group.limits()
	b.resting = n
	l.group.bounds.Store(&b)
}

// MaxResting is their usual bound.
const MaxResting = maxResting

// JournalBytes is the counted size of the journal.
func (l *Ledger) JournalBytes() (n int) {
	_ = l.read(func(t tx) (err error) { n, err = t.count(countJournal); return err })
	return n
}

// RecordSize is how much the record of a client takes.
func (l *Ledger) RecordSize(id string) (n int) {
	_ = l.read(func(t tx) error { n = len(t.clients().Get([]byte(id))); return nil })
	return n
}

// Fit opens the cutting of texts to fuzzing.
func Fit(s string, n int) string { return fit(s, n) }

// UsesWaiting returns how many clients' uses wait in memory.
func (l *Ledger) UsesWaiting() int {
	l.uses.mu.Lock()
	defer l.uses.mu.Unlock()
	return len(l.uses.waiting) + len(l.uses.settled)
}

// Written returns how many bytes of pages transactions allocated, which is what
// they wrote.
func (l *Ledger) Written() int64 {
	s := l.db.Stats()
	return s.TxStats.GetPageAlloc()
}

// Hang is a commit that lasts until release is closed.
func Hang(l *Ledger, release <-chan struct{}) error {
	return l.update(context.Background(), func(tx) error { <-release; return nil })
}
