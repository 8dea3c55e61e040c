package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	_ "grantd/internal/cli" // what is tested: a change of it must not meet a cached pass
)

// binary is where TestMain built grantd.
func binary() string { return os.Getenv("GRANTD_E2E_BINARY") }

// atOnce is how many tests run at once, whatever the number of cores: most of
// their time they wait for a guard, a poll or a backoff.
const atOnce = "12"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(run(m))
}

// run builds grantd as `go run` does, so that both share the build cache.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "grantd-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "grantd")
	build := exec.Command("go", "build", "-o", exe, "grantd/cmd/grantd")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build grantd:", err)
		return 1
	}
	if err := os.Setenv("GRANTD_E2E_BINARY", exe); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
