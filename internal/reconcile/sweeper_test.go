package reconcile_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/tenantsim"
)

// A sweep that is interrupted goes on where it was.
func TestSweepResumes(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(500)
	w.tenant.DeleteClient(ids[10])
	w.tenant.ResetCalls()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := w.sweeper().Sweep(ctx, func(s reconcile.Sweep) {
		if s.Listed >= 200 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) && err == nil {
		t.Fatalf("sweep ended with %v", err)
	}
	if due, err := w.sweeper().Due(t.Context(), func(time.Time) bool { return false }); !due || err != nil {
		t.Errorf("due %v, %v", due, err)
	}
	w.tenant.ResetCalls()
	w.clock.advance(time.Second)
	s := w.runSweeper((*reconcile.Sweeper).Resume)        // another Sweeper, as after a restart
	if !s.Resumed || s.Listed != 399 || s.Unlisted != 1 { // all but the first page
		t.Errorf("%+v", s)
	}
	if got := counts(w.calls()); got[listClients] != 4 {
		t.Errorf("calls %v", got)
	}
	w.drain()
	if w.record(ids[10]).Phase != dcr.Gone || !w.ready(ids[11:]...) {
		t.Error("not settled")
	}
	if due, err := w.sweeper().Due(t.Context(), func(time.Time) bool { return false }); due || err != nil {
		t.Errorf("due %v, %v", due, err)
	}
}

// What was asked for since a sweep began is to be seen by a whole one: its first
// pages may have been listed before somebody edited something.
func TestSweepBeginsAnewWhenAskedSince(t *testing.T) {
	for name, ask := range map[string]func(*reconcile.Sweeper){
		"requested": (*reconcile.Sweeper).Request, "a connection was edited": (*reconcile.Sweeper).Follow, "by a person": nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domainLevel())
			ids := w.recorded(300)
			w.interrupted()
			w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(ids[0])[0].ID, nil)
			w.clock.advance(time.Minute)
			var s reconcile.Sweep
			if ask == nil {
				s = w.sweep()
			} else {
				s = w.runSweeper(ask)
			}
			if s.Resumed || s.Listed != 300 || s.Due != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A sweep that failed is gone on with when it is tried again.
func TestSweepRetryGoesOn(t *testing.T) {
	w := newWorld(t, domainLevel())
	w.recorded(300)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if strings.HasSuffix(r.URL.Path, "/api/v2/clients") && r.URL.Query().Has("from") {
			w.tenant.Faults(nil)
			return tenantsim.Fault{Kind: tenantsim.InternalError}
		}
		return tenantsim.Fault{}
	})
	swept := make(chan reconcile.Sweep, 2)
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.OnSwept = func(s reconcile.Sweep, _ error) { swept <- s }
	})
	s.Request()
	stop := w.running(s)
	defer stop()
	if first := <-swept; first.Listed != 100 {
		t.Errorf("%+v", first)
	}
	w.clock.advance(time.Second)
	await(t, "it is tried again", func() bool {
		s.Retry()
		return len(swept) > 0
	})
	if again := <-swept; !again.Resumed || again.Listed != 200 {
		t.Errorf("%+v", again)
	}
}

// interrupted begins a sweep of 300 clients that is interrupted at its third page.
func (w *world) interrupted() {
	w.tb.Helper()
	ctx, cancel := context.WithCancel(w.tb.Context())
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.OnSwept = func(reconcile.Sweep, error) { w.tb.Error("told of a sweep that was interrupted") }
	})
	if _, err := s.Sweep(ctx, func(s reconcile.Sweep) {
		if s.Listed == 200 {
			cancel()
		}
	}); err == nil {
		w.tb.Fatal("not interrupted")
	}
}

