package e2e_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// systemd hears READY=1 once grantd serves, RELOADING=1 and READY=1 around a
// reload, and STOPPING=1; at the start and at the end with a status, and in
// between when it changes, which says too what of the configuration is not in
// force. It hears of the watchdog's pings where it wants them.
func TestSystemdIsNotified(t *testing.T) {
	w := newWorld(t, setup{unstarted: true})
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		t.Helper()
		buf := make([]byte, 4<<10)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	// next is the next message that is neither of those that come at any time.
	next := func() string {
		t.Helper()
		for {
			if s := read(); !strings.HasPrefix(s, "STATUS=") && s != "WATCHDOG=1" {
				return s
			}
		}
	}
	o := w.options("serve")
	o.Env = append(o.Env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=3000000")
	if err := w.tryStart(o); err != nil {
		t.Fatal(err)
	}
	if got, want := next(), "READY=1\nSTATUS=starting: 0 ready, 0 pending, 0 blocked, 0 refused"; got != want {
		t.Errorf("after the start: %q, want %q", got, want)
	}
	for got := ""; got != "WATCHDOG=1"; got = read() { // or the deadline ends it
	}
	if status, _, _ := w.send("GET", "http://"+w.daemon.Public+"/healthz", nil); status != 200 {
		t.Errorf("GET /healthz once ready: %d", status)
	}
	reloaded := func() string {
		t.Helper()
		if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
			t.Errorf("at the reload: %q", got)
		}
		return next()
	}
	const restart, errors = "; a restart is needed for GRANTD_WEBHOOK_PATH", "; the configuration has errors since it was edited, the one before stays"
	w.reload("TOOL_SCOPES=notes:read")
	if got := reloaded(); !strings.HasPrefix(got, "READY=1\nSTATUS=") || !strings.HasSuffix(got, " refused") {
		t.Errorf("after the reload: %q", got)
	}
	w.reload("GRANTD_WEBHOOK_PATH=/elsewhere")
	if got := reloaded(); !strings.HasSuffix(got, " refused"+restart) {
		t.Errorf("after the reload of what needs a restart: %q", got)
	}
	w.reload("GRANTD_ALLOWED_CLIENTS=http://")
	if got := reloaded(); !strings.HasSuffix(got, " refused"+errors+restart) {
		t.Errorf("after the reload of a file with errors: %q", got)
	}
	w.reload("GRANTD_ALLOWED_CLIENTS=chatgpt", "GRANTD_WEBHOOK_PATH=/auth0-log-webhook")
	if got := reloaded(); !strings.HasSuffix(got, " refused") {
		t.Errorf("after the reload of the file as it was: %q", got)
	}
	w.stop()
	if got := next(); !strings.HasPrefix(got, "STOPPING=1\nSTATUS=stopping") {
		t.Errorf("at the stop: %q", got)
	}
}
