package daemon

import "grantd/internal/store"

// LedgerOf is the engine's ledger.
func LedgerOf(e *Engine) *store.Ledger { return e.ledger }
