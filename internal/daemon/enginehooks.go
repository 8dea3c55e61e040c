package daemon

import (
	"context"
	"errors"
	nethttp "net/http"
	"slices"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/metrics"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// called notes an HTTP request to Auth0 that has ended.
func (e *Engine) called(c auth0.CallInfo) {
	var reason dcr.Reason
	if c.Err != nil {
		reason = c.Err.Reason
	}
	// A call given up because grantd stops says nothing of Auth0, and health
	// survives the restart. Nor does one that is done without.
	forgone := c.Optional && (reason == dcr.MissingScope || c.Status == nethttp.StatusForbidden)
	if c.Err == nil || !errors.Is(c.Err, context.Canceled) && !forgone {
		e.health.Called(health.Call{Op: c.Op, Status: c.Status, Reason: reason})
	}
	e.metrics.ManagementRequest(c.Op, c.Status, reason, c.Took)
	e.log.Debug("called the Management API", "operation", c.Op, "status", c.Status, "reason", reason, "took", c.Took.Round(time.Millisecond))
}

// saved tells everybody of an outcome that is kept.
func (e *Engine) saved(was dcr.Record, o dcr.Outcome, settled bool) {
	rec := o.Record
	e.log.Debug("looked at client", "client_id", rec.ClientID, "phase", rec.Phase, "reason", rec.Reason, "changes", len(o.Changes))
	if was.ReadyAt.IsZero() && !rec.ReadyAt.IsZero() && !rec.RegisteredAt.IsZero() {
		e.metrics.TimeToReady(rec.TimeToReady)
	}
	e.tellSaved(was, o, settled)
	for _, step := range reconcile.Repaired(was, o) {
		e.metrics.DriftRepaired(metrics.ConditionOf(step))
	}
	if settled { // else it is due again, and the outcome of that will tell
		e.publish(http.EventClient, http.ClientView(rec))
	}
	e.publishJournal(rec.ClientID, len(o.Changes), func(dcr.JournalEntry) bool { return true })
}

// publishJournal publishes the newest n entries of the journal that are of the
// client, if it is not empty, and among. It is called when they were just kept.
func (e *Engine) publishJournal(clientID string, n int, among func(dcr.JournalEntry) bool) {
	if n == 0 || !e.broker.Wanted() {
		return
	}
	page, _, err := e.ledger.Journal(context.Background(), store.JournalQuery{ClientID: clientID, Limit: n + othersMeanwhile})
	if err != nil {
		e.log.Error("read journal for events", "error", err)
		return
	}
	page = slices.DeleteFunc(page, func(entry dcr.JournalEntry) bool { return !among(entry) })
	for _, entry := range slices.Backward(page[:min(n, len(page))]) {
		e.publish(http.EventJournal, http.JournalView(entry))
	}
}

// othersMeanwhile is how many entries others may have added since.
const othersMeanwhile = 20

func (e *Engine) publish(event string, data any) {
	if err := e.broker.Publish(event, data); err != nil {
		e.log.Error("publish event", "event", event, "error", err)
	}
}

// storm reports whether a registration storm is on, for health.
func (e *Engine) storm() bool { return e.reconciler != nil && e.reconciler.Storm() }

// rateLimit is the tightest known limit, for health.
func (e *Engine) rateLimit() *health.RateLimit {
	b := e.budget.Snapshot().Tightest
	if b == nil {
		return nil
	}
	return &health.RateLimit{Limit: b.Limit, Remaining: b.Remaining, ResetAt: dcr.Timestamp{Time: b.ResetAt}}
}

// failureOf tells one kind of failure from another; empty for none.
func failureOf(err error) dcr.Reason {
	var e *auth0.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Reason
	default:
		return dcr.InternalError
	}
}

// signal says on a channel of capacity 1 that something happened. It does not
// block, and many signals are one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
