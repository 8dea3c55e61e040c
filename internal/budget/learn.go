package budget

import (
	"math"
	"time"
)

const (
	// memory is how long learning looks back. A minute is the longest period
	// Auth0 counts in.
	memory = time.Minute
	// suspicion is how long others are taken to use the bucket after they were
	// last seen to.
	suspicion = 10 * time.Minute
	// creep is by how much the rate is raised on a guess.
	creep = 1.1
	// enough is over how many calls the rate is to be measured before it is
	// held for exact: it is then wrong by one in so many at most.
	enough = 40
)

// anchor is where learning the rate started: at a time when at most so many
// tokens were left, all calls sent taken off.
type anchor struct {
	level
	spent int // calls sent since
}

// observe corrects the bucket by an answer with headers. It reports whether
// there was less than our own calls explain.
func (b *bucket) observe(f flight, r reading, t time.Time) (less bool) {
	b.inFlight--
	overlap := int(b.completed - f.completed)
	b.completed++
	b.settle(t)
	b.answered(f, t)
	others := b.inFlight + overlap // may have been counted after this answer was written
	b.remaining, b.resetAt, b.seen, b.silent = r.remaining, r.resetAt, t, time.Time{}

	// With the calls taken off that are perhaps to come off yet, and with the
	// part of a token that is not told: so much there is at least, and at most.
	now := level{float64(r.remaining - others), f.sent, t}
	most := level{float64(r.remaining) + 1, f.sent, t}
	full := r.remaining == r.limit-1
	if full {
		most.tokens-- // a full bucket holds no part of a token
	}
	if full && r.limit < smallBurst && t.Sub(b.busy) < stepLag/2 {
		// No plan with so few tokens is so fast that what went at the same time
		// was counted before and had come back by then: the level is exact.
		most.tokens = now.tokens
	}

	switch expected := b.expected(f, t); {
	case !b.known || b.limit != r.limit:
		less = !b.known && r.remaining < r.limit-int(b.completed)-b.inFlight
		b.start(r.limit, now, most)
	case expected > float64(r.remaining)+1:
		less = true
		b.contradicted(expected-float64(r.remaining)-1, now, most, t)
	default:
		b.learn(now, full, most, t)
		b.believe(now, t)
	}
	b.penalty = 0
	b.await(r.reset, t)
	return less
}

// start begins with a bucket not seen before.
func (b *bucket) start(limit int, now, most level) {
	b.known, b.limit = true, limit
	b.rate, b.proven, b.measured, b.promises = 0, 0, 0, 0
	b.read, b.past = now, now
	b.anchor = anchor{level: most}
}

// expected is how many tokens there were for certain when the call went, all
// calls sent by now taken off. Only what was known then counts: what answers
// told meanwhile may have come back meanwhile.
func (b *bucket) expected(f flight, t time.Time) float64 {
	expected := math.Inf(-1)
	for _, l := range [...]level{b.read, b.past} {
		if !l.sure.After(f.sent) {
			expected = max(expected, b.certain(l, t)-b.rate*t.Sub(f.sent).Seconds()-epsilon)
		}
	}
	return expected
}

// believe takes a reading over. What an earlier one has become by now counts
// on if it is the better in the long run, its lag being over; but not while
// others use the bucket, for it does not know of them.
func (b *bucket) believe(now level, t time.Time) {
	b.read = now
	if b.contested(t) || b.value(b.past, b.past.sure, t) <= now.tokens {
		b.past = now
	}
}

// contested reports whether others are taken to use the bucket too.
func (b *bucket) contested(t time.Time) bool {
	return !b.doubt.IsZero() && t.Sub(b.doubt) < suspicion
}

// settle ends the suspicion of others when its time has come, and with it what
// was guessed.
func (b *bucket) settle(t time.Time) {
	if !b.doubt.IsZero() && !b.contested(t) {
		b.doubt, b.margin, b.roof, b.rate = time.Time{}, 0, 0, b.proven
	}
}

