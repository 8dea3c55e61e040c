package daemon

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"grantd/internal/config"
	"grantd/internal/tenantsim"
)

const pingEvery = 20 * time.Second

// pinged counts the pings of a watchdog that begins now; the returned function
// says how many came in the time given.
func pinged(ctx context.Context, t *testing.T, d *Daemon) func(time.Duration) int {
	t.Helper()
	var n atomic.Int64
	go d.pings(ctx, pingEvery, func() { n.Add(1) })
	return func(while time.Duration) int {
		before := n.Load()
		time.Sleep(while)
		synctest.Wait()
		return int(n.Load() - before)
	}
}

// systemd hears of the daemon at rest, and while Auth0 fails: a restart would
// mend nothing, and cost.
func TestWatchdogPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, tenantsim.Options{}, 3)
		defer b.stop()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pings := pinged(ctx, t, b.Daemon)
		if n := pings(10*pingEvery + time.Second); n != 11 { // one at once
			t.Errorf("%d pings in ten periods", n)
		}
		b.tenant.Faults(func(*http.Request) tenantsim.Fault { return tenantsim.Fault{Kind: tenantsim.InternalError} })
		b.loop.Wake()
		if n := pings(10 * pingEvery); n != 10 {
			t.Errorf("%d pings in ten periods while Auth0 fails", n)
		}
	})
}

// It hears nothing of a daemon whose loop does not turn. That a ledger which
// hangs is silent too is tested on a binary (internal/torture).
func TestWatchdogIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, err := config.Load(config.Source{Environ: []string{
			"MGMT_DOMAIN=acme.eu.auth0.com", "MGMT_CLIENT_ID=" + bubbleApp, "MGMT_CLIENT_SECRET=management-secret",
			"LOG_WEBHOOK_SECRET=a-webhook-secret-of-the-tests", "OAUTH_AUDIENCE=" + bubbleAudience, "TOOL_SCOPES=notes:read",
			"GRANTD_STATE_DIR=" + filepath.Join(t.TempDir(), "state"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := Open(t.Context(), Options{Config: c, Version: "test", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pings := pinged(ctx, t, &Daemon{Engine: e})
		if n := pings(10 * pingEvery); n != 0 {
			t.Errorf("%d pings without a loop", n)
		}
		var g errgroup.Group
		g.Go(func() error { return e.loop.Run(ctx) })
		if n := pings(10*pingEvery + time.Second); n < 10 {
			t.Errorf("%d pings in ten periods once it turns", n)
		}
		cancel()
		_ = g.Wait() // always nil
	})
}
