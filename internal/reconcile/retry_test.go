package reconcile_test

import (
	"context"
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

// What may pass is tried again: attempts, next attempt and last error say so,
// and what did succeed stays done.
func TestTransientFailures(t *testing.T) {
	for reason, kind := range map[dcr.Reason]tenantsim.Kind{
		dcr.ServerError:      tenantsim.BadGateway,
		dcr.RateLimited:      tenantsim.RateLimitedBare,
		dcr.Unreachable:      tenantsim.Reset,
		dcr.BadResponse:      tenantsim.GarbageJSON,
		dcr.ChangedMeanwhile: tenantsim.NotFound,
	} {
		t.Run(string(reason), func(t *testing.T) {
			w := newWorld(t, domainLevel())
			id := w.onboard(1)
			w.tenant.FailNext(1, kind, w.tenant.On(patchClient))
			o := w.look(id)
			w.wantPhase(o, dcr.Pending, reason)
			r := o.Record
			if r.LastError != reason || r.Attempts != 1 || r.Class != dcr.Urgent {
				t.Errorf("last error %q, attempts %d, class %s", r.LastError, r.Attempts, r.Class)
			}
			if wait := r.NextAttemptAt.Sub(w.clock.now()); wait < 800*time.Millisecond || wait > 1200*time.Millisecond {
				t.Errorf("again in %v, want 1 s ± 20 %%", wait)
			}
			if c := r.Conditions; c.Promoted.Status || c.Promoted.Reason != reason || !c.Granted.Status {
				t.Errorf("conditions %+v", c)
			}
			if len(o.Changes) != 1 || o.Changes[0].Step != dcr.StepGrant {
				t.Errorf("changes %+v", o.Changes)
			}
			w.clock.advance(time.Minute)
			r = w.look(id).Record
			w.wantPhase(dcr.Outcome{Record: r}, dcr.Ready, "")
			if r.LastError != "" || r.Attempts != 0 || !r.NextAttemptAt.IsZero() {
				t.Errorf("ready, and still %+v", r)
			}
		})
	}
}

// The waits grow from 1 s to 5 min, with a fifth of jitter; whoever waited has
// given up after six, and the client is background work from then on.
func TestRetryBackoff(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	w.tenant.FailNext(20, tenantsim.InternalError, w.tenant.On(getClient))
	jittered := false
	for i, want := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
		r := w.look(id).Record
		wait := r.NextAttemptAt.Sub(w.clock.now()).Seconds()
		if wait < 0.8*want || wait > 1.2*want {
			t.Errorf("attempt %d: again in %.1f s, want %v ± 20 %%", i+1, wait, want)
		}
		jittered = jittered || wait != want
		class := dcr.Urgent
		if i >= 6 {
			class = dcr.Background
		}
		if r.Attempts != i+1 || r.Class != class || r.LastError != dcr.ServerError {
			t.Errorf("attempt %d: attempts %d, class %s, last error %q", i+1, r.Attempts, r.Class, r.LastError)
		}
		w.clock.advance(r.NextAttemptAt.Sub(w.clock.now()))
	}
	if !jittered {
		t.Error("a crowd returns as a crowd")
	}
	w.sight(id, dcr.Denied) // somebody tries again
	w.sight(id, dcr.Changed)
	if r := w.look(id).Record; r.Attempts != 1 || r.Class != dcr.Urgent {
		t.Errorf("attempts %d, class %s", r.Attempts, r.Class)
	}
}

// later asks to be left alone for 17 s, whatever is asked.
type later struct{ http.RoundTripper }

func (l later) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPatch {
		resp.Body.Close()
		resp.StatusCode, resp.Body = http.StatusServiceUnavailable, http.NoBody
		resp.Header.Set("Retry-After", "17")
	}
	return resp, err
}

func TestRetryAfter(t *testing.T) {
	w := newWorld(t, setup{level: true, transport: func(next http.RoundTripper) http.RoundTripper { return later{next} }})
	r := w.look(w.onboard(1)).Record
	if wait := r.NextAttemptAt.Sub(w.clock.now()); wait != 17*time.Second || r.Attempts != 1 {
		t.Errorf("again in %v, attempts %d", wait, r.Attempts)
	}
}