// learn raises the rate to what was seen to come back since the anchor, and
// sets a new anchor where that is more exact.
func (b *bucket) learn(now level, full bool, most level, t time.Time) {
	elapsed := t.Sub(b.anchor.at) + b.lag() + tick
	if back := b.back(now.tokens); back > 0 && elapsed < memory {
		b.proven = max(b.proven, back/elapsed.Seconds())
		b.raise(b.proven, t)
		b.measured = max(b.measured, b.anchor.spent)
	}
	if full && b.contested(t) {
		// With others about nothing says how much of a rate goes to them. But a
		// bucket found full had more to give; asked too often, it is never full.
		if b.roof == 0 || b.rate*creep <= b.roof {
			b.raise(b.rate*creep, t)
		}
	}
	if full || elapsed >= memory {
		b.anchor = anchor{level: most}
	}
}

// raise raises the rate from t on. For the time before it may not be taken:
// the bucket may have been full then.
func (b *bucket) raise(rate float64, t time.Time) {
	if rate <= b.rate {
		return
	}
	for _, l := range [...]*level{&b.read, &b.past} {
		if from := t.Add(-b.lag()); l.sure.Before(from) {
			*l = level{b.certain(*l, t), from, from}
		}
	}
	b.rate = rate
}

// back is how many tokens came back since the anchor, if so many are left now.
func (b *bucket) back(left float64) float64 {
	return left - b.anchor.tokens + float64(b.anchor.spent)
}

// contradicted is called when there is less than there ought to be: others use
// the bucket too. From here some is left for them, more than they took.
func (b *bucket) contradicted(missing float64, now, most level, t time.Time) {
	b.doubt, b.margin = t, min(max(b.margin, math.Ceil(missing)), b.third())
	b.read, b.past = now, now
	b.anchor = anchor{level: most}
}

// refused notes a 429: no call before the time told, or, when none is told,
// before a second that doubles with each one in a row up to a minute. It
// reports whether a token was expected.
func (b *bucket) refused(f flight, r reading, told time.Duration, t time.Time) (less bool) {
	b.inFlight--
	b.completed++
	b.seen = t
	b.settle(t)
	b.answered(f, t)
	none := level{0, t, t}
	switch {
	case b.known:
		b.anchor.spent-- // a refused call takes no token
		if less = b.tokens(t) > -epsilon; less {
			b.slower(f, t)
			b.contradicted(2*b.margin+1, none, level{1, f.sent, t}, t)
		}
	case r.ok:
		b.start(r.limit, none, level{1, f.sent, t})
	}
	if r.ok {
		b.remaining, b.resetAt, b.silent = 0, r.resetAt, time.Time{}
	}
	b.block(f, told, t)
	return less
}

// slower corrects what made a call go that was refused.
func (b *bucket) slower(f flight, t time.Time) {
	if f.promised {
		b.late = min(b.late+stepLag, maxLate)
		return
	}
	if b.margin < b.third() {
		return // leaving more for others may do
	}
	b.rate *= 0.8
	b.roof, b.proven = b.rate, min(b.rate, b.proven)
}

// maxLate bounds how late a promised token is believed to come.
const maxLate = 5 * time.Second

// block lets no call go before the time told.
func (b *bucket) block(f flight, told time.Duration, t time.Time) {
	if told <= 0 {
		if b.penalty == 0 || !f.sent.Before(b.blocked) { // else it went before the last refusal
			b.penalty = min(max(2*b.penalty, untold), maxUntold)
		}
		told = b.penalty
	}
	if until := t.Add(told); until.After(b.blocked) {
		b.blocked = until
	}
	b.read = level{0, b.blocked, b.blocked}
	b.past, b.tokenAt = b.read, b.blocked
}

// lost notes the end of a call that told nothing about the bucket.
func (b *bucket) lost(f flight, success bool, t time.Time) {
	b.inFlight--
	b.completed++
	b.answered(f, t)
	if success {
		b.unmentioned(t)
	}
	if b.known && b.tokenAt.IsZero() {
		b.await(0, t)
	}
}

// unmentioned notes a success without headers. When there were none but such
// for as long as Auth0 counts, what was known of the bucket no longer holds.
func (b *bucket) unmentioned(t time.Time) {
	switch {
	case !b.known:
		b.free = true
	case b.silent.IsZero():
		b.silent = t
	case t.Sub(b.silent) >= memory:
		*b = bucket{free: true, inFlight: b.inFlight, completed: b.completed}
	}
}
