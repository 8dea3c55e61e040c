package budget_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// headers are those of an answer that leaves so many of limit tokens.
func headers(limit, remaining int, reset time.Time) http.Header {
	h := http.Header{}
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	return h
}

// acquire waits for a ticket and returns how long that took.
func acquire(t *testing.T, b *budget.Budget, c budget.Call) (*budget.Ticket, time.Duration) {
	t.Helper()
	start := time.Now()
	ticket, err := b.Acquire(t.Context(), c)
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	return ticket, time.Since(start)
}

// answer makes a call end so.
func answer(t *testing.T, b *budget.Budget, status int, h http.Header) {
	t.Helper()
	ticket, _ := acquire(t, b, budget.Call{})
	ticket.Done(status, h)
}

func TestRefusalWaitsAsTold(t *testing.T) {
	in := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	tests := []struct {
		name string
		set  func(http.Header)
		want time.Duration
	}{
		{"retry-after", func(h http.Header) { h.Set("Retry-After", "7") }, 7 * time.Second},
		{"retry-after before reset", func(h http.Header) {
			h.Set("Retry-After", "3")
			h.Set("X-RateLimit-Reset", in(20*time.Second))
		}, 3 * time.Second},
		{"retry-after as a date", func(h http.Header) {
			h.Set("Retry-After", time.Now().Add(9*time.Second).UTC().Format(http.TimeFormat))
		}, 9 * time.Second},
		{"reset", func(h http.Header) { h.Set("X-RateLimit-Reset", in(4*time.Second)) }, 4 * time.Second},
		{"reset by a server whose clock is an hour ahead", func(h http.Header) {
			h.Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			h.Set("X-RateLimit-Reset", in(time.Hour+5*time.Second))
		}, 5 * time.Second},
		{"reset by a server whose clock is an hour behind", func(h http.Header) {
			h.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			h.Set("X-RateLimit-Reset", in(-time.Hour+5*time.Second))
		}, 5 * time.Second},
		{"reset far away", func(h http.Header) { h.Set("X-RateLimit-Reset", in(24*time.Hour)) }, time.Minute},
		{"reset in the past", func(h http.Header) { h.Set("X-RateLimit-Reset", in(-time.Hour)) }, time.Second},
		{"nothing", func(http.Header) {}, time.Second},
		{"nonsense", func(h http.Header) { h.Set("Retry-After", "soon"); h.Set("X-RateLimit-Reset", "-3") }, time.Second},
	}
	first := budget.Call{Group: budget.ReadLogs, Class: dcr.Background} // both classes do
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := budget.New(budget.Options{})
				h := http.Header{}
				tt.set(h)
				answer(t, b, http.StatusTooManyRequests, h)
				for _, c := range []budget.Call{first, {}} { // the plan may have one bucket
					ticket, waited := acquire(t, b, c)
					if waited != tt.want {
						t.Errorf("waited %v, want %v", waited, tt.want)
					}
					ticket.Done(http.StatusOK, nil)
					tt.want = 0
				}
			})
		})
	}
}

// Refusals that do not say when are met by waits that grow to a minute, and an
// answer ends that.
func TestRefusalUntoldGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		want := []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60}
		for _, w := range want {
			ticket, waited := acquire(t, b, budget.Call{})
			if waited.Round(time.Second) != w*time.Second {
				t.Errorf("waited %v, want %v", waited, w*time.Second)
			}
			ticket.Done(http.StatusTooManyRequests, nil)
		}
		time.Sleep(time.Minute)
		answer(t, b, http.StatusOK, headers(10, 9, time.Now()))
		answer(t, b, http.StatusTooManyRequests, nil)
		if _, waited := acquire(t, b, budget.Call{}); waited != time.Second {
			t.Errorf("waited %v after the first refusal since a success, want 1 s", waited)
		}
	})
}

// An empty bucket whose reset is past, or that said nothing, neither stalls
// nor spins.
func TestResetInThePast(t *testing.T) {
	for name, reset := range map[string]time.Duration{"past": -time.Hour, "now": 0, "far": 30 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := budget.New(budget.Options{})
				answer(t, b, http.StatusOK, headers(5, 0, time.Now().Add(reset)))
				ticket, waited := acquire(t, b, budget.Call{})
				if waited < time.Second || waited > 61*time.Second {
					t.Errorf("waited %v", waited)
				}
				ticket.Done(0, nil) // no answer: the token counts as gone
				if _, waited = acquire(t, b, budget.Call{}); waited < time.Second || waited > 61*time.Second {
					t.Errorf("waited %v after a call without an answer", waited)
				}
			})
		})
	}
}

func TestContextEndsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		h := http.Header{"Retry-After": {"600"}}
		answer(t, b, http.StatusTooManyRequests, h)
		for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			start := time.Now()
			_, err := b.Acquire(ctx, budget.Call{Class: class})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
				t.Errorf("%s: %v after %v", class, err, time.Since(start))
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Acquire(ctx, budget.Call{}); !errors.Is(err, context.Canceled) {
			t.Errorf("ended context: %v", err)
		}
		if s := b.Snapshot(); s.Urgent+s.Background != 0 {
			t.Errorf("%d calls still wait", s.Urgent+s.Background)
		}
	})
}

// A leave that comes in the moment in which its wait ends goes to the next.
func TestLeaveIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{RPS: 10})
		start, done := time.Now(), make(chan bool, 100)
		for i := range 100 {
			go func() {
				wait := time.Hour
				if i%2 == 0 {
					wait = time.Duration(i+2) / 2 * 100 * time.Millisecond // when a leave is due
				}
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				ticket, err := b.Acquire(ctx, budget.Call{Source: strconv.Itoa(i)})
				if err == nil {
					ticket.Done(http.StatusOK, nil)
				}
				done <- err == nil
			}()
			synctest.Wait()
		}
		went := 0
		for range 100 {
			if <-done {
				went++
			}
		}
		if took := time.Since(start); went < 50 || took > time.Duration(went)*100*time.Millisecond {
			t.Errorf("%d calls at 10 a second took %v", went, took)
		}
	})
}

// A ticket's Done counts once.
func TestDoneTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		ticket, _ := acquire(t, b, budget.Call{})
		ticket.Done(0, nil)
		ticket.Done(0, nil)
		acquire(t, b, budget.Call{})
		acquire(t, b, budget.Call{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.Acquire(ctx, budget.Call{}); err == nil {
			t.Error("a third call went before any answer")
		}
	})
}

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		reset := time.Now().Add(30 * time.Second)
		for g, h := range map[budget.Group]http.Header{
			budget.Other:    headers(10, 7, reset),
			budget.ReadLogs: headers(50, 10, reset),
		} {
			ticket, _ := acquire(t, b, budget.Call{Group: g})
			ticket.Done(http.StatusOK, h)
		}
		got := b.Snapshot().Tightest
		if got == nil || got.Limit != 50 || got.Remaining != 10 || !got.ResetAt.Equal(reset) {
			t.Errorf("Tightest = %+v, want 10 of 50 until %v", got, reset)
		}
	})
}

func FuzzRateHeaders(f *testing.F) {
	f.Add("2", "0", "946684801", "", "")
	f.Add("10", "9", "99999999999999", "7", "Sat, 01 Jan 2000 00:00:00 GMT")
	f.Add("-1", "x", "", "Sat, 01 Jan 2000 00:00:00 GMT", "gestern")
	f.Fuzz(func(t *testing.T, limit, remaining, reset, after, date string) {
		h := http.Header{}
		h.Set("X-RateLimit-Limit", limit)
		h.Set("X-RateLimit-Remaining", remaining)
		h.Set("X-RateLimit-Reset", reset)
		h.Set("Retry-After", after)
		h.Set("Date", date)
		synctest.Test(t, func(t *testing.T) {
			if d := budget.RetryAfter(h, time.Now()); d < 0 || d > time.Hour {
				t.Errorf("RetryAfter = %v", d)
			}
			b := budget.New(budget.Options{})
			for _, status := range []int{http.StatusOK, http.StatusTooManyRequests, http.StatusOK} {
				ticket, waited := acquire(t, b, budget.Call{})
				if waited > time.Hour {
					t.Errorf("waited %v", waited)
				}
				ticket.Done(status, h)
			}
			if s := b.Snapshot().Tightest; s != nil && (s.Limit < 1 || s.Remaining < 0 || s.Remaining > s.Limit) {
				t.Errorf("Tightest = %+v", s)
			}
		})
	})
}
