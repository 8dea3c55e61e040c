package budget

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reading is what one answer says about its bucket.
type reading struct {
	limit     int
	remaining int
	reset     time.Duration // from now until the next token at the latest; 0 when not told or past
	resetAt   time.Time     // the same by our wall clock; zero when not told or past
	ok        bool          // limit and remaining were told
}

// maxReset bounds how far in the future a reset can lie: the longest period
// Auth0 counts in is a minute. Whatever is beyond comes from a wrong clock.
const maxReset = time.Minute

// maxRetryAfter bounds a Retry-After.
const maxRetryAfter = time.Hour

// maxLimit bounds the size of a bucket, so that garbage cannot overflow.
const maxLimit = 1 << 20

// read takes the rate limit out of an answer's headers. Without limit and
// remaining, or with nonsense in them, ok is false.
func read(h http.Header, now time.Time) reading {
	limit, okLimit := number(h.Get("X-RateLimit-Limit"))
	remaining, okRemaining := number(h.Get("X-RateLimit-Remaining"))
	r := reading{reset: resetIn(h, now)}
	if r.reset > 0 {
		r.resetAt = now.Add(r.reset)
	}
	if okLimit && okRemaining && limit > 0 {
		r.limit, r.remaining, r.ok = int(min(limit, maxLimit)), int(min(remaining, limit, maxLimit)), true
	}
	return r
}

// resetIn is the time until x-ratelimit-reset, which is in Unix seconds on the
// server's clock. When the Date header shows that ours is off by seconds, the
// server's counts.
func resetIn(h http.Header, now time.Time) time.Duration {
	reset, ok := number(h.Get("X-RateLimit-Reset"))
	if !ok || reset == 0 {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		// Date is cut to the second and some time old.
		if off := now.Sub(date); off < -2*time.Second || off > 5*time.Second {
			now = date
		}
	}
	return min(max(time.Unix(reset, 0).Sub(now), 0), maxReset)
}

// RetryAfter is how long an answer, usually a 429, asks to wait: by its
// Retry-After header, else until x-ratelimit-reset. It is 0 when it does not
// say or the time has passed, and an hour at most.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if s, ok := number(v); ok {
		return time.Duration(min(s, int64(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return min(t.Sub(now), maxRetryAfter)
	}
	return resetIn(h, now)
}

// number parses a non-negative whole number.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil && n >= 0
}
