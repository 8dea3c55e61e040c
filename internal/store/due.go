package store

import (
	"context"
	"time"

	"grantd/internal/dcr"
)

// DueCounts returns how many clients are due in each class. Its cost grows
// with their number.
func (l *Ledger) DueCounts(ctx context.Context, now time.Time) (map[dcr.Class]int, error) {
	counts := map[dcr.Class]int{}
	err := l.view(ctx, func(t tx) error {
		for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
			counts[class] = 0
			end := string(afterDue(class, now))
			c := t.due().Cursor()
			for k, _ := c.Seek([]byte{classKey(class)}); k != nil && string(k) < end; k, _ = c.Next() {
				counts[class]++
			}
		}
		return nil
	})
	return counts, err
}

// isDue reports whether the record is due at now.
func isDue(r dcr.Record, now time.Time) bool {
	return !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(now)
}

// afterDue is the first key of the class that is not due at now.
func afterDue(class dcr.Class, now time.Time) []byte {
	return duePrefix(class, now.Add(time.Microsecond))
}

// makeDue gives the record a new reason to be looked at, now. Urgent wins over
// background. Among those of its class the record keeps its place in the
// queue, so that reasons that keep coming do not put it off for ever. What was
// refused is shown as refused until it was looked at.
func (t tx) makeDue(r *dcr.Record, now time.Time, class dcr.Class, cause dcr.Cause) error {
	seq, err := t.clients().NextSequence()
	if err != nil {
		return err
	}
	if class != dcr.Urgent {
		class = dcr.Background
	}
	promoted := class == dcr.Urgent && r.Class != dcr.Urgent
	if promoted || !isDue(*r, now) {
		r.NextAttemptAt = now
	}
	if r.Class != dcr.Urgent {
		r.Class = class
	}
	if r.Phase != dcr.Refused && r.Phase != dcr.Pending {
		r.Enter(dcr.Pending, "", "")
	}
	r.Attempts = 0
	r.Cause = cause
	r.Seq = seq
	return nil
}
