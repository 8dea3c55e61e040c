package torture_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// TestHang: systemd's watchdog hears of grantd as long as the ledger answers,
// and no more once a commit hangs, so that systemd kills it.
func TestHang(t *testing.T) {
	const period = 1500 * time.Millisecond
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	dir := t.TempDir()
	path := filepath.Join(dir, "notify")
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = heard.Close() }()
	// ping reports whether one comes within a time.
	ping := func(within time.Duration) bool {
		if err := heard.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4<<10)
		for {
			n, err := heard.Read(buf)
			if err != nil {
				return false
			}
			if strings.Contains(string(buf[:n]), "WATCHDOG=1") {
				return true
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	start := func(more ...string) *child.Process {
		t.Helper()
		p, err := child.Start(ctx, child.Options{Exe: os.Getenv(binaryEnv), Args: []string{"serve"}, Env: append(more,
			"MGMT_DOMAIN="+tenant.Domain(), "MGMT_CLIENT_ID=grantd", "MGMT_CLIENT_SECRET=management-secret",
			"GRANTD_MGMT_URL="+tenant.URL(), "LOG_WEBHOOK_SECRET=webhook-secret-0123456789",
			"OAUTH_AUDIENCE=https://mcp.example.com/mcp", "TOOL_SCOPES=notes:read", "GRANTD_STATE_DIR="+filepath.Join(dir, "state"),
			"GRANTD_LISTEN=127.0.0.1:0", "GRANTD_ADMIN_LISTEN=off",
			"NOTIFY_SOCKET="+path, "WATCHDOG_USEC=1500000",
		)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := start()
	for range 4 {
		if !ping(time.Minute) {
			t.Error("no ping of a daemon that is well")
		}
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	// A ledger that is there starts without a commit; the first one hangs.
	p = start("FAILPOINT=store.committing:1:hang")
	defer p.Kill()
	if !child.Poll(ctx, func() bool {
		return strings.Contains(p.Logged(), "no answer") && strings.Contains(p.Logged(), "ledger")
	}) {
		t.Fatalf("the log does not say that a commit hangs:\n%s", p.Logged())
	}
	for ping(period) {
		if ctx.Err() != nil {
			t.Fatal("pings go on although a commit hangs")
		}
	}
}
