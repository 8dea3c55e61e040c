package http_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"testing"

	"grantd/internal/http"
)

func controlOptions(t testing.TB) http.ServerOptions {
	o, _ := apiOptions(t)
	return http.ServerOptions{Handler: http.Control(o, nil), Logger: discard()}
}

// overSocket makes a request through the socket.
func overSocket(t testing.TB, path string) (int, error) {
	t.Helper()
	client := nethttp.Client{Transport: &nethttp.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	r, err := nethttp.NewRequestWithContext(t.Context(), "GET", "http://grantd/api/v1/config", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestControlSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.sock")
	s, err := http.ListenUnix(t.Context(), path, controlOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	stop := run(t, s)
	if status, err := overSocket(t, path); err != nil || status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
	if _, err := http.ListenUnix(t.Context(), path, controlOptions(t)); !errors.Is(err, http.ErrSocketInUse) {
		t.Errorf("a second one: got %v", err)
	}
	if status, err := overSocket(t, path); err != nil || status != 200 {
		t.Errorf("after the second one: got %d, %v", status, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestStaleSocket: what a killed process left over does not keep the next from
// starting.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.sock")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	un, ok := l.(*net.UnixListener)
	if !ok {
		t.Fatalf("a %T", l)
	}
	un.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := http.ListenUnix(t.Context(), path, controlOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if status, err := overSocket(t, path); err != nil || status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
}

// TestSocketPathTaken: nothing but a socket is ever removed, and no link
// followed.
func TestSocketPathTaken(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"by a file":          func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"by a directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"by a link":          func(path string) error { return os.Symlink("precious", path) },
		"by a dangling link": func(path string) error { return os.Symlink("/nowhere/at/all", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "grantd.sock")
			if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := take(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := http.ListenUnix(t.Context(), path, controlOptions(t)); !errors.Is(err, http.ErrNotSocket) {
				t.Errorf("got %v", err)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
				t.Errorf("what was there is not the same: %v", err)
			}
		})
	}
}

// TestSuccessorsSocketStays: a process that stops late does not remove the
// socket of the one that took its place.
func TestSuccessorsSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.sock")
	old, err := http.ListenUnix(t.Context(), path, controlOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	successor, err := http.ListenUnix(t.Context(), path, controlOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	run(t, successor)
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	if status, err := overSocket(t, path); err != nil || status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestSocketPathTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd-with-a-name-that-no-address-of-a-unix-socket-can-hold-because-it-has-more-than-a-hundred-and-seven-bytes.sock")
	if _, err := http.ListenUnix(t.Context(), path, controlOptions(t)); err == nil {
		t.Error("bound")
	}
}
