package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"grantd/internal/dcr"
)

// maxUnlisted bounds how many records QueueUnlisted chooses from memory.
const maxUnlisted = 1_000_000

// QueueUnlisted makes those recorded clients due in the background that a list
// of all third-party clients, begun at since, did not show: not gone,
// Record.Listed, last checked before since, and with nothing planned. Those
// never checked against the present digest always; of the others at most limit,
// longest unchecked first; a negative limit is none. It returns how many of
// each, and takes several transactions of bounded size.
//
// A client that waits to be checked against a new configuration keeps that as
// its cause, and so does every one when the given cause is zero.
func (l *Ledger) QueueUnlisted(ctx context.Context, since time.Time, digest string, limit int, cause dcr.Cause) (unchecked, others int, err error) {
	u := unlisted{ledger: l, since: since, digest: digest, limit: min(limit, maxUnlisted), cause: cause}
	for after, more := "", true; more; {
		found, last, err := l.candidates(ctx, "", after, u.first)
		if err != nil {
			return u.unchecked, u.others, fmt.Errorf("queue unlisted clients: %w", err)
		}
		if err := u.queue(ctx, found); err != nil {
			return u.unchecked, u.others, fmt.Errorf("queue unlisted clients: %w", err)
		}
		after, more = last, last != ""
	}
	for part := range slices.Chunk(u.longest(), chunk) {
		if err := u.queue(ctx, part); err != nil {
			return u.unchecked, u.others, fmt.Errorf("queue unlisted clients: %w", err)
		}
	}
	return u.unchecked, u.others, nil
}

// unlisted finds and queues the clients that a list did not show.
type unlisted struct {
	ledger            *Ledger
	since             time.Time
	digest            string
	limit             int
	cause             dcr.Cause
	rest              []candidate // of the others, the longest unchecked and some more
	unchecked, others int
}

func (u *unlisted) matches(r dcr.Record) bool {
	checked := between(r.LastCheckedAt, u.since, u.ledger.now()) || r.LastCheckedAt.Equal(u.since)
	return r.Phase != dcr.Gone && r.Listed() && !checked && r.NextAttemptAt.IsZero()
}

// first reports whether the record is to be queued at once, and remembers
// those that may be later.
func (u *unlisted) first(r dcr.Record) bool {
	switch {
	case !u.matches(r):
		return false
	case r.Digest != u.digest || u.limit < 0:
		return true
	case u.limit > 0:
		u.rest = append(u.rest, candidate{record: dcr.Record{ClientID: r.ClientID, LastCheckedAt: r.LastCheckedAt}})
		if len(u.rest) >= 2*max(u.limit, chunk) {
			u.longest()
		}
	}
	return false
}

// longest cuts the rest down to the limit.
func (u *unlisted) longest() []candidate {
	slices.SortFunc(u.rest, func(a, b candidate) int {
		return cmp.Or(a.record.LastCheckedAt.Compare(b.record.LastCheckedAt), cmp.Compare(a.record.ClientID, b.record.ClientID))
	})
	u.rest = u.rest[:min(len(u.rest), max(u.limit, 0))]
	return u.rest
}

// queue makes candidates due and counts them.
func (u *unlisted) queue(ctx context.Context, found []candidate) error {
	was, err := u.ledger.change(ctx, found, u.matches, func(t tx, r *dcr.Record) error {
		cause := u.cause
		if cause == (dcr.Cause{}) || r.Reason == dcr.Unchecked {
			cause = r.Cause
		}
		return t.makeDue(r, u.ledger.now(), dcr.Background, cause)
	})
	for _, r := range was {
		if r.Digest != u.digest {
			u.unchecked++
		} else {
			u.others++
		}
	}
	return err
}
