package torture_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "grantd/internal/cli" // what is tested: a change of it must not meet a cached pass
)

// The variables that make a run longer, or repeat one.
const (
	roundsEnv = "GRANTD_TORTURE_ROUNDS" // of TestCrash; 5
	seedEnv   = "GRANTD_TORTURE_SEED"   // of both tests; another one each time
	soakEnv   = "GRANTD_SOAK"           // how long TestSoak takes; without it there is none
)

const (
	binaryEnv = "GRANTD_TORTURE_BINARY" // where TestMain puts the binary with failpoints
	plainEnv  = "GRANTD_TORTURE_PLAIN"  // and the one without, for TestSoak
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds grantd, but for the tag as `go run` does, so that they share the
// build cache.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "grantd-torture-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	builds := map[string][]string{binaryEnv: {"-tags", "failpoints"}}
	if os.Getenv(soakEnv) != "" {
		builds[plainEnv] = nil
	}
	for env, flags := range builds {
		exe := filepath.Join(dir, env)
		args := append(append([]string{"build", "-o", exe}, flags...), "grantd/cmd/grantd")
		build := exec.Command("go", args...)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build grantd:", err)
			return 1
		}
		if err := os.Setenv(env, exe); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// number reads a variable.
func number(t *testing.T, env string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(env)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return n
}

// seed is the run's, and is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := number(t, seedEnv, uint64(time.Now().UnixNano()))
	t.Logf("%s=%d", seedEnv, s)
	return s
}
