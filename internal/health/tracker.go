package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"grantd/internal/dcr"
)

// Ledger is what health reads of the ledger. Both answers come from memory or
// from counters that the ledger maintains.
type Ledger interface {
	// Counts are the numbers of records by phase.
	Counts(context.Context) (map[dcr.Phase]int, error)
	// Feeds are the feeds' states.
	Feeds(context.Context) (map[dcr.Feed]dcr.FeedStatus, error)
}

// RateLimit is how a rate limit of Auth0 stands, by the newest answers.
type RateLimit struct {
	Limit     int           `json:"limit"`
	Remaining int           `json:"remaining"`
	ResetAt   dcr.Timestamp `json:"reset_at"`
}

// Options of a Tracker. Ledger is required.
type Options struct {
	Ledger Ledger
	// RateLimit returns the tightest known limit, nil while none is known.
	RateLimit func() *RateLimit
	// Holds returns the brakes that are set, expired ones too if need be. It
	// must be cheap, as the Ledger is; nil means there are none.
	Holds func(context.Context) ([]dcr.Hold, error)
	// Storm reports whether a registration storm is on; nil means it never is.
	Storm func() bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Operations that are told apart from the Management API's own: a token is not
// a successful call yet, and the signing keys are not the Management API.
const (
	OpToken = "get_token"
	OpJWKS  = "get_jwks"
)

// Call is a request to Auth0 that has ended.
type Call struct {
	Op     string     // its name; OpToken and OpJWKS mean something
	Status int        // HTTP status, 0 without an answer
	Reason dcr.Reason // why it failed; empty when it did not
}

// Tracker is told what happens and knows how things stand. Its methods may be
// called concurrently and cost next to nothing.
type Tracker struct {
	o       Options
	started time.Time

	mu   sync.Mutex
	mgmt management
	jwks jwks
	poll poll
	rest rest
	// ledgerErr is the outcome of the newest write to the ledger.
	ledgerErr error
}

// management is what the calls to the Management API told.
type management struct {
	lastSuccess  time.Time
	lastError    dcr.Reason
	lastErrorAt  time.Time
	failingSince time.Time // the first failure since the last success, in this process
	ok           bool      // whether the newest call succeeded
	refused      bool      // the token is refused
}

type jwks struct {
	checkedAt time.Time
	tried     bool // in this process
	reachable bool
}

// poll is how many polls failed in a row, and why the newest did.
type poll struct {
	failures int
	reason   dcr.Reason
}

// rest is what is simply told.
type rest struct {
	sweepFailures int  // in a row
	streamStopped bool // the tenant's log stream to grantd
	scopesFailing bool // a scope source
	scopesUnknown bool // no scope source ever told any
	certFailing   bool // the listener's certificate could not be read or had
	certExpiring  bool // and ends soon
}

// New returns a Tracker.
func New(o Options) *Tracker {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Holds == nil {
		o.Holds = func(context.Context) ([]dcr.Hold, error) { return nil, nil }
	}
	if o.Storm == nil {
		o.Storm = func() bool { return false }
	}
	if o.RateLimit == nil {
		o.RateLimit = func() *RateLimit { return nil }
	}
	return &Tracker{o: o, started: o.Now()}
}

// Called takes note of a request to Auth0.
func (t *Tracker) Called(c Call) {
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case c.Op == OpJWKS:
		t.jwks = jwks{checkedAt: now, tried: true, reachable: c.Reason == ""}
	case c.Op == OpToken && c.Reason == "":
		t.mgmt.refused = false
	case c.Reason == "", answers(c.Status):
		t.mgmt.succeeded(now)
	default:
		t.mgmt.failed(now, c)
	}
}

// answers reports whether a status other than 2xx is an ordinary answer: what
// was asked for does not exist, or exists already.
func answers(status int) bool {
	return status == http.StatusNotFound || status == http.StatusConflict
}

