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
	// untold is the wait for a token when nothing tells one, at first.
	untold    = time.Second
	maxUntold = time.Minute
	// tick is how much later than reckoned a token may come, by rounding.
	tick = time.Millisecond
	// quiet is after how long one call may go to see how the bucket stands,
	// though it is not known to hold what the call must leave.
	quiet = 2 * time.Second
	// hold is longer than any call takes.
	hold = time.Minute
	// stagger is between the times at which promised tokens are called for:
	// promises are for whole seconds, and so may be what others do.
	stagger = 250 * time.Millisecond
	// epsilon forgives rounding of sums of fractions of a token.
	epsilon = 1e-6
)

// bucket is what is known of one of Auth0's token buckets. Its level is a
// lower bound: reality is never worse, unless others use the tenant too.
// All its times are of the monotonic clock.
type bucket struct {
	known bool // an answer with headers was seen
	free  bool // an answer without headers was seen, and none with

	limit     int
	remaining int       // as last told
	resetAt   time.Time // as last told, by the wall clock; zero when not

	read, past level         // two lower bounds of the tokens left; the greater one counts
	rate       float64       // tokens a second that come back; 0 while unknown
	proven     float64       // and that come back at least; rate may be a guess while others are about
	measured   int           // over how many calls proven was
	tokenAt    time.Time     // from here on there is a token, if the level says there is none
	promises   int           // times tokenAt was told
	late       time.Duration // how much later than promised tokens were found to come
	slowest    time.Duration // how long calls take at most
	seen       time.Time     // when something was last learned or sent

	blocked time.Time     // after a 429: no call before
	penalty time.Duration // how long the last 429 that did not say was waited for

	inFlight  int
	busy      time.Time // since when there are calls under way
	completed uint64    // calls ended so far
	silent    time.Time // since when answers have no headers; zero when the last had

	anchor anchor
	doubt  time.Time // when others were last seen to use the bucket
	margin float64   // tokens that any call must leave for them since
	roof   float64   // to which rate guesses go since; 0 is any
}

// level is a number of tokens, with all calls sent taken off. More come back
// perhaps from at on, and for certain from sure on.
type level struct {
	tokens   float64
	at, sure time.Time
}

// flight is what a bucket remembers of one call under way.
type flight struct {
	sent      time.Time
	completed uint64
	promised  bool // it went because a token was promised for this time
}

// value is how many tokens a level has become by t, coming back since then.
func (b *bucket) value(l level, since, t time.Time) float64 {
	gone := max(t.Sub(since), 0)
	return min(l.tokens+b.rate*gone.Seconds(), max(float64(b.limit), l.tokens))
}

// certain is how many tokens of a level there are at least at t.
func (b *bucket) certain(l level, t time.Time) float64 {
	return b.value(l, l.sure.Add(b.lag()), t)
}

// lag is by how much tokens may come later than the rate says.
func (b *bucket) lag() time.Duration {
	if b.limit < smallBurst {
		return 0
	}
	return stepLag
}

// tokens is how many tokens there are for certain at t.
func (b *bucket) tokens(t time.Time) float64 {
	tokens := max(b.certain(b.read, t), b.certain(b.past, t))
	if b.promise(t) {
		tokens = max(tokens, 1)
	}
	return tokens
}

// promise reports whether a token was promised for t or before.
func (b *bucket) promise(t time.Time) bool { return !b.tokenAt.IsZero() && !t.Before(b.tokenAt) }

// likelyIn is how long it takes from t until there are so many tokens if they
// come back as soon as they can; negative when the rate is not known.
func (b *bucket) likelyIn(tokens float64, t time.Time) time.Duration {
	return shorter(b.in(b.read, b.read.at, tokens, t), b.in(b.past, b.past.at, tokens, t))
}

// certainIn is how long it takes until there are so many for certain.
func (b *bucket) certainIn(tokens float64, t time.Time) time.Duration {
	read, past := b.read.sure.Add(b.lag()), b.past.sure.Add(b.lag())
	wait := shorter(b.in(b.read, read, tokens, t), b.in(b.past, past, tokens, t))
	if tokens <= 1 && !b.tokenAt.IsZero() {
		wait = shorter(wait, max(b.tokenAt.Sub(t), 0))
	}
	return wait
}

// in is how long a level takes from t until it has so many tokens, coming back
// since then.
func (b *bucket) in(l level, since time.Time, tokens float64, t time.Time) time.Duration {
	switch {
	case b.value(l, since, t) >= tokens-epsilon:
		return 0
	case b.rate <= 0:
		return -1
	}
	return max(since.Add(seconds((tokens-l.tokens)/b.rate)).Sub(t), tick)
}

