package tenantsim

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Kind is a way for a request to go wrong.
type Kind int

// The ways to go wrong.
const (
	NoFault         Kind = iota
	RateLimited          // 429 with x-ratelimit-* headers that say one second
	RateLimitedBare      // 429 without them
	InternalError        // 500 with an HTML body, as the edge answers
	BadGateway           // 502 with an HTML body
	Unavailable          // 503 with an HTML body
	Timeout              // no answer until the caller gives up
	Reset                // the connection is reset
	CutShort             // the connection ends in the middle of the body
	TruncatedJSON        // a whole answer whose JSON ends too early
	GarbageJSON          // 200 with a body that is no JSON
	ExpiredToken         // 401 as for an expired token
	ScopeRemoved         // 403 insufficient_scope
	NotFound             // 404
	Conflict             // 409
)

// maxHang bounds a Timeout whose caller never gives up.
const maxHang = 2 * time.Minute

// Fault is what happens to a request instead of its answer.
type Fault struct {
	Kind  Kind
	Delay time.Duration // before anything else
	// After lets the request take effect first; its answer is lost.
	After bool
}

// planned is a fault for the next n requests that match.
type planned struct {
	n     int
	kind  Kind
	match func(*http.Request) bool
}

type faults struct {
	mu      sync.Mutex
	hook    func(*http.Request) Fault
	next    []planned
	rate    float64
	kinds   []Kind
	rand    *rand.Rand
	outage  Kind
	latency time.Duration
}

// Faults sets a hook that is asked about every request; nil removes it.
func (t *Tenant) Faults(hook func(*http.Request) Fault) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.hook = hook
}

// FailNext spoils the next n requests that match; a nil match means every
// Management API request. On is a handy match.
func (t *Tenant) FailNext(n int, kind Kind, match func(*http.Request) bool) {
	if match == nil {
		match = isManagement
	}
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.next = append(t.faults.next, planned{n, kind, match})
}

// FailRate spoils a share p (0 to 1) of all Management API requests, chosen by
// seed, each by one of the kinds; p of 0 ends it.
func (t *Tenant) FailRate(p float64, seed uint64, kinds ...Kind) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.rate, t.faults.kinds = p, kinds
	t.faults.rand = rand.New(rand.NewPCG(seed, seed))
}

// Outage takes the whole tenant down (every connection is reset) or brings it
// back.
func (t *Tenant) Outage(down bool) {
	kind := NoFault
	if down {
		kind = Reset
	}
	t.OutageBy(kind)
}

// OutageBy makes every request end as kind until OutageBy(NoFault).
func (t *Tenant) OutageBy(kind Kind) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.outage = kind
}

// SetLatency is the time every request takes, in real time.
func (t *Tenant) SetLatency(d time.Duration) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.latency = d
}

// On matches the requests of one operation, such as "PATCH /clients/{id}".
func (t *Tenant) On(operation string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		route, _ := t.match(r.Method, r.URL.EscapedPath())
		return route != nil && route.operation() == operation
	}
}

func isManagement(r *http.Request) bool { return mgmtPath(r.URL.Path) }

func (t *Tenant) latency() time.Duration {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	return t.faults.latency
}

func (t *Tenant) faultFor(r *http.Request) Fault {
	f := &t.faults
	f.mu.Lock()
	hook := f.hook
	fault := f.planned(r)
	f.mu.Unlock()
	if fault.Kind == NoFault && hook != nil {
		return hook(r) // without the lock: a hook may call the tenant
	}
	return fault
}

func (f *faults) planned(r *http.Request) Fault {
	if f.outage != NoFault {
		return Fault{Kind: f.outage}
	}
	for i := range f.next {
		if p := &f.next[i]; p.n > 0 && p.match(r) {
			p.n--
			return Fault{Kind: p.kind}
		}
	}
	if f.rate > 0 && len(f.kinds) > 0 && isManagement(r) && f.rand.Float64() < f.rate {
		return Fault{Kind: f.kinds[f.rand.IntN(len(f.kinds))]}
	}
	return Fault{}
}

// spoil ends a request as the fault says. res is what would have been sent.
func (t *Tenant) spoil(w http.ResponseWriter, r *http.Request, fault Fault, res response, call *Call) {
	switch fault.Kind {
	case Timeout:
		t.pause(r.Context(), maxHang)
		t.end(call, 0)
		abort(w)
		return
	case Reset:
		t.end(call, 0)
		abort(w)
		return
	case CutShort:
		t.end(call, http.StatusOK)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", "4096")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte(`{"client_id":"tp`))
		_ = http.NewResponseController(w).Flush()
		abort(w)
		return
	default:
		res = t.faultResponse(fault, res)
	}
	t.end(call, res.status)
	res.write(w)
}

func (t *Tenant) faultResponse(fault Fault, res response) response {
	switch fault.Kind {
	case RateLimited, RateLimitedBare:
		res = t.limited().response()
		if fault.Kind == RateLimited {
			res.set("X-Ratelimit-Limit", "10")
			res.set("X-Ratelimit-Remaining", "0")
			res.set("X-Ratelimit-Reset", strconv.FormatInt(t.now().Add(time.Second).Unix(), 10))
		}
	case InternalError:
		res = html(http.StatusInternalServerError)
	case BadGateway:
		res = html(http.StatusBadGateway)
	case Unavailable:
		res = html(http.StatusServiceUnavailable)
	case TruncatedJSON:
		if len(res.body) < 2 {
			res = response{body: []byte(`{"client_id":"tpc_`)}
		} else {
			res.body = res.body[:len(res.body)/2]
		}
		res.status = http.StatusOK
	case GarbageJSON:
		res = response{status: http.StatusOK, body: []byte("\x00\xffnot json at all")}
	case ExpiredToken:
		res = expired().unauthorized()
	case ScopeRemoved:
		res = (&Error{http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: the:one_that_was_removed"}).response()
	case NotFound:
		res = noClient().response()
	case Conflict:
		res = (&Error{http.StatusConflict, t.conflictCode(), "The resource already exists."}).response()
	case NoFault, Timeout, Reset, CutShort:
	}
	return res
}

func html(status int) response {
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	res := response{status: status, body: []byte("<!DOCTYPE html>\n<html><head><title>" + text +
		"</title></head>\n<body><center><h1>" + text + "</h1></center><hr><center>cloudflare</center></body></html>\n")}
	res.set("Content-Type", "text/html; charset=utf-8")
	return res
}

// abort ends the connection with a reset, or as nearly so as the server lets.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the documented way to end a connection
	}
	if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}
