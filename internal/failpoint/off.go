//go:build !failpoints

package failpoint

// Hit does nothing: this binary is not for tests.
func Hit(string) {}
