package daemon_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"grantd/internal/config"
	"grantd/internal/daemon"
	"grantd/internal/store"
)

// with is the options with variables set besides, or instead.
func with(t *testing.T, o daemon.Options, environ ...string) daemon.Options {
	t.Helper()
	o.Load = loader(o, environ...)
	c, _, err := o.Load()
	if err != nil {
		t.Fatal(err)
	}
	o.Config = c
	return o
}

// loader loads the options' configuration with variables set besides.
func loader(o daemon.Options, environ ...string) func() (*config.Config, []config.Notice, error) {
	c := o.Config
	base := []string{
		"MGMT_DOMAIN=" + c.Domain, "MGMT_CLIENT_ID=" + c.ClientID, "MGMT_CLIENT_SECRET=" + c.ClientSecret.Reveal(),
		"GRANTD_MGMT_URL=" + c.MgmtURL, "LOG_WEBHOOK_SECRET=" + c.WebhookSecret.Reveal(),
		"OAUTH_AUDIENCE=" + c.Audience, "TOOL_SCOPES=" + strings.Join(c.ToolScopes, " "),
		"GRANTD_LISTEN=127.0.0.1:0", "GRANTD_ADMIN_LISTEN=off", "GRANTD_STATE_DIR=" + c.StateDir,
	}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		kept := base[:0:0]
		for _, b := range base {
			if !strings.HasPrefix(b, name+"=") {
				kept = append(kept, b)
			}
		}
		base = append(kept, e)
	}
	return func() (*config.Config, []config.Notice, error) { return config.Load(config.Source{Environ: base}) }
}

// After Run nothing is left: no goroutine, no listener, no lock.
func TestRunLeavesNothing(t *testing.T) {
	tenant, o := setup(t)
	o = with(t, o, "GRANTD_ADMIN_LISTEN=127.0.0.1:0")
	before := goleak.IgnoreCurrent()
	d, stop := run(t, o)
	public, admin := d.Addr().String(), d.AdminAddr().String()
	eventually(t, "a poll", func() bool { return tenant.Count("GET /logs") > 0 })
	stop()
	http.DefaultClient.CloseIdleConnections()
	leavesNothing(t, before)
	for _, addr := range []string{public, admin} {
		eventually(t, addr+" is free", func() bool { // another process may have taken it for a moment
			l, err := net.Listen("tcp", addr)
			return err == nil && l.Close() == nil
		})
	}
	if _, err := os.Stat(o.Config.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	_, stop = run(t, o)
	stop()
}

// leavesNothing wants no more goroutines than before. Some end only when they
// notice, such as the tenant's side of a connection.
func leavesNothing(t *testing.T, before goleak.Option) {
	t.Helper()
	var left error
	defer func() {
		if left != nil {
			t.Log(left)
		}
	}()
	eventually(t, "no goroutine is left", func() bool {
		left = goleak.Find(before)
		return left == nil
	})
}

// Whatever New fails at, it leaves nothing open: the next one succeeds.
func TestNewCleansUp(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	addr := taken.Addr().String()
	for name, tc := range map[string]struct {
		environ []string
		prepare func(t *testing.T, dir string) (undo func())
		says    string
		is      error
	}{
		"port":       {environ: []string{"GRANTD_LISTEN=" + addr}, says: "GRANTD_LISTEN"},
		"admin port": {environ: []string{"GRANTD_ADMIN_LISTEN=" + addr}, says: "GRANTD_ADMIN_LISTEN"},
		"socket": {says: "control socket", prepare: func(t *testing.T, dir string) func() {
			l, err := net.Listen("unix", filepath.Join(dir, "grantd.sock"))
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = l.Close() }
		}},
		"ledger": {says: "open ledger", is: store.ErrLocked, prepare: func(t *testing.T, dir string) func() {
			l, err := store.Open(t.Context(), store.Options{
				Path: filepath.Join(dir, "grantd.db"), Tenant: "acme.us.auth0.com", Audience: "https://mcp.example.com/mcp",
			})
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = l.Close() }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := setup(t)
			good := with(t, o)
			bad := with(t, o, tc.environ...)
			undo := func() {}
			if tc.prepare != nil {
				undo = tc.prepare(t, o.Config.StateDir)
			}
			before := goleak.IgnoreCurrent()
			_, err := daemon.New(t.Context(), bad)
			if err == nil || !strings.Contains(err.Error(), tc.says) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("error %v", err)
			}
			leavesNothing(t, before)
			undo()
			_, stop := run(t, good)
			stop()
		})
	}
}

// The ledger of another audience is taken over only when that was asked for.
func TestAudienceChange(t *testing.T) {
	_, o := setup(t)
	_, stop := run(t, o)
	stop()
	o = with(t, o, "OAUTH_AUDIENCE=https://other.example.com/mcp")
	if _, err := daemon.New(t.Context(), o); !errors.Is(err, store.ErrOtherAudience) {
		t.Errorf("error %v", err)
	}
	o.AcceptAudienceChange = true
	_, stop = run(t, o)
	stop()
}

// The times that health shows survive a restart.
func TestHealthSurvives(t *testing.T) {
	tenant, o := setup(t)
	d, stop := run(t, o)
	eventually(t, "a poll", func() bool { r := report(t, d); return r.ManagementAPI.OK && r.JWKS.Reachable })
	was := report(t, d)
	stop()
	tenant.Outage(true)
	defer tenant.Outage(false)
	d, stop = run(t, o)
	defer stop()
	if r := report(t, d); r.ManagementAPI.LastSuccessAt.IsZero() || r.ManagementAPI.LastSuccessAt.Before(was.ManagementAPI.LastSuccessAt.Time) {
		t.Errorf("last success %v, it was %v", r.ManagementAPI.LastSuccessAt, was.ManagementAPI.LastSuccessAt)
	}
}
