package reconcile_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
)

// A defect in who is told of an outcome costs nothing of the outcome.
func TestLoopDefectInOnSaved(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		ids := w.onboardMany(3)
		w.start(func(o *reconcile.LoopOptions) {
			o.OnSaved = func(dcr.Record, dcr.Outcome, bool) { panic("lost its head") }
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.ready(ids...) {
			t.Errorf("record %+v", w.record(ids[0]))
		}
		w.wantCalls(getClient, patchClient, createGrant, getClient, patchClient, createGrant, getClient, patchClient, createGrant)
		if !w.log.has("lost its head") {
			t.Error("the log does not tell")
		}
	})
}

// headless is a ledger that loses its head over reading a client, some times.
type headless struct {
	*faulty
	times atomic.Int32
}

func (h *headless) Client(ctx context.Context, id string) (dcr.Record, error) {
	if h.times.Add(-1) >= 0 {
		panic("lost its head")
	}
	return h.faulty.Client(ctx, id)
}

// A defect around a client leaves it due: it is tried again, after a pause each
// time, and the loop can stop.
func TestLoopDefectInWork(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		id := w.onboard(1)
		h := &headless{}
		h.times.Store(5)
		r := w.start(func(o *reconcile.LoopOptions) {
			h.faulty = o.Ledger.(*faulty)
			o.Ledger = h
		})
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if w.ready(id) {
			t.Error("it did not wait")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !w.ready(id) {
			t.Errorf("record %+v, %d times to go", w.record(id), h.times.Load())
		}
		h.times.Store(1 << 20)
		w.onboard(2)
		r.Wake()
		time.Sleep(time.Second)
		synctest.Wait()
		r.stop()
		<-r.ended
	})
}
