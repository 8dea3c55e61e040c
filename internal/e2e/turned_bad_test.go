package e2e_test

import (
	"testing"

	"grantd/internal/tenantsim"
)

const strangeCallback = "https://evil.example.com/callback"

// turnBad gives a client a callback that is not on the allow-list.
func (w *world) turnBad(id, callback string) {
	w.Helper()
	w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, map[string]any{
		"callbacks": []string{"https://chatgpt.com/connector/oauth/" + callback, strangeCallback},
	})
}

// A ready client that no longer fits is refused with an alarm, whether its edit
// was heard of or only a sweep sees it, and keeps its grant.
func TestTurnedBad(t *testing.T) {
	for name, heard := range map[string]bool{"edit": true, "sweep": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			c := w.register("first")
			w.await(c.ID, "ready")
			w.idle()
			mark := w.mark()
			if !heard {
				w.stop()
			}
			w.turnBad(c.ID, "first")
			if !heard {
				w.start()
				w.run("sync")
			}
			rec := w.await(c.ID, "refused")
			if rec.Reason != "callback_not_allowed" {
				t.Errorf("refused for %q", rec.Reason)
			}
			w.logged(`"alarm":"client_turned_bad"`, `"was_ready":true`, `"level":"ERROR"`)
			if n := w.metric(`grantd_alarms_total{alarm="client_turned_bad"}`); n != "1" {
				t.Errorf("%s alarms", n)
			}
			w.run("sync")
			if n := w.writes(mark); n != 0 {
				t.Errorf("%d writes", n)
			}
			if !w.asDesired(c.ID, "notes:read", "notes:write") {
				t.Error("its grant was touched")
			}
		})
	}
}

// With GRANTD_REVOKE its scopes are taken away, and come back by grantd revert,
// for good, or by themselves when the client fits again.
func TestRevoked(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_REVOKE=true"}})
	first, second := w.register("first").ID, w.register("second").ID
	for _, id := range []string{first, second} {
		w.await(id, "ready")
	}
	w.idle()
	w.turnBad(first, "first")
	w.turnBad(second, "second")
	for _, id := range []string{first, second} {
		w.eventually("the scopes are gone", func() bool { return w.asDesired(id) })
		w.await(id, "refused")
	}
	w.idle()
	seq := w.newest(first, "revoke")
	if out, code := w.run("revert", seq); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+second, map[string]any{
		"callbacks": []string{"https://chatgpt.com/connector/oauth/second"},
	})
	w.await(second, "ready")
	w.idle()
	w.run("sync")
	for _, id := range []string{first, second} {
		if !w.asDesired(id, "notes:read", "notes:write") {
			t.Errorf("%s: %v", id, w.tenant.Grants(id))
		}
	}
	w.await(first, "refused")
	if out, code := w.run("hold", "release", first); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	w.eventually("the scopes are gone again", func() bool { return w.asDesired(first) })
}
