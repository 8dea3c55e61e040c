// Package failpoint marks the places where a crash would hurt most, so that
// tests can kill grantd exactly there.
//
// Hit does something in binaries built with -tags failpoints alone, which are
// for tests. In all others it is empty, and the compiler leaves nothing of it:
// neither the names of the points nor that of the variable. A test of package
// e2e looks for them in the binary.
//
// In such a binary the environment variable FAILPOINT holds the name of a
// point, or name:n for the n-th time it is come to. There the process ends as
// by kill -9: nothing is flushed, closed or told.
package failpoint
