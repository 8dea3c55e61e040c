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
	proven     float64       // and that come back at least; rate, unless that is a guess
	measured   int           // over how many calls
	tokenAt    time.Time     // from here on there is a token, if the level says there is none
	promises   int           // times tokenAt was told
	late       time.Duration // how much later than promised tokens were found to come
	seen       time.Time     // when something was last learned or sent

	blocked time.Time     // after a 429: no call before
	penalty time.Duration // how long the last 429 that did not say was waited for

	inFlight  int
	completed uint64    // calls ended so far
	silent    time.Time // since when answers have no headers; zero when the last had

	anchor anchor
	doubt  time.Time // when others were last seen to use the bucket
	margin float64   // tokens that any call must leave for them since
	roof   float64   // to which rate guesses go since; 0 is any
}

// level is a number of tokens at a time, with all calls sent taken off.
type level struct {
	tokens float64
	at     time.Time
}

// flight is what a bucket remembers of one call under way.
type flight struct {
	sent      time.Time
	completed uint64
	promised  bool // it went because a token was promised for this time
}

// value is how many tokens a level has become by t, coming back so late.
func (b *bucket) value(l level, t time.Time, lag time.Duration) float64 {
	gone := max(t.Sub(l.at)-lag, 0)
	return min(l.tokens+b.rate*gone.Seconds(), max(float64(b.limit), l.tokens))
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
	tokens := max(b.value(b.read, t, b.lag()), b.value(b.past, t, b.lag()))
	if b.promise(t) {
		tokens = max(tokens, 1)
	}
	return tokens
}

// promise reports whether a token was promised for t or before.
func (b *bucket) promise(t time.Time) bool { return !b.tokenAt.IsZero() && !t.Before(b.tokenAt) }

// in is how long it takes from t until there are so many tokens, coming back
// so late; negative when the rate is not known.
func (b *bucket) in(tokens float64, t time.Time, lag time.Duration) time.Duration {
	wait := time.Duration(-1)
	for _, l := range [...]level{b.read, b.past} {
		if b.value(l, t, lag) >= tokens-epsilon {
			return 0
		}
		if b.rate <= 0 {
			continue
		}
		due := l.at.Add(lag + seconds((tokens-l.tokens)/b.rate))
		if d := max(due.Sub(t), tick); wait < 0 || d < wait {
			wait = d
		}
	}
	return wait
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
		wait = longer(wait, b.in(min(1+max(b.reserve(), b.margin), limit), t, 0))
	}
	if b.inFlight == 0 && certain >= 0 && wait != certain {
		wait = shorter(wait, longer(certain, max(b.seen.Add(quiet).Sub(t), 0)))
	}
	return wait
}

// certainIn is how long it takes until there are so many tokens for certain.
func (b *bucket) certainIn(tokens float64, t time.Time) time.Duration {
	wait := b.in(tokens, t, b.lag())
	if tokens <= 1 && !b.tokenAt.IsZero() {
		wait = shorter(wait, max(b.tokenAt.Sub(t), 0))
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
			b.past = level{1, t}
		}
		b.read, b.past = b.take(b.read, t), b.take(b.past, t)
		b.tokenAt = time.Time{}
		b.anchor.spent++
	}
	b.inFlight++
	b.seen = t
	return f
}

// take is the level after a call at t. A full bucket begins to fill only then.
func (b *bucket) take(l level, t time.Time) level {
	if full := max(float64(b.limit), l.tokens); b.rate > 0 && b.value(l, t, b.lag()) >= full {
		return level{full - 1, t}
	}
	return level{l.tokens - 1, l.at}
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
