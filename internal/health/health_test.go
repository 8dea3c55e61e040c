package health_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/health"
)

// world is a ledger and a clock.
type world struct {
	now    time.Time
	counts map[dcr.Phase]int
	feeds  map[dcr.Feed]dcr.FeedStatus
	err    error
	limit  *health.RateLimit
	storm  bool
	holds  []dcr.Hold
}

func (w *world) Counts(context.Context) (map[dcr.Phase]int, error) { return w.counts, w.err }

func (w *world) Feeds(context.Context) (map[dcr.Feed]dcr.FeedStatus, error) { return w.feeds, w.err }

func (w *world) Holds(context.Context) ([]dcr.Hold, error) { return w.holds, w.err }

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

func start() time.Time { return time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) }

func newWorld() (*world, *health.Tracker) {
	w := &world{now: start(), counts: map[dcr.Phase]int{}, feeds: map[dcr.Feed]dcr.FeedStatus{}}
	return w, health.New(health.Options{
		Ledger: w, Holds: w.Holds, Now: func() time.Time { return w.now },
		RateLimit: func() *health.RateLimit { return w.limit },
		Storm:     func() bool { return w.storm },
	})
}

func call(t *health.Tracker, status int, reason dcr.Reason) {
	t.Called(health.Call{Op: "get_client", Status: status, Reason: reason})
}

func sweep(t *health.Tracker, ends ...dcr.Reason) {
	for _, failure := range ends {
		t.Swept(failure)
	}
}

