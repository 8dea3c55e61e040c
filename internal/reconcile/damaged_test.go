package reconcile_test

import (
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/reconcile"
	"grantd/internal/store/storetest"
)

// A record that cannot be read is said once; the others go on, and its client
// is looked at anew.
func TestLoopMendsRecord(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		ids := w.onboardMany(3)
		storetest.Damage(t, w.path, ids[1])
		w.start(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.ready(ids...) {
			t.Errorf("record %+v", w.record(ids[1]))
		}
		if n := w.log.count("was unreadable and was set aside"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if w.log.has("read due client") {
			t.Error("it was tried in vain")
		}
	})
}

// One that is not due is found by the next sweep.
func TestSweepMendsRecord(t *testing.T) {
	bubble(t, domainLevel(), func(t *testing.T, w *world) {
		ids := w.onboardMany(3)
		r := w.start(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		storetest.Damage(t, w.path, ids[1])
		s := w.sweeper(func(o *reconcile.SweeperOptions) { o.Wake = r.Wake })
		if _, err := s.Sweep(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.ready(ids...) {
			t.Errorf("record %+v", w.record(ids[1]))
		}
	})
}