// declined reports whether Auth0 turned down what one call asked for, which
// says nothing about the next.
func declined(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return false
	default:
		return 400 <= status && status < 500
	}
}

// succeeded leaves refused as it is: an old token may serve while there is no
// other to be had.
func (m *management) succeeded(now time.Time) {
	m.lastSuccess, m.failingSince, m.ok = now, time.Time{}, true
}

func (m *management) failed(now time.Time, c Call) {
	m.lastError, m.lastErrorAt = c.Reason, now
	if c.Reason == dcr.TokenRefused {
		m.refused = true
	}
	if c.Op != OpToken && declined(c.Status) {
		return
	}
	m.ok = false
	if m.failingSince.IsZero() {
		m.failingSince = now
	}
}

// Polled takes note of a poll's end; the reason is empty when it went well, and
// dcr.PollUnauthorized when it may not read the log.
func (t *Tracker) Polled(failure dcr.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if failure == "" {
		t.poll = poll{}
		return
	}
	t.poll.failures++
	t.poll.reason = failure
}

// Swept takes note of a sweep's end; the reason is empty when it went well. One
// that was interrupted is not to be told of.
func (t *Tracker) Swept(failure dcr.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest.sweepFailures++
	if failure == "" {
		t.rest.sweepFailures = 0
	}
}

// LogStream takes note of whether the tenant's log stream to grantd is paused
// or suspended. Where nobody may look, nothing is told.
func (t *Tracker) LogStream(stopped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest.streamStopped = stopped
}

// ScopeSources takes note of whether a file or URL of scopes could not be read
// or held none the last time, and whether any scope is known at all.
func (t *Tracker) ScopeSources(failing, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest.scopesFailing, t.rest.scopesUnknown = failing, !known
}

// Certificate takes note of whether the newest try to read or get the listener's
// certificate failed, and whether the one that is shown ends soon.
func (t *Tracker) Certificate(failing, expiring bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest.certFailing, t.rest.certExpiring = failing, expiring
}

// Recorded takes note of whether the newest write to the ledger was kept. A
// write that its caller gave up says nothing.
func (t *Tracker) Recorded(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledgerErr = err
}

// kept is the form of Snapshot.
type kept struct {
	LastSuccess time.Time  `json:"last_success_at,omitzero"`
	LastError   dcr.Reason `json:"last_error,omitempty"`
	LastErrorAt time.Time  `json:"last_error_at,omitzero"`
	JWKSChecked time.Time  `json:"jwks_checked_at,omitzero"`
}

// Snapshot returns what must survive a restart and is not in the ledger's
// feeds, for Restore.
func (t *Tracker) Snapshot() []byte {
	t.mu.Lock()
	k := kept{t.mgmt.lastSuccess, t.mgmt.lastError, t.mgmt.lastErrorAt, t.jwks.checkedAt}
	t.mu.Unlock()
	b, err := json.Marshal(k)
	if err != nil { // a year beyond 9999: a broken clock
		return nil
	}
	return b
}

// Restore takes over the times of a Snapshot that were not overtaken yet.
// Whether Auth0 can be reached is for this process to find out. An empty
// snapshot is fine.
func (t *Tracker) Restore(snapshot []byte) error {
	if len(snapshot) == 0 {
		return nil
	}
	var k kept
	if err := json.Unmarshal(snapshot, &k); err != nil {
		return fmt.Errorf("restore health: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if k.LastSuccess.After(t.mgmt.lastSuccess) {
		t.mgmt.lastSuccess = k.LastSuccess
	}
	if k.LastErrorAt.After(t.mgmt.lastErrorAt) {
		t.mgmt.lastError, t.mgmt.lastErrorAt = k.LastError, k.LastErrorAt
	}
	if k.JWKSChecked.After(t.jwks.checkedAt) {
		t.jwks.checkedAt = k.JWKSChecked
	}
	return nil
}
