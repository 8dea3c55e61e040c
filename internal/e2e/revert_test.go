package e2e_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// newest is the number of the newest journal entry of a step of a client.
func (w *world) newest(id, step string) string {
	w.Helper()
	out, code := w.run("history", id, "--json")
	var list struct {
		Entries []struct {
			Seq     uint64
			Step    string
			Reverts uint64
		}
	}
	if err := json.Unmarshal([]byte(out), &list); code != 0 || err != nil {
		w.Fatalf("history: exit %d, %v: %s", code, err, out)
	}
	for _, e := range list.Entries {
		if e.Step == step {
			return strconv.FormatUint(e.Seq, 10)
		}
	}
	w.Fatalf("no %s of %s: %s", step, id, out)
	return ""
}

// A change is undone through the running daemon and stays so, over sweeps, edits
// and a restart, until the client is let go.
func TestRevert(t *testing.T) {
	w := newWorld(t, setup{scopes: append(allScopes(), "delete:client_grants")})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.idle()
	seq := w.newest(c.ID, "grant")
	out, code := w.run("revert", seq, "--dry-run")
	if code != 0 || len(w.tenant.Grants(c.ID)) != 1 || !strings.Contains(out, "Would revert") {
		t.Fatalf("exit %d: %s", code, out)
	}
	out, code = w.run("revert", seq)
	if code != 0 || len(w.tenant.Grants(c.ID)) != 0 || !strings.Contains(out, "grantd hold release "+c.ID) {
		t.Fatalf("exit %d: %s", code, out)
	}
	rec := w.awaitFunc(c.ID, func(c child.Client) bool { return c.Phase == "blocked" })
	if rec.Reason != "held" || !strings.Contains(rec.Message, "grantd revert") {
		t.Errorf("%s: %s", rec.Reason, rec.Message)
	}
	w.idle()
	mark := w.mark()
	w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"app_type": "spa"})
	w.run("sync")
	w.stop()
	w.start()
	w.run("sync")
	w.idle()
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes though it is held", n)
	}
	if out, code := w.run("revert", seq); code != 1 || !strings.Contains(out, "reverted already") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code := w.run("hold", "release", c.ID); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	w.await(c.ID, "ready")
	if !w.asDesired(c.ID, "notes:read", "notes:write") {
		t.Error("it was not made again")
	}
}

// What somebody changed since is left as it is, and the client is not held.
func TestRevertChangedSince(t *testing.T) {
	w := newWorld(t, setup{noStream: true, scopes: append(allScopes(), "delete:client_grants")})
	c := w.register("first")
	w.run("sync")
	w.await(c.ID, "ready")
	seq := w.newest(c.ID, "grant")
	w.edit(tenantsim.App(otherApp), "PATCH", w.grantPath(c.ID), map[string]any{"scope": []string{"notes:read"}})
	out, code := w.run("revert", seq)
	if code != 1 || !strings.Contains(out, "changed since") || !strings.Contains(out, "notes:read") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, _ := w.run("hold", "list"); !strings.Contains(out, "Nothing is held") {
		t.Errorf("held: %s", out)
	}
}

// The hold is in force before anything is undone: a daemon that repairs at the
// same time does not put it back.
func TestRevertAgainstRepairs(t *testing.T) {
	w := newWorld(t, setup{tenant: tenantsim.Options{}, scopes: append(allScopes(), "delete:client_grants")})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.idle()
	seq := w.newest(c.ID, "grant")
	reverted, ended := make(chan struct{}), make(chan struct{})
	go func() { // edits that make it due all the while
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-reverted:
				return
			default:
			}
			w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"description": fmt.Sprint(n)})
			child.Poll(w.Context(), w.delivered)
		}
	}()
	out, code := w.run("revert", seq)
	close(reverted)
	<-ended
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	w.idle()
	if n := len(w.tenant.Grants(c.ID)); n != 0 {
		t.Errorf("%d grants", n)
	}
}
