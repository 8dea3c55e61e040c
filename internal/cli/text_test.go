package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
)

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want []string
	}{
		{"", nil},
		{"  \n ", nil},
		{"one two", []string{"one two"}},
		{"one two three", []string{"one two", "three"}},
		{"a incomprehensibilities b", []string{"a", "incomprehensibilities", "b"}},
	} {
		if diff := cmp.Diff(wrap(tt.s, 8), tt.want); diff != "" {
			t.Errorf("wrap(%q) (-got +want):\n%s", tt.s, diff)
		}
	}
}

func TestDistance(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		ago  time.Duration
		want string
	}{
		{0, "just now"},
		{-999 * time.Millisecond, "just now"},
		{1300 * time.Millisecond, "1.3s ago"},
		{42 * time.Second, "42s ago"},
		{3*time.Minute + 5*time.Second, "3m05s ago"},
		{47*time.Hour + 59*time.Minute, "47h59m ago"},
		{48 * time.Hour, "2d ago"},
		{-90 * time.Second, "in 1m30s"},
	} {
		if got := distance(now.Add(-tt.ago), now); got != tt.want {
			t.Errorf("%s ago: %q, want %q", tt.ago, got, tt.want)
		}
	}
	if got := duration(131 * time.Millisecond); got != "131ms" {
		t.Errorf("131 ms: %q", got)
	}
}

func TestPrintTable(t *testing.T) {
	rows := [][]cell{{{"A", faint}, {"B", faint}}, {{"äöü", good}, {"x", plain}}}
	for _, tt := range []struct {
		p    painter
		want string
	}{
		{false, "A    B\näöü  x\n"},
		{true, "\x1b[2mA\x1b[0m    \x1b[2mB\x1b[0m\n\x1b[32mäöü\x1b[0m  x\n"},
	} {
		var b bytes.Buffer
		if err := printTable(&b, tt.p, rows); err != nil || b.String() != tt.want {
			t.Errorf("colours %v: %q, %v, want %q", tt.p, b.String(), err, tt.want)
		}
	}
}

func harmless(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if !unicode.IsGraphic(r) {
			t.Errorf("%U in %q", r, s)
		}
	}
}

// A line of the log as JSON is harmless on a terminal, whatever it tells of.
func TestJSONLogIsHarmless(t *testing.T) {
	var b bytes.Buffer
	logger(&b, config.LogJSON, slog.LevelInfo).Info("x", "name", "\u009b31m\u202e\x7f")
	harmless(t, strings.TrimSuffix(b.String(), "\n"))
	var line struct{ Name string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Name != "\u009b31m\u202e\x7f" {
		t.Errorf("%q, %v", line.Name, err)
	}
}
