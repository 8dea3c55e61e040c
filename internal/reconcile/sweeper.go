package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// SweeperOptions of a Sweeper. Ledger, Lister, Reconciler and Logger are
// required.
type SweeperOptions struct {
	Ledger     SweepLedger
	Lister     Lister
	Reconciler *Reconciler
	Logger     *slog.Logger
	Now        func() time.Time
	// Wake tells the loop that clients are due.
	Wake func()
	// OnSwept is told of every sweep that ended or failed, not of one that was
	// interrupted. It must not block.
	OnSwept func(Sweep, error)
	// OnChanged is told of each client that a sweep settled otherwise than it
	// was, but for a first sweep. It must not block.
	OnChanged func(was, is dcr.Record)
}

// Sweeper compares the whole tenant with the desired state when it is asked to.
type Sweeper struct {
	o    SweeperOptions
	busy chan struct{} // holds one token while a sweep is under way
	kick chan struct{}

	mu       sync.Mutex
	next     time.Time // of the sweep that is wanted; zero: none is
	asked    time.Time // when one was last asked for: one that began before does not see why
	followed time.Time // when the newest edit of a connection or the API is followed up: may be ahead
	failures int       // in a row
	mended   bool      // what clients are blocked for was mended, perhaps
}

// NewSweeper returns a Sweeper; Run runs it.
func NewSweeper(o SweeperOptions) *Sweeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	if o.OnSwept == nil {
		o.OnSwept = func(Sweep, error) {}
	}
	if o.OnChanged == nil {
		o.OnChanged = func(dcr.Record, dcr.Record) {}
	}
	return &Sweeper{o: o, busy: make(chan struct{}, 1), kick: make(chan struct{}, 1)}
}

const (
	// followEvery bounds how often edits of a connection or the API lead to a
	// sweep: anybody who may edit them can cause it.
	followEvery = time.Minute
	// sweepRetryMin and sweepRetryMax are the waits after a sweep that failed.
	sweepRetryMin, sweepRetryMax = 15 * time.Second, 10 * time.Minute
)

// Request asks for a sweep now. Many requests are one, and none blocks.
func (s *Sweeper) Request() {
	s.ask()
	s.want(s.o.Now())
}

// Resume asks for a sweep now as Request does, and that it goes on with the one
// that was interrupted, by the end of the process most likely.
func (s *Sweeper) Resume() { s.want(s.o.Now()) }

// ask notes that something happened which a whole sweep is to see.
func (s *Sweeper) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = s.o.Now()
}

func (s *Sweeper) askedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Follow asks for a sweep because a connection or the API was edited: at most
// one a minute. Blocked clients are tried again as well: that may have been what
// they waited for.
func (s *Sweeper) Follow() {
	s.ask()
	s.mu.Lock()
	now := s.o.Now()
	at := now
	switch since := now.Sub(s.followed); {
	case s.followed.IsZero(), since >= followEvery, since < -followEvery: // the last: the clock went back
	case since < 0:
		at = s.followed // planned already
	default:
		at = s.followed.Add(followEvery)
	}
	s.followed, s.mended = at, true
	s.mu.Unlock()
	s.want(at)
}

// want plans a sweep for at, unless one is planned before.
func (s *Sweeper) want(at time.Time) {
	s.mu.Lock()
	if s.next.IsZero() || at.Before(s.next) {
		s.next = at
	}
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Retry makes the sweep that failed last now instead of in its time: what it
// failed for was mended, perhaps.
func (s *Sweeper) Retry() {
	s.mu.Lock()
	failed := s.failures > 0
	s.mu.Unlock()
	if failed {
		s.Resume()
	}
}

// Due reports whether a sweep is to be made at once after a start, or one that
// was interrupted gone on with: none has ever ended, one was interrupted, the
// desired state is another, something was to be seen by one and the end of the
// process came first, or one was missed since the last.
func (s *Sweeper) Due(ctx context.Context, missed func(last time.Time) bool) (bool, error) {
	w := sweeping{ledger: s.o.Ledger}
	digest := s.o.Reconciler.settings.Load().Desired.Digest()
	feeds, err := s.o.Ledger.Feeds(ctx)
	if err != nil {
		return false, err
	}
	state, err := w.load(ctx)
	if err != nil {
		return false, err
	}
	wanted, err := s.o.Ledger.SweepWanted(ctx)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	if wanted.After(s.asked) {
		s.asked = wanted
	}
	s.mu.Unlock()
	last := feeds[dcr.FeedSweep].LastSuccessAt
	return last.IsZero() || !state.Done || state.Digest != digest || state.StartedAt.Before(wanted) || missed(last), nil
}

// Run makes the sweeps that are asked for until ctx ends. One that fails is
// tried again after waits that double.
func (s *Sweeper) Run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, due := s.wait()
		if due {
			s.run(ctx)
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// wait is how long it is until the next sweep.
func (s *Sweeper) wait() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next.IsZero() {
		return time.Hour, false
	}
	wait := s.next.Sub(s.o.Now())
	return min(wait, sweepRetryMax), wait <= 0 // looks again by then: the clock may be set
}

// run makes one sweep and plans the next where it failed.
func (s *Sweeper) run(ctx context.Context) {
	s.mu.Lock()
	mended := s.mended
	s.next, s.mended = time.Time{}, false
	s.mu.Unlock()
	_, err := s.pass(ctx, mended, func(Sweep) {})
	if err == nil || ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	s.failures++
	s.mended = s.mended || mended
	wait := max(backoff(s.failures, sweepRetryMin, sweepRetryMax), retryAfter(err))
	s.mu.Unlock()
	s.o.Logger.Warn("sweep failed", "error", reasonOf(err).Told(err.Error(), ""), "again_in", wait.Round(time.Second))
	s.want(s.o.Now().Add(wait))
}

// Sweep makes a sweep of the whole tenant for a person, now or after the one
// that may be under way, and tells of its progress. Blocked clients are tried
// again as well, before their time. What it made due is the loop's to do.
func (s *Sweeper) Sweep(ctx context.Context, progress func(Sweep)) (Sweep, error) {
	s.ask()
	if progress == nil {
		progress = func(Sweep) {}
	}
	return s.pass(ctx, true, progress)
}

// pass makes a sweep, one at a time. With blocked those clients are tried too
// that a person must look after, before their time.
func (s *Sweeper) pass(ctx context.Context, blocked bool, progress func(Sweep)) (Sweep, error) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return Sweep{}, ctx.Err()
	}
	var found Sweep
	err := errSettingsChanged
	for errors.Is(err, errSettingsChanged) {
		err = contain(s.o.Logger, func() (err error) {
			found, err = s.sweep(auth0.WithCall(ctx, dcr.Background, ""), blocked, progress)
			return err
		})
	}
	if err == nil {
		s.mu.Lock()
		s.failures = 0
		s.mu.Unlock()
	}
	if ctx.Err() == nil {
		s.o.OnSwept(found, err)
	}
	return found, err
}
