package setup

import (
	"strings"

	"grantd/internal/display"
)

// patchCommand is the Auth0 CLI's way to a PATCH. All of it is one line that a
// shell takes as it stands.
func patchCommand(path, body string) string {
	return "auth0 api patch " + shellQuote(path) + " --data " + shellQuote(body)
}

// shellQuote makes one word of s for a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ShellWord is s as one word for a shell to read, quoted where it has to be.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_./+,-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return shellQuote(s)
}

// String is the call in one line, as it is sent.
func (c Call) String() string {
	if c.Body == nil {
		return c.Method + " " + c.Path
	}
	return c.Method + " " + c.Path + " " + display.ASCII(c.Body)
}
