package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// fullDisk is a ledger that keeps no outcome.
type fullDisk struct {
	*store.Ledger
	saves atomic.Int64
}

func (f *fullDisk) Save(context.Context, dcr.Outcome) (bool, error) {
	f.saves.Add(1)
	return false, errors.New("no space left on device")
}

// A ledger that cannot be written for an hour is one line a client, not one a
// second.
func TestLoopSaysOnceThatItCannotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{level: true, inProcess: true})
		w.onboard(1)
		var log strings.Builder // written by the loop's goroutines, read when they have ended
		disk := &fullDisk{Ledger: w.ledger}
		loop := reconcile.NewLoop(reconcile.LoopOptions{
			Ledger: disk, Reconciler: w.Reconciler, Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: w.clock.now,
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := loop.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "no space left"); n != 1 || disk.saves.Load() < 3000 {
			t.Errorf("%d lines for %d tries, want one", n, disk.saves.Load())
		}
	})
}
