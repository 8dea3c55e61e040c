package display_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"grantd/internal/display"
)

func TestLine(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 3, ""},
		{" \n ", 3, ""},
		{"abc", 3, "abc"},
		{"abc ", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"abc d", 3, "ab…"},
		{"ab\u2028\t c", 4, "ab c"},
		{"  äöü", 3, "äöü"},
		{"äöüß", 3, "äö…"},
		{"a\u202eb\x1b[2J", 20, "a\ufffdb\ufffd[2J"},
		{"a\xffb", 20, "a\ufffdb"},
	} {
		if got := display.Line(tt.s, tt.n); got != tt.want {
			t.Errorf("Line(%q, %d) = %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 3, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"äöü", 3, "äöü"},
		{"äöüß", 3, "äö…"},
	} {
		if got := display.Cut(tt.s, tt.n); got != tt.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

// FuzzText: whatever the text, what is shown has no character that is not seen,
// and never more than were allowed.
func FuzzText(f *testing.F) {
	f.Add("\x1b[2J\u009b31m\u202e\xff\n", 3)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = 1 + min(max(n, 0), 1000)
		line, visible := display.Line(s, n), display.Visible(s)
		harmless(t, line)
		harmless(t, visible)
		if got := utf8.RuneCountInString(visible); got != utf8.RuneCountInString(s) {
			t.Errorf("%q became %q", s, visible)
		}
		if got := utf8.RuneCountInString(line); got > n || strings.TrimSpace(line) != line && !strings.HasSuffix(line, "…") {
			t.Errorf("Line(%q, %d) = %q", s, n, line)
		}
		if got := display.Cut(s, n); utf8.RuneCountInString(got) > n {
			t.Errorf("Cut(%q, %d) = %q", s, n, got)
		}
		if again := display.Line(line, n); again != line {
			t.Errorf("%q became %q at the second time", line, again)
		}
	})
}

// FuzzJSON: what is printed obeys no one but the terminal's owner and still has
// the same value.
func FuzzJSON(f *testing.F) {
	f.Add("ChatGPT")
	f.Add("\x1b[2J\u009b31m\u202e\u2028\U000e0041\x7f<&>\\")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		text = display.JSON(text)
		harmless(t, string(text))
		var back string
		if err := json.Unmarshal(text, &back); err != nil || back != s {
			t.Errorf("%q became %q, %v", s, text, err)
		}
	})
}

func harmless(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if !unicode.IsGraphic(r) {
			t.Errorf("%U in %q", r, s)
		}
	}
}

func TestASCII(t *testing.T) {
	was := map[string]string{"a": "~\x7fä\u202e😀<&>"}
	got := display.ASCII(was)
	if want := `{"a":"~\u007f\u00e4\u202e\ud83d\ude00<&>"}`; got != want {
		t.Errorf("got %s", got)
	}
	var is map[string]string
	if err := json.Unmarshal([]byte(got), &is); err != nil || was["a"] != is["a"] {
		t.Errorf("%v: %q became %q", err, was, is)
	}
}
