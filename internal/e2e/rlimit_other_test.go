//go:build !linux

package e2e_test

func (w *world) limitFiles(uint64) { w.Skip("limits of a running process are Linux's") }
