package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// hanging is a ledger that does not answer once hang was closed, until release
// is.
type hanging struct {
	*faulty
	hang, release chan struct{}
}

func (h hanging) Due(ctx context.Context, c dcr.Class, now time.Time, limit int) ([]store.DueClient, time.Time, error) {
	select {
	case <-h.hang:
		<-h.release
	default:
	}
	return h.faulty.Due(ctx, c, now, limit)
}

// A loop turns at rest, at work and while Auth0 or the ledger fails, and not
// while the ledger keeps it waiting.
func TestLoopTurns(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, w *world) {
		turns := func(r *running) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return r.Turns(ctx)
		}
		hang, release := make(chan struct{}), make(chan struct{})
		r := w.start(func(o *reconcile.LoopOptions) {
			f := o.Ledger.(*faulty)
			f.due = 3
			o.Ledger = hanging{f, hang, release}
		})
		for range 5 {
			if err := turns(r); err != nil {
				t.Errorf("while the ledger fails, and then at rest: %v", err)
			}
		}
		close(hang)
		r.Wake()
		synctest.Wait()
		if err := turns(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the ledger hangs: %v", err)
		}
		close(release)
		if err := turns(r); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		r.stop()
		<-r.ended
		if err := turns(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after its end: %v", err)
		}
	})
}
