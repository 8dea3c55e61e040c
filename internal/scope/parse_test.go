package scope_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/scope"
)

func TestParseMetadata(t *testing.T) {
	const ok = `{"resource":"R","scopes_supported":`
	for _, tt := range []struct{ text, want, err string }{
		{ok + `["b","a","a"],"more":{"x":[1]}}`, "a b", ""},
		{ok + `["a","openid","email"]}`, "a", ""},
		{ok + `[]}`, "", ""},
		{`{"Resource":"R","scopes_supported":["a"]}`, "", `no text under "resource"`},
		{`{"resource":"R","Scopes_Supported":["a"]}`, "", `no "scopes_supported"`},
		{`{"resource":"r","scopes_supported":["a"]}`, "", `the resource "r", and OAUTH_AUDIENCE is "R"`},
		{`{"resource":"R/","scopes_supported":["a"]}`, "", `the resource "R/"`},
		{`{"resource":["R"],"scopes_supported":["a"]}`, "", `no text under "resource"`},
		{`{"resource":null,"scopes_supported":["a"]}`, "", `no text under "resource"`},
		{`{"scopes_supported":["a"]}`, "", `no text under "resource"`},
		{ok + `"a b"}`, "", "not an array of texts"},
		{ok + `["a",1]}`, "", "not an array of texts"},
		{ok + `["a",null]}`, "", `"" in "scopes_supported" is not a scope`},
		{ok + `["a b"]}`, "", `"a b" in "scopes_supported" is not a scope`},
		{ok + `["a"]} x`, "", "not a JSON object"},
		{`null`, "", "not a JSON object"},
		{`["a"]`, "", "not a JSON object"},
		{``, "", "not a JSON object"},
		{ok + "[\"a\"],\"x\":\"\xff\"}", "", "not UTF-8"},
		{ok + `["a"]}` + strings.Repeat(" ", 64<<10), "", "longer than 65536 bytes"},
		{`{"resource":"` + strings.Repeat("x", 60_000) + `","scopes_supported":["a"]}`, "", "about the resource"},
	} {
		got, err := scope.ParseMetadata([]byte(tt.text), "R")
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%.60q: -want +got\n%s", tt.text, diff)
		}
		if (err != nil) != (tt.err != "") || err != nil && (!strings.Contains(err.Error(), tt.err) || len(err.Error()) > 500) {
			t.Errorf("%.60q: error %v, want %q", tt.text, err, tt.err)
		}
	}
}

func TestCeiling(t *testing.T) {
	for _, tt := range []struct{ raw, allows, not, shown string }{
		{"", "a read:x *", "", ""},
		{"read:*", "read:x read: read:x:y read:*", "read write:read:x xread:x READ:x", "read:*"},
		{"read", "read", "read:x rea reads", "read"},
		{"b, a\nread:*,a", "a b read:x", "c", "a,b,read:*"},
		{"*", "a read:x *", "", "*"},
	} {
		c, err := scope.ParseCeiling(tt.raw)
		if err != nil {
			t.Errorf("%q: %v", tt.raw, err)
		}
		all := strings.Fields(tt.allows + " " + tt.not)
		within, beyond := c.Limit(all)
		if strings.Join(within, " ") != tt.allows || strings.Join(beyond, " ") != tt.not {
			t.Errorf("%q: within %q, beyond %q", tt.raw, within, beyond)
		}
		if c.String() != tt.shown {
			t.Errorf("%q is shown as %q", tt.raw, c)
		}
	}
	for raw, want := range map[string]string{
		"read:*:x": "not at its end", "*x": "not at its end", "a**": "not at its end", `a "b"`: "not a scope",
		"é": "not a scope", ",": "nothing but separators", " ": "nothing but separators",
	} {
		if c, err := scope.ParseCeiling(raw); err == nil || !strings.Contains(err.Error(), want) || c.String() != "" {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}

// sound checks what every parser promises of scopes.
func sound(t *testing.T, scopes []string) {
	t.Helper()
	if !slices.IsSorted(scopes) || len(slices.Compact(slices.Clone(scopes))) != len(scopes) {
		t.Errorf("%q is not sorted, each once", scopes)
	}
	for _, s := range scopes {
		if !scope.Valid(s) {
			t.Errorf("%q is not a scope", s)
		}
	}
	if _, login := scope.SplitLogin(scopes); len(login) > 0 {
		t.Errorf("%q are not an API's", login)
	}
}

// FuzzParseFile: a file is sound scopes or an error of one short line, and what
// was read reads as the same.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{"a b,c\r\n# x\n\nopenid", "\ufeffa", "\"", "a\xff", "é#", "a#\n#b", "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		scopes, err := scope.ParseFile(data)
		if err != nil {
			if len(scopes) > 0 || strings.ContainsAny(err.Error(), "\n\r\x00") || len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) {
				t.Errorf("%q, %v", scopes, err)
			}
			return
		}
		sound(t, scopes)
		// Without the signs that begin a comment or separate.
		text := strings.Join(scopes, "\n")
		again, err := scope.ParseFile([]byte(text))
		if diff := cmp.Diff(scopes, again); err != nil || diff != "" {
			t.Errorf("again: %v\n%s", err, diff)
		}
	})
}

// FuzzParseMetadata: an answer is sound scopes or an error of one short line.
func FuzzParseMetadata(f *testing.F) {
	for _, seed := range []string{`{"resource":"R","scopes_supported":["a","b"]}`, `{"resource":"R","scopes_supported":["a\u0000"]}`, `[[[[`, `{"resource":"R\ud800","scopes_supported":null}`, "{\"resource\":\"\xff\"}"} {
		f.Add([]byte(seed), "R")
	}
	f.Fuzz(func(t *testing.T, data []byte, resource string) {
		scopes, err := scope.ParseMetadata(data, resource)
		if err != nil {
			if len(scopes) > 0 || strings.ContainsAny(err.Error(), "\n\r\x00") || len(err.Error()) > 2000 {
				t.Errorf("%q, %v", scopes, err)
			}
			return
		}
		sound(t, scopes)
		if utf8.ValidString(resource) && !strings.Contains(resource, "\ufffd") {
			if _, err := scope.ParseMetadata(data, resource+"/"); err == nil {
				t.Errorf("%q is about two resources", data)
			}
		}
	})
}

// FuzzCeiling: a ceiling shows itself as what reads as the same, allows what it
// names, and lets nothing through that is not begun by one of its patterns.
func FuzzCeiling(f *testing.F) {
	for _, seed := range [][2]string{{"read:*,a", "read:x"}, {"*", "x"}, {"a*b", "a"}, {"", "x"}, {",", "x"}, {"a**", "a*"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, raw, s string) {
		c, err := scope.ParseCeiling(raw)
		if err != nil {
			return
		}
		again, err := scope.ParseCeiling(c.String())
		if err != nil || again.String() != c.String() || again.Allows(s) != c.Allows(s) {
			t.Errorf("%q: again %q, %v", raw, again, err)
		}
		limited := false
		begun := false
		for p := range strings.SplitSeq(c.String(), ",") {
			limited = limited || p != ""
			begun = begun || strings.HasPrefix(s, strings.TrimSuffix(p, "*"))
			if p != "" && !c.Allows(p) {
				t.Errorf("%q does not allow %q", raw, p)
			}
		}
		if c.Allows(s) && limited && !begun {
			t.Errorf("%q allows %q", raw, s)
		}
	})
}
