// Package plan answers one question: what would grantd change in Auth0 for
// this client? Desired is what configuration asks for, Observed what Auth0
// holds, and Compute the difference as steps. It is pure: no clock, no
// context, no network, so that the live loop, a sweep and a dry run cannot
// disagree.
package plan
