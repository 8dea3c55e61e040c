package http_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"grantd/internal/http"
)

const nobody = 65534

// asNobody runs f on a thread of its own that is another user's. It needs
// root. The thread ends with the goroutine, because it stays locked.
func asNobody(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		// The system call itself changes this thread alone; setresuid(2) of
		// libraries changes all.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		done <- f()
	}()
	return <-done
}

// TestPeerOfAnotherUser: even where the file's mode lets others in, they are
// hung up on.
func TestPeerOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // that others may enter
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "grantd.sock")
	out := logged{make(chan string, 10)}
	o := controlOptions(t)
	o.Logger = textLogger(out)
	s, err := http.ListenUnix(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)

	ask := func() (answer string, err error) {
		err = asNobody(func() error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
				return err
			}
			_, _ = unix.Write(fd, []byte("GET /api/v1/config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
			buf := make([]byte, 1024)
			n, err := unix.Read(fd, buf)
			answer = string(buf[:max(n, 0)])
			if err != nil && !strings.Contains(err.Error(), "reset") {
				return err
			}
			return nil
		})
		return answer, err
	}
	if _, err := ask(); !errors.Is(err, unix.EACCES) {
		t.Errorf("by the file's mode: got %v", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := ask()
	if errors.Is(err, unix.EACCES) {
		t.Skip("nobody else can enter the directory of temporary files")
	}
	if got != "" || err != nil {
		t.Errorf("by the peer's user: got %q, %v", got, err)
	}
	if line := <-out.lines; !strings.Contains(line, "refused connection to control socket") || !strings.Contains(line, "uid=65534") {
		t.Errorf("logged %q", line)
	}
	if status, err := overSocket(t, path); err != nil || status != 200 {
		t.Errorf("the owner got %d, %v", status, err)
	}
}
