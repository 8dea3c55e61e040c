package budget

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"grantd/internal/dcr"
)

// Group is a set of endpoints that Auth0 may limit together.
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy/rate-limit-configurations
type Group uint8

// The groups that plans have.
const (
	Other           Group = iota // everything that is not in a group of its own
	ListClients                  // GET /clients
	ListConnections              // GET /connections
	ReadLogs                     // GET /logs
	groups
)

// Call describes a call that is to be made.
type Call struct {
	Group  Group
	Class  dcr.Class // anything but dcr.Background is urgent
	Source string    // on whose account an urgent call is made; sources take turns
	// Hurry is closed when a background call has become urgent: it then waits
	// as one. Nil: it never does.
	Hurry <-chan struct{}
}

// Options configure a Budget.
type Options struct {
	// Now is the wall clock, by which headers tell times; nil means time.Now.
	// It may jump: waits are measured by the monotonic clock.
	Now func() time.Time
	// RPS is the upper bound on calls per second; 0 and below: none.
	RPS float64
}

// Budget governs all Management API calls of the process. It is safe for
// concurrent use and needs no closing.
type Budget struct {
	wall func() time.Time

	mu      sync.Mutex
	all     bucket         // as if one bucket served every group
	own     [groups]bucket // as if each group had its own
	shared  sharing        // which of the two it is
	ceiling *rate.Limiter  // nil without RPS
	queue   queue
	timer   *time.Timer // runs dispatch when the next waiter may go
	wakeups int         // times it did
}

// New returns a Budget that knows nothing of the tenant yet.
func New(o Options) *Budget {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Budget{wall: o.Now}
	if o.RPS > 0 {
		b.ceiling = rate.NewLimiter(rate.Limit(o.RPS), 1)
	}
	return b
}

// SetRPS changes the upper bound on calls per second; 0 and below lift it.
func (b *Budget) SetRPS(rps float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case rps <= 0:
		b.ceiling = nil
	case b.ceiling == nil:
		b.ceiling = rate.NewLimiter(rate.Limit(rps), 1)
	default:
		b.ceiling.SetLimitAt(time.Now(), rate.Limit(rps))
	}
	b.dispatch()
}

// Ticket is the leave to make one call. Done must be called exactly when the
// call has ended, whatever came of it; further calls of it have no effect.
type Ticket struct {
	budget   *Budget
	group    Group
	all, own flight
	ceiling  *rate.Reservation
	once     sync.Once
}

// Acquire waits until the call may be made. It fails with the context's error
// only.
func (b *Budget) Acquire(ctx context.Context, c Call) (*Ticket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.Group >= groups {
		c.Group = Other
	}
	w := &waiter{call: c, ready: make(chan *Ticket, 1)}

	b.mu.Lock()
	w.since = time.Now()
	b.queue.push(w)
	b.dispatch()
	b.mu.Unlock()

	for hurry := c.Hurry; ; {
		select {
		case t := <-w.ready:
			return t, nil
		case <-hurry:
			hurry = nil
			b.hurry(w)
		case <-ctx.Done():
			b.giveUp(w)
			return nil, ctx.Err()
		}
	}
}

// hurry makes a waiter urgent.
func (b *Budget) hurry(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue.hurry(w)
	b.dispatch()
}

// giveUp takes a waiter out. Let go in the same moment, its leave goes to the
// next.
func (b *Budget) giveUp(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.queue.remove(w) {
		b.takeBack(<-w.ready)
	}
	b.dispatch()
}

// Done reports the end of the call: the status and headers of the answer, or
// status 0 when there was none.
func (t *Ticket) Done(status int, h http.Header) {
	t.once.Do(func() { t.budget.done(t, status, h) })
}

func (b *Budget) done(t *Ticket, status int, h http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, wall := time.Now(), b.wall()
	r, told := read(h, wall), RetryAfter(h, wall)
	success := status >= 200 && status <= 299

	end := func(k *bucket, f flight) (less bool) {
		switch {
		case status == http.StatusTooManyRequests:
			return k.refused(f, r, told, now)
		case status != 0 && r.ok:
			return k.observe(f, r, now)
		default:
			k.lost(f, success, now)
			return false
		}
	}
	less := end(&b.all, t.all)
	b.shared.learn(less, end(&b.own[t.group], t.own))
	b.dispatch()
}

// takeBack undoes a ticket for a call that was never made.
func (b *Budget) takeBack(t *Ticket) {
	now := time.Now()
	b.all.unsend(now)
	b.own[t.group].unsend(now)
	if t.ceiling != nil {
		t.ceiling.Cancel()
	}
}

// readyIn is how long a call of the group must wait, as bucket.readyIn.
func (b *Budget) readyIn(g Group, s sharing, background bool, now time.Time) time.Duration {
	own := &b.own[g]
	wait := time.Duration(0)
	if s != apart {
		wait = b.all.readyIn(background, now)
	}
	if s == apart || s == unknown && (own.known || !own.blocked.IsZero()) {
		wait = longer(wait, own.readyIn(background, now))
	}
	return wait
}

// dispatch lets every waiter go that may, and sets the timer for the next. The
// caller holds b.mu.
func (b *Budget) dispatch() {
	now, s := time.Now(), b.sharing()
	for {
		next := time.Duration(math.MaxInt64)
		w := b.queue.next(now, s != apart, func(g Group, background bool) bool {
			d := b.ceilingIn(now)
			if d == 0 {
				d = b.readyIn(g, s, background, now)
			}
			if d > 0 {
				next = min(next, d)
			}
			return d == 0
		})
		if w == nil {
			b.wakeIn(next)
			return
		}
		w.ready <- b.send(w.call.Group, now)
	}
}

// send takes a call off all that it counts against.
func (b *Budget) send(g Group, now time.Time) *Ticket {
	t := &Ticket{budget: b, group: g, all: b.all.send(now), own: b.own[g].send(now)}
	if b.ceiling != nil {
		t.ceiling = b.ceiling.ReserveN(now, 1)
	}
	return t
}

// ceilingIn is how long the upper bound on calls per second makes wait.
func (b *Budget) ceilingIn(now time.Time) time.Duration {
	if b.ceiling == nil {
		return 0
	}
	missing := 1 - b.ceiling.TokensAt(now)
	if missing <= epsilon {
		return 0
	}
	return max(seconds(missing/float64(b.ceiling.Limit())), tick)
}

// wakeIn sets the timer. It runs at least every second while somebody waits:
// what is doubted and what is to be left ends with time, too.
func (b *Budget) wakeIn(d time.Duration) {
	switch d = min(max(d, tick), time.Second); {
	case b.queue.empty():
		if b.timer != nil {
			b.timer.Stop()
		}
	case b.timer == nil:
		b.timer = time.AfterFunc(d, b.wake)
	default:
		b.timer.Reset(d)
	}
}

func (b *Budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakeups++
	b.dispatch()
}
