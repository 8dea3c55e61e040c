package store

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lockHolder names the process that has the file locked, as " by process 17",
// or nothing where the system does not tell. bbolt locks with flock(2), which
// Linux lists in /proc/locks as
//
//	1: FLOCK  ADVISORY  WRITE 17 fd:01:260 0 EOF
func lockHolder(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer func() { _ = locks.Close() }()
	inode := fmt.Sprintf(":%d", stat.Ino)
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) > 5 && f[1] == "FLOCK" && strings.HasSuffix(f[5], inode) && !strings.HasPrefix(f[4], "-") {
			return " by process " + f[4]
		}
	}
	return ""
}
