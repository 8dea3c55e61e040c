package storetest

import (
	"os"
	"syscall"
	"testing"
)

// memory is where Linux has files that are in memory alone, and roomy what must
// be free there, in bytes: containers often have 64 MiB.
const (
	memory = "/dev/shm"
	roomy  = 1 << 30
)

// Dir is a new directory for ledgers of a test that cuts no power: in memory
// where there is room, since every commit waits for a disk otherwise, which many
// tests at once make slow.
func Dir(tb testing.TB) string {
	tb.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < roomy {
		return tb.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "grantd-test-") //nolint:usetesting // tb.TempDir may be on a disk
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
