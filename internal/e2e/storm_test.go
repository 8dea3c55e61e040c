package e2e_test

import (
	"strings"
	"testing"
)

// More registrations than GRANTD_STORM_AFTER: an alarm, and all become ready
// though most of them have to wait.
func TestRegistrationStorm(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_STORM_AFTER=5"}})
	ids := w.registerMany(15)
	for _, id := range ids {
		w.await(id, "ready")
	}
	w.degraded("registration_storm")
	w.logged(`"level":"ERROR","msg":"[dcr] registration storm"`)
	if n := w.metric(`grantd_alarms_total{alarm="registration_storm"}`); n != "1" {
		t.Errorf("%s alarms", n)
	}
	if n := strings.Count(w.daemon.Logged(), `"msg":"[dcr] registration storm"`); n != 1 {
		t.Errorf("%d lines", n)
	}
	if n := w.tenant.Count("GET /clients/{id}"); n != len(ids) {
		t.Errorf("%d looks at %d clients", n, len(ids))
	}
	// By reload it is none any more.
	w.reload("GRANTD_STORM_AFTER=100")
	w.logged("[dcr] registration storm is over")
}

// With GRANTD_STORM_HOLD those beyond wait for a person.
func TestStormHold(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_STORM_AFTER=3", "GRANTD_STORM_HOLD=true"}})
	ids := w.registerMany(8)
	count := func(phase string) (n int) {
		out, _ := w.run("clients", "list", "--phase", phase, "--json")
		return strings.Count(out, `"client_id"`)
	}
	w.eventually("three are ready and the others held", func() bool { return count("ready") == 3 && count("blocked") == 5 })
	w.idle()
	if n := w.tenant.Count("PATCH /clients/{id}"); n != 3 {
		t.Errorf("%d clients were written to", n)
	}
	if out, code := w.run("hold", "release", "--reason", "registration_storm"); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	for _, id := range ids {
		w.await(id, "ready")
	}
}
