package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// The first sweep on an empty ledger widens the grants that were there before,
// takes nothing away, says so everywhere, and waits for sync --adopt. What
// registers afterwards is exact from the start.
func TestFirstSweepWidensAndWaitsForAdopt(t *testing.T) {
	w := newWorld(t, setup{unstarted: true})
	wide := w.settle(1, "notes:read", "notes:share")[0] // lacks write, holds share
	same := w.settle(1, "notes:read", "notes:write")[0]
	none := w.settle(1)[0]
	all := w.tenant.AddClient(tenantsim.Client{Name: "ChatGPT", Callbacks: []string{dialog}}).ID
	w.tenant.AddGrant(tenantsim.Grant{ClientID: all, Audience: audience, AllowAllScopes: true})
	before := w.tenant.Grants(all)
	w.start()
	w.converged([]string{wide}, "notes:read", "notes:share", "notes:write")
	w.converged([]string{same, none}, "notes:read", "notes:write")
	w.logged("are left as they are", `"to_take_away":"grantd sync --adopt"`)
	for _, id := range []string{wide, all} {
		c := w.awaitFunc(id, func(c child.Client) bool {
			return c.Phase == "ready" && c.Conditions["granted"].Reason == "not_adopted"
		})
		if g := c.Conditions["granted"]; !g.Status || id == wide && !strings.Contains(g.Message, "notes:share") {
			t.Errorf("granted: %+v", g)
		}
		if out, code := w.run("clients", "show", id); code != 0 || !strings.Contains(out, "not_adopted") {
			t.Errorf("clients show: exit %d\n%s", code, out)
		}
	}
	if got := w.tenant.Grants(all); !got[0].AllowAllScopes || got[0].ID != before[0].ID {
		t.Errorf("the grant of all scopes: %+v", got)
	}

	// Nothing but the command narrows: neither a plan, nor a sync, a restart, an
	// edit by somebody, or a login.
	w.run("plan")
	if out, code := w.run("sync"); code != 0 || !strings.Contains(out, "--adopt") {
		t.Errorf("sync: exit %d\n%s", code, out)
	}
	w.stop()
	w.start()
	w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+wide, map[string]any{"description": "mine"})
	w.idle()
	if !w.asDesired(wide, "notes:read", "notes:share", "notes:write") || !w.tenant.Grants(all)[0].AllowAllScopes {
		t.Errorf("narrowed without --adopt: %+v %+v", w.tenant.Grants(wide), w.tenant.Grants(all))
	}

	// A client that registers now is grantd's from the start, also where somebody
	// else was faster with a wider grant.
	w.stream.Hold()
	raced, fresh := w.register("raced").ID, w.register("fresh").ID
	w.edit(tenantsim.App(otherApp), "POST", "/api/v2/client-grants", map[string]any{
		"client_id": raced, "audience": audience, "subject_type": "user", "scope": []string{"notes:read", "notes:share"}})
	w.stream.Release()
	w.converged([]string{raced, fresh}, "notes:read", "notes:write")

	out, code := w.run("sync", "--adopt")
	if code != 0 || !strings.Contains(out, "from before grantd") {
		t.Errorf("sync --adopt: exit %d\n%s", code, out)
	}
	everyone := []string{wide, same, none, all, raced, fresh}
	if left := w.notAsDesired(everyone, "notes:read", "notes:write"); len(left) > 0 {
		t.Errorf("when sync --adopt had ended, %q were not as desired", left)
	}
	for _, id := range everyone {
		if c := w.await(id, "ready"); c.Conditions["granted"].Reason != "" {
			t.Errorf("%s: granted %+v", id, c.Conditions["granted"])
		}
		w.usable(id, "notes:read", "notes:write")
	}
	if out, code := w.run("plan"); code != 0 {
		t.Errorf("plan after that: exit %d\n%s", code, out)
	}
}

// The mode says what happens to scopes that nobody asked for: additive leaves
// them, exact takes them away. A grant of all scopes is such a one.
func TestScopeModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exact", "additive"} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t, setup{env: []string{"GRANTD_SCOPE_MODE=" + mode}})
			ids := w.registerMany(3)
			w.converged(ids, "notes:read", "notes:write")
			w.idle()
			mark := w.mark()
			wide, all, less := ids[0], ids[1], ids[2]
			w.stream.Hold() // or what was deleted is made again before all scopes are granted
			w.edit(tenantsim.Admin(), "PATCH", w.grantPath(wide), map[string]any{"scope": []string{"notes:read", "notes:share", "notes:write"}})
			w.edit(tenantsim.Admin(), "PATCH", w.grantPath(less), map[string]any{"scope": []string{"notes:share"}})
			w.edit(tenantsim.Admin(), "DELETE", w.grantPath(all), nil)
			w.edit(tenantsim.Admin(), "POST", "/api/v2/client-grants", map[string]any{
				"client_id": all, "audience": audience, "subject_type": "user", "allow_all_scopes": true})
			w.stream.Release()
			if mode == "exact" {
				w.converged(ids, "notes:read", "notes:write")
				w.idle()
				w.usable(all, "notes:read", "notes:write")
				return
			}
			w.converged([]string{less}, "notes:read", "notes:share", "notes:write")
			w.idle()
			if out, code := w.run("sync"); code != 0 {
				t.Errorf("sync: exit %d\n%s", code, out)
			}
			if g := w.tenant.Grants(all); len(g) != 1 || !g[0].AllowAllScopes {
				t.Errorf("the grant of all scopes: %+v", g)
			}
			if !w.asDesired(wide, "notes:read", "notes:share", "notes:write") {
				t.Errorf("the wide grant: %+v", w.tenant.Grants(wide))
			}
			if n := w.writes(mark); n != 1 {
				t.Errorf("%d writes, want one: %q", n, w.calls(mark))
			}
			if c := w.await(all, "ready"); !c.Conditions["granted"].Status {
				t.Errorf("granted: %+v", c.Conditions["granted"])
			}
			w.reload("GRANTD_SCOPE_MODE=exact")
			w.converged(ids, "notes:read", "notes:write")
			if slices.ContainsFunc(w.tenant.Calls(), func(c tenantsim.Call) bool { return c.Operation == "DELETE /client-grants/{id}" }) {
				t.Error("grantd deleted a grant")
			}
		})
	}
}
