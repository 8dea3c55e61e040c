package tenantsim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Call is one HTTP request to the tenant.
type Call struct {
	Operation     string // "PATCH /clients/{id}"; "" where there is no such endpoint
	Method        string
	Path          string // as sent, without the query
	Query         string
	Status        int       // 0: no answer was sent
	At            time.Time // when it arrived, by the tenant's clock
	Bucket        string    // the rate-limit bucket it belongs to
	Caller        string    // client id of the token; "" if there was none
	CorrelationID string
	Body          []byte // as sent
	Management    bool   // to /api/v2/
}

// Write reports whether the call was one to change something.
func (c Call) Write() bool { return c.Management && c.Method != http.MethodGet }

// calls is what the tenant counted. It has a lock of its own: a call begins
// before the tenant's state is looked at, and ends after.
type calls struct {
	mu       sync.Mutex
	done     []Call
	inFlight int
	peak     int
}

func (t *Tenant) begin(r *http.Request) *Call {
	c := &Call{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, At: t.now(),
		CorrelationID: r.Header.Get("X-Correlation-ID"), Management: mgmtPath(r.URL.Path),
	}
	if route, _ := t.match(r.Method, c.Path); route != nil {
		c.Operation = route.operation()
	}
	if c.Management {
		t.calls.mu.Lock()
		t.calls.inFlight++
		t.calls.peak = max(t.calls.peak, t.calls.inFlight)
		t.calls.mu.Unlock()
	}
	return c
}

// end counts a call. It runs before the answer is sent, so that whoever has
// the answer finds the call counted.
func (t *Tenant) end(c *Call, status int) {
	c.Status = status
	t.calls.mu.Lock()
	defer t.calls.mu.Unlock()
	if c.Management {
		t.calls.inFlight--
	}
	t.calls.done = append(t.calls.done, *c)
}

// Calls returns every Management API request so far, in the order in which
// they were answered. Token requests, JWKS and registrations are not among
// them, nor are calls made by Do.
func (t *Tenant) Calls() []Call {
	return t.callsWhere(func(c Call) bool { return c.Management })
}

// Writes returns the Calls with a method other than GET.
func (t *Tenant) Writes() []Call { return t.callsWhere(Call.Write) }

// TokenRequests returns the requests to /oauth/token.
func (t *Tenant) TokenRequests() []Call {
	return t.callsWhere(func(c Call) bool { return c.Operation == "POST /oauth/token" })
}

// AllCalls returns every HTTP request of any kind.
func (t *Tenant) AllCalls() []Call { return t.callsWhere(func(Call) bool { return true }) }

// Count is how many Management API requests had the operation, such as
// "PATCH /clients/{id}".
func (t *Tenant) Count(operation string) int {
	return len(t.callsWhere(func(c Call) bool { return c.Operation == operation }))
}

func (t *Tenant) callsWhere(keep func(Call) bool) []Call {
	t.calls.mu.Lock()
	defer t.calls.mu.Unlock()
	var out []Call
	for _, c := range t.calls.done {
		if keep(c) {
			out = append(out, c)
		}
	}
	return slices.Clip(out)
}

// Peak is the greatest number of Management API requests under way at once
// since the start or the last ResetCalls.
func (t *Tenant) Peak() int {
	t.calls.mu.Lock()
	defer t.calls.mu.Unlock()
	return t.calls.peak
}

// ResetCalls forgets the calls so far.
func (t *Tenant) ResetCalls() {
	t.calls.mu.Lock()
	defer t.calls.mu.Unlock()
	t.calls.done, t.calls.peak = nil, t.calls.inFlight
}
