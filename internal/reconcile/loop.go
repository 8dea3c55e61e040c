package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/failpoint"
	"grantd/internal/store"
)

// LoopOptions of a Loop. Ledger, Reconciler and Logger are required.
type LoopOptions struct {
	Ledger     Ledger
	Reconciler *Reconciler
	Logger     *slog.Logger
	Now        func() time.Time
	// Workers is how many clients are worked on at once, 1 or more; 128 when
	// zero. Background work takes at most half of them, and the urgent work of
	// one source four times as many as are left free.
	Workers int
	// Drain is how long workers may go on after the loop was told to stop.
	Drain time.Duration
	// OnSaved is told of each outcome once it is kept, and whether it settled
	// the record. It must not block.
	OnSaved func(was dcr.Record, o dcr.Outcome, settled bool)
}

// Loop works on whatever is due in the ledger.
type Loop struct {
	o    LoopOptions
	wake chan struct{}
	turn chan struct{} // unbuffered: to be sent is to be received by Run
	done chan finished

	rushes atomic.Int32 // that have not ended
	claims claims

	// Owned by Run:
	inflight map[string]*flight // by client id
	running  map[account]int    // of background work all is of one source
	calm     calm
}

// flight is a client that a worker has.
type flight struct {
	account
	hurry chan struct{} // closed when it became urgent meanwhile; nil from then on
}

// hasten makes the calls urgent that the worker makes for a client.
func (f *flight) hasten() {
	if f.hurry != nil && f.class == dcr.Background {
		close(f.hurry)
		f.hurry = nil
	}
}

// account is on whose account a client is worked on.
type account struct {
	class  dcr.Class
	source string
}

// NewLoop returns a Loop; Run runs it.
func NewLoop(o LoopOptions) *Loop {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers == 0 {
		o.Workers = 128
	}
	if o.OnSaved == nil {
		o.OnSaved = func(dcr.Record, dcr.Outcome, bool) {}
	}
	return &Loop{
		o: o, wake: make(chan struct{}, 1), turn: make(chan struct{}), done: make(chan finished),
		inflight: map[string]*flight{}, running: map[account]int{},
	}
}

// Wake makes the loop look for due clients now. It carries nothing, never
// blocks, and many wakes are one.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Turns returns once Run has come round to look for due clients, and so proves
// that it does. While it does not run, or hangs, Turns waits until ctx ends, and
// returns its error.
func (l *Loop) Turns(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rush makes background work go on although Auth0 fails, until end is called:
// somebody waits for everything to be tried.
func (l *Loop) Rush() (end func()) {
	l.rushes.Add(1)
	l.Wake()
	return sync.OnceFunc(func() { l.rushes.Add(-1) })
}

func (l *Loop) rushing() bool { return l.rushes.Load() > 0 }

const (
	ledgerRetry = time.Second
	// dueSlack keeps the timer from firing a hair before the record is due.
	dueSlack = time.Millisecond
	// calmMin and calmMax bound the waits of background work while Auth0 fails.
	calmMin, calmMax = time.Second, time.Minute
)

// Run works until ctx ends. It then starts nothing new, gives the workers
// Drain to finish, interrupts those that have not, and returns when all are
// done. What was not finished is still due in the ledger.
func (l *Loop) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(l.dispatch(ctx, work, &workers))
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-l.turn:
		case <-timer.C:
		case f := <-l.done:
			l.finished(f)
		}
	}
	interrupt := time.AfterFunc(l.o.Drain, stop)
	defer interrupt.Stop()
	for len(l.inflight) > 0 {
		l.finished(<-l.done)
	}
	workers.Wait()
	return nil
}

// finished is a client that a worker let go.
type finished struct {
	id      string
	trouble bool // Auth0 failed
}

func (l *Loop) finished(f finished) {
	id, a := f.id, l.inflight[f.id].account
	if a.class == dcr.Background {
		l.calm.note(f.trouble, l.o.Now())
	}
	if l.running[a]--; l.running[a] == 0 {
		delete(l.running, a) // there is no end of sources
	}
	delete(l.inflight, id)
}

// dispatch starts workers for what is due and returns when to look again.
func (l *Loop) dispatch(ctx, work context.Context, workers *sync.WaitGroup) time.Duration {
	wait := time.Hour
	now := l.o.Now()
	for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
		// Clients being worked on are still due in the ledger: ask beyond them.
		due, next, err := l.o.Ledger.Due(ctx, class, now, l.o.Workers)
		if err != nil {
			if ctx.Err() == nil {
				l.o.Logger.Error("look for due clients", "error", err)
			}
			return ledgerRetry
		}
		if !next.IsZero() {
			wait = min(wait, max(0, next.Sub(now))+dueSlack)
		}
		if class == dcr.Background {
			quiet := l.calm.until.Sub(now)
			if 0 < quiet && quiet <= 2*calmMax && !l.rushing() { // beyond: the clock was set
				wait = min(wait, quiet)
				continue
			}
		}
		for _, d := range due {
			a := account{class: class}
			if class == dcr.Urgent {
				a.source = d.Source
			}
			if f, busy := l.inflight[d.ID]; busy {
				if class == dcr.Urgent {
					f.hasten() // it is done once more afterwards, for the newer cause
				}
				continue
			}
			if !l.free(a) {
				continue
			}
			hurry := make(chan struct{})
			l.inflight[d.ID] = &flight{account: a, hurry: hurry}
			l.running[a]++
			workers.Go(func() {
				l.done <- finished{d.ID, l.contained(auth0.WithHurry(work, hurry), d.ID)}
			})
		}
	}
	return wait
}

