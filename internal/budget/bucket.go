package budget

import (
	"math"
	"time"
)

const (
	// probes is how many calls may be under way before the first answer has
	// told what the tenant allows: the smallest burst of any plan.
	probes = 2
	// smallBurst is the size below which a bucket is refilled by the
	// millisecond. Larger ones can be refilled once a second, so what has
	// come back since the last answer may lag by as much.
	smallBurst = 5
	stepLag    = time.Second
	// anchorAge is how long learning looks back.
	anchorAge = time.Minute
	// untold is the wait for a token when nothing tells one, at first.
	untold    = time.Second
	maxUntold = time.Minute
	// tick is how much later than reckoned a token may come, by rounding.
	tick = time.Millisecond
	// epsilon forgives rounding of sums of fractions of a token.
	epsilon = 1e-6
)

// bucket is what is known of one of Auth0's token buckets. Its level is a
// lower bound: reality is never worse, unless others use the tenant too.
type bucket struct {
	known bool // an answer with headers was seen
	free  bool // an answer without headers was seen, and none with

	limit     int
	remaining int       // as last told
	resetAt   time.Time // as last told; zero when not

	level   float64   // tokens left for certain at time at, all calls sent taken off
	at      time.Time // when level was true
	rate    float64   // tokens a second that come back, at least; 0 while unknown
	lag     time.Duration
	tokenAt time.Time // from here on there is a token, if level says there is none

	blocked time.Time     // after a 429: no call before
	penalty time.Duration // how long the last 429 that did not say was waited for

	inFlight  int
	completed uint64 // calls ended so far

	anchor anchor
	doubt  time.Time // when there was last less than there ought to be
}

// anchor is where learning the rate started: at a time when at most so many
// tokens were left, all calls sent taken off.
type anchor struct {
	at    time.Time
	level float64
	spent int // calls sent since
}

// flight is what a bucket remembers of one call under way.
type flight struct {
	sent      time.Time
	completed uint64
}

// tokens is how many tokens there are for certain at t.
func (b *bucket) tokens(t time.Time) float64 {
	gone := max(t.Sub(b.at)-b.lag, 0)
	level := min(b.level+b.rate*gone.Seconds(), max(float64(b.limit), b.level))
	if !b.tokenAt.IsZero() && !t.Before(b.tokenAt) {
		level = max(level, 1)
	}
	return level
}

// leave is how many tokens a call must leave: background calls a third for
// urgent ones, and urgent ones a tenth while others seem to use the bucket too.
func (b *bucket) leave(background bool, t time.Time) float64 {
	switch {
	case background:
		return float64((b.limit + 2) / 3)
	case b.tokenAt.Equal(b.blocked) && !b.blocked.IsZero():
		return 0 // the first call after a refusal goes when it was told to
	case b.limit >= smallBurst && !b.doubt.IsZero() && t.Sub(b.doubt) < anchorAge:
		return float64((b.limit + 9) / 10)
	default:
		return 0
	}
}

// readyIn is how long a call must still wait at t, having to leave so many
// tokens: 0 means go, and a negative answer that only an event will tell.
func (b *bucket) readyIn(t time.Time, leave float64) time.Duration {
	if wait := b.blocked.Sub(t); wait > 0 {
		return wait
	}
	switch {
	case !b.known && b.free:
		return 0
	case !b.known && b.inFlight < probes:
		return 0
	case !b.known:
		return -1
	}
	need := min(1+leave, float64(b.limit))
	if b.tokens(t) >= need-epsilon {
		return 0
	}
	wait := time.Duration(-1)
	if b.rate > 0 {
		due := b.at.Add(b.lag + seconds((need-b.level)/b.rate))
		wait = max(due.Sub(t), time.Millisecond)
	}
	if !b.tokenAt.IsZero() && b.tokenAt.After(t) {
		if d := b.tokenAt.Sub(t); leave < 1 && (wait < 0 || d < wait) {
			wait = d
		}
	}
	if leave > 0 && b.inFlight == 0 {
		// Whatever the rate is, after a while of silence one call may show.
		quiet := max(b.at.Add(2*time.Second).Sub(t), 0)
		if b.tokens(t) < 1-epsilon {
			quiet = max(quiet, b.readyIn(t, 0))
		}
		if wait < 0 || quiet < wait {
			wait = quiet
		}
	}
	return wait
}

// send takes a token off for a call that goes now.
func (b *bucket) send(t time.Time) flight {
	if b.known {
		b.level, b.at = b.tokens(t)-1, t
		b.tokenAt = time.Time{}
		b.anchor.spent++
	}
	b.inFlight++
	return flight{sent: t, completed: b.completed}
}

// unsend takes back a call that was let go and never made.
func (b *bucket) unsend() {
	b.inFlight--
	if b.known {
		b.level = min(b.level+1, float64(b.limit))
		b.anchor.spent--
	}
}

// lost notes the end of a call that told nothing about the bucket.
func (b *bucket) lost(t time.Time, success bool) {
	b.inFlight--
	b.completed++
	if !b.known {
		b.free = b.free || success
		return
	}
	b.ensureToken(t, untold)
}

