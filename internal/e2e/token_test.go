package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// unauthorized is how many calls were answered with 401.
func (w *world) unauthorized() (n int) {
	for _, c := range w.tenant.Calls() {
		if c.Status == 401 {
			n++
		}
	}
	return n
}

// doublings is how often something was tried again that is tried after 5 seconds
// and then after waits that double.
func doublings(since time.Time) (n int) {
	left := time.Since(since)
	for wait := 5 * time.Second; left >= wait; wait *= 2 {
		left -= wait
		n++
	}
	return n
}

// The Management token is requested once for many calls, also across restarts,
// and kept where its owner alone can read it.
func TestTokenIsRequestedOnce(t *testing.T) {
	w := newWorld(t, setup{})
	for range 3 {
		for _, id := range w.registerMany(5) {
			w.await(id, "ready")
		}
		w.stop()
		w.start()
	}
	w.daemon.Kill()
	w.start()
	w.await(w.register("last").ID, "ready")
	if n := len(w.tenant.TokenRequests()); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	for _, name := range []string{"token.json", "grantd.db"} {
		info, err := os.Stat(filepath.Join(w.dir, "state", name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, info.Mode().Perm())
		}
	}
}

// The token is renewed before it expires: no call ever fails for it.
func TestTokenIsRenewedBeforeItExpires(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}})
	w.tenant.SetTokenLifetime(2 * time.Second)
	w.tenant.SetTokenLeeway(patience) // a call may be sent in time and arrive late
	w.start()
	w.eventually("three tokens", func() bool { return len(w.tenant.TokenRequests()) >= 3 })
	w.await(w.register("first").ID, "ready")
	if n := w.unauthorized(); n != 0 {
		t.Errorf("%d calls were answered with 401", n)
	}
}

// One 401 makes it renew once, however many calls meet it, and costs no client
// an attempt.
func TestOne401RenewsOnce(t *testing.T) {
	w := newWorld(t, setup{})
	w.await(w.register("first").ID, "ready")
	w.tenant.RevokeTokens()
	for _, id := range w.registerMany(10) {
		w.await(id, "ready")
		if n := w.looks(id); n > 2 { // the refused call and the same again
			t.Errorf("%s: looked at %d times", id, n)
		}
	}
	if n := len(w.tenant.TokenRequests()); n != 2 {
		t.Errorf("%d token requests, want one and its renewal", n)
	}
}
