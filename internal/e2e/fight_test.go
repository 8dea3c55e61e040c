package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// fight is a second manager, who undoes what grantd repairs, each time once it is
// done with it, until it leaves the client alone. It returns how often he did.
func (w *world) fight(id string, repaired func() bool, undo func()) (times int) {
	w.Helper()
	w.eventually("it is left alone", func() bool {
		if repaired() && w.due() == 0 {
			undo()
			times++
		}
		c, err := w.daemon.Client(w.ctx(), id)
		return err == nil && c.Phase == "blocked"
	})
	return times
}

// Two managers fight over a field: after five repairs grantd leaves it alone,
// says so loudly and names the culprit; everything else goes on. A restart and a
// sweep do not begin the fight anew.
func TestTwoManagersFighting(t *testing.T) {
	t.Parallel()
	type fight struct {
		name  string
		field string
		done  func(w *world, id string) bool
		undo  func(w *world, id string)
	}
	for _, f := range []fight{
		{"grant deleted", "grant",
			func(w *world, id string) bool { return len(w.tenant.Grants(id)) == 1 },
			func(w *world, id string) { w.tenant.Do(tenantsim.App(otherApp), "DELETE", w.grantPath(id), nil) }},
		{"grant narrowed", "grant",
			func(w *world, id string) bool { return w.asDesired(id, "notes:read", "notes:write") },
			func(w *world, id string) {
				w.tenant.Do(tenantsim.App(otherApp), "PATCH", w.grantPath(id), map[string]any{"scope": []string{"notes:read"}})
			}},
		{"client edited", "promote",
			func(w *world, id string) bool { c, _ := w.tenant.Client(id); return c.AppType == "regular_web" },
			func(w *world, id string) {
				w.tenant.Do(tenantsim.App(otherApp), "PATCH", "/api/v2/clients/"+id, map[string]any{"app_type": "spa"})
			}},
	} {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t, setup{})
			c := w.register("first")
			w.await(c.ID, "ready")
			w.idle()
			mark := w.mark()
			undone := w.fight(c.ID, func() bool { return f.done(w, c.ID) }, func() { f.undo(w, c.ID) })
			rec := w.await(c.ID, "blocked")
			if rec.Reason != "fighting" || !strings.Contains(rec.Message, otherApp) {
				t.Errorf("blocked for %q: %q; want the culprit", rec.Reason, rec.Message)
			}
			w.degraded("fighting")
			w.logged("two managers fight")
			var line struct{ Level, By, Field string }
			for text := range strings.Lines(w.daemon.Logged()) {
				if strings.Contains(text, "two managers fight") {
					if err := json.Unmarshal([]byte(text), &line); err != nil {
						t.Fatal(err)
					}
				}
			}
			if line.Level != "ERROR" || line.Field != f.field || !strings.Contains(line.By, otherApp) {
				t.Errorf("the line in the log: %+v", line)
			}
			if n := w.metric(`grantd_holds{reason="fighting"}`); n != "1" {
				t.Errorf("grantd_holds is %s", n)
			}
			w.idle()
			if n := w.writes(mark); n != 5 || undone != 6 {
				t.Errorf("%d repairs, undone %d times, want 5 and 6: %q", n, undone, w.calls(mark))
			}
			// Others, and other fields of this client, go on.
			second := w.register("second")
			w.await(second.ID, "ready")
			w.usable(second.ID, "notes:read", "notes:write")
			if f.field == "grant" {
				w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"app_type": "native"})
				w.eventually("another field of the client is repaired", func() bool { got, _ := w.tenant.Client(c.ID); return got.AppType == "regular_web" })
			} else {
				w.edit(tenantsim.Admin(), "DELETE", w.grantPath(c.ID), nil)
				w.eventually("another field of the client is repaired", func() bool { return w.asDesired(c.ID, "notes:read", "notes:write") })
			}
			w.idle()
			mark = w.mark()
			w.daemon.Kill()
			w.start()
			if out, code := w.run("sync"); code != 3 {
				t.Errorf("sync: exit %d, want 3: somebody must look\n%s", code, out)
			}
			w.reload("TOOL_SCOPES=notes:write notes:read")
			w.idle()
			if n := w.writes(mark); n != 0 {
				t.Errorf("%d writes although the field is held: %q", n, w.calls(mark))
			}
			w.await(c.ID, "blocked")
			w.degraded("fighting")
		})
	}
}

// What people do now and then is no fight.
func TestAFewRepairsAreNoFight(t *testing.T) {
	w := newWorld(t, setup{})
	ids := w.registerMany(8)
	w.converged(ids, "notes:read", "notes:write")
	w.idle()
	// Eight clients edited by one person, and one client four times.
	for _, id := range slices.Concat(ids, []string{ids[0], ids[0], ids[0]}) {
		w.edit(tenantsim.Admin(), "DELETE", w.grantPath(id), nil)
		w.converged([]string{id}, "notes:read", "notes:write")
		w.idle()
	}
	w.well()
}

// metric is the value of a series as it is scraped.
func (w *world) metric(series string) string {
	w.Helper()
	_, answer, _ := w.send("GET", "http://"+w.daemon.Admin+"/metrics", nil)
	for line := range strings.Lines(string(answer)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "not there"
}
