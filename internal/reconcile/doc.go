// Package reconcile brings clients to the state that configuration asks for.
//
// The Loop asks the ledger which clients are due and gives each to one worker;
// several clients are worked on at once, one client never by two workers. The
// Reconciler takes a single record: it observes the client in Auth0, lets
// policy decide whether it may be touched, plans, applies the plan's
// independent parts at the same time, and returns what the ledger shall keep.
// What travels is a client id, never the content of an event, so that a lost,
// doubled, late or forged log entry can at worst cause a look.
package reconcile
