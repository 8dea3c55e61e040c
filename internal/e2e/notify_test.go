package e2e_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// systemd hears READY=1 once grantd serves, RELOADING=1 and READY=1 around a
// reload, and STOPPING=1.
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
	next := func() string {
		t.Helper()
		buf := make([]byte, 4<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if s := string(buf[:n]); !strings.HasPrefix(s, "STATUS=") {
				return s
			}
		}
	}
	o := w.options("serve")
	o.Env = append(o.Env, "NOTIFY_SOCKET="+socket)
	if err := w.tryStart(o); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "READY=1" {
		t.Errorf("after the start: %q", got)
	}
	if status, _, _ := w.send("GET", "http://"+w.daemon.Public+"/healthz", nil); status != 200 {
		t.Errorf("GET /healthz once ready: %d", status)
	}
	w.reload("TOOL_SCOPES=notes:read")
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("at the reload: %q", got)
	}
	if got := next(); got != "READY=1" {
		t.Errorf("after the reload: %q", got)
	}
	w.stop()
	if got := next(); got != "STOPPING=1" {
		t.Errorf("at the stop: %q", got)
	}
}
