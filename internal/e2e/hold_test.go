package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// must runs a command that must end with the code, and returns what it printed.
func (w *world) must(code int, args ...string) string {
	w.Helper()
	out, got := w.run(args...)
	if got != code {
		w.Fatalf("grantd %s: exit %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return out
}

// awaitHeld waits until the client is shown as held.
func (w *world) awaitHeld(id string) child.Client {
	w.Helper()
	return w.awaitFunc(id, func(c child.Client) bool { return c.Phase == "blocked" && c.Reason == "held" })
}

// An admin who works on a client is not fought: a held client is not written to,
// whatever happens to it, also after a restart; released, it is repaired.
func TestHeldClientIsLeftAlone(t *testing.T) {
	w := newWorld(t, setup{})
	c, other := w.register("first"), w.register("other")
	w.await(c.ID, "ready")
	w.await(other.ID, "ready")
	w.idle()
	mark := w.mark()
	w.must(0, "hold", "add", c.ID)
	w.logged(`"msg":"hold set"`)
	w.awaitHeld(c.ID)
	w.degraded("held")
	w.edit(tenantsim.Admin(), "DELETE", w.grantPath(c.ID), nil)
	w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"app_type": "spa"})
	w.idle()
	if rec := w.awaitHeld(c.ID); !strings.Contains(rec.Message, "grantd hold release "+c.ID) {
		t.Errorf("the message does not say how it ends: %q", rec.Message)
	}
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes to a held client: %q", n, w.calls(mark))
	}
	// The others go on, and no sweep and no restart changes the matter.
	w.edit(tenantsim.Admin(), "DELETE", w.grantPath(other.ID), nil)
	w.converged([]string{other.ID}, "notes:read", "notes:write")
	w.idle()
	mark = w.mark()
	w.must(3, "sync")
	w.daemon.Kill()
	w.start()
	w.idle()
	w.awaitHeld(c.ID)
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes after a sweep and a restart: %q", n, w.calls(mark))
	}
	if out := w.must(0, "hold", "list"); !strings.Contains(out, c.ID) {
		t.Errorf("grantd hold list:\n%s", out)
	}
	w.must(0, "hold", "release", c.ID)
	w.logged(`"msg":"hold released"`)
	w.await(c.ID, "ready")
	w.usable(c.ID, "notes:read", "notes:write")
	if got, _ := w.tenant.Client(c.ID); got.AppType != "regular_web" {
		t.Errorf("app_type %q", got.AppType)
	}
	w.must(1, "hold", "release", c.ID)
	w.well()
	w.stop()
	w.checkLedger()
}

// With everything held, who registers is recorded and waits. Letting many go on
// costs what a sweep costs, and not two calls for each.
func TestEverythingHeld(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_STORM_AFTER=1000"}})
	before := w.registerMany(130)
	w.converged(before, "notes:read", "notes:write")
	w.idle()
	w.must(0, "hold", "add")
	w.eventually("all are shown as held", func() bool { return w.health().Clients["blocked"] == len(before) })
	w.idle()
	mark := w.mark()
	c := w.register("during")
	w.awaitHeld(c.ID)
	w.edit(tenantsim.Admin(), "DELETE", w.grantPath(before[0]), nil)
	w.idle()
	if n := w.writes(mark); n != 0 || len(w.tenant.Grants(c.ID)) != 0 {
		t.Errorf("%d writes: %q", n, w.calls(mark))
	}
	mark = w.mark()
	w.must(1, "hold", "release", c.ID)
	w.must(0, "hold", "release")
	w.await(c.ID, "ready")
	w.converged(append(before, c.ID), "notes:read", "notes:write")
	w.eventually("all are ready", func() bool { return w.health().Clients["ready"] == len(before)+1 })
	w.usable(c.ID, "notes:read", "notes:write")
	// Two pages of each list, what both facts cost, and three writes.
	if calls := w.calls(mark); len(calls) > 20 {
		t.Errorf("%d calls: %q", len(calls), calls)
	}
	w.well()
	w.stop()
	w.checkLedger()
}

// A hold that is over lets go by itself, and one set while no daemon runs is in
// force when it starts.
func TestHoldEnds(t *testing.T) {
	w := newWorld(t, setup{})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.idle()
	w.stop()
	w.must(0, "hold", "add", c.ID, "--for", "1h")
	w.edit(tenantsim.Admin(), "DELETE", w.grantPath(c.ID), nil)
	mark := w.mark()
	w.start()
	w.awaitHeld(c.ID)
	w.idle()
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes: %q", n, w.calls(mark))
	}
	ends := time.Now().Add(2 * time.Second)
	w.must(0, "hold", "add", c.ID, "--for", "2s")
	w.await(c.ID, "ready")
	for _, call := range w.tenant.Writes() {
		if strings.Contains(call.Path+string(call.Body), c.ID) && call.At.Before(ends) && call.At.After(ends.Add(-2*time.Second)) {
			t.Errorf("%s before its time", call.Operation)
		}
	}
	w.usable(c.ID, "notes:read", "notes:write")
	if out := w.must(0, "hold", "list"); !strings.Contains(out, "Nothing is held") {
		t.Errorf("grantd hold list:\n%s", out)
	}
	// Without a daemon, many are left to the sweep that its start makes.
	w.stop()
	w.must(0, "hold", "add")
	w.start()
	w.awaitHeld(c.ID)
	w.edit(tenantsim.Admin(), "DELETE", w.grantPath(c.ID), nil)
	w.idle()
	w.stop()
	w.must(0, "hold", "release")
	w.start()
	w.await(c.ID, "ready")
	w.converged([]string{c.ID}, "notes:read", "notes:write")
	w.stop()
	w.checkLedger()
}

// An admin can keep grantd away from Auth0's dashboard, and sees it among the
// holds.
func TestSwitchedOffInAuth0(t *testing.T) {
	w := newWorld(t, setup{})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.idle()
	w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"client_metadata": map[string]any{"grantd": "off"}})
	w.awaitHeld(c.ID)
	mark := w.mark()
	w.edit(tenantsim.Admin(), "DELETE", w.grantPath(c.ID), nil)
	w.idle()
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes: %q", n, w.calls(mark))
	}
	if out := w.must(0, "hold", "list"); !strings.Contains(out, "switched_off") || !strings.Contains(out, c.ID) {
		t.Errorf("grantd hold list:\n%s", out)
	}
	if out := w.must(1, "hold", "release", c.ID); !strings.Contains(out, "take grantd=off out") {
		t.Errorf("grantd hold release:\n%s", out)
	}
	w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"client_metadata": map[string]any{"grantd": nil}})
	w.await(c.ID, "ready")
	w.usable(c.ID, "notes:read", "notes:write")
}

// The control socket is the only way to set and release holds.
func TestHoldsAreReadOnlyElsewhere(t *testing.T) {
	w := newWorld(t, setup{})
	for _, host := range []string{w.daemon.Public, w.daemon.Admin} {
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			if status, answer, _ := w.send(method, "http://"+host+"/api/v1/holds?all=true", nil, "Authorization", secret); status != 404 && status != 405 {
				t.Errorf("%s %s: %d %s", method, host, status, answer)
			}
		}
	}
	if status, answer, _ := w.send(http.MethodGet, "http://"+w.daemon.Admin+"/api/v1/holds", nil); status != 200 || !strings.Contains(string(answer), `"holds":[]`) {
		t.Errorf("%d %s", status, answer)
	}
}
