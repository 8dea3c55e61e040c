package e2e_test

import (
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// A log stream that was paused or suspended delivers nothing, and a tenant where
// nobody registers looks the same. With read:log_streams grantd can tell.
func TestStoppedLogStreamIsDegraded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stop    func(*world)
		stopped bool
	}{
		"paused":    {func(w *world) { w.stream.Pause() }, true},
		"suspended": {func(w *world) { w.stream.Suspend() }, true},
		"active":    {func(*world) {}, false},
		"another's": {func(w *world) {
			w.tenant.AddLogStream(tenantsim.LogStream{URL: "https://siem.example.com/auth0", Delivery: tenantsim.Delivery{Manual: true}}).Pause()
		}, false},
		"one of two": {func(w *world) {
			w.tenant.AddLogStream(tenantsim.LogStream{URL: w.hook.URL + "/auth0-log-webhook", Delivery: tenantsim.Delivery{Manual: true}}).Pause()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{unstarted: true, scopes: append(allScopes(), "read:log_streams")})
			tt.stop(w)
			w.start()
			w.warm()
			w.eventually("it looked", func() bool { return w.counts(0)["GET /log-streams"] == 1 })
			if tt.stopped {
				w.degraded("log_stream_stopped")
				w.logged("Monitoring → Streams") // what to do
			} else {
				w.well()
			}
			if strings.Contains(w.daemon.Logged(), secret) {
				t.Error("the stream's secret was logged")
			}
		})
	}
}

// Without the scope that part is skipped: nothing is said, and no token is spent
// on it, not even by the next start.
func TestLogStreamsWithoutTheScope(t *testing.T) {
	w := newWorld(t, setup{unstarted: true})
	w.stream.Pause()
	for range 3 {
		w.start()
		w.warm()
		w.well()
		w.stop()
	}
	if n := len(w.tenant.TokenRequests()); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	for text := range strings.Lines(w.daemon.Logged()) {
		if strings.Contains(text, "log_stream") || strings.Contains(text, "log stream") {
			t.Errorf("something is said: %s", text)
		}
	}
}
