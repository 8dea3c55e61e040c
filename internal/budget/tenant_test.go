package budget_test

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"grantd/internal/budget"
)

// tenant is a faithful token bucket behind a network of some latency, once per
// group or one for all.
type tenant struct {
	limit   int
	rate    float64
	full    bool // x-ratelimit-reset is the full bucket, else the next token
	step    bool // refilled once a second instead of continuously
	latency time.Duration
	silent  bool          // sends no headers
	early   time.Duration // by how much the reset is

	mu      sync.Mutex
	level   float64
	at      time.Time
	begun   bool
	refused int
	calls   int
}

func (s *tenant) refill(now time.Time) {
	if !s.begun {
		s.begun, s.level, s.at = true, float64(s.limit), now
	}
	if s.step {
		now = now.Truncate(time.Second)
	}
	if now.After(s.at) {
		s.level = min(s.level+s.rate*now.Sub(s.at).Seconds(), float64(s.limit))
		s.at = now
	}
}

// take takes a token as another consumer would.
func (s *tenant) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refill(time.Now())
	if s.level < 1 {
		return false
	}
	s.level--
	return true
}

// call is one exchange: half the latency there, half back.
func (s *tenant) call() (int, http.Header) {
	time.Sleep(s.latency / 2)
	status, h := s.serve()
	time.Sleep(s.latency / 2)
	return status, h
}

func (s *tenant) serve() (int, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.refill(now)
	status := http.StatusOK
	s.calls++
	if s.silent {
		return status, http.Header{}
	}
	if s.level < 1 {
		status = http.StatusTooManyRequests
		s.refused++
	} else {
		s.level--
	}
	missing := float64(s.limit) - s.level
	if !s.full {
		missing = math.Floor(s.level) + 1 - s.level
	}
	reset := now.Add(time.Duration(missing / s.rate * float64(time.Second)))
	if s.step {
		reset = s.at.Add(time.Duration(math.Ceil(missing/s.rate)) * time.Second)
	}
	reset = reset.Add(-s.early)
	h := http.Header{}
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(int(s.level)))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(int64(math.Ceil(float64(reset.UnixNano())/1e9)), 10))
	return status, h
}

// do makes one call through the budget and reports whether it was let through
// by the tenant.
func do(t *testing.T, b *budget.Budget, s *tenant, c budget.Call) bool {
	t.Helper()
	ticket, err := b.Acquire(t.Context(), c)
	if err != nil {
		t.Errorf("acquire: %v", err)
		return false
	}
	status, h := s.call()
	ticket.Done(status, h)
	return status == http.StatusOK
}

// crowd makes n calls at the same time and returns how long they took.
func crowd(t *testing.T, b *budget.Budget, s *tenant, n int, c budget.Call) time.Duration {
	t.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for !do(t, b, s, c) {
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
