package budget_test

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// tenant is a faithful token bucket behind a network of some latency, once per
// group or one for all.
type tenant struct {
	limit   int
	rate    float64
	full    bool // x-ratelimit-reset is the full bucket, else the next token
	step    bool // refilled once a second instead of continuously
	latency time.Duration
	silent  bool // sends no headers

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
	ticket, err := b.Acquire(context.Background(), c)
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

func TestFreePlan(t *testing.T) {
	for _, full := range []bool{false, true} {
		for _, phase := range []time.Duration{0, 1, 300, 500, 700, 999} {
			for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
				name := "next/"
				if full {
					name = "full/"
				}
				t.Run(name+(phase*time.Millisecond).String()+"/"+latency.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						time.Sleep(phase * time.Millisecond)
						s := &tenant{limit: 2, rate: 2, full: full, latency: latency}
						b := budget.New(budget.Options{})
						took := crowd(t, b, s, 20, budget.Call{Class: dcr.Urgent})
						t.Log(took)
						if took > 11*time.Second {
							t.Errorf("20 calls took %v", took)
						}
						if s.refused > 0 {
							t.Errorf("%d calls refused", s.refused)
						}
						took = crowd(t, b, s, 60, budget.Call{Class: dcr.Urgent})
						t.Log(took)
						if s.refused > 0 {
							t.Errorf("%d calls refused", s.refused)
						}
					})
				})
			}
		}
	}
}
