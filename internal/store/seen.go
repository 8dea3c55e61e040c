package store

import (
	"bytes"
	"fmt"
	"time"
)

// A commit forgets at most pruneBase old log entries and pruneEach more for
// every new one: the backlog shrinks, and no commit stalls.
const (
	pruneBase = 16
	pruneEach = 2
)

// wasSeen reports whether a log entry was taken within SeenFor before now.
func (t tx) wasSeen(key logKey, now time.Time) bool {
	at, ok := parseTime(t.seen().Get(key[:]))
	return ok && now.Sub(at) <= SeenFor
}

// markSeen remembers a log entry as taken at now.
func (t tx) markSeen(key logKey, now time.Time) error {
	if old := t.seen().Get(key[:]); old != nil {
		if err := t.seenTimes().Delete(append(bytes.Clone(old), key[:]...)); err != nil {
			return fmt.Errorf("forget log entry: %w", err)
		}
	}
	at := timeKey(now)
	if err := t.seen().Put(key[:], at); err != nil {
		return fmt.Errorf("remember log entry: %w", err)
	}
	return t.seenTimes().Put(append(at, key[:]...), nil)
}

// prune forgets up to n log entries that are older than SeenFor, and returns
// how many.
func (t tx) prune(now time.Time, n int) (int, error) {
	end := timeKey(now.Add(-SeenFor))
	var old [][]byte
	c := t.seenTimes().Cursor()
	for k, _ := c.First(); k != nil && bytes.Compare(k, end) < 0 && len(old) < n; k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := t.seenTimes().Delete(k); err != nil {
			return 0, err
		}
		if err := t.seen().Delete(k[uint64Size:]); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
