package e2e_test

import (
	"strings"
	"testing"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// An admin switches grantd off for a client in the dashboard: nothing of it is
// written any more, until that is taken back. Other clients go on.
func TestSwitchedOff(t *testing.T) {
	w := newWorld(t, setup{})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.idle()
	metadata := func(v any) {
		t.Helper()
		w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"client_metadata": map[string]any{"grantd": v}})
	}
	metadata("off")
	rec := w.awaitFunc(c.ID, func(c child.Client) bool { return c.Phase == "blocked" })
	if rec.Reason != "held" || !strings.Contains(rec.Message, "grantd=off") {
		t.Errorf("%s: %s", rec.Reason, rec.Message)
	}
	mark := w.mark()
	w.edit(tenantsim.Admin(), "DELETE", w.grantPath(c.ID), nil)
	w.idle()
	w.run("sync")
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes", n)
	}
	if out, _ := w.run("hold", "list"); !strings.Contains(out, "switched_off") {
		t.Errorf("not listed: %s", out)
	}
	w.await(w.register("second").ID, "ready")
	metadata(nil)
	w.await(c.ID, "ready")
	if !w.asDesired(c.ID, "notes:read", "notes:write") {
		t.Error("not put right")
	}
}
