// Package daemon wires grantd together and owns its lifecycle: what is opened
// in which order, which goroutines run, what a reload replaces, and how it all
// stops. It touches no signals and no flags, so that the serve command, tests
// and anything else can run the same daemon as a value.
package daemon
