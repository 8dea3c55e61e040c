package store

import (
	"context"
	"time"
)

// SweepWanted is when something last happened that a whole sweep is to see: a
// connection or an API was edited, the desired state changed, or many clients are
// held no more. Zero means
// never. It is kept with what happened, so that no crash can part them.
func (l *Ledger) SweepWanted(ctx context.Context) (at time.Time, err error) {
	err = l.view(ctx, func(t tx) error {
		// What cannot be read was never wanted: the schedule has its sweeps too.
		at, _ = time.Parse(time.RFC3339Nano, string(t.meta().Get([]byte(metaWanted))))
		return nil
	})
	return at, err
}

func (t tx) wantSweep(now time.Time) error {
	return t.meta().Put([]byte(metaWanted), []byte(now.Format(time.RFC3339Nano)))
}
