package reconcile_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// running is a loop under way.
type running struct {
	*reconcile.Loop
	ledger *faulty
	stop   context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	saved   []dcr.Outcome
	settled []bool // which of them settled their record
}

// start runs a loop over the world until the test ends.
func (w *world) start(edit func(*reconcile.LoopOptions)) *running {
	w.tb.Helper()
	r := &running{ledger: &faulty{Ledger: w.ledger}, ended: make(chan struct{})}
	o := reconcile.LoopOptions{
		Ledger: r.ledger, Reconciler: w.Reconciler, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		Now: w.clock.now, Drain: time.Minute, Workers: 10,
		OnSaved: func(_ dcr.Record, o dcr.Outcome, settled bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.saved, r.settled = append(r.saved, o), append(r.settled, settled)
		},
	}
	if edit != nil {
		edit(&o)
	}
	r.Loop = reconcile.NewLoop(o)
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.WithoutCancel(w.tb.Context()))
	go func() {
		defer close(r.ended)
		if err := r.Run(ctx); err != nil {
			w.tb.Error(err)
		}
	}()
	w.tb.Cleanup(func() { r.stop(); <-r.ended })
	return r
}

func (r *running) outcomes() []dcr.Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.saved)
}

func (w *world) ready(ids ...string) bool {
	w.tb.Helper()
	for _, id := range ids {
		if w.record(id).Phase != dcr.Ready {
			return false
		}
	}
	return true
}

// clientOf is the client that a request is about, from its path.
func clientOf(r *http.Request) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v2/clients/"), "/")
	return id
}

// Everything due is done, over HTTP, by several workers.
func TestLoop(t *testing.T) {
	w := newWorld(t, permissive())
	r := w.start(nil)
	ids := w.onboardMany(30)
	r.Wake()
	await(t, "all are ready", func() bool { return w.ready(ids...) })
	if n := len(w.tenant.ConnectionClients(google)); n != len(ids) {
		t.Errorf("%d of %d clients have the connection", n, len(ids))
	}
}

// Sightings of a client keep coming while it is worked on: it is never worked
// on twice at once, and always once more after the last.
func TestLoopOneWorkerAClient(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.onboardMany(3)
	var mu sync.Mutex
	busy, looks := map[string]int{}, 0
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if !w.tenant.On(getClient)(r) {
			return tenantsim.Fault{}
		}
		id := clientOf(r)
		mu.Lock()
		looks++
		if busy[id]++; busy[id] > 1 {
			t.Errorf("%s is worked on twice at once", id)
		}
		n := looks
		mu.Unlock()
		if n < 30 {
			w.clock.advance(time.Millisecond)
			w.sight(id, dcr.Changed)
		}
		mu.Lock()
		busy[id]--
		mu.Unlock()
		return tenantsim.Fault{}
	})
	w.start(nil)
	await(t, "all are ready and nothing is due", func() bool {
		due, _, err := w.ledger.Due(t.Context(), dcr.Urgent, w.clock.now(), 10)
		return err == nil && len(due) == 0 && w.ready(ids...)
	})
	mu.Lock()
	defer mu.Unlock()
	if looks < 30 {
		t.Errorf("%d looks: a sighting was lost", looks)
	}
}

// A sighting lands between the reads and the save.
func TestLoopSightingMeanwhile(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	var once sync.Once
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(createGrant)(r) {
			once.Do(func() {
				w.clock.advance(time.Second)
				w.tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/clients/"+id, map[string]any{"app_type": "spa"})
				w.sight(id, dcr.Changed)
			})
		}
		return tenantsim.Fault{}
	})
	r := w.start(nil)
	await(t, "it is ready", func() bool { return w.ready(id) })
	await(t, "both outcomes are told", func() bool { return len(r.outcomes()) == 2 })
	r.stop()
	<-r.ended
	if want := []bool{false, true}; !slices.Equal(r.settled, want) {
		t.Errorf("settled %v, want %v: the first outcome is of before the sighting", r.settled, want)
	}
	if c, _ := w.tenant.Client(id); c.AppType != "regular_web" || w.tenant.Count(getClient) != 2 {
		t.Errorf("app_type %s after %d looks", c.AppType, w.tenant.Count(getClient))
	}
}

