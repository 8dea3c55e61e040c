package cli

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal says how many rows it has, and nothing else does.
func TestTerminalRows(t *testing.T) {
	t.Parallel()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals: ", err)
	}
	defer func() { _ = f.Close() }()
	if err := unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	if n := terminalRows(f); n != 24 {
		t.Errorf("%d rows", n)
	}
	file, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if n := terminalRows(file) + terminalRows(&bytes.Buffer{}); n != 0 {
		t.Errorf("%d rows of what is no terminal", n)
	}
}

// Who wants no colours has a list drawn anew all the same.
func TestScreen(t *testing.T) {
	t.Parallel()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals: ", err)
	}
	defer func() { _ = f.Close() }()
	for env, want := range map[string]struct {
		screen bool
		colors painter
	}{"TERM=xterm": {true, true}, "NO_COLOR=1": {true, false}, "TERM=dumb": {false, false}} {
		a := &app{process: Process{Environ: []string{env}}}
		if a.screen(f) != want.screen || a.color(f) != want.colors {
			t.Errorf("%s: screen %v, colours %v", env, a.screen(f), a.color(f))
		}
	}
	if (&app{}).screen(&bytes.Buffer{}) {
		t.Error("what is no terminal is drawn on")
	}
}