// fresh reports whether the next call is the first after a refusal. It goes
// when it was told to, whatever would have to be left.
func (b *bucket) fresh() bool { return !b.blocked.IsZero() && b.tokenAt.Equal(b.blocked) }

// third is a third of the bucket, or a little more.
func (b *bucket) third() float64 { return float64((b.limit + 2) / 3) }

// reserve is how many tokens a background call must leave for urgent ones. Of
// a bucket of two it would have to wait until it is full, and from a bucket
// that is always full the rate cannot be learned: there it leaves none until
// that is known.
func (b *bucket) reserve() float64 {
	if b.limit <= probes && b.measured < enough {
		return 0
	}
	return b.third()
}

// readyIn is how long a call must still wait at t: 0 means go, and a negative
// answer that only an event will tell.
func (b *bucket) readyIn(background bool, t time.Time) time.Duration {
	b.settle(t)
	if wait := b.blocked.Sub(t); wait > 0 {
		return wait
	}
	switch {
	case !b.known && (b.free || b.inFlight < probes):
		return 0
	case !b.known:
		return -1
	case b.fresh():
		return 0
	}

	limit := float64(b.limit)
	certain := b.certainIn(1, t)
	wait := certain
	if b.margin > 0 {
		wait = longer(wait, b.certainIn(min(1+b.margin, limit), t))
	}
	if background {
		// The reserve is a courtesy: what is likely there will do for it.
		wait = longer(wait, b.likelyIn(min(1+max(b.reserve(), b.margin), limit), t))
	}
	if b.inFlight == 0 && certain >= 0 && wait != certain {
		wait = shorter(wait, longer(certain, max(b.seen.Add(quiet).Sub(t), 0)))
	}
	return wait
}

// longer is the longer of two waits, of which a negative one has no end.
func longer(a, b time.Duration) time.Duration {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

// shorter is the shorter of two waits, of which a negative one has no end.
func shorter(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// send takes a token off for a call that goes now.
func (b *bucket) send(t time.Time) flight {
	f := flight{sent: t, completed: b.completed, promised: b.promise(t)}
	if b.known {
		if f.promised && b.tokens(t) <= 1 {
			b.past = level{1, t, t}
		}
		b.read, b.past = b.take(b.read, t), b.take(b.past, t)
		b.tokenAt = time.Time{}
		b.anchor.spent++
	}
	if b.inFlight == 0 {
		b.busy = t
	}
	b.inFlight++
	b.seen = t
	return f
}

// take is the level after a call at t. A bucket that may be full, being ahead
// of what is certain, begins to fill only when it has got the call; when that
// was is known for certain once it is answered.
func (b *bucket) take(l level, t time.Time) level {
	tokens := b.certain(l, t)
	if ahead := b.rate * (b.lag() + b.slowest).Seconds(); b.rate > 0 && tokens+ahead >= float64(b.limit) {
		return level{tokens - 1, t, t.Add(hold)}
	}
	l.tokens--
	return l
}

// answered ends what take began.
func (b *bucket) answered(f flight, t time.Time) {
	for _, l := range [...]*level{&b.read, &b.past} {
		if l.sure.Equal(f.sent.Add(hold)) {
			l.sure = t
		}
	}
	// The slowest of late: one in some hundred that was slow is forgotten.
	b.slowest = max(t.Sub(f.sent), b.slowest*99/100)
}

// unsend takes back a call that was let go and never made.
func (b *bucket) unsend(t time.Time) {
	b.inFlight--
	if b.known {
		b.read.tokens = min(b.read.tokens+1, float64(b.limit))
		b.past.tokens = min(b.past.tokens+1, float64(b.limit))
		b.anchor.spent--
		b.await(0, t)
	}
}

// await notes when there will be a token, if there is none. Auth0 does not say
// whether the reset is the next token or the full bucket; either way there is
// one then.
func (b *bucket) await(told time.Duration, t time.Time) {
	switch b.tokenAt = (time.Time{}); {
	case b.inFlight > 0 || b.tokens(t) >= 1:
	case told > 0:
		b.tokenAt = t.Add(told + tick + b.late + time.Duration(b.promises%4)*stagger)
		b.promises++
	case b.rate == 0:
		b.tokenAt = t.Add(untold)
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(math.Ceil(min(max(s, 0), 3600) * float64(time.Second)))
}
