package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// faulty is a ledger that fails when told to.
type faulty struct {
	*store.Ledger
	mu                sync.Mutex
	asked             int // calls of Due
	due, client, save int // how many calls are to fail yet
}

var errDisk = errors.New("the disk is full")

func (f *faulty) fail(left *int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *left == 0 {
		return nil
	}
	*left--
	return errDisk
}

func (f *faulty) Due(ctx context.Context, c dcr.Class, now time.Time, limit int) ([]store.DueClient, time.Time, error) {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	if err := f.fail(&f.due); err != nil {
		return nil, time.Time{}, err
	}
	return f.Ledger.Due(ctx, c, now, limit)
}

func (f *faulty) times() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *faulty) Client(ctx context.Context, id string) (dcr.Record, error) {
	if err := f.fail(&f.client); err != nil {
		return dcr.Record{}, err
	}
	return f.Ledger.Client(ctx, id)
}

func (f *faulty) Save(ctx context.Context, o dcr.Outcome) (bool, error) {
	if err := f.fail(&f.save); err != nil {
		return false, err
	}
	return f.Ledger.Save(ctx, o)
}

// bubble runs a test on simulated time, against a tenant without sockets.
func bubble(t *testing.T, s setup, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		s.inProcess = true
		test(t, newWorld(t, s))
	})
}

// The ledger fails: the outcome is kept and saved later, with no further call.
func TestLoopSavesLater(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		id := w.onboard(1)
		r := w.start(func(o *reconcile.LoopOptions) { o.Ledger.(*faulty).save = 5 })
		time.Sleep(4500 * time.Millisecond)
		if w.ready(id) || len(r.outcomes()) != 0 {
			t.Error("it was saved although the ledger failed")
		}
		time.Sleep(time.Second)
		if !w.ready(id) || len(r.outcomes()) != 1 {
			t.Errorf("record %+v, %d outcomes told", w.record(id), len(r.outcomes()))
		}
		w.wantCalls(getClient, patchClient, createGrant)
	})
}

// So it is when the ledger cannot say what is due, or what of it.
func TestLoopReadsLater(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		ids := w.onboardMany(2)
		w.start(func(o *reconcile.LoopOptions) { f := o.Ledger.(*faulty); f.due, f.client = 3, 4 })
		time.Sleep(10 * time.Second)
		if !w.ready(ids...) {
			t.Errorf("records %+v", w.record(ids[0]))
		}
		w.wantCalls(getClient, patchClient, createGrant, getClient, patchClient, createGrant)
	})
}

// Stopping does not wait for a ledger that fails.
func TestLoopStopsWithoutLedger(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		id := w.onboard(1)
		r := w.start(func(o *reconcile.LoopOptions) { o.Ledger.(*faulty).save, o.Drain = 1e6, time.Second })
		time.Sleep(time.Minute)
		start := time.Now()
		r.stop()
		<-r.ended
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v to stop", took)
		}
		if due, _, err := w.ledger.Due(t.Context(), dcr.Urgent, time.Now(), 10); err != nil || !slices.Equal(due, []store.DueClient{{ID: id}}) {
			t.Errorf("due %v, %v", due, err)
		}
	})
}

// forgetting is a ledger from which a client is taken while it is worked on.
type forgetting struct {
	*faulty
	forgot chan struct{}
}

func (f forgetting) Save(context.Context, dcr.Outcome) (bool, error) {
	close(f.forgot) // a second one panics
	f.mu.Lock()
	defer f.mu.Unlock()
	f.due = 1e6
	return false, store.ErrNotFound
}

// A client that was forgotten meanwhile has nowhere to be saved.
func TestLoopForgotten(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		w.onboard(1)
		forgot := make(chan struct{})
		r := w.start(func(o *reconcile.LoopOptions) { o.Ledger = forgetting{o.Ledger.(*faulty), forgot} })
		<-forgot
		time.Sleep(time.Minute)
		if len(r.outcomes()) != 0 {
			t.Error("it was told as saved")
		}
	})
}

// Many wakes are one look, and without any the next one is when something is
// due.
func TestLoopWake(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, w *world) {
		id := w.onboard(1)
		w.look(id) // blocked
		r := w.start(nil)
		synctest.Wait()
		before := r.ledger.times()
		for range 1000 {
			r.Wake()
		}
		synctest.Wait()
		// The loop may have run between any two wakes, but it cannot have
		// looked more often than it was woken; at rest it does not look.
		after := r.ledger.times()
		if after == before || after-before > 2*1000 {
			t.Errorf("1000 wakes made it ask %d times", after-before)
		}
		time.Sleep(3 * time.Minute)
		if n := r.ledger.times() - after; n != 0 {
			t.Errorf("nothing is due, and it asked %d times", n)
		}
		w.tenant.SetDomainLevel(google, true)
		time.Sleep(4 * time.Minute)
		if !w.ready(id) {
			t.Errorf("record %+v", w.record(id))
		}
	})
}

// Wakes before the loop runs are one as well.
func TestLoopWakeCoalesces(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, w *world) {
		f := &faulty{Ledger: w.ledger}
		l := reconcile.NewLoop(reconcile.LoopOptions{Ledger: f, Reconciler: w.Reconciler, Logger: slog.New(slog.DiscardHandler)})
		for range 1000 {
			l.Wake()
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		synctest.Wait()
		if f.times() != 4 { // two classes, at the start and for the wake
			t.Errorf("the ledger was asked %d times, want 4", f.times())
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