// What was interrupted is gone on with only while that makes one sweep of both.
func TestSweepTooOldToResume(t *testing.T) {
	tests := []struct {
		name    string
		between func(*world)
		resumed bool
		listed  int // by the sweep afterwards
	}{
		{"in time", func(w *world) { w.clock.advance(time.Hour - time.Minute) }, true, 200},
		{"an hour later", func(w *world) { w.clock.advance(time.Hour) }, false, 300},
		{"the clock was set back", func(w *world) { w.clock.advance(-time.Minute) }, false, 300},
		{"another desired state", func(w *world) {
			w.SetSettings(desire(w.tb, func(d *plan.Desired) { d.Scopes = []string{"notes:read"} }))
		}, false, 300},
		{"what is kept of it cannot be read", func(w *world) {
			if err := w.ledger.SetFact(w.tb.Context(), "sweep", []byte("{")); err != nil {
				w.tb.Fatal(err)
			}
		}, false, 300},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, domainLevel())
			w.recorded(300)
			w.interrupted()
			tt.between(w)
			if s := w.runSweeper((*reconcile.Sweeper).Resume); s.Resumed != tt.resumed || s.Listed != tt.listed {
				t.Errorf("%+v", s)
			}
		})
	}
}

// listerOnce does something before the first page of clients is listed.
type listerOnce struct {
	reconcile.Lister
	first func()
}

func (l *listerOnce) ThirdPartyClients(ctx context.Context, from string) (auth0.ClientPage, error) {
	page, err := l.Lister.ThirdPartyClients(ctx, from)
	if l.first != nil {
		l.first()
		l.first = nil
	}
	return page, err
}

// staleCursor is a list whose cursors of before are not known any more.
type staleCursor struct {
	reconcile.Lister
	begun bool
}

func (l *staleCursor) ThirdPartyClients(ctx context.Context, from string) (auth0.ClientPage, error) {
	if from == "" {
		l.begun = true
	} else if !l.begun {
		return auth0.ClientPage{}, &auth0.Error{Op: listClients, Reason: dcr.RejectedByAuth0, Err: auth0.ErrCursor}
	}
	return l.Lister.ThirdPartyClients(ctx, from)
}

// Where Auth0 does not know any more where an interrupted sweep was, it begins
// anew, and does not fail.
func TestSweepResumesAtAStaleCursor(t *testing.T) {
	w := newWorld(t, domainLevel())
	w.recorded(300)
	w.interrupted()
	found := make(chan reconcile.Sweep, 2)
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.Lister = &staleCursor{Lister: w.client}
		o.OnSwept = func(s reconcile.Sweep, err error) {
			if err != nil {
				t.Error(err)
			}
			found <- s
		}
	})
	s.Resume()
	defer w.running(s)()
	if s := <-found; s.Resumed || s.Listed != 300 {
		t.Errorf("%+v", s)
	}
}

// A desired state that changes during a sweep makes it begin anew, and nothing
// is kept that was held against the old one.
func TestSweepAndOtherSettingsMeanwhile(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.recorded(1)[0]
	next := desire(t, func(d *plan.Desired) { d.Scopes = []string{"notes:read"} })
	swept := 0
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.Lister = &listerOnce{Lister: w.client, first: func() { w.SetSettings(next) }}
		o.OnSwept = func(reconcile.Sweep, error) { swept++ }
	})
	found, err := s.Sweep(t.Context(), nil)
	if err != nil || found.Listed != 1 || found.Due != 1 || swept != 1 {
		t.Errorf("%+v, %v; told of %d sweeps", found, err, swept)
	}
	if r := w.record(id); r.Reason != dcr.Drifted || r.Cause.Digest != next.Desired.Digest() {
		t.Errorf("%+v", r)
	}
}

// Edits of a connection or the API lead to a sweep at once, and then to one a
// minute however many there are.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{level: true, inProcess: true})
		began := time.Now()
		var at []time.Duration
		s := w.sweeper(func(o *reconcile.SweeperOptions) {
			o.OnSwept = func(reconcile.Sweep, error) { at = append(at, time.Since(began)) }
		})
		stop := w.running(s)
		follow := func(after time.Duration) {
			time.Sleep(after)
			synctest.Wait()
			s.Follow()
		}
		follow(0)
		for range 29 {
			follow(5 * time.Second) // to 145 s
		}
		time.Sleep(10 * time.Minute)
		stop()
		want := []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("swept (-want +got):\n%s", diff)
		}
	})
}

