package setup

import (
	"bytes"
	"encoding/json"
	"strings"
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

// asJSON is v in JSON, in which all that is not ASCII is escaped: it is going to
// be shown and pasted.
func asJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "{}" // the types here always marshal
	}
	var out strings.Builder
	for _, r := range strings.TrimSpace(b.String()) {
		if r >= ' ' && r < 0x7f {
			out.WriteRune(r)
			continue
		}
		escape(&out, r)
	}
	return out.String()
}

// escape writes a character of a JSON string as ASCII (RFC 8259, section 7).
func escape(b *strings.Builder, r rune) {
	const hex = "0123456789abcdef"
	one := func(u uint16) {
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte(hex[u>>shift&0xf])
		}
	}
	if r > 0xffff {
		r -= 0x10000
		one(uint16(0xd800 + r>>10))
		one(uint16(0xdc00 + r&0x3ff))
		return
	}
	one(uint16(r))
}

// String is the call in one line, as it is sent.
func (c Call) String() string {
	if c.Body == nil {
		return c.Method + " " + c.Path
	}
	return c.Method + " " + c.Path + " " + asJSON(c.Body)
}
