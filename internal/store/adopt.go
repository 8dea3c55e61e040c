package store

import (
	"context"
	"fmt"

	"grantd/internal/dcr"
)

// Adopt ends the protection of grants that were there before grantd: it clears
// Record.Unadopted everywhere and returns how many had it of those that grantd
// brings to the desired state, which refused and gone clients are not. It gives
// all that had it new sequence numbers, so that nothing judged under the
// protection settles, and makes nobody due: a sweep finds what is to be narrowed.
// It takes several transactions of bounded size; interrupted, it is called again.
func (l *Ledger) Adopt(ctx context.Context) (int, error) {
	n, err := l.editAnd(ctx, "", func(r dcr.Record) bool { return r.Unadopted }, func(t tx, r *dcr.Record) (err error) {
		r.Unadopted = false
		r.Seq, err = t.clients().NextSequence()
		return err
	}, func(was dcr.Record) bool { return was.Phase != dcr.Refused && was.Phase != dcr.Gone })
	if err != nil {
		return n, fmt.Errorf("adopt grants: %w", err)
	}
	return n, nil
}

// disown is the contrary, for a ledger that changes its audience: what it knows
// of grants is of the audience before. Interrupted, it is called again.
func (l *Ledger) disown(ctx context.Context) error {
	_, err := l.edit(ctx, "", func(dcr.Record) bool { return true }, func(t tx, r *dcr.Record) (err error) {
		r.GrantID, r.GrantMade, r.Unadopted = "", false, true
		r.Seq, err = t.clients().NextSequence()
		return err
	})
	if err != nil {
		return fmt.Errorf("leave the audience: %w", err)
	}
	return nil
}