func TestStatus(t *testing.T) {
	type script func(*world, *health.Tracker)
	good := func(_ *world, h *health.Tracker) { call(h, 200, "") }
	for name, tc := range map[string]struct {
		script  script
		status  health.Status
		reasons []dcr.Reason
		ok      bool // of the Management API
	}{
		"nothing tried": {
			script: func(*world, *health.Tracker) {},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.Starting},
		},
		"all is well": {script: good, status: health.StatusOK, ok: true},
		"an idle day is no outage": {
			script: func(w *world, h *health.Tracker) { good(w, h); w.pass(24 * time.Hour) },
			status: health.StatusOK, ok: true,
		},
		"keys fetched, nothing to call for": {
			script: func(_ *world, h *health.Tracker) { h.Called(health.Call{Op: health.OpJWKS, Status: 200}) },
			status: health.StatusOK,
		},
		"failing for a moment": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.pass(time.Hour)
				call(h, 500, dcr.ServerError)
				w.pass(5*time.Minute - 1)
				call(h, 500, dcr.ServerError)
			},
			status: health.StatusOK,
		},
		"failing for 5 minutes": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.pass(time.Hour)
				call(h, 0, dcr.Timeout)
				w.pass(5 * time.Minute)
			},
			status: health.StatusDown, reasons: []dcr.Reason{dcr.ManagementFailing},
		},
		"failing from the start": {
			script: func(w *world, h *health.Tracker) {
				call(h, 403, dcr.MissingScope)
				w.pass(5 * time.Minute)
			},
			status: health.StatusDown, reasons: []dcr.Reason{dcr.ManagementFailing},
		},
		"rate limited for 5 minutes": {
			script: func(w *world, h *health.Tracker) {
				call(h, 429, dcr.RateLimited)
				w.pass(5 * time.Minute)
			},
			status: health.StatusDown, reasons: []dcr.Reason{dcr.ManagementFailing},
		},
		"a success stops the clock": {
			script: func(w *world, h *health.Tracker) {
				call(h, 500, dcr.ServerError)
				w.pass(4 * time.Minute)
				call(h, 200, "")
				call(h, 500, dcr.ServerError)
				w.pass(4 * time.Minute)
			},
			status: health.StatusOK,
		},
		"recovered": {
			script: func(w *world, h *health.Tracker) {
				call(h, 500, dcr.ServerError)
				w.pass(time.Hour)
				call(h, 200, "")
			},
			status: health.StatusOK, ok: true,
		},
		"a new token is no success yet": {
			script: func(w *world, h *health.Tracker) {
				call(h, 500, dcr.ServerError)
				w.pass(5 * time.Minute)
				h.Called(health.Call{Op: health.OpToken, Status: 200})
			},
			status: health.StatusDown, reasons: []dcr.Reason{dcr.ManagementFailing},
		},
		"the token server is away for 5 minutes": {
			script: func(w *world, h *health.Tracker) {
				h.Called(health.Call{Op: health.OpToken, Status: 502, Reason: dcr.TokenUnavailable})
				w.pass(5 * time.Minute)
			},
			status: health.StatusDown, reasons: []dcr.Reason{dcr.ManagementFailing},
		},
		"not found is an answer": {
			script: func(_ *world, h *health.Tracker) { call(h, 404, dcr.RejectedByAuth0) },
			status: health.StatusOK, ok: true,
		},
		"exists already is an answer": {
			script: func(_ *world, h *health.Tracker) { call(h, 409, dcr.RejectedByAuth0) },
			status: health.StatusOK, ok: true,
		},
		"a change that is declined says nothing of the rest": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				call(h, 400, dcr.ScopesRejected)
				w.pass(time.Hour)
			},
			status: health.StatusOK, ok: true,
		},
		"token refused, at once": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				h.Called(health.Call{Op: health.OpToken, Status: 401, Reason: dcr.TokenRefused})
			},
			status: health.StatusDown, reasons: []dcr.Reason{dcr.TokenRefused},
		},
		"token refused, as a call tells": {
			script: func(_ *world, h *health.Tracker) { call(h, 0, dcr.TokenRefused) },
			status: health.StatusDown, reasons: []dcr.Reason{dcr.TokenRefused},
		},
		"token accepted again": {
			script: func(_ *world, h *health.Tracker) {
				h.Called(health.Call{Op: health.OpToken, Status: 403, Reason: dcr.TokenRefused})
				h.Called(health.Call{Op: health.OpToken, Status: 200})
			},
			status: health.StatusOK,
		},
		"keys unreachable": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				h.Called(health.Call{Op: health.OpJWKS, Reason: dcr.Unreachable})
			},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.JWKSUnreachable}, ok: true,
		},
		"blocked clients": {
			script: func(w *world, h *health.Tracker) { good(w, h); w.counts[dcr.Blocked] = 1 },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.ClientsBlocked}, ok: true,
		},
		"refused clients are as they should be": {
			script: func(w *world, h *health.Tracker) { good(w, h); w.counts[dcr.Refused] = 7 },
			status: health.StatusOK, ok: true,
		},
		"two polls failed": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				h.Polled(dcr.Timeout)
				h.Polled(dcr.Timeout)
			},
			status: health.StatusOK, ok: true,
		},
		"three polls failed": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				for range 3 {
					h.Polled(dcr.Timeout)
				}
			},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.PollFailing}, ok: true,
		},
		"a good poll forgives": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				for range 3 {
					h.Polled(dcr.Timeout)
				}
				h.Polled("")
			},
			status: health.StatusOK, ok: true,
		},
		"the poll lacks read:logs": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.Polled(dcr.PollUnauthorized) },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.PollUnauthorized}, ok: true,
		},
		"the ledger failed a write": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.Recorded(errors.New("disk full")) },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.LedgerUnavailable}, ok: true,
		},
		"the ledger writes again": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				h.Recorded(errors.New("disk full"))
				h.Recorded(nil)
			},
			status: health.StatusOK, ok: true,
		},
		"a write given up by its caller": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.Recorded(context.Canceled) },
			status: health.StatusOK, ok: true,
		},
		"the ledger cannot be read": {
			script: func(w *world, h *health.Tracker) { good(w, h); w.err = errors.New("closed") },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.LedgerUnavailable}, ok: true,
		},
		"clients register in a storm": {
			script: func(w *world, h *health.Tracker) { good(w, h); w.storm = true },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.RegistrationStorm}, ok: true,
		},
		"two sweeps failed": {
			script: func(w *world, h *health.Tracker) { good(w, h); sweep(h, dcr.ServerError, dcr.Timeout) },
			status: health.StatusOK, ok: true,
		},
		"three sweeps failed": {
			script: func(w *world, h *health.Tracker) { good(w, h); sweep(h, dcr.ServerError, dcr.Timeout, dcr.ServerError) },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.SweepFailing}, ok: true,
		},
		"a good sweep forgives": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				sweep(h, dcr.ServerError, dcr.Timeout, dcr.ServerError, "", dcr.Timeout, dcr.Timeout)
			},
			status: health.StatusOK, ok: true,
		},
		"the log stream stopped": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.LogStream(true) },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.LogStreamStopped}, ok: true,
		},
		"no new certificate": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.Certificate(true, true) },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.CertFailing, dcr.CertExpiring}, ok: true,
		},
		"a new certificate again": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.Certificate(true, true); h.Certificate(false, false) },
			status: health.StatusOK, ok: true,
		},
		"the log stream runs again": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.LogStream(true); h.LogStream(false) },
			status: health.StatusOK, ok: true,
		},
		"a scope source fails": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.ScopeSources(true, true) },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.ScopeSourceFailed}, ok: true,
		},
		"no scope known yet": {
			script: func(w *world, h *health.Tracker) { good(w, h); h.ScopeSources(true, false) },
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.ScopesUnknown, dcr.ScopeSourceFailed}, ok: true,
		},
		"the scope sources are well": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				h.ScopeSources(true, false)
				h.ScopeSources(false, true)
			},
			status: health.StatusOK, ok: true,
		},
		"a fight": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.holds = []dcr.Hold{{Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.Fighting, Until: start().Add(time.Second)}}
			},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.Fighting}, ok: true,
		},
		"a fight that is over": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.holds = []dcr.Hold{{Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.Fighting, Until: start().Add(time.Second)}}
				w.pass(time.Second)
			},
			status: health.StatusOK, ok: true,
		},
		"a hold until it is released": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.holds = []dcr.Hold{{Scope: dcr.HoldAll, Reason: dcr.Held}}
				w.pass(24 * time.Hour)
			},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.Held}, ok: true,
		},
		"the holds of a storm that is over": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.holds = []dcr.Hold{
					{Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.RegistrationStorm},
					{Scope: dcr.HoldClient, ClientID: "tpc_b", Reason: dcr.Held, Until: start()},
				}
			},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.RegistrationStorm}, ok: true,
		},
		"what was reverted": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.holds = []dcr.Hold{{Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.Reverted}}
			},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.Held}, ok: true,
		},
		"a hold for any other reason": {
			script: func(w *world, h *health.Tracker) {
				good(w, h)
				w.holds = []dcr.Hold{{Scope: dcr.HoldAll, Reason: "another"}, {Scope: dcr.HoldField, Reason: dcr.Fighting}}
			},
			status: health.StatusDegraded, reasons: []dcr.Reason{dcr.Fighting, dcr.Held}, ok: true,
		},
		"several, the graver first": {
			script: func(w *world, h *health.Tracker) {
				w.counts[dcr.Blocked] = 2
				call(h, 0, dcr.TokenRefused)
				w.pass(5 * time.Minute)
			},
			status:  health.StatusDown,
			reasons: []dcr.Reason{dcr.TokenRefused, dcr.ManagementFailing, dcr.ClientsBlocked},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := newWorld()
			tc.script(w, h)
			r := h.Report(t.Context())
			if r.Status != tc.status || !cmp.Equal(r.Reasons, append([]dcr.Reason{}, tc.reasons...)) || r.ManagementAPI.OK != tc.ok {
				t.Errorf("got %s %q ok=%v, want %s %q ok=%v",
					r.Status, r.Reasons, r.ManagementAPI.OK, tc.status, tc.reasons, tc.ok)
			}
		})
	}
}

