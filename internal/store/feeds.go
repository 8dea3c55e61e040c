package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"grantd/internal/dcr"
)

// feedDelta is news of one feed; with an empty feed there are none.
type feedDelta struct {
	feed   dcr.Feed
	status dcr.FeedStatus
}

// feeds holds the status of the feeds, ahead of the file by what the next
// commit will write.
type feeds struct {
	mu      sync.Mutex
	current map[dcr.Feed]dcr.FeedStatus
	saved   map[dcr.Feed]dcr.FeedStatus // as in the file
}

// load reads the file's status.
func (f *feeds) load(t tx) error {
	f.current = map[dcr.Feed]dcr.FeedStatus{}
	err := t.feeds().ForEach(func(k, v []byte) error {
		var s dcr.FeedStatus
		if err := json.Unmarshal(v, &s); err != nil {
			return fmt.Errorf("%w: status of feed %q: %w", ErrCorrupt, k, err)
		}
		f.current[dcr.Feed(k)] = s
		return nil
	})
	f.saved = maps.Clone(f.current)
	return err
}

// add merges news that need no commit of their own.
func (f *feeds) add(d feedDelta) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current[d.feed] = f.current[d.feed].Merge(d.status)
}

func (f *feeds) checkpoint(feed dcr.Feed) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current[feed].Checkpoint
}

// swept reports whether a sweep ever ended. Asked within a transaction, the
// answer is one that this transaction's commit writes or finds in the file.
func (f *feeds) swept() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.current[dcr.FeedSweep].LastSuccessAt.IsZero()
}

func (f *feeds) dirty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !maps.Equal(f.current, f.saved)
}

// write puts what is new into the transaction: what was added, and the deltas
// of the calls. It returns what the file holds if the transaction commits.
func (f *feeds) write(t tx, calls []*call) (map[dcr.Feed]dcr.FeedStatus, error) {
	f.mu.Lock()
	next, saved := maps.Clone(f.current), maps.Clone(f.saved)
	f.mu.Unlock()
	for _, c := range calls {
		if c.delta.feed != "" {
			next[c.delta.feed] = next[c.delta.feed].Merge(c.delta.status)
		}
	}
	for feed, s := range next {
		if s == saved[feed] {
			continue
		}
		v, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("encode status of feed %s: %w", feed, err)
		}
		if err := t.feeds().Put([]byte(feed), v); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// committed takes over what a commit wrote.
func (f *feeds) committed(calls []*call, written map[dcr.Feed]dcr.FeedStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range calls {
		if c.delta.feed != "" {
			f.current[c.delta.feed] = f.current[c.delta.feed].Merge(c.delta.status)
		}
	}
	f.saved = written
}

// Feeds returns the status of every feed that ever brought anything, including
// what is not written yet.
func (l *Ledger) Feeds(ctx context.Context) (map[dcr.Feed]dcr.FeedStatus, error) {
	l.feeds.mu.Lock()
	defer l.feeds.mu.Unlock()
	return maps.Clone(l.feeds.current), ctx.Err()
}

// SetFeed merges news of a feed's status and commits them before it returns.
func (l *Ledger) SetFeed(ctx context.Context, feed dcr.Feed, s dcr.FeedStatus) error {
	if !isFeed(feed) {
		return fmt.Errorf("set feed: %q is not a feed", feed)
	}
	d := feedDelta{feed: feed, status: tidyStatus(s)}
	if err := l.updateFeed(ctx, d, func(tx) error { return nil }); err != nil {
		return fmt.Errorf("set feed %s: %w", feed, err)
	}
	return nil
}

// FirstSweepEnded reports whether a sweep ever ended, from memory. Until then
// clients that are recorded count as there before grantd.
func (l *Ledger) FirstSweepEnded() bool { return l.feeds.swept() }

func isFeed(f dcr.Feed) bool {
	return f == dcr.FeedWebhook || f == dcr.FeedPoll || f == dcr.FeedSweep
}

// Flush writes what is only in memory: the status of the feeds, and when clients
// were used. Called every few seconds, it bounds what a kill can lose.
func (l *Ledger) Flush(ctx context.Context) error {
	if err := l.flushUses(ctx); err != nil {
		return err
	}
	if !l.feeds.dirty() { // or the uses' commit took it along
		return ctx.Err()
	}
	return l.update(ctx, func(tx) error { return nil })
}
