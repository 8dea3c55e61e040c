package daemon

import (
	"time"

	"grantd/internal/store"
)

// LedgerOf is the engine's ledger.
func LedgerOf(e *Engine) *store.Ledger { return e.ledger }

// NextToken is when a token that was refused is asked for again.
func NextToken(e *Engine) time.Time { return e.tenant.TokenStatus().NextTryAt }
