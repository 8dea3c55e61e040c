package store

import (
	"context"
	"fmt"
	"slices"

	"grantd/internal/dcr"
)

// chunk is how many records one transaction of Requeue and SetDigest looks at,
// so that deliveries meanwhile wait for some 20 ms at most.
const chunk = 500

// Which selects records to requeue.
type Which string

// What Requeue can select.
const (
	Blocked Which = "blocked"
	Failing Which = "failing" // pending with a last error
	Refused Which = "refused"
	All     Which = "all" // but those gone
)

// phase is the phase to which the selection is confined, if it is.
func (w Which) phase() dcr.Phase {
	switch w {
	case Blocked:
		return dcr.Blocked
	case Failing:
		return dcr.Pending
	case Refused:
		return dcr.Refused
	default:
		return ""
	}
}

func (w Which) matches(r dcr.Record) bool {
	switch w {
	case Failing:
		return r.LastError != ""
	case All:
		return r.Phase != dcr.Gone
	default:
		return true
	}
}

// Requeue makes the selected records due now and returns how many. With a zero
// cause they keep their own: what is tried again is still done for the reason
// it was first tried for. It takes several transactions; when it fails or is interrupted, those before it hold.
func (l *Ledger) Requeue(ctx context.Context, w Which, class dcr.Class, cause dcr.Cause) (int, error) {
	if !slices.Contains([]Which{Blocked, Failing, Refused, All}, w) {
		return 0, fmt.Errorf("requeue: selection %q is unknown", w)
	}
	n, err := l.edit(ctx, w.phase(), func(t tx, r *dcr.Record) (bool, error) {
		if !w.matches(*r) {
			return false, nil
		}
		why := cause
		if why == (dcr.Cause{}) {
			why = r.Cause
		}
		return true, t.makeDue(r, l.now(), class, why)
	})
	if err != nil {
		return n, fmt.Errorf("requeue %s clients: %w", w, err)
	}
	return n, nil
}

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
// record that was not checked against it becomes pending and due in the
// background, except those gone; their number is returned. It takes several
// transactions and stores the digest in the last: when it was interrupted, it
// is called again and goes on.
func (l *Ledger) SetDigest(ctx context.Context, digest string) (requeued int, err error) {
	current, err := l.Digest(ctx)
	if err != nil || current == digest {
		return 0, err
	}
	requeued, err = l.edit(ctx, "", func(t tx, r *dcr.Record) (bool, error) {
		if r.Phase == dcr.Gone || r.Digest == digest {
			return false, nil
		}
		cause := dcr.Cause{Feed: dcr.FeedConfig, Digest: digest}
		if r.Phase == dcr.Pending && !r.Checked() {
			cause = r.Cause // still waiting for its first check: that is why
		}
		if err := t.makeDue(r, l.now(), dcr.Background, cause); err != nil {
			return false, err
		}
		r.Phase, r.Reason, r.Message = dcr.Pending, dcr.Unchecked, ""
		return true, nil
	})
	if err == nil {
		err = l.update(ctx, func(t tx) error { return t.meta().Put([]byte(metaDigest), []byte(digest)) })
	}
	if err != nil {
		return requeued, fmt.Errorf("set digest: %w", err)
	}
	return requeued, nil
}

// edit walks the records, of one phase or of all, in transactions of bounded
// size, and stores those that fn changed. It returns how many.
func (l *Ledger) edit(ctx context.Context, p dcr.Phase, fn func(tx, *dcr.Record) (changed bool, err error)) (int, error) {
	total := 0
	for after, more := "", true; more; {
		var n int
		var last string
		err := l.update(ctx, func(t tx) error {
			ids := t.ids(p, after, chunk)
			n, more = 0, len(ids) == chunk
			for _, id := range ids {
				old, err := t.record(id)
				if err != nil {
					return err
				}
				r := old
				changed, err := fn(t, &r)
				if err != nil {
					return err
				}
				if changed {
					if err := t.put(old, r); err != nil {
						return err
					}
					n++
				}
				last = id
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total, after = total+n, last
	}
	return total, nil
}
