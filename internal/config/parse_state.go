package config

import (
	"path/filepath"
	"strings"
	"syscall"
)

// docSocketPath is the longest socket path on Linux, in bytes: sockaddr_un has
// 108, one of them for the NUL (unix(7)).
const docSocketPath = 107

// defaultStateDir follows systemd (STATE_DIRECTORY, of which the first counts)
// and the XDG base directory specification.
func defaultStateDir(env func(string) string, _ *Config) (string, error) {
	if first, _, _ := strings.Cut(env("STATE_DIRECTORY"), ":"); first != "" {
		return first, nil
	}
	// Relative paths in XDG variables are to be ignored, says the specification.
	if xdg := env("XDG_STATE_HOME"); filepath.IsAbs(xdg) {
		return filepath.Join(xdg, "grantd"), nil
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "grantd"), nil
	}
	return "", wrong("set GRANTD_STATE_DIR=/var/lib/grantd", "is not set, and neither are STATE_DIRECTORY, XDG_STATE_HOME and HOME")
}

func defaultSocket(_ func(string) string, c *Config) (string, error) {
	if c.StateDir == "" {
		return "", nil // reported already
	}
	return filepath.Join(c.StateDir, "grantd.sock"), nil
}

func parseDir(raw string) (string, error) {
	s := strings.TrimSpace(raw)
	switch {
	case strings.HasPrefix(s, "~"):
		return "", wrong("write the path in full", "begins with ~, which only a shell expands")
	case strings.ContainsFunc(s, isControl):
		return "", wrong("write a path such as /var/lib/grantd", "holds control characters")
	}
	return filepath.Clean(s), nil
}

func parseSocket(raw string) (string, error) {
	longest := len(syscall.RawSockaddrUnix{}.Path) - 1
	s, err := parseDir(raw)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(s, "@"):
		return "", wrong("write a path such as /run/grantd/grantd.sock", "is an abstract socket, which has no file permissions")
	case len(s) > longest:
		return "", wrong("set GRANTD_SOCKET to a shorter path, such as /run/grantd/grantd.sock", "has a path of %d bytes, and the system allows %d", len(s), longest)
	}
	return s, nil
}
