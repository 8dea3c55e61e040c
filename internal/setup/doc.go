// Package setup prepares a tenant for grantd, with the token of a person and
// never with the daemon's application.
//
// Look reads what there is. Plan is pure: it turns that and what is wanted into
// actions, each with why, with what it opens, and with the very API calls it
// stands for. A Doer carries out one action at a time. Each of them is looked at
// first, so that doing all of it twice is doing it once.
package setup
