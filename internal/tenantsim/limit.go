package tenantsim

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Plan is a subscription: rate limits, entity limits, log retention.
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy/rate-limit-configurations
type Plan int

// The plans. The zero value has no limits at all.
const (
	Unlimited Plan = iota
	Free
	Essentials
	Professional
	Enterprise
	EnterpriseNonProduction
)

// bucketSpec is burst and tokens per second.
type bucketSpec struct {
	burst int
	rate  float64
}

// The buckets of the Management and Authentication APIs.
const (
	bucketAll         = "management"
	bucketClients     = "read_clients"
	bucketClientQuery = "query_clients"
	bucketConnections = "read_connections"
	bucketLogs        = "read_logs"
	bucketRegister    = "register"
	bucketToken       = "token"
	bucketJWKS        = "jwks"
)

func (p Plan) buckets() map[string]bucketSpec {
	const minute = 1.0 / 60
	b := map[string]bucketSpec{bucketRegister: {5, 5}}
	switch p {
	case Unlimited:
	case Free:
		b[bucketAll] = bucketSpec{2, 2}
		b[bucketToken] = bucketSpec{30, 30}
		b[bucketJWKS] = bucketSpec{20, 20}
	case Essentials, Professional:
		b[bucketAll] = bucketSpec{10, 150 * minute}
		b[bucketClients] = bucketSpec{5, 100 * minute}
		b[bucketClientQuery] = bucketSpec{5, 150 * minute}
		b[bucketConnections] = bucketSpec{5, 50 * minute}
		b[bucketLogs] = bucketSpec{10, 100 * minute}
	case Enterprise:
		b[bucketAll] = bucketSpec{50, 16}
	case EnterpriseNonProduction:
		b[bucketAll] = bucketSpec{10, 2}
	}
	return b
}

// entityLimits are the most entities of each kind; 0 is none.
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/entity-limit-policy
type entityLimits struct{ clients, grants, apis, connections int }

func (p Plan) entities() entityLimits {
	switch p {
	case Unlimited:
		return entityLimits{}
	case Free:
		return entityLimits{10, 100, 10, 100}
	case Essentials, Professional:
		return entityLimits{100, 10_000, 100, 100}
	case Enterprise, EnterpriseNonProduction:
		return entityLimits{100_000, 100_000, 100_000, 100_000}
	}
	return entityLimits{}
}

func full(limit, have int) bool { return limit > 0 && have >= limit }

// retention is how long log entries are kept.
// https://auth0.com/docs/deploy-monitor/logs/log-data-retention
func (p Plan) retention() time.Duration {
	const day = 24 * time.Hour
	switch p {
	case Free:
		return day
	case Essentials:
		return 5 * day
	case Professional:
		return 10 * day
	case Unlimited, Enterprise, EnterpriseNonProduction:
	}
	return 30 * day
}

// bucket is a token bucket with continuous refill.
type bucket struct {
	spec   bucketSpec
	tokens float64
	last   time.Time
}

func newBucket(spec bucketSpec, now time.Time) *bucket {
	return &bucket{spec: spec, tokens: float64(spec.burst), last: now}
}

func (b *bucket) refill(now time.Time) {
	if d := now.Sub(b.last); d > 0 {
		b.tokens = min(float64(b.spec.burst), b.tokens+d.Seconds()*b.spec.rate)
	}
	b.last = now
}

func (b *bucket) take(now time.Time, n float64) bool {
	b.refill(now)
	// A hair of tolerance: 1 s of refill in ten steps is one token.
	if b.tokens+1e-9 < n {
		return false
	}
	b.tokens -= n
	return true
}

// in is the time until the bucket holds want tokens.
func (b *bucket) in(want float64) time.Duration {
	missing := max(0, want-b.tokens)
	return time.Duration(missing / b.spec.rate * float64(time.Second))
}

// headers are limit, remaining and reset as they stand.
func (b *bucket) headers(now time.Time, nextToken bool) http.Header {
	want := float64(b.spec.burst)
	if nextToken {
		want = math.Min(want, math.Floor(b.tokens+1e-9)+1)
	}
	reset := now.Add(b.in(want))
	seconds := reset.Unix()
	if reset.Nanosecond() > 0 {
		seconds++
	}
	h := http.Header{}
	h.Set("X-Ratelimit-Limit", strconv.Itoa(b.spec.burst))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(int(math.Floor(b.tokens+1e-9))))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(seconds, 10))
	return h
}

// SetPlan changes the plan; its buckets start full.
func (t *Tenant) SetPlan(p Plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setPlan(p)
}

func (t *Tenant) setPlan(p Plan) {
	t.plan, t.buckets = p, map[string]*bucket{}
	for name, spec := range p.buckets() {
		t.buckets[name] = newBucket(spec, t.now())
	}
}

// Drain takes up to n tokens out of the bucket that most Management API calls
// share, as another consumer of the tenant's limit would.
func (t *Tenant) Drain(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.buckets[bucketAll]; b != nil {
		b.refill(t.now())
		b.tokens = max(0, b.tokens-float64(n))
	}
}

// limit takes one token out of the named bucket, or of the shared one where
// the plan has no such bucket. It returns the headers to send, and an error
// when there was none to take.
func (t *Tenant) limit(name string) (http.Header, *Error) {
	b := t.buckets[name]
	if b == nil {
		switch name {
		case bucketClients, bucketClientQuery, bucketConnections, bucketLogs:
			b = t.buckets[bucketAll]
		}
	}
	if b == nil {
		return nil, nil
	}
	now := t.now()
	ok := b.take(now, 1)
	var h http.Header
	if !t.quirks.NoLimitHeaders {
		h = b.headers(now, t.quirks.ResetNextToken)
	}
	if ok {
		return h, nil
	}
	t.logLimit(name, b)
	return h, t.limited()
}

func (t *Tenant) limited() *Error {
	message := t.quirks.LimitMessage
	if message == "" {
		message = "Global limit has been reached"
	}
	return &Error{http.StatusTooManyRequests, "too_many_requests", message}
}

// logLimit writes the api_limit entry, at most once a minute for a bucket.
func (t *Tenant) logLimit(name string, b *bucket) {
	now := t.now()
	if last, ok := t.limitLogged[name]; ok && now.Sub(last) < time.Minute {
		return
	}
	t.limitLogged[name] = now
	t.addLog(Log{Type: "api_limit", Description: "Global limit has been reached", Hostname: t.domain, Details: map[string]any{
		"limit": map[string]any{"bucket": name, "global": name == bucketAll, "size": b.spec.burst},
	}})
}
