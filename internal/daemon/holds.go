package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/http"
	chat "grantd/internal/notify"
	"grantd/internal/store"
)

// Brakes set and release holds in a ledger. Nothing of it needs Auth0, so that a
// person can stop grantd whatever state the tenant, the configuration or the
// daemon is in.
type Brakes struct {
	ledger *store.Ledger
	log    *slog.Logger
	// wake and sweep tell a running daemon that there is work.
	wake, sweep func()
	// set and released are told of each hold that was.
	set, released func(dcr.Hold)
}

// NewBrakes returns the brakes of a ledger that no daemon has open.
func NewBrakes(l *store.Ledger, log *slog.Logger) *Brakes {
	return &Brakes{ledger: l, log: log, wake: func() {}, sweep: func() {}, set: func(dcr.Hold) {}, released: func(dcr.Hold) {}}
}

func (e *Engine) brakes() *Brakes {
	return &Brakes{
		ledger: e.ledger, log: e.log, wake: e.loop.Wake, sweep: e.sweeper.Request, set: e.tellHold,
		released: func(h dcr.Hold) { e.notifier.Tell(chat.HoldReleased(h)) },
	}
}

// Hold implements http.Brakes.
func (e *Engine) Hold(ctx context.Context, r http.HoldRequest) (http.HoldSet, error) {
	return e.brakes().Hold(ctx, r)
}

// Release implements http.Brakes.
func (e *Engine) Release(ctx context.Context, s store.HoldSelector) (http.HoldsReleased, error) {
	return e.brakes().Release(ctx, s)
}

// holds are those in force.
func (e *Engine) holds(ctx context.Context) ([]dcr.Hold, error) {
	return HoldsInForce(ctx, e.ledger, time.Now())
}

// HoldsInForce are the ledger's holds at a time, and the clients that are
// switched off by their metadata.
func HoldsInForce(ctx context.Context, l *store.Ledger, now time.Time) ([]dcr.Hold, error) {
	kept, err := l.Holds(ctx)
	if err != nil {
		return nil, err
	}
	var holds []dcr.Hold
	for _, h := range kept {
		if h.Active(now) {
			holds = append(holds, h)
		}
	}
	off, err := l.SwitchedOff(ctx)
	if err != nil {
		return nil, err
	}
	return append(holds, off...), nil
}

// Hold implements http.Brakes.
func (b *Brakes) Hold(ctx context.Context, r http.HoldRequest) (http.HoldSet, error) {
	h := dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held, Since: time.Now()}
	known := true
	if r.ClientID != "" {
		h.Scope, h.ClientID = dcr.HoldClient, r.ClientID
		_, err := b.ledger.Client(ctx, r.ClientID)
		if known = !errors.Is(err, store.ErrNotFound); known && err != nil {
			return http.HoldSet{}, fmt.Errorf("hold: %w", err)
		}
	}
	if r.For > 0 {
		h.Until = h.Since.Add(r.For)
	}
	if err := b.ledger.SetHolds(ctx, h); err != nil {
		return http.HoldSet{}, fmt.Errorf("hold: %w", err)
	}
	b.log.Warn("hold set", about(h)...)
	b.set(h)
	b.wake()
	return http.HoldSetView(h, known), nil
}

// Release implements http.Brakes.
func (b *Brakes) Release(ctx context.Context, s store.HoldSelector) (http.HoldsReleased, error) {
	done, err := b.ledger.Release(ctx, s)
	for _, h := range done.Holds {
		b.released(h)
	}
	for i, h := range done.Holds {
		if i == toldReleases {
			b.log.Warn("hold released", "more", len(done.Holds)-i)
			break
		}
		b.log.Warn("hold released", about(h)...)
	}
	if done.Unchecked > 0 {
		b.sweep()
	}
	b.wake()
	if err != nil {
		return http.HoldsReleased{}, fmt.Errorf("release: %w", err)
	}
	if len(done.Holds) == 0 {
		return http.HoldsReleased{}, http.ErrNoHold
	}
	return http.HoldsReleasedView(done), nil
}

// toldReleases is how many holds that one command releases have a line of their
// own in the log.
const toldReleases = 20

// about is what the log says of a hold.
func about(h dcr.Hold) []any {
	args := []any{"scope", h.Scope, "reason", h.Reason}
	if h.ClientID != "" {
		args = append(args, "client_id", h.ClientID)
	}
	if h.Field != "" {
		args = append(args, "field", h.Field)
	}
	if !h.Until.IsZero() {
		args = append(args, "until", h.Until.UTC().Format(time.RFC3339))
	}
	return args
}
