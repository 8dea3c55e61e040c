package e2e_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// exitCode is that of a grantd that ended before it served.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("not an exit: %v", err)
	}
	return exit.ExitCode()
}

// terminate sends SIGTERM.
func (w *world) terminate() {
	w.Helper()
	if err := syscall.Kill(w.daemon.PID(), syscall.SIGTERM); err != nil {
		w.Fatal(err)
	}
}

// stopping waits until nothing more is taken.
func (w *world) stopping() {
	w.Helper()
	w.eventually("it is stopping", func() bool {
		resp, err := http.Get("http://" + w.daemon.Public + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
}

// SIGTERM finishes work under way, exits 0, and leaves nothing to do for the
// next start.
func TestSIGTERMDrainsAndExitsZero(t *testing.T) {
	w := newWorld(t, setup{})
	var held atomic.Int32
	goOn := make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v2/") {
			held.Add(1)
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		}
		return tenantsim.Fault{}
	})
	mark := w.mark()
	ids := w.registerMany(5)
	w.eventually("all five are under way", func() bool { return held.Load() == 10 })
	w.terminate()
	w.stopping()
	close(goOn)
	<-w.daemon.Done()
	w.stop()
	for _, id := range ids {
		w.usable(id, "notes:read", "notes:write")
	}
	if n := len(w.calls(mark)); n != 15 {
		t.Errorf("%d calls: %q", n, w.calls(mark))
	}
	if out, code := w.run("clients", "list", "--phase", "ready", "--json"); code != 0 || strings.Count(out, `"phase": "ready"`) != 5 {
		t.Errorf("ledger after the stop: exit %d\n%s", code, out)
	}
	mark = w.mark()
	w.start()
	w.warm()
	w.idle()
	for _, op := range w.calls(mark) {
		if strings.Contains(op, "clients/") {
			t.Errorf("the second start looked at a client: %q", w.calls(mark))
		}
	}
	w.stop()
}

// A second signal ends it at once; nothing acknowledged is lost.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	w := newWorld(t, setup{})
	w.tenant.ResetCalls()
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if strings.HasPrefix(r.URL.Path, "/api/v2/clients/") {
			return tenantsim.Fault{Kind: tenantsim.Timeout}
		}
		return tenantsim.Fault{}
	})
	c := w.register("first")
	w.eventually("the registration is acknowledged", w.delivered)
	w.eventually("work is under way", func() bool { return w.tenant.Peak() > 0 })
	w.terminate()
	w.stopping()
	// The door may close a moment before the second signal counts, so it is sent
	// until it does.
	w.eventually("it ends", func() bool {
		select {
		case <-w.daemon.Done():
			return true
		default:
			_ = syscall.Kill(w.daemon.PID(), syscall.SIGTERM) // it may have ended just now
			return false
		}
	})
	if err := w.daemon.Stop(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("ended with %v, want by the signal", err)
	}
	w.tenant.Faults(nil)
	w.start()
	w.await(c.ID, "ready")
}

// A second daemon on the same state directory gets a clear error.
func TestSecondDaemonOnTheSameStateGetsAClearError(t *testing.T) {
	w := newWorld(t, setup{})
	o := w.options("serve")
	_, err := child.Start(w.ctx(), o)
	if err == nil {
		t.Fatal("it serves")
	}
	if code := exitCode(t, err); code != 1 || !strings.Contains(err.Error(), "grantd.db") {
		t.Errorf("exit %d: %v", code, err)
	}
	w.await(w.register("first").ID, "ready")
}

// A ledger belongs to one tenant and audience: another domain is refused, and
// another audience unless it is accepted, which makes every client due.
func TestLedgerBelongsToOneTenantAndAudience(t *testing.T) {
	const other = "https://other.example.com/mcp"
	w := newWorld(t, setup{})
	w.tenant.AddAPI(other, read, write, share)
	c := w.register("first")
	w.await(c.ID, "ready")
	// Two have a wide grant for the other audience, none of grantd's making.
	wide := w.registerMany(2)
	w.converged(wide, read, write)
	w.idle()
	w.stop()
	for _, id := range wide {
		w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: other, Scopes: []string{read, share}})
	}
	grant := func(id string) string {
		g, _ := w.tenant.UserGrant(id, other)
		slices.Sort(g.Scopes)
		return strings.Join(g.Scopes, " ")
	}
	w.set("MGMT_DOMAIN=other.us.auth0.com")
	if err := w.tryStart(w.options("serve")); exitCode(t, err) != 2 || !strings.Contains(err.Error(), domain) {
		t.Errorf("another domain: %v", err)
	}
	w.set("MGMT_DOMAIN="+domain, "OAUTH_AUDIENCE="+other)
	if err := w.tryStart(w.options("serve")); exitCode(t, err) != 2 || !strings.Contains(err.Error(), "--accept-audience-change") {
		t.Errorf("another audience: %v", err)
	}
	w.start("--accept-audience-change")
	w.eventually("the client has a grant for the other audience", func() bool { return grant(c.ID) == "notes:read notes:write" })
	// What is there before grantd is widened, as on a first start.
	for _, id := range wide {
		w.awaitFunc(id, func(c child.Client) bool { return c.Conditions["granted"].Reason == "not_adopted" })
		if got := grant(id); got != "notes:read notes:share notes:write" {
			t.Errorf("the grant of another's making holds %s", got)
		}
	}
	w.stop()
	w.start() // it belongs to that audience now
	if out, code := w.run("sync", "--adopt"); code != 0 || grant(wide[0]) != "notes:read notes:write" {
		t.Errorf("sync --adopt: exit %d, %s\n%s", code, grant(wide[0]), out)
	}
	if out, code := w.run("plan"); code != 0 || !strings.Contains(out, "3 grants  left behind") {
		t.Errorf("plan does not list three grants that are left behind: exit %d\n%s", code, out)
	}
}

// All errors of a configuration are reported at once, exit 2, without secrets.
func TestAllConfigurationErrorsAtOnce(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, env: []string{
		"MGMT_DOMAIN=", "TOOL_SCOPES=", "LOG_WEBHOOK_SECRET=short-secret", "GRANTD_POLL_SCHEDULE=@every 0s", "GRANTD_ALLOWED_CLIENTS=nobody"}})
	err := w.tryStart(w.options("serve"))
	if exitCode(t, err) != 2 {
		t.Errorf("exit %d, want 2", exitCode(t, err))
	}
	for _, name := range []string{"MGMT_DOMAIN", "TOOL_SCOPES", "LOG_WEBHOOK_SECRET", "GRANTD_POLL_SCHEDULE", "GRANTD_ALLOWED_CLIENTS"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named:\n%v", name, err)
		}
	}
	if strings.Contains(err.Error(), "short-secret") {
		t.Error("a secret was printed")
	}
	if _, err := os.Stat(filepath.Join(w.dir, "state")); err == nil {
		t.Error("a state directory was made")
	}
}