func TestLoopUrgentFirst(t *testing.T) {
	w := newWorld(t, domainLevel())
	old := w.onboardMany(3)
	w.lookAt(old)
	if _, err := w.ledger.Requeue(t.Context(), store.All, dcr.Background, dcr.Cause{Feed: dcr.FeedConfig}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Second)
	fresh := w.onboard(9)
	w.calls()
	w.start(func(o *reconcile.LoopOptions) { o.Workers = 1 })
	await(t, "all are ready", func() bool { return w.ready(append(old, fresh)...) })
	for _, c := range w.tenant.Calls() {
		if c.Operation == getClient {
			if c.Path != "/api/v2/clients/"+fresh {
				t.Errorf("%s came first", c.Path)
			}
			break
		}
	}
}

// Background work leaves half of the workers to urgent work.
func TestLoopBackgroundHalf(t *testing.T) {
	w := newWorld(t, domainLevel())
	old := w.onboardMany(6)
	w.lookAt(old)
	if _, err := w.ledger.Requeue(t.Context(), store.All, dcr.Background, dcr.Cause{Feed: dcr.FeedConfig}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	held, release := 0, make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(getClient)(r) && slices.Contains(old, clientOf(r)) {
			mu.Lock()
			held++
			mu.Unlock()
			<-release
		}
		return tenantsim.Fault{}
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return held
	}
	r := w.start(func(o *reconcile.LoopOptions) { o.Workers = 4 })
	await(t, "two are worked on", func() bool { return count() == 2 })
	fresh := []string{w.onboard(11), w.onboard(12), w.onboard(13)}
	r.Wake()
	await(t, "urgent work is done", func() bool { return w.ready(fresh...) })
	if n := count(); n != 2 {
		t.Errorf("%d of 4 workers were on background work", n)
	}
	close(release)
	await(t, "all is done", func() bool { return w.ready(old...) })
}

// A defect that one client brings to light does not stop the others.
func TestLoopPanic(t *testing.T) {
	var bad string
	s := domainLevel()
	s.transport = func(next http.RoundTripper) http.RoundTripper {
		return panics{next, func(r *http.Request) bool { return bad != "" && clientOf(r) == bad }}
	}
	w := newWorld(t, s)
	ids := w.onboardMany(5)
	bad = ids[2]
	w.start(nil)
	good := slices.Concat(ids[:2], ids[3:])
	await(t, "the others are ready", func() bool { return w.ready(good...) })
	await(t, "the bad one is put off", func() bool { return w.record(bad).LastError == dcr.InternalError })
}

// Told to stop, the loop starts nothing new and lets work under way finish.
func TestLoopDrains(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	arrived, release := make(chan struct{}), make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(getClient)(r) {
			close(arrived)
			<-release
		}
		return tenantsim.Fault{}
	})
	r := w.start(nil)
	<-arrived
	r.stop()
	late := w.onboard(2)
	r.Wake()
	close(release)
	<-r.ended
	if !w.ready(id) {
		t.Errorf("record %+v", w.record(id))
	}
	if rec := w.record(late); rec.Checked() || len(r.outcomes()) != 1 {
		t.Errorf("it was told to stop, and took on %+v", rec)
	}
}

// Work that does not finish in time is interrupted, and still due.
func TestLoopInterrupts(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	arrived := make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(patchClient)(r) {
			close(arrived)
			return tenantsim.Fault{Kind: tenantsim.Timeout}
		}
		return tenantsim.Fault{}
	})
	r := w.start(func(o *reconcile.LoopOptions) { o.Drain = time.Millisecond })
	<-arrived
	await(t, "the grant was created", func() bool { return w.log.has("created client grant") })
	r.stop()
	<-r.ended
	rec := w.record(id)
	if rec.Phase != dcr.Pending || rec.Attempts != 0 || rec.LastError != "" {
		t.Errorf("record %+v", rec)
	}
	if due, _, err := w.ledger.Due(t.Context(), dcr.Urgent, w.clock.now(), 10); err != nil || len(due) != 1 {
		t.Errorf("due %v, %v", due, err)
	}
	if entries, _, err := w.ledger.Journal(t.Context(), journalOf(id)); err != nil || len(entries) != 1 {
		t.Errorf("journal %+v, %v", entries, err)
	}
	w.tenant.Faults(nil)
	w.start(nil) // the next start
	await(t, "it is ready", func() bool { return w.ready(id) })
}
