//go:build failpoints

package failpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"grantd/internal/failpoint"
)

// TestHit runs itself again with the point set and sees how that ends.
func TestHit(t *testing.T) {
	if os.Getenv("FAILPOINT_TEST") != "" {
		failpoint.Hit("other")
		failpoint.Hit("point")
		failpoint.Hit("point")
		return
	}
	for value, killed := range map[string]bool{
		"": false, "another": false, "poin": false, "point:3": false, "point:x": false, "point:0": false,
		"point": true, "point:1": true, "point:2": true,
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHit$")
		cmd.Env = append(os.Environ(), "FAILPOINT_TEST=1", "FAILPOINT="+value)
		err := cmd.Run()
		exit, _ := errors.AsType[*exec.ExitError](err)
		if died := exit != nil && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL; died != killed || !killed && err != nil {
			t.Errorf("FAILPOINT=%s: killed %v, want %v (%v)", value, died, killed, err)
		}
	}
}
