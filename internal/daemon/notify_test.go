package daemon

import (
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/health"
)

// systemctl status says why grantd is not well, and what of an edited
// configuration is not in force.
func TestStatusLine(t *testing.T) {
	d, n := &Daemon{}, health.Clients{Ready: 3, Pending: 2, Blocked: 1}
	well := health.Report{Status: health.StatusOK, Clients: n}
	const counted = ": 3 ready, 2 pending, 1 blocked, 0 refused"
	is := func(r health.Report, want string) {
		t.Helper()
		if got := d.statusLine(r); got != "STATUS="+want {
			t.Errorf("%q, want %q", got, "STATUS="+want)
		}
	}
	is(well, "ok"+counted)
	is(health.Report{Status: health.StatusDegraded, Reasons: []dcr.Reason{dcr.LogStreamStopped, dcr.WebhookSilent}, Clients: n},
		"degraded [log_stream_stopped webhook_silent]"+counted)

	if !d.refuse("GRANTD_LISTEN: odd") || d.refuse("GRANTD_LISTEN: odd") {
		t.Error("a refusal is news once")
	}
	const refused = "; the configuration has errors since it was edited, the one before stays"
	is(well, "ok"+counted+refused)
	d.restart.Store("GRANTD_LISTEN GRANTD_STATE_DIR")
	is(well, "ok"+counted+refused+"; a restart is needed for GRANTD_LISTEN GRANTD_STATE_DIR")
	d.refuse("")
	d.restart.Store("")
	is(well, "ok"+counted)
}