// TestReady: only what keeps deliveries from being kept makes grantd unready.
func TestReady(t *testing.T) {
	w, h := newWorld()
	w.counts[dcr.Blocked] = 1
	call(h, 0, dcr.TokenRefused)
	if got := h.Ready(t.Context()); len(got) != 0 {
		t.Errorf("not ready for %q", got)
	}
	h.Recorded(errors.New("disk full"))
	if got := h.Ready(t.Context()); !cmp.Equal(got, []dcr.Reason{dcr.LedgerUnavailable}) {
		t.Errorf("got %q with a ledger that fails", got)
	}
}

// TestChecksAreDocumented holds every check to the closed list of reasons.
func TestChecksAreDocumented(t *testing.T) {
	_, h := newWorld()
	for _, c := range h.Checks(t.Context()) {
		if c.Message == "" {
			t.Errorf("%s is not a documented reason", c.Code)
		}
		if c.Severity != health.Down && c.Severity != health.Degraded {
			t.Errorf("%s has severity %q", c.Code, c.Severity)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	_, h := newWorld()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				call(h, 200, "")
				call(h, 500, dcr.ServerError)
				h.Polled(dcr.Timeout)
				h.Swept(dcr.Timeout)
				h.LogStream(true)
				h.ScopeSources(false, true)
				h.Recorded(nil)
				h.Report(t.Context())
				h.Snapshot()
			}
		})
	}
	wg.Wait()
}

func BenchmarkCalled(b *testing.B) {
	_, h := newWorld()
	for b.Loop() {
		call(h, 200, "")
	}
}
