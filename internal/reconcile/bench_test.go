package reconcile_test

import (
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// A look at a client in sync: 2 calls, in-process and without latency.
func BenchmarkReconcileInSync(b *testing.B) {
	s := domainLevel()
	s.inProcess = true
	w := newWorld(b, s)
	id := w.onboard(1)
	w.look(id)
	rec := w.record(id)
	b.ReportAllocs()
	for b.Loop() {
		if o := w.Reconcile(b.Context(), rec); o.Record.Phase != dcr.Ready || len(o.Changes) != 0 {
			b.Fatalf("%+v", o)
		}
		w.tenant.ResetCalls()
	}
}

// 100 clients in sync that are all due, through the ledger and the workers.
func BenchmarkLoop100(b *testing.B) {
	s := domainLevel()
	s.inProcess = true
	w := newWorld(b, s)
	ids := w.onboardMany(100)
	w.lookAt(ids)
	saved := make(chan struct{}, len(ids))
	r := w.start(func(o *reconcile.LoopOptions) {
		o.Workers = 0
		o.OnSaved = func(dcr.Record, dcr.Outcome, bool) { saved <- struct{}{} }
	})
	b.ReportAllocs()
	for b.Loop() {
		if n, err := w.ledger.Requeue(b.Context(), store.All, dcr.Urgent, dcr.Cause{Feed: dcr.FeedConfig}); n != len(ids) || err != nil {
			b.Fatal(n, err)
		}
		r.Wake()
		for range ids {
			select {
			case <-saved:
			case <-time.After(time.Minute):
				b.Fatal("it hangs")
			}
		}
		w.tenant.ResetCalls()
	}
}
