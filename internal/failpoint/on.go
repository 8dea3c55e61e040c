//go:build failpoints

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// hits counts how often the chosen point was come to. It is the only state, and
// exists in binaries for tests alone.
var hits atomic.Int64

// Hit kills the process if this is the point, and the time, that the
// environment names: FAILPOINT=name, name:nth, or name:nth:hang to hang there
// instead, for ever. Names are unique in the module.
func Hit(name string) {
	point, when, counted := strings.Cut(os.Getenv("FAILPOINT"), ":")
	nth, hang := strings.CutSuffix(when, ":hang")
	if point != name {
		return
	}
	n := int64(1)
	if counted {
		n, _ = strconv.ParseInt(nth, 10, 64) // nonsense is never reached
	}
	if hits.Add(1) != n {
		return
	}
	if hang {
		select {}
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // cannot fail for one's own process
	select {}                                      // the signal may take a moment
}
