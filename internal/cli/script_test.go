package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// exits is exec that wants this very exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// find puts what is in parentheses in the first match of what a command prints
// into a variable: find NAME PATTERN COMMAND...
func find(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(args[2], args[3:]...))
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("no match of %q", args[1])
	}
	ts.Setenv(args[0], found[1])
}

func exitCode(ts *testscript.TestScript, err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// await runs a command again and again until what it prints matches: await
// PATTERN COMMAND...
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("waited for %q in vain", args[0])
		}
	}
}

const (
	audience      = "https://mcp.example.com/mcp"
	otherAudience = "https://old.example.com/mcp"
	daemonID      = "GrantdTestM2M00000000000000000000"
)

// nobody runs grantd as somebody who may not read the folder: nobody CODE
// FOLDER ARGUMENTS...
func nobody(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	folder := ts.MkAbs(args[1])
	ts.Check(os.Chmod(folder, 0))
	defer os.Chmod(folder, 0o700) //nolint:errcheck // so that it can be removed
	if os.Getuid() != 0 {
		ts.Check(fit(want, exitCode(ts, ts.Exec("grantd", args[2:]...))))
		return
	}
	// Root may read everything, so somebody else has to try, with a binary and
	// a folder within reach.
	ts.Check(os.Chmod(folder, 0o700))
	exe, err := exec.LookPath("grantd")
	ts.Check(err)
	for dir := ts.MkAbs("."); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		ts.Check(os.Chmod(dir, 0o755))
	}
	for dir := filepath.Dir(exe); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		ts.Check(os.Chmod(dir, 0o755))
	}
	cmd := exec.Command(exe, args[2:]...)
	cmd.Dir, cmd.Env = "/", []string{"HOME=/nonexistent", "GRANTD_STATE_DIR=" + folder}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	fmt.Fprintf(ts.Stderr(), "%s", out)
	ts.Check(fit(want, exitCode(ts, err)))
}

func fit(want, got int) error {
	if got != want {
		return fmt.Errorf("exit code %d, want %d", got, want)
	}
	return nil
}

// shows compares what the last command printed with a file, in which $NAME
// stands for the environment's value and TIME for how long something took:
// shows FILE.
func shows(ts *testscript.TestScript, _ bool, args []string) {
	took := regexp.MustCompile(`\b\d+(\.\d+)?m?s\b`)
	got := took.ReplaceAllString(ts.ReadFile("stdout"), "TIME")
	want := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	if diff := cmp.Diff(want, got); diff != "" {
		ts.Fatalf("%s\n%s", diff, got)
	}
}
