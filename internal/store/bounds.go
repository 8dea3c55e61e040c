package store

import (
	"context"
	"fmt"
	"time"
)

// bounds are how much the ledger keeps. They can be changed while it is open.
type bounds struct {
	journal JournalLimits
	resting int // clients; 0: maxResting
}

// JournalLimits say how much of the journal is kept. What is beyond either is
// forgotten, oldest first, and zero is no limit. The newest entry stays.
type JournalLimits struct {
	MaxAge   time.Duration
	MaxBytes int64 // as stored; pages that are partly full take up to a third more on disk
}

// SetJournalLimits changes the limits from the next commit on. What is beyond
// them is forgotten little by little, or by Prune.
func (l *Ledger) SetJournalLimits(limits JournalLimits) {
	b := l.group.limits()
	b.journal = limits
	l.group.bounds.Store(&b)
}

// limits are the bounds in force.
func (g *group) limits() bounds {
	if b := g.bounds.Load(); b != nil {
		return *b
	}
	return bounds{}
}

// Pruned is how much was forgotten.
type Pruned struct {
	Entries int // of the journal
	Clients int // refused or gone
	Seen    int // log entries that were known again until now
	Holds   int // whose time was long over
}

func (p *Pruned) add(q Pruned) {
	p.Entries, p.Clients, p.Seen, p.Holds = p.Entries+q.Entries, p.Clients+q.Clients, p.Seen+q.Seen, p.Holds+q.Holds
}

// pruneStep is how much of each kind one transaction of Prune forgets. Entries
// lie scattered over the index by client, so that each may cost a page.
const pruneStep = 100

// Prune forgets what is beyond the bounds. Every commit does a little of that
// for what it adds; this is for the rest, and where nothing is added. It takes
// many small transactions, leaves the file to others for as long as each took,
// and can be interrupted.
// The file does not shrink: its free pages are used again.
func (l *Ledger) Prune(ctx context.Context) (Pruned, error) {
	var all Pruned
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return all, fmt.Errorf("prune ledger: %w", ctx.Err())
		}
		start := time.Now()
		done, err := l.pruneSome(ctx)
		pause.Reset(time.Since(start))
		all.add(done)
		if err != nil {
			return all, fmt.Errorf("prune ledger: %w", err)
		}
		if done == (Pruned{}) {
			return all, nil
		}
	}
}

// pruneSome is one step of Prune. It writes nothing where there is nothing to
// forget.
func (l *Ledger) pruneSome(ctx context.Context) (done Pruned, err error) {
	now := l.now()
	beyond := false
	err = l.view(ctx, func(t tx) (err error) {
		beyond, err = t.beyond(now)
		return err
	})
	if err != nil || !beyond {
		return Pruned{}, err
	}
	err = l.update(ctx, func(t tx) (err error) {
		done = Pruned{}
		if done.Entries, err = t.pruneJournal(now, pruneStep); err != nil {
			return err
		}
		if done.Clients, err = t.forgetResting(pruneStep); err != nil {
			return err
		}
		if done.Seen, err = t.prune(now, pruneStep); err != nil {
			return err
		}
		done.Holds, err = t.makeRoom(now, 0)
		return err
	})
	if err != nil {
		return Pruned{}, err
	}
	return done, nil
}

// beyond reports whether anything is beyond the bounds.
func (t tx) beyond(now time.Time) (bool, error) {
	k, _, err := t.oldestEntry(now)
	if err != nil || k != nil {
		return k != nil, err
	}
	if over, err := t.tooManyRest(0); err != nil || over {
		return over, err
	}
	if seen, _ := t.seenTimes().Cursor().First(); seen != nil && string(seen) < string(timeKey(now.Add(-SeenFor))) {
		return true, nil
	}
	ended, _ := t.holdTimes().Cursor().First()
	until, ok := parseTime(ended)
	return ok && now.Sub(until) > holdKept, nil
}
