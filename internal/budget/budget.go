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
}

// Options configure a Budget.
type Options struct {
	Now func() time.Time // time.Now when nil
	RPS float64          // upper bound on calls per second; 0 and below: none
}

// Budget governs all Management API calls of the process. It is safe for
// concurrent use and needs no closing.
type Budget struct {
	now func() time.Time

	mu      sync.Mutex
	all     bucket         // as if one bucket served every group
	own     [groups]bucket // as if each group had its own
	ceiling *rate.Limiter  // nil without RPS
	queue   queue
	timer   *time.Timer // runs dispatch when the next waiter may go
}

// New returns a Budget that knows nothing of the tenant yet.
func New(o Options) *Budget {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Budget{now: o.Now}
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
		b.ceiling.SetLimitAt(b.now(), rate.Limit(rps))
	}
	b.dispatch()
}

// Ticket is the leave to make one call. Done must be called exactly when the
// call has ended, whatever came of it; further calls of it have no effect.
type Ticket struct {
	budget   *Budget
	group    Group
	all, own flight
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
	w.since = b.now()
	b.queue.push(w)
	b.dispatch()
	b.mu.Unlock()

	select {
	case t := <-w.ready:
		return t, nil
	case <-ctx.Done():
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.queue.remove(w) {
		// Let go in the same moment: the leave goes to the next.
		t := <-w.ready
		b.all.unsend()
		b.own[t.group].unsend()
	}
	b.dispatch()
	return nil, ctx.Err()
}

// Done reports the end of the call: the status and headers of the answer, or
// status 0 when there was none.
func (t *Ticket) Done(status int, h http.Header) {
	t.once.Do(func() { t.budget.done(t, status, h) })
}

func (b *Budget) done(t *Ticket, status int, h http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	r, told := read(h, now), RetryAfter(h, now)
	success := status >= 200 && status <= 299

	b.each(t, func(k *bucket, f flight) {
		switch {
		case status == http.StatusTooManyRequests:
			k.refused(f, r, told, now)
		case status != 0 && r.ok:
			k.observe(f, r, now)
		default:
			k.lost(now, success)
		}
	})
	b.dispatch()
}

// each runs fn on the two buckets a ticket's call went through.
func (b *Budget) each(t *Ticket, fn func(*bucket, flight)) {
	fn(&b.all, t.all)
	fn(&b.own[t.group], t.own)
}

// shared reports whether all groups are to be taken for one bucket. They are
// as long as every limit seen is the same: so it is on plans with one bucket,
// and where it is not, taking it so errs on the safe side.
func (b *Budget) shared() bool {
	limit := 0
	for i := range b.own {
		k := &b.own[i]
		if !k.known {
			continue
		}
		if limit != 0 && k.limit != limit {
			return false
		}
		limit = k.limit
	}
	return true
}

// readyIn is how long a call of the group must wait, as bucket.readyIn.
func (b *Budget) readyIn(g Group, background bool, now time.Time) time.Duration {
	own, shared := &b.own[g], b.shared()
	wait := time.Duration(0)
	check := func(k *bucket) {
		d := k.readyIn(now, k.leave(background, now))
		if wait >= 0 && (d < 0 || d > wait) {
			wait = d
		}
	}
	if shared {
		check(&b.all)
	}
	if own.known || !shared || !own.blocked.IsZero() {
		check(own)
	}
	return wait
}

// dispatch lets every waiter go that may, and sets the timer for the next. The
// caller holds b.mu.
func (b *Budget) dispatch() {
	for {
		now := b.now()
		next := time.Duration(math.MaxInt64)
		w := b.queue.next(now, b.shared(), func(g Group, background bool) bool {
			d := b.ceilingIn(now)
			if d == 0 {
				d = b.readyIn(g, background, now)
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
		if b.ceiling != nil {
			b.ceiling.AllowN(now, 1)
		}
		t := &Ticket{budget: b, group: w.call.Group}
		t.all = b.all.send(now)
		t.own = b.own[t.group].send(now)
		w.ready <- t
	}
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
	return max(seconds(missing/float64(b.ceiling.Limit())), time.Millisecond)
}

// wakeIn sets the timer. It fires at least every second while somebody waits,
// so that a jump of the clock cannot stall.
func (b *Budget) wakeIn(d time.Duration) {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if b.queue.empty() {
		return
	}
	b.timer = time.AfterFunc(min(max(d, 100*time.Microsecond), time.Second), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.dispatch()
	})
}
