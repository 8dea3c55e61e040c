package daemon

import (
	"context"
	"time"

	"grantd/internal/config"
	"grantd/internal/store"
)

// pruneEvery is how often the ledger is brought within its bounds where its own
// commits do not: nothing is written, or a limit was lowered.
const pruneEvery = 10 * time.Minute

// journalLimits are how much of the journal a configuration keeps.
func journalLimits(c *config.Config) store.JournalLimits {
	return store.JournalLimits{
		MaxAge:   time.Duration(c.JournalMaxDays) * 24 * time.Hour,
		MaxBytes: int64(c.JournalMaxMiB) << 20,
	}
}

// keepBounds forgets what the ledger need not know any more, until ctx ends.
func (d *Daemon) keepBounds(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		done, err := d.ledger.Prune(ctx)
		if err != nil && ctx.Err() == nil {
			d.log.Error("prune ledger", "error", err)
		}
		if done.Entries+done.Clients > 0 {
			d.log.Info("ledger pruned", "journal_entries", done.Entries, "clients_refused_or_gone", done.Clients)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.rebound:
		}
	}
}
