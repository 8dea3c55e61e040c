package e2e_test

import (
	"slices"
	"strings"
	"testing"
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
