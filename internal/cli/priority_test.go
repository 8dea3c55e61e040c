package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"grantd/internal/config"
)

// The journal is told how much each line matters, whatever form the log has.
func TestJournalIsToldPriorities(t *testing.T) {
	for _, format := range []config.LogFormat{config.LogText, config.LogJSON} {
		var b bytes.Buffer
		a := &app{process: Process{Stderr: &b, Journal: true}}
		log := a.serveLogger(&b, format, slog.LevelDebug).With("a", "b").WithGroup("g")
		log.Error("bad")
		log.Warn("odd\nand more")
		log.Info("done")
		log.Debug("detail")
		log.Log(t.Context(), slog.LevelInfo+1, "between")
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		want := []string{"<3>", "<4>", "<6>", "<7>", "<6>"}
		if len(lines) != len(want) {
			t.Fatalf("%s: %d lines, want %d:\n%s", format, len(lines), len(want), b.String())
		}
		for i, p := range want {
			rest, ok := strings.CutPrefix(lines[i], p)
			if !ok || !strings.Contains(rest, "msg") || format == config.LogJSON && !json.Valid([]byte(rest)) {
				t.Errorf("%s: line %q, want it to begin with %s", format, lines[i], p)
			}
		}
	}
}

// What is below the level is not written, and nobody else sees a priority.
func TestPrioritiesAreForTheJournalAlone(t *testing.T) {
	var b bytes.Buffer
	a := &app{process: Process{Stderr: &b, Journal: true}}
	a.serveLogger(&b, config.LogText, slog.LevelWarn).Info("quiet")
	if b.Len() > 0 {
		t.Errorf("below the level: %q", b.String())
	}
	a.process.Journal = false
	a.serveLogger(&b, config.LogText, slog.LevelWarn).Warn("loud")
	if !strings.HasPrefix(b.String(), "time=") {
		t.Errorf("on a terminal: %q", b.String())
	}
}

// What ends a command is an error there too, each line of it.
func TestJournalIsToldOfTheEnd(t *testing.T) {
	for journal, prefix := range map[bool]string{true: "<3>", false: ""} {
		var out, errs bytes.Buffer
		code := Run(t.Context(), Process{Args: []string{"serve"}, Stdout: &out, Stderr: &errs, Journal: journal})
		lines := strings.Split(strings.TrimSuffix(errs.String(), "\n"), "\n")
		if code != 2 || len(lines) < 2 || !strings.HasPrefix(lines[0], prefix+"grantd: ") {
			t.Fatalf("exit code %d, %q", code, errs.String())
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "<3>") != journal {
				t.Errorf("journal %v: %q", journal, line)
			}
		}
	}
}
