package store

import (
	"context"
	"fmt"

	"grantd/internal/dcr"
)

// Digest returns the digest of the desired state that SetDigest stored last,
// empty at first.
func (l *Ledger) Digest(ctx context.Context) (string, error) {
	var digest string
	err := l.view(ctx, func(t tx) error {
		digest = string(t.meta().Get([]byte(metaDigest)))
		return nil
	})
	return digest, err
}

// SetDigest says which desired state is in force. When it is a new one, every
// record that was not checked against it becomes pending, for a sweep to check;
// their number is returned. It makes nobody due: what was due or planned stays
// so. It gives new sequence numbers, so that outcomes of the old state do not
// settle: those of clients that are due too, whatever they were checked against,
// for a worker may be at them, and by the state between two that are the same. A
// sweep is wanted from then on. Left alone are records that are gone, and refused
// ones that no sweep could see.
//
// It takes several transactions and stores the digest in the last: when it was
// interrupted, it is called again and goes on.
func (l *Ledger) SetDigest(ctx context.Context, digest string) (unchecked int, err error) {
	current, err := l.Digest(ctx)
	if err != nil || current == digest {
		return 0, err
	}
	// Before the first record is marked: whatever becomes of this, and of the
	// configuration, somebody is to look at those that were.
	if err := l.update(ctx, func(t tx) error { return t.wantSweep(l.now()) }); err != nil {
		return 0, fmt.Errorf("set digest: %w", err)
	}
	match := func(r dcr.Record) bool {
		other := r.Digest != digest || isDue(r, l.now())
		return r.Phase != dcr.Gone && other && (r.Phase != dcr.Refused || r.Listed())
	}
	unchecked, err = l.edit(ctx, "", match, func(t tx, r *dcr.Record) (err error) {
		// What still waits for its turn, or for its first check, does so for the
		// reason it had.
		waits := isDue(*r, l.now()) || r.Phase == dcr.Pending && !r.Checked()
		if !waits {
			r.Cause = dcr.Cause{Feed: dcr.FeedConfig, Digest: digest}
		}
		r.Enter(dcr.Pending, dcr.Unchecked, "")
		r.Seq, err = t.clients().NextSequence()
		return err
	})
	if err == nil {
		err = l.update(ctx, func(t tx) error { return t.meta().Put([]byte(metaDigest), []byte(digest)) })
	}
	if err != nil {
		return unchecked, fmt.Errorf("set digest: %w", err)
	}
	return unchecked, nil
}