// An edit after the clock was set back is followed at once.
func TestFollowAfterTheClockWasSetBack(t *testing.T) {
	w := newWorld(t, domainLevel())
	swept := make(chan time.Time, 10)
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.OnSwept = func(reconcile.Sweep, error) { swept <- w.clock.now() }
	})
	defer w.running(s)()
	s.Follow()
	<-swept
	w.clock.advance(-time.Hour)
	s.Follow()
	<-swept
}

// A sweep that fails is tried again after waits that double, or when something
// was mended; what was planned earlier is not put off.
func TestSweepFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{level: true, inProcess: true})
		fault := func(kind tenantsim.Kind) {
			w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
				if strings.HasSuffix(r.URL.Path, "/client-grants") {
					return tenantsim.Fault{Kind: kind}
				}
				return tenantsim.Fault{}
			})
		}
		var at []time.Time
		var last error
		s := w.sweeper(func(o *reconcile.SweeperOptions) {
			o.OnSwept = func(_ reconcile.Sweep, err error) { at, last = append(at, time.Now()), err }
		})
		sleep := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		stop := w.running(s)
		s.Retry() // nothing failed
		sleep(time.Hour)
		if len(at) > 0 {
			t.Errorf("swept at %v", at)
		}
		fault(tenantsim.InternalError)
		s.Request()
		sleep(2 * time.Hour)
		if last == nil || len(at) < 15 || len(at) > 24 {
			t.Errorf("%d tries in two hours, the last: %v", len(at), last)
		}
		for i := range at[:5] {
			lo, hi := 15*time.Second<<i*8/10, 15*time.Second<<i*12/10
			if wait := at[i+1].Sub(at[i]); wait < lo || wait > hi+time.Second {
				t.Errorf("wait %d: %v, want %v to %v", i+1, wait, lo, hi)
			}
		}
		tries := len(at)
		w.tenant.Faults(nil)
		s.Retry()
		sleep(time.Second)
		if len(at) != tries+1 || last != nil {
			t.Errorf("%d tries, %v", len(at)-tries, last)
		}
		s.Retry()
		sleep(time.Hour)
		if len(at) != tries+1 {
			t.Errorf("%d sweeps after one that went well", len(at)-tries-1)
		}
		fault(tenantsim.InternalError) // waits are short again, and nothing puts them off
		s.Follow()
		sleep(time.Second)
		s.Follow()
		sleep(19 * time.Second)
		if len(at) != tries+3 {
			t.Errorf("%d tries", len(at)-tries-1)
		}
		w.tenant.Faults(nil) // one for a person that goes well counts as well
		if _, err := s.Sweep(t.Context(), nil); err != nil {
			t.Error(err)
		}
		s.Retry()
		sleep(time.Second)
		if len(at) != tries+4 {
			t.Errorf("%d sweeps after one that went well", len(at)-tries-4)
		}
		stop()
	})
}

// A defect that a sweep brings to light is a failure of the sweep, and nothing
// else's.
func TestSweepContainsDefects(t *testing.T) {
	w := newWorld(t, domainLevel())
	w.recorded(1)
	var told error
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.Lister = &listerOnce{Lister: w.client, first: func() { panic("a defect") }}
		o.OnSwept = func(_ reconcile.Sweep, err error) { told = err }
	})
	if _, err := s.Sweep(t.Context(), nil); err == nil || told == nil {
		t.Errorf("sweep ended with %v, told of %v", err, told)
	}
	w.clock.advance(time.Minute)
	if found := w.sweep(); found.InSync != 1 {
		t.Errorf("%+v", found)
	}
}
