package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/failpoint"
	"grantd/internal/store"
)

// Ledger is what Intake needs of the ledger.
type Ledger interface {
	// Prefix begins the correlation id of every write of grantd's own.
	Prefix() string
	// Record keeps all of the batch or nothing, and says what of it was new.
	Record(ctx context.Context, b store.Batch) (store.Recorded, error)
}

// IntakeOptions configure an Intake. Ledger is required.
type IntakeOptions struct {
	Ledger Ledger
	Limits Limits
	Now    func() time.Time // time.Now when nil
	Logger *slog.Logger     // none when nil

	// Wake tells the reconcile loop that something is due.
	Wake func()
	// Concerns is asked about an edit of a connection or an API, and reports
	// whether it may be one that clients are to have. An edit of another one is
	// dropped: it makes no client due. It must be true while that is not known.
	// Everything concerns us when nil.
	Concerns func(dcr.Sighting) bool
	// GrantOwner is asked for the client of an edited grant that the log names
	// by its id alone. Empty: it is for the ledger to know. No grant has one
	// when nil.
	GrantOwner func(grantID string) string
	// TenantChanged says that a connection or an API that concerns us was
	// edited: what is remembered of them is no longer true. It comes before Wake.
	TenantChanged func()
	// OnTaken is told of every delivery that was read, for metrics and health.
	OnTaken func(Taken)
	// Demote reports whether a client that just registered, or whose grant of
	// an API (Sighting.Audience) was made or edited, can wait in the background
	// class: what the log entry says may put it back, and never decides what is
	// done with it.
	Demote func(dcr.Sighting) bool
}

// Receipt says what became of a delivery.
type Receipt struct {
	Received      int `json:"received"`      // entries, malformed ones included
	Sightings     int `json:"sightings"`     // new reasons to look: of every kind but used
	Registrations int `json:"registrations"` // new ones of kind registered
	Malformed     int `json:"malformed"`     // entries that could not be used
}

// Taken is one delivery as Intake took it.
type Taken struct {
	Feed    dcr.Feed
	At      time.Time
	Receipt Receipt
	// Kinds are the new sightings, and for used the entries that show a client
	// at work, new or not; kinds without any are left out.
	Kinds  map[dcr.SightingKind]int
	Status dcr.FeedStatus // what the feed's status gained; zero when nothing was readable
}

// Intake takes deliveries of log entries into the ledger. It may be used
// concurrently.
type Intake struct {
	opt     IntakeOptions
	decoder *Decoder
	notices notices
}

// NewIntake returns an Intake.
func NewIntake(o IntakeOptions) *Intake {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	if o.Concerns == nil {
		o.Concerns = func(dcr.Sighting) bool { return true }
	}
	if o.GrantOwner == nil {
		o.GrantOwner = func(string) string { return "" }
	}
	if o.TenantChanged == nil {
		o.TenantChanged = func() {}
	}
	if o.OnTaken == nil {
		o.OnTaken = func(Taken) {}
	}
	if o.Demote == nil {
		o.Demote = func(dcr.Sighting) bool { return false }
	}
	return &Intake{opt: o, decoder: NewDecoder(o.Limits), notices: newNotices(o.Logger)}
}

// Take reads a delivery to its end and records what is of interest. When it
// returns without error, all of that is on disk; otherwise nothing is, and the
// delivery may be made again. Entries that are malformed are counted and
// skipped.
//
// The error wraps ErrTooLarge, ErrNothingReadable (with the counts in the
// receipt), what reading the body ended with, or what the ledger said.
func (i *Intake) Take(ctx context.Context, feed dcr.Feed, body io.Reader) (Receipt, error) {
	_, receipt, err := i.take(ctx, feed, body, func(Result) dcr.FeedStatus { return dcr.FeedStatus{} })
	return receipt, err
}

// take is Take with more to say of the feed's status, by what was read: it is
// kept in the same transaction.
func (i *Intake) take(ctx context.Context, feed dcr.Feed, body io.Reader, more func(Result) dcr.FeedStatus) (Result, Receipt, error) {
	now := i.opt.Now()
	result, err := i.decoder.Decode(body, now)
	receipt := Receipt{Received: result.Received, Malformed: result.Malformed}
	i.notices.malformed(ctx, now, feed, result)
	if errors.Is(err, ErrNothingReadable) && feed == dcr.FeedPoll && result.Received > 0 {
		err = nil // Auth0 has nothing better to offer: stopping here would stop the poll for good
	}
	if err != nil {
		if result.Malformed > 0 {
			i.opt.OnTaken(Taken{Feed: feed, At: now, Receipt: receipt})
		}
		return result, receipt, fmt.Errorf("take %s delivery: %w", feed, err)
	}
	if feed == dcr.FeedWebhook {
		i.notices.sample(ctx, now, result)
	}
	result.Sightings = i.relevant(result.Sightings)
	status := i.status(feed, now, result).Merge(more(result))
	recorded, err := i.opt.Ledger.Record(ctx, store.Batch{
		Feed: feed, Sightings: result.Sightings, Uses: result.Uses, Status: status,
	})
	if err != nil {
		return result, receipt, fmt.Errorf("take %s delivery: %w", feed, err)
	}
	failpoint.Hit("feed.recorded")
	receipt.Sightings, receipt.Registrations = recorded.Sightings, recorded.Registrations
	if recorded.TenantChanged {
		i.opt.TenantChanged()
	}
	if recorded.Sightings > 0 {
		i.opt.Wake()
	}
	i.opt.OnTaken(Taken{Feed: feed, At: now, Receipt: receipt, Kinds: kinds(recorded, result.Used), Status: status})
	return result, receipt, nil
}

// status is what a delivery adds to what is known of its feed. A poll reads
// entries again, so it does not count them.
func (i *Intake) status(feed dcr.Feed, now time.Time, r Result) dcr.FeedStatus {
	s := dcr.FeedStatus{LastEventAt: r.LastEventAt, LastManagementAt: r.LastManagementAt}
	switch {
	case feed != dcr.FeedPoll:
		s.LastDeliveryAt, s.Events = now, uint64(r.Received)
	case r.Received > 0:
		s.LastDeliveryAt = now
	}
	return s
}

// relevant drops what grantd did itself and what is none of its business, and
// puts back what can wait.
func (i *Intake) relevant(sightings []dcr.Sighting) []dcr.Sighting {
	prefix := i.opt.Ledger.Prefix()
	kept := sightings[:0]
	for _, s := range sightings {
		if prefix != "" && strings.HasPrefix(s.CorrelationID, prefix) {
			continue
		}
		if (s.ConnectionID != "" || s.APIID != "") && !i.opt.Concerns(s) {
			continue
		}
		if s.GrantID != "" {
			if owner := i.opt.GrantOwner(s.GrantID); owner != "" {
				s.ClientID, s.GrantID = owner, ""
			}
		}
		if (s.Kind == dcr.Registered || s.Kind == dcr.Changed && s.Audience != "") && i.opt.Demote(s) {
			s.Class = dcr.Background
		}
		kept = append(kept, s)
	}
	return kept
}

// kinds is what was new, by kind. Nobody remembers which entries told of use,
// so that those count as often as they come.
func kinds(r store.Recorded, used int) map[dcr.SightingKind]int {
	split := map[dcr.SightingKind]int{
		dcr.Registered: r.Registrations, dcr.Changed: r.Changes, dcr.Deleted: r.Deletions, dcr.Denied: r.Denials,
		dcr.Used: used,
	}
	maps.DeleteFunc(split, func(_ dcr.SightingKind, n int) bool { return n == 0 })
	return split
}
