package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"grantd/internal/dcr"
	"grantd/internal/failpoint"
)

// maxGroup bounds how many calls share a commit, and so how long the first of
// them waits.
const maxGroup = 128

// group lets concurrent writers share commits. Whoever finds nobody committing
// leads: it takes along everything that is waiting. bbolt's own Batch waits for
// company even when there is none, and runs in a goroutine whose panics on a
// damaged file nobody can recover.
type group struct {
	db     *bolt.DB
	lead   chan struct{} // holds one token while a leader commits
	queue  chan *call
	broken error // set by a panic while committing: nothing is written any more
	bounds atomic.Pointer[bounds]
}

// call is one writer's part of a group.
type call struct {
	fn    func(tx) error
	delta feedDelta
	done  chan struct{}
	err   error
}

func newGroup(db *bolt.DB) group {
	return group{db: db, lead: make(chan struct{}, 1), queue: make(chan *call, maxGroup)}
}

// update runs fn in a transaction that others may share. fn may run more than
// once: it must set its results anew each time.
func (l *Ledger) update(ctx context.Context, fn func(tx) error) error {
	return l.updateFeed(ctx, feedDelta{}, fn)
}

// updateFeed is update with news of a feed that are kept if and only if fn's
// changes are.
func (l *Ledger) updateFeed(ctx context.Context, d feedDelta, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.readOnly {
		return ErrReadOnly
	}
	c := &call{fn: fn, delta: d, done: make(chan struct{})}
	select {
	case l.group.queue <- c:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.done:
	case l.group.lead <- struct{}{}:
		l.commit(l.group.take())
		<-l.group.lead
		<-c.done // by the commit above, or by the leader before
	}
	return c.err
}

// take takes what is in the queue: for the leader, its own call at least or one
// that was answered already.
func (g *group) take() []*call {
	var calls []*call
	for len(calls) < maxGroup {
		select {
		case c := <-g.queue:
			calls = append(calls, c)
		default:
			return calls
		}
	}
	return calls
}

// commit runs the calls in one transaction. One that fails is taken out and
// the others run again without it.
func (l *Ledger) commit(calls []*call) {
	for len(calls) > 0 {
		running := -1
		var written map[dcr.Feed]dcr.FeedStatus
		err := l.group.transact(func(t tx) (err error) {
			for i, c := range calls {
				running = i
				if err := c.fn(t); err != nil {
					return err
				}
			}
			running = -1
			written, err = l.feeds.write(t, calls)
			return err
		})
		if running >= 0 {
			calls[running].finish(err)
			calls = append(calls[:running], calls[running+1:]...)
			continue
		}
		if err == nil {
			l.feeds.committed(calls, written)
		}
		for _, c := range calls {
			c.finish(err)
		}
		return
	}
}

func (c *call) finish(err error) {
	c.err = err
	close(c.done)
}

// transact runs fn and commits, or leaves everything as it was.
func (g *group) transact(fn func(tx) error) error {
	if g.broken != nil {
		return g.broken
	}
	t, err := g.db.Begin(true)
	if err != nil {
		return beginError(err)
	}
	if err := guard(func() error { return fn(tx{t, g.limits()}) }); err != nil {
		return errors.Join(err, t.Rollback())
	}
	failpoint.Hit("store.committing")
	switch err := guard(t.Commit); {
	case err == nil:
		failpoint.Hit("store.committed")
		return nil
	case errors.Is(err, ErrCorrupt):
		g.broken = err
		return errors.Join(err, t.Rollback())
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

// view runs fn in a transaction that sees one moment of the ledger.
func (l *Ledger) view(ctx context.Context, fn func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.read(fn)
}

func (l *Ledger) read(fn func(tx) error) error {
	t, err := l.db.Begin(false)
	if err != nil {
		return beginError(err)
	}
	return errors.Join(guard(func() error { return fn(tx{t, l.group.limits()}) }), t.Rollback())
}

func beginError(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// guard turns the panics of bbolt on a damaged file into ErrCorrupt, and the
// faults of reading beyond the end of a mapped file too.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return fn()
}