// sourceShare is how many times as many workers as are free one source may
// hold. It may have four fifths to itself, and a newcomer still finds one.
const sourceShare = 4

// free reports whether a worker may be taken on that account.
func (l *Loop) free(a account) bool {
	left := l.o.Workers - len(l.inflight)
	if a.class == dcr.Background {
		alone := l.calm.failures > 0 && !l.rushing()
		return left > 0 && l.running[a] < (l.o.Workers+1)/2 && (!alone || l.running[a] == 0)
	}
	return l.running[a] < sourceShare*left
}

// calm keeps background work from going on against a tenant that fails: after a
// failure one client at a time tries, after waits that double, until one gets
// through. So an outage costs few calls, and its end no burst.
type calm struct {
	failures int // in a row
	until    time.Time
}

func (c *calm) note(trouble bool, now time.Time) {
	if !trouble {
		*c = calm{}
		return
	}
	if now.Before(c.until) {
		return // one that was under way when the first failed
	}
	c.failures++
	c.until = now.Add(backoff(c.failures, calmMin, calmMax))
}

// contained is work of which a defect ends nothing but itself: the client is
// still due, and is tried again after a pause. Auth0 counts as failing then, so
// that background work does not meet the defect in every client at once.
func (l *Loop) contained(ctx context.Context, id string) (trouble bool) {
	err := contain(l.o.Logger, func() error { trouble = l.work(ctx, id); return nil })
	if err != nil {
		l.pause(ctx)
	}
	return trouble || err != nil
}

// work reconciles one client and saves what came of it. It reports whether
// Auth0 failed.
func (l *Loop) work(ctx context.Context, id string) (trouble bool) {
	release, err := l.claims.take(ctx, id)
	if err != nil {
		return false
	}
	defer release()
	rec, err := l.o.Ledger.Client(ctx, id)
	if err != nil {
		if ctx.Err() == nil {
			l.unreadable(ctx, id, err)
		}
		return false
	}
	o := l.o.Reconciler.Reconcile(ctx, rec)
	// Changes were made in Auth0: they are saved even when we are to stop.
	keep := context.WithoutCancel(ctx)
	for try := 0; ; try++ {
		settled, err := l.o.Ledger.Save(keep, o)
		switch {
		case err == nil:
			failpoint.Hit("reconcile.saved")
			// It is kept, whatever comes of telling so; a panic is logged.
			_ = contain(l.o.Logger, func() error { l.o.OnSaved(rec, o, settled); return nil })
			return troubled(o.Record.LastError)
		case errors.Is(err, store.ErrNotFound):
			return false // forgotten meanwhile
		}
		if try == 0 { // a full disk gets no fuller by a line a second of every worker
			l.o.Logger.Error("save outcome, trying until it is kept", "client_id", id, "error", err)
		}
		if l.pause(ctx); ctx.Err() != nil {
			return false // still due: the next start looks again
		}
	}
}

// unreadable deals with a due client whose record could not be read. A bad
// value is set aside, so that it is said once and not every second for ever.
func (l *Loop) unreadable(ctx context.Context, id string, err error) {
	if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) {
		mended, mendErr := l.o.Ledger.Mend(ctx, id)
		if mendErr == nil && mended {
			l.o.Logger.Error("the record of a client was unreadable and was set aside; the client is looked at anew",
				"client_id", id, "error", err, "see", "grantd ledger check")
			return
		}
		err = errors.Join(err, mendErr)
	}
	l.o.Logger.Error("read due client", "client_id", id, "error", err)
	l.pause(ctx)
}

// troubled reports whether a client failed for a reason that others would fail
// for as well.
func troubled(r dcr.Reason) bool {
	switch r {
	case dcr.ServerError, dcr.Timeout, dcr.Unreachable, dcr.BadResponse, dcr.RateLimited,
		dcr.Unauthorized, dcr.TokenRefused, dcr.TokenUnavailable:
		return true
	default:
		return false
	}
}

// pause keeps a worker on its client while the ledger is in trouble: let go,
// the client would be reconciled again at once, and again.
func (l *Loop) pause(ctx context.Context) {
	t := time.NewTimer(ledgerRetry)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
