package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"grantd/internal/demo"
	"grantd/internal/tenantsim"
)

// tour runs the demo with the grantd of the tests and checks that it leaves
// nothing behind.
func tour(ctx context.Context, t *testing.T, o demo.Options) (demo.Report, string, error) {
	t.Helper()
	exe, err := exec.LookPath("grantd") // put there by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	o.Exe = exe
	if o.Out == nil {
		o.Out = &out
	} else {
		o.Out = io.MultiWriter(&out, o.Out)
	}
	report, err := demo.Run(ctx, o)
	left, globErr := filepath.Glob(filepath.Join(dir, "*"))
	if globErr != nil || len(left) > 0 {
		t.Errorf("the demo left behind: %v %v", left, globErr)
	}
	for _, p := range processesNaming(t, dir) {
		t.Errorf("the demo left a process behind: %q", p)
	}
	return report, out.String(), err
}

// processesNaming finds processes by what their command line contains, where
// the system has /proc.
func processesNaming(t *testing.T, what string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && bytes.Contains(line, []byte(what)) {
			found = append(found, string(line))
		}
	}
	return found
}

func TestDemo(t *testing.T) {
	report, out, err := tour(t.Context(), t, demo.Options{})
	if err != nil || !report.OK || len(report.Acts) != 6 {
		t.Fatalf("ok %v, %d acts, error %v\n%s", report.OK, len(report.Acts), err, out)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(line) - 1; n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsAny(out, "\x1b✗") {
		t.Errorf("colours or failures in\n%s", out)
	}
}

// TestDemoNotices spoils the tenant in ways that the tour must notice.
func TestDemoNotices(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*tenantsim.Tenant)
		want  string
	}{
		{
			name:  "the token lacks a scope",
			spoil: func(sim *tenantsim.Tenant) { sim.AddAPI("https://mcp.example.com/mcp", "notes:read") },
			want:  "✗ the user logs in, and the token holds: notes:read\n",
		},
		{
			name: "the grant cannot be created",
			spoil: func(sim *tenantsim.Tenant) {
				sim.FailNext(100, tenantsim.ScopeRemoved, sim.On("POST /client-grants"))
			},
			want: "✗ the client is blocked, missing_scope: ",
		},
		{
			name: "a second token is fetched",
			spoil: func(sim *tenantsim.Tenant) {
				sim.FailNext(1, tenantsim.ExpiredToken, sim.On("GET /clients/{id}"))
			},
			want: "✗ Management API tokens for the whole tour, restart included: 2\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, out, err := tour(t.Context(), t, demo.Options{Prepare: tt.spoil})
			if !errors.Is(err, demo.ErrFailed) || report.OK {
				t.Errorf("ok %v, error %v, want a failure", report.OK, err)
			}
			if !strings.Contains(out, tt.want) {
				t.Errorf("no %q in\n%s", tt.want, out)
			}
		})
	}
}

// cancelAt ends a context when a text is written.
type cancelAt struct {
	text   string
	cancel context.CancelFunc
}

func (c cancelAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cancel()
	}
	return len(p), nil
}

func TestDemoInterrupted(t *testing.T) {
	for _, at := range []string{"grantd demo:", "1. ", "3. ", "kill -9"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, out, err := tour(ctx, t, demo.Options{Out: cancelAt{at, cancel}})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that of the context\n%s", err, out)
			}
			if strings.Contains(out, "✗") {
				t.Errorf("an interruption is no failure:\n%s", out)
			}
		})
	}
}
