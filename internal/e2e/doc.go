// Package e2e holds black-box tests: the built binary as a process of its own,
// a simulated tenant in the test's process, and between them nothing but HTTP,
// signals and files. Each rule that grantd promises to keep has a test here
// that is named after it.
//
// "No calls" is never asserted after a pause. World.idle waits until all that
// the tenant logged has been delivered and acknowledged and nothing is due in
// the ledger; what had not been called for by then never will be.
package e2e
