package store

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
)

// maxTurns is how many due clients are looked at to give sources their turns.
// Those beyond come by time.
const maxTurns = 10_000

// DueClient is a client that is due, and on whose account.
type DueClient struct {
	ID     string
	Source string // as in the record; empty when nobody's
}

// Due returns up to limit clients that are due in a class, and when the next
// one that is not yet due will be; a zero time means that nothing is planned.
// Its cost grows with the number due, up to 10,000, not with the ledger.
//
// In the urgent class sources take turns: the source of the longest due client
// first, each with its longest due one. Thus a stranger who registers clients
// by the thousand delays nobody but himself. Background work comes by time
// alone, in the order that sweeps gave it.
func (l *Ledger) Due(ctx context.Context, class dcr.Class, now time.Time, limit int) (due []DueClient, next time.Time, err error) {
	err = l.view(ctx, func(t tx) (err error) {
		c := t.due().Cursor()
		end := afterDue(class, now)
		turns := maxTurns
		if class != dcr.Urgent {
			turns = 0
		}
		if due, err = dueClients(c, class, end, limit, turns); err != nil {
			return err
		}
		if k, _ := c.Seek(end); k != nil && k[0] == classKey(class) {
			next, _, _ = parseDue(k)
		}
		return nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return due, next, nil
}

// dueClients reads the due index of a class up to end. Of its first entries,
// as many as turns, sources take turns.
func dueClients(c *bolt.Cursor, class dcr.Class, end []byte, limit, turns int) (due []DueClient, err error) {
	if limit <= 0 {
		return nil, nil
	}
	q := queues{limit: limit, bySource: map[string]int{}}
	last := string(end)
	k, source := c.Seek([]byte{classKey(class)})
	for n := 0; k != nil && string(k) < last && n < turns; k, source = c.Next() {
		q.add(k, source)
		n++
	}
	keys := q.turns()
	for ; k != nil && string(k) < last && len(keys) < limit; k, source = c.Next() {
		keys = append(keys, entry{k, source})
	}
	for _, e := range keys {
		_, id, ok := parseDue(e.key)
		if !ok {
			continue // one bad key does not keep everybody waiting; Check tells of it
		}
		due = append(due, DueClient{ID: id, Source: string(e.source)})
	}
	return due, nil
}

// entry is one of the due index, valid as long as the transaction.
type entry struct{ key, source []byte }

// queues are the due clients of each source, in the order the sources were met.
type queues struct {
	limit    int // how many will be asked for
	bySource map[string]int
	entries  [][]entry
}

// add puts an entry at the end of its source's queue.
func (q *queues) add(key, source []byte) {
	i, known := q.bySource[string(source)]
	if !known {
		if len(q.entries) == q.limit {
			return // those before it take all turns
		}
		i = len(q.entries)
		q.bySource[string(source)] = i
		q.entries = append(q.entries, nil)
	}
	if len(q.entries[i]) < q.limit {
		q.entries[i] = append(q.entries[i], entry{key, source})
	}
}

// turns takes one entry of each queue, then the next of each, up to the limit.
func (q *queues) turns() []entry {
	var taken []entry
	for round := 0; ; round++ {
		before := len(taken)
		for _, queue := range q.entries {
			if len(taken) == q.limit {
				return taken
			}
			if round < len(queue) {
				taken = append(taken, queue[round])
			}
		}
		if len(taken) == before {
			return taken
		}
	}
}