// ensureToken sees to it that an empty bucket is tried again even if nothing
// told when.
func (b *bucket) ensureToken(t time.Time, wait time.Duration) {
	if b.inFlight == 0 && b.level < 1 && b.rate == 0 && b.tokenAt.IsZero() {
		b.tokenAt = t.Add(wait)
	}
}

// observe corrects the bucket by an answer with headers.
func (b *bucket) observe(f flight, r reading, t time.Time) {
	b.inFlight--
	overlap := int(b.completed - f.completed)
	b.completed++
	others := b.inFlight

	b.remaining, b.resetAt = r.remaining, time.Time{}
	if r.reset > 0 {
		b.resetAt = t.Add(r.reset)
	}
	if t.Before(b.at) {
		b.at = t // the clock was set back
	}

	// Calls that were under way at the same time may have been counted after
	// this answer was written; then they are still to come off.
	low := float64(r.remaining - others - overlap)
	high := float64(r.remaining) + 1 // whole tokens are told, parts are not
	full := r.remaining == r.limit-1
	if full {
		// The bucket was full when the call came, so the level is exact, and
		// whatever went at the same time was counted later.
		high = low
	}

	if !b.known || b.limit != r.limit {
		b.start(f, r, low, high, t)
		b.await(r, t)
		return
	}

	switch expected := b.tokens(t); {
	case expected > float64(r.remaining)+1+b.slack(f, t):
		b.contradicted(f, high, t)
		b.level = low
	default:
		if others+overlap == 0 || full {
			b.learn(f, low, high, full, t)
		}
		b.level = max(low, expected)
		if t.Sub(b.doubt) > anchorAge {
			b.lag = b.naturalLag()
		}
	}
	b.at, b.penalty = t, 0
	b.await(r, t)
}

// start begins with a bucket not seen before.
func (b *bucket) start(f flight, r reading, low, high float64, t time.Time) {
	b.known, b.limit = true, r.limit
	b.level, b.at, b.rate, b.lag = low, t, 0, b.naturalLag()
	b.tokenAt, b.penalty = time.Time{}, 0
	b.anchor = anchor{at: f.sent, level: high}
}

// naturalLag is how late tokens can come back in a bucket of this size.
func (b *bucket) naturalLag() time.Duration {
	if b.limit < smallBurst {
		return 0
	}
	return stepLag
}

// await notes when there will be a token, if there is none. Auth0 does not say
// whether the reset is the next token or the full bucket; either way there is
// one then.
func (b *bucket) await(r reading, t time.Time) {
	b.tokenAt = time.Time{}
	if b.level >= 1 || b.inFlight > 0 {
		return
	}
	if r.reset > 0 {
		b.tokenAt = t.Add(r.reset + tick)
	}
	b.ensureToken(t, untold)
}

// slack is what can have come back between an answer being written and read.
func (b *bucket) slack(f flight, t time.Time) float64 {
	return b.rate*max(t.Sub(f.sent), 0).Seconds() + epsilon
}

// learn raises the rate to what was seen to come back since the anchor, and
// sets a new anchor where that is more exact.
func (b *bucket) learn(f flight, low, high float64, full bool, t time.Time) {
	elapsed := t.Sub(b.anchor.at) + b.lag + tick
	back := low - b.anchor.level + float64(b.anchor.spent)
	if elapsed > 0 && back > 0 && elapsed < anchorAge {
		b.rate = max(b.rate, back/elapsed.Seconds())
	}
	if full || elapsed >= anchorAge || elapsed <= 0 {
		b.anchor = anchor{at: f.sent, level: high}
	}
}

// contradicted is called when there is less than there ought to be: others use
// the bucket too, or it is refilled in steps. What came back for us since the
// anchor is all that is believed from here.
func (b *bucket) contradicted(f flight, high float64, t time.Time) {
	elapsed := t.Sub(b.anchor.at)
	back := high - 1 - b.anchor.level + float64(b.anchor.spent)
	seen := 0.0
	if elapsed > 0 && back > 0 {
		seen = back / elapsed.Seconds()
	}
	b.rate = min(b.rate, seen)
	b.lag, b.doubt = stepLag, t
	b.anchor = anchor{at: f.sent, level: high}
}

// refused notes a 429: no call before the time told, or, when none is told,
// before a second that doubles with each one in a row up to a minute.
func (b *bucket) refused(f flight, r reading, told time.Duration, t time.Time) {
	b.inFlight--
	b.completed++
	switch {
	case b.known:
		b.anchor.spent-- // a refused call takes no token
		b.contradicted(f, 1, t)
	case r.ok:
		b.start(f, r, 0, 1, t)
	}
	if r.ok {
		b.remaining, b.resetAt = 0, t.Add(told)
	}
	if told <= 0 {
		b.penalty = min(max(2*b.penalty, untold), maxUntold)
		told = b.penalty
	}
	if until := t.Add(told); until.After(b.blocked) {
		b.blocked = until
	}
	b.level, b.at = 0, b.blocked
	b.tokenAt = b.blocked
}

func seconds(s float64) time.Duration {
	return time.Duration(math.Ceil(min(max(s, 0), 3600) * float64(time.Second)))
}
