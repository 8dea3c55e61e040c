package http

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"
)

// Errors of ListenUnix.
var (
	// ErrSocketInUse: another process answers at the path.
	ErrSocketInUse = errors.New("another process is listening there")
	// ErrNotSocket: the path is taken by something that is not a socket, or by
	// a symbolic link. It is left alone.
	ErrNotSocket = errors.New("the path is taken by something that is not a socket")
)

// socketMode lets the owner in, and root, whom no mode keeps out.
const socketMode fs.FileMode = 0o600

// unixListener accepts connections of the owner and of root, whatever became
// of the file's mode, and removes the file in the end.
type unixListener struct {
	net.Listener
	path string
	file fs.FileInfo // as it was made
	log  *slog.Logger
}

func listenUnix(ctx context.Context, path string, log *slog.Logger) (*unixListener, error) {
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: restrictSocket}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	u := &unixListener{Listener: l, path: path, log: log}
	if un, ok := l.(*net.UnixListener); ok {
		un.SetUnlinkOnClose(false) // by name, whoever's file that is by then
	}
	if u.file, err = restrictFile(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return u, nil
}

// removeStale removes the socket of a process that has ended.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return ErrNotSocket
	}
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(ErrSocketInUse, c.Close())
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	default:
		return fmt.Errorf("%w: %w", ErrSocketInUse, err)
	}
}

// restrictFile makes sure of the mode where restrictSocket could not.
func restrictFile(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return nil, ErrNotSocket
	}
	if info.Mode().Perm() == socketMode {
		return info, nil
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// Accept implements net.Listener.
func (u *unixListener) Accept() (net.Conn, error) {
	for {
		c, err := u.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && (uid == 0 || uid == os.Geteuid()) {
			return c, nil
		}
		u.log.Warn("refused connection to control socket", "uid", uid, "error", err)
		_ = c.Close()
	}
}

// Close implements net.Listener.
func (u *unixListener) Close() error {
	err := u.Listener.Close()
	if now, statErr := os.Lstat(u.path); statErr == nil && os.SameFile(now, u.file) {
		err = errors.Join(err, os.Remove(u.path))
	}
	return err
}
