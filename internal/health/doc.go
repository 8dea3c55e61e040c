// Package health knows how grantd is doing and answers from memory, without
// ever calling out: what it was told of calls and polls as they ended, and the
// ledger's counters.
//
// There is one list of checks, Tracker.Checks. GET /readyz, GET /health/auth0
// and every other place that says whether something is wrong read it.
package health
