package reconcile

import (
	"context"
	"fmt"
)

// AskSweep notes in the ledger that a sweep is due, so that the daemon makes one
// even if it is not running now, or ends before.
func AskSweep(ctx context.Context, ledger SweepLedger) error {
	w := sweeping{ledger: ledger}
	state, err := w.load(ctx)
	if err != nil {
		return fmt.Errorf("ask for a sweep: %w", err)
	}
	state.Done, state.From = false, ""
	w.state = state
	if err := w.keep(ctx); err != nil {
		return fmt.Errorf("ask for a sweep: %w", err)
	}
	return nil
}
