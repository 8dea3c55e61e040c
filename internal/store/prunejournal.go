package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// countJournal counts the bytes that the journal takes, with its index.
const countJournal = "journal_bytes"

// elementSize is what bbolt keeps beside each key and value.
const elementSize = 16

// entrySize is how much an entry takes, given its value.
func entrySize(v []byte) int { return uint64Size + len(v) + elementSize }

// indexSize is how much its place in the index by client takes.
func indexSize(clientID string) int {
	if clientID == "" {
		return 0
	}
	return len(clientID) + 1 + uint64Size + elementSize
}

// pruneEntries is how many entries a new one makes forgotten at most.
const pruneEntries = 4

// decodeAged reads an entry. One that cannot be read says nothing to anybody, and
// must not keep others from being written: it counts as very old.
func decodeAged(v []byte) (e aged) {
	if err := json.Unmarshal(v, &e); err != nil {
		return aged{unreadable: true}
	}
	return e
}

// aged is what of an entry matters for pruning it.
type aged struct {
	unreadable bool

	ClientID string    `json:"client_id"`
	At       time.Time `json:"at"`
}

// oldestEntry is the key of the oldest entry if it is beyond the limits, and
// otherwise nil.
func (t tx) oldestEntry(now time.Time) ([]byte, aged, error) {
	limits := t.bounds.journal
	if limits == (JournalLimits{}) {
		return nil, aged{}, nil
	}
	c := t.journal().Cursor()
	k, v := c.First()
	if k == nil {
		return nil, aged{}, nil
	}
	e := decodeAged(v)
	size, err := t.count(countJournal)
	if err != nil {
		return nil, aged{}, err
	}
	tooOld := limits.MaxAge > 0 && now.Sub(e.At) > limits.MaxAge
	tooBig := limits.MaxBytes > 0 && int64(size) > limits.MaxBytes
	if last, _ := c.Last(); !tooOld && !tooBig || string(last) == string(k) {
		return nil, aged{}, nil
	}
	return k, e, nil
}

// pruneJournal forgets up to n entries beyond the limits and returns how many.
// Their numbers are not used again.
func (t tx) pruneJournal(now time.Time, n int) (int, error) {
	for done := range n {
		k, e, err := t.oldestEntry(now)
		if err != nil || k == nil {
			return done, err
		}
		if err := t.forgetEntry(k, e); err != nil {
			return done, err
		}
	}
	return n, nil
}

func (t tx) forgetEntry(k []byte, e aged) error {
	key := string(k) // k is bbolt's until the next change
	if e.unreadable {
		e.ClientID = t.indexedClient(k)
	}
	size := entrySize(t.journal().Get(k)) + indexSize(e.ClientID)
	if e.ClientID != "" {
		seq, _ := parseSeq(k)
		if err := t.journalClients().Delete(journalClientKey(e.ClientID, seq)); err != nil {
			return fmt.Errorf("forget journal entry: %w", err)
		}
	}
	if err := t.journal().Delete([]byte(key)); err != nil {
		return fmt.Errorf("forget journal entry: %w", err)
	}
	return t.addCount(countJournal, -size)
}

// indexedClient is the client that the index has an entry under, empty if none.
// It reads the whole index.
func (t tx) indexedClient(key []byte) (client string) {
	each(t.journalClients(), func(k, _ []byte) {
		if id, seq, ok := parseJournalClient(k); ok && string(seqKey(seq)) == string(key) {
			client = id
		}
	})
	return client
}
