package http

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// gate lets its capacity of requests through at once, so that the memory they
// take is bounded.
type gate chan struct{}

// enter waits for a place, at most so long, and reports whether there was one.
func (g gate) enter(ctx context.Context, wait time.Duration) bool {
	select {
	case g <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case g <- struct{}{}:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

func (g gate) leave() { <-g }

// refusals logs callers who were turned away, at most a line a minute: they
// may be many, and they choose how many.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	logged time.Time
	since  int // refused after the line
}

func (r *refusals) note(reason string, from netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since++
	now := r.now()
	if !r.logged.IsZero() && now.Sub(r.logged) < time.Minute {
		return
	}
	r.log.Warn("[webhook] refused delivery", "reason", reason, "from", from.String(), "count", r.since)
	r.logged, r.since = now, 0
}
