package daemon_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"grantd/internal/config"
	"grantd/internal/daemon"
	"grantd/internal/health"
	"grantd/internal/tenantsim"
)

// setup is a tenant and what a daemon of it needs.
func setup(t *testing.T) (*tenantsim.Tenant, daemon.Options) {
	t.Helper()
	tenant := tenantsim.ForTest(t, tenantsim.Options{Domain: "acme.us.auth0.com"})
	tenant.AddM2M("grantd", "management-secret", "read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs", "read:resource_servers")
	tenant.AddConnection("google-oauth2", true)
	tenant.AddAPI("https://mcp.example.com/mcp", "notes:read")
	src := config.Source{Environ: []string{
		"MGMT_DOMAIN=acme.us.auth0.com", "MGMT_CLIENT_ID=grantd", "MGMT_CLIENT_SECRET=management-secret",
		"GRANTD_MGMT_URL=" + tenant.URL(), "LOG_WEBHOOK_SECRET=webhook-secret-0123456789",
		"OAUTH_AUDIENCE=https://mcp.example.com/mcp", "TOOL_SCOPES=notes:read",
		"GRANTD_LISTEN=127.0.0.1:0", "GRANTD_ADMIN_LISTEN=off", "GRANTD_STATE_DIR=" + daemon.FastDir(t),
	}}
	load := func() (*config.Config, []config.Notice, error) { return config.Load(src) }
	c, _, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return tenant, daemon.Options{Config: c, Load: load, Logger: slog.New(slog.DiscardHandler), Version: "test"}
}

// run runs a daemon; the returned function stops it and waits for its end.
func run(t *testing.T, o daemon.Options) (*daemon.Daemon, func()) {
	t.Helper()
	d, err := daemon.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return d, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

func report(t *testing.T, d *daemon.Daemon) (r health.Report) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Addr().String()+"/health/auth0", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// SIGHUP may come at any time, also before the daemon runs and while it starts.
func TestReloadBeforeAndWhileStarting(t *testing.T) {
	_, o := setup(t)
	d, err := daemon.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Errorf("before Run: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for !report(t, d).JWKS.Reachable { // the schedule starts after that
		if err := d.Reload(t.Context()); err != nil {
			t.Errorf("while starting: %v", err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A stop interrupts calls under way, which is not Auth0's fault: the next start
// does not show it as the last error.
func TestStopIsNoErrorOfAuth0(t *testing.T) {
	tenant, o := setup(t)
	d, stop := run(t, o)
	eventually(t, "a good call", func() bool { return report(t, d).ManagementAPI.OK })
	stop()

	arrived := make(chan struct{}, 100)
	tenant.Faults(func(*http.Request) tenantsim.Fault {
		arrived <- struct{}{}
		return tenantsim.Fault{Kind: tenantsim.Timeout}
	})
	_, stop = run(t, o)
	<-arrived
	stop()

	tenant.Faults(nil)
	d, stop = run(t, o)
	defer stop()
	eventually(t, "a good call", func() bool { return report(t, d).ManagementAPI.OK })
	if got := report(t, d).ManagementAPI; got.LastError != "" || !got.LastErrorAt.IsZero() {
		t.Errorf("last error %q at %v, want none", got.LastError, got.LastErrorAt)
	}
}
