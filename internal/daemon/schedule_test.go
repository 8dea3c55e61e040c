package daemon

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// ran notes when a job ran, since the beginning.
type ran struct {
	began time.Time
	mu    sync.Mutex
	at    []time.Duration
}

func newRan() *ran { return &ran{began: time.Now()} }

func (r *ran) job(context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Since(r.began))
}

// A restart plans all jobs anew from the present time, and keeps what is off
// off.
func TestScheduleRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(slog.New(slog.DiscardHandler))
		hourly, gone := newRan(), newRan()
		for name, job := range map[string]*ran{"hourly": hourly, "gone": gone} {
			if err := s.set(name, "@every 1h", job.job); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.set("gone", config.Off, gone.job); err != nil {
			t.Fatal(err)
		}
		s.start(t.Context())
		time.Sleep(50 * time.Minute)
		if err := s.set("hourly", "@every 1h", gone.job); err != nil { // the same: nothing is planned anew
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute) // 70
		if err := s.restart(); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(s.entries)); !slices.Equal(got, []string{"hourly"}) {
			t.Errorf("jobs %v", got)
		}
		time.Sleep(70 * time.Minute) // 140
		if err := s.set("hourly", "@every 10m", hourly.job); err != nil {
			t.Fatal(err)
		}
		if err := s.restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		s.stop()
		want := []time.Duration{60 * time.Minute, 130 * time.Minute, 150 * time.Minute}
		if diff := cmp.Diff(want, hourly.at); diff != "" || len(gone.at) > 0 {
			t.Errorf("ran (-want +got):\n%s; what is off ran at %v", diff, gone.at)
		}
	})
}

// When a job would have run next, by its specification and not by what was
// planned.
func TestScheduleNext(t *testing.T) {
	s := newSchedule(slog.New(slog.DiscardHandler))
	if err := s.set("daily", "30 3 * * *", func(context.Context) {}); err != nil {
		t.Fatal(err)
	}
	last := time.Date(2026, 11, 24, 4, 0, 0, 0, time.Local)
	next, ok := s.next("daily", last)
	if want := time.Date(2026, 11, 25, 3, 30, 0, 0, time.Local); !ok || !next.Equal(want) {
		t.Errorf("next %v, %v; want %v", next, ok, want)
	}
	if _, ok := s.next("none", last); ok {
		t.Error("a job that is not there has a next time")
	}
}

// A job is run at once with the context given, if it is scheduled, and a defect
// in it is one run's.
func TestScheduleRun(t *testing.T) {
	var out record
	s := newSchedule(slog.New(slog.NewTextHandler(&out, nil)))
	type key struct{}
	runs := 0
	job := func(ctx context.Context) {
		if ctx.Value(key{}) == nil {
			t.Error("another context")
		}
		if runs++; runs == 1 {
			panic("a defect")
		}
	}
	if err := s.set("job", "@every 1h", job); err != nil {
		t.Fatal(err)
	}
	ctx := context.WithValue(t.Context(), key{}, true)
	s.run(ctx, "job")
	s.run(ctx, "job")
	s.run(ctx, "none")
	if runs != 2 || out.count("a defect") == 0 {
		t.Errorf("%d runs", runs)
	}
}

// After a jump of the clock everything is planned anew, what failed is tried at
// once, and the tenant is looked at.
func TestClockJumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, tenantsim.Options{Plan: tenantsim.Enterprise}, 3, "GRANTD_POLL_SCHEDULE=@every 50m")
		time.Sleep(10 * time.Minute)
		page, _, err := b.ledger.Clients(t.Context(), store.Query{Limit: 10})
		if err != nil || len(page) != 3 {
			t.Fatalf("%d clients, %v", len(page), err)
		}
		failed := page[0]
		failed.Phase, failed.LastError, failed.Attempts = dcr.Pending, dcr.ServerError, 3
		failed.NextAttemptAt, failed.Class = time.Now().Add(24*time.Hour), dcr.Background
		if _, err := b.ledger.Save(t.Context(), dcr.Outcome{Record: failed}); err != nil {
			t.Fatal(err)
		}
		b.sweeper.Request() // the connection and the API are known from a moment ago
		time.Sleep(30 * time.Second)
		b.calls()
		b.clockJumped(t.Context())
		time.Sleep(10 * time.Second)
		got := b.calls()
		for _, op := range []string{"GET /clients", "GET /client-grants", "GET /connections", "GET /resource-servers/{id}"} {
			if got[op] == 0 {
				t.Errorf("%s was not called: %v", op, got)
			}
		}
		if r, err := b.ledger.Client(t.Context(), failed.ClientID); err != nil || r.Phase != dcr.Ready {
			t.Errorf("%+v, %v", r, err)
		}
		time.Sleep(45 * time.Minute) // the poll was due 40 minutes after the jump by the old plan
		if n := b.calls()["GET /logs"]; n > 0 {
			t.Errorf("polled %d times by the old plan", n)
		}
		time.Sleep(10 * time.Minute)
		if b.calls()["GET /logs"] == 0 {
			t.Error("not polled any more")
		}
		b.stop()
	})
}