// A timeout of the call is a failure; an end of grantd is none: the record is
// as it was and as due as it was, but for what was done in time.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, permissive())
	id := w.onboard(1)
	ctx, cancel := context.WithCancel(t.Context())
	var writes sync.WaitGroup
	writes.Add(2)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		switch {
		case w.tenant.On(createGrant)(r):
			return tenantsim.Fault{} // this one is in time
		case isWrite(r):
			writes.Done()
			return tenantsim.Fault{Kind: tenantsim.Timeout}
		}
		return tenantsim.Fault{}
	})
	go func() {
		writes.Wait()
		await(t, "the grant was created", func() bool { return w.log.has("created client grant") })
		cancel()
	}()
	was := w.record(id)
	o := w.Reconcile(ctx, was)
	if r := o.Record; r.Phase != was.Phase || r.Reason != was.Reason || r.Attempts != was.Attempts || r.LastError != "" ||
		!r.NextAttemptAt.Equal(was.NextAttemptAt) || r.Class != was.Class {
		t.Errorf("record %+v,\nwas %+v", r, was)
	}
	if c := o.Record.Conditions; c.Promoted.Reason != "" || c.Connected.Reason != "" || !c.Granted.Status {
		t.Errorf("conditions %+v", c)
	}
	if len(o.Changes) != 1 || o.Changes[0].Step != dcr.StepGrant {
		t.Fatalf("changes %+v", o.Changes)
	}
	if _, err := w.ledger.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if due, _, err := w.ledger.Due(t.Context(), dcr.Urgent, w.clock.now(), 10); err != nil || !slices.Equal(due, []store.DueClient{{ID: id}}) {
		t.Errorf("due %v, %v", due, err)
	}
	if entries, _, err := w.ledger.Journal(t.Context(), journalOf(id)); err != nil || len(entries) != 1 {
		t.Errorf("journal %+v, %v", entries, err)
	}
	w.tenant.Faults(nil)
	w.wantPhase(w.look(id), dcr.Ready, "")
}

// A condition's since is when its status last changed, not its reason.
func TestSince(t *testing.T) {
	w := newWorld(t, setup{})
	id := w.onboard(1)
	start := w.clock.now()
	w.look(id)
	w.clock.advance(time.Minute)
	c := w.look(id).Record.Conditions
	if !c.Connected.Since.Equal(start) || !c.Granted.Since.Equal(start) {
		t.Errorf("conditions %+v", c)
	}
	w.tenant.SetDomainLevel(google, true)
	w.clock.advance(time.Minute)
	c = w.look(id).Record.Conditions
	if !c.Connected.Status || !c.Connected.Since.Equal(start.Add(2*time.Minute)) || !c.Granted.Since.Equal(start) {
		t.Errorf("conditions %+v", c)
	}
}

// Drift is what held before and was made to hold again.
func TestRepaired(t *testing.T) {
	w := newWorld(t, permissive())
	id := w.onboard(1)
	was := w.record(id)
	o := w.look(id)
	if got := reconcile.Repaired(was, o); got != nil || len(o.Changes) != 3 {
		t.Errorf("onboarding repaired %v with %d changes", got, len(o.Changes))
	}
	was = w.record(id)
	w.tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/clients/"+id, map[string]any{"app_type": "spa"})
	w.tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+was.GrantID, nil)
	o = w.look(id)
	w.wantPhase(o, dcr.Ready, "")
	got := reconcile.Repaired(was, o)
	slices.Sort(got)
	if !slices.Equal(got, []dcr.StepKind{dcr.StepGrant, dcr.StepPromote}) {
		t.Errorf("repaired %v", got)
	}
}

// panics loses its head over the requests that match.
type panics struct {
	http.RoundTripper
	on func(*http.Request) bool
}

func (p panics) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.on(r) {
		panic("lost its head over " + r.Method)
	}
	return p.RoundTripper.RoundTrip(r)
}

// A defect that one client brings to light is contained, in whichever of the
// goroutines it shows.
func TestPanic(t *testing.T) {
	for _, op := range []string{getClient, patchClient, createGrant, patchMembers, clientConnections} {
		t.Run(op, func(t *testing.T) {
			var w *world
			s := permissive()
			s.transport = func(next http.RoundTripper) http.RoundTripper {
				return panics{next, func(r *http.Request) bool { return w != nil && w.tenant.On(op)(r) }}
			}
			w = newWorld(t, s)
			o := w.look(w.onboard(1))
			w.wantPhase(o, dcr.Pending, dcr.InternalError)
			if r := o.Record; r.Attempts != 1 || !r.NextAttemptAt.After(w.clock.now()) || r.LastError != dcr.InternalError || strings.Contains(r.Message, "goroutine") {
				t.Errorf("record %+v", r)
			}
			if !w.log.has("lost its head") || !w.log.has("stack=") {
				t.Error("the log does not tell")
			}
		})
	}
}
