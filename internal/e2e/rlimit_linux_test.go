package e2e_test

import (
	"strconv"
	"syscall"
	"unsafe"
)

// limitFiles bounds the size of the files that the running grantd may write,
// in bytes, which is like a disk that is full: writes fail.
func (w *world) limitFiles(bytes uint64) {
	w.Helper()
	limit := [2]uint64{bytes, 1 << 40}
	// prlimit(2); the syscall package has no function for it.
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(w.daemon.PID()), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		w.Skip("prlimit " + strconv.Itoa(w.daemon.PID()) + ": " + errno.Error())
	}
}
