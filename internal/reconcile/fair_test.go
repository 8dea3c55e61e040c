package reconcile_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// from records that clients registered just now from an address.
func (w *world) from(address string, ids ...string) {
	w.tb.Helper()
	b := store.Batch{Feed: dcr.FeedWebhook}
	for _, id := range ids {
		b.Sightings = append(b.Sightings, dcr.Sighting{
			Kind: dcr.Registered, Class: dcr.Urgent, ClientID: id, LogID: "registered-" + id, At: w.clock.now(), SourceIP: address,
		})
	}
	if _, err := w.ledger.Record(context.WithoutCancel(w.tb.Context()), b); err != nil {
		w.tb.Fatal(err)
	}
}

// registerMany registers clients that nobody told grantd of.
func (w *world) registerMany(n int) []string {
	w.tb.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = w.register(i)
	}
	return ids
}

// A stranger has 200 clients registered, more than there are workers, with a
// tenant that allows two calls a second. Whoever comes then from elsewhere does
// not stand behind them.
func TestLoopSourcesTakeTurns(t *testing.T) {
	for _, workers := range []int{0, 40} { // 0 is the default
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			bubble(t, domainLevel(), func(t *testing.T, w *world) {
				ids := w.registerMany(201)
				stranger, newcomer := ids[:200], ids[200]
				w.tenant.SetPlan(tenantsim.Free)
				r := w.start(func(o *reconcile.LoopOptions) { o.Workers = workers })
				w.from("192.0.2.1", stranger...)
				r.Wake()
				time.Sleep(20 * time.Second)
				if n := len(r.outcomes()); n == len(stranger) {
					t.Fatal("the stranger's clients are all done")
				}
				w.from("198.51.100.7", newcomer)
				r.Wake()
				time.Sleep(4 * time.Second)
				if !w.ready(newcomer) {
					t.Errorf("after 4 s: %+v", w.record(newcomer))
				}
				time.Sleep(10 * time.Minute)
				for _, id := range stranger {
					if rec := w.record(id); !rec.Checked() { // not ready: the tenant has room for 100 grants
						t.Fatalf("the stranger's clients are not looked at after all: %+v", rec)
					}
				}
			})
		})
	}
}

// One source alone takes no more than four times the workers it leaves free.
func TestLoopSourceShare(t *testing.T) {
	for _, tt := range []struct{ workers, want int }{{1, 1}, {2, 2}, {10, 8}, {128, 103}} {
		t.Run(fmt.Sprint(tt.workers, " workers"), func(t *testing.T) {
			bubble(t, domainLevel(), func(t *testing.T, w *world) {
				ids := w.registerMany(150)
				var working atomic.Int64
				release := make(chan struct{})
				w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
					if w.tenant.On(getClient)(r) {
						working.Add(1)
						<-release
					}
					return tenantsim.Fault{}
				})
				r := w.start(func(o *reconcile.LoopOptions) { o.Workers = tt.workers })
				w.from("192.0.2.1", ids...)
				r.Wake()
				synctest.Wait()
				if n := int(working.Load()); n != tt.want {
					t.Errorf("%d clients are worked on, want %d", n, tt.want)
				}
				r.stop()
				close(release)
			})
		})
	}
}

// A client waits in the background, its worker behind those of many others,
// when somebody is turned away for want of its grant: from then on it is done as
// one that somebody waits for.
func TestLoopHastens(t *testing.T) {
	for i := range 5 { // wherever it stands in the queue
		t.Run(fmt.Sprint(i), func(t *testing.T) { bubble(t, domainLevel(), hastens) })
	}
}

func hastens(t *testing.T, w *world) {
	ids := w.registerMany(60)
	w.tenant.SetPlan(tenantsim.Free)
	w.sweep()
	r := w.start(func(o *reconcile.LoopOptions) { o.Workers = 200 })
	r.Wake()
	time.Sleep(5 * time.Second)
	due, _, err := w.ledger.Due(context.WithoutCancel(t.Context()), dcr.Background, w.clock.now(), len(ids))
	if err != nil || len(due) < 50 {
		t.Fatalf("%d due, %v", len(due), err)
	}
	denied := due[rand.IntN(len(due))].ID // in the hands of a worker, like all of them
	_, err = w.ledger.Record(context.WithoutCancel(t.Context()), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{{
		Kind: dcr.Denied, Class: dcr.Urgent, ClientID: denied, LogID: "denied", At: w.clock.now(), Audience: audience,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	r.Wake()
	time.Sleep(4 * time.Second)
	if !w.ready(denied) {
		t.Errorf("after 4 s: %+v", w.record(denied))
	}
	if w.ready(ids...) {
		t.Error("all are ready, so nobody had to wait")
	}
	time.Sleep(10 * time.Minute)
	if !w.ready(ids...) {
		t.Error("the others are not ready after all")
	}
}
