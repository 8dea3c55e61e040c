package http

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// restrictSocket gives the socket its mode before it has a name: Linux makes
// the file with the mode of the socket, so that at no time it lets others in
// (unix(7), bind in net/unix/af_unix.c).
func restrictSocket(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), uint32(socketMode)) }); e != nil {
		return e
	}
	return err
}

// peerUID is the user at the other end (unix(7), SO_PEERCRED); -1 with an
// error.
func peerUID(c net.Conn) (int, error) {
	raw, err := rawConn(c)
	if err != nil {
		return -1, err
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		return -1, e
	}
	if err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}

func rawConn(c net.Conn) (syscall.RawConn, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, errors.New("not a socket")
	}
	return sc.SyscallConn()
}
