package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// Without read:logs the poll cannot work: health says so by name, the log once
// and not at every tick, and the poll goes on by itself when the scope is
// granted.
func TestPollWithoutReadLogs(t *testing.T) {
	w := newWorld(t, setup{
		scopes: without(allScopes(), "read:logs"), noStream: true,
		env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"},
	})
	w.eventually("health names the scope", func() bool { return slices.Equal(w.health().Reasons, []string{"poll_missing_scope"}) })
	// It is asked for 5 seconds later, which is some polls later.
	w.eventually("another token", func() bool { return len(w.tenant.TokenRequests()) > 1 })
	if n := strings.Count(w.daemon.Logged(), `"msg":"poll failed"`); n != 1 {
		t.Errorf("%d lines about the poll, want 1", n)
	}
	w.tenant.SetScopes(ownApp, allScopes()...)
	c := w.register("first")
	w.await(c.ID, "ready")
	w.eventually("health is well", func() bool { return w.health().Status == "ok" })
}

// A tick of the poll is one call, while grantd itself writes hundreds of grants
// and the tenant logs thousands of entries that are nobody's business.
func TestPollIsOneCallATickHoweverMuchIsLogged(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, noStream: true, env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}})
	ids := w.settle(400, read)
	logins := make([]tenantsim.Log, 3000)
	for i := range logins {
		logins[i] = tenantsim.Log{Type: []string{"s", "seacft", "sertft", "fp", "limit_wc"}[i%5], ClientID: otherApp, Description: "Success Login"}
	}
	began := time.Now()
	w.start()
	w.tenant.AddLog(logins...)
	w.converged(ids, read, write)
	w.tenant.AddLog(logins...)
	w.polled()
	c := w.register("among-all-that")
	w.await(c.ID, "ready")
	w.polled()
	polls := 0
	for _, call := range w.tenant.Calls() {
		if call.Operation == "GET /logs" {
			polls++
		}
	}
	// One at the start, and one a second since.
	if most := 2 + int(time.Since(began)/time.Second); polls > most {
		t.Errorf("%d searches in %d ticks", polls, most)
	}
	if n := w.writes(0); n != 2*len(ids)+2 {
		t.Errorf("%d writes, want %d", n, 2*len(ids)+2)
	}
}
