package daemon

import (
	"context"
	"testing"
	"time"

	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// FastDir is a folder for a ledger.
func FastDir(t *testing.T) string { return storetest.Dir(t) }

// LedgerOf is the engine's ledger.
func LedgerOf(e *Engine) *store.Ledger { return e.ledger }

// NextToken is when a token that was refused is asked for again.
func NextToken(e *Engine) time.Time { return e.tenant.TokenStatus().NextTryAt }

// Configure does of a reload what holds at once, and Desire what follows.
func Configure(e *Engine, c *config.Config) { e.configure(c) }

func Desire(ctx context.Context, e *Engine) error { return e.desire(ctx) }

// Reconcile is what a worker does with a record.
func Reconcile(ctx context.Context, e *Engine, r dcr.Record) dcr.Outcome {
	return e.reconciler.Reconcile(ctx, r)
}
