package budget_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// A known bucket, too, waits after a 429 as long as it is told, whatever the
// class of the next call.
func TestRefusalOfAKnownBucket(t *testing.T) {
	for _, class := range []dcr.Class{dcr.Background, dcr.Urgent} {
		synctest.Test(t, func(t *testing.T) {
			s := &tenant{limit: 10, rate: 2, latency: 50 * time.Millisecond}
			b := budget.New(budget.Options{})
			crowd(t, b, s, 40, budget.Call{})
			h := headers(10, 0, time.Now().Add(time.Minute))
			h.Set("Retry-After", "7")
			answer(t, b, http.StatusTooManyRequests, h)
			if _, waited := acquire(t, b, budget.Call{Class: class}); waited != 7*time.Second {
				t.Errorf("%s: waited %v, want 7 s", class, waited)
			}
		})
	}
}

// Calls that were under way together are refused together: that is one refusal.
func TestRefusedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		one, _ := acquire(t, b, budget.Call{})
		two, _ := acquire(t, b, budget.Call{})
		one.Done(http.StatusTooManyRequests, nil)
		two.Done(http.StatusTooManyRequests, nil)
		ticket, waited := acquire(t, b, budget.Call{})
		if waited != time.Second {
			t.Errorf("waited %v, want 1 s", waited)
		}
		ticket.Done(http.StatusTooManyRequests, nil)
		if _, waited = acquire(t, b, budget.Call{}); waited != 2*time.Second {
			t.Errorf("waited %v after the next, want 2 s", waited)
		}
	})
}

// A limit that answers no longer mention is forgotten after a minute.
func TestUnmentionedLimitExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{silent: true, latency: 50 * time.Millisecond}
		b := budget.New(budget.Options{})
		answer(t, b, http.StatusTooManyRequests, headers(10, 0, time.Now().Add(time.Second)))
		if took := crowd(t, b, s, 70, budget.Call{}); took > 65*time.Second {
			t.Errorf("70 calls took %v", took)
		}
		if took := crowd(t, b, s, 400, budget.Call{}); took > 200*time.Millisecond {
			t.Errorf("400 more took %v: the limit is not forgotten", took)
		}
		if got := b.Snapshot().Tightest; got != nil {
			t.Errorf("Tightest = %+v, want none", got)
		}
	})
}

// One answer without headers after a long rest does not lift a limit.
func TestOneAnswerLiftsNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{limit: 2, rate: 2, latency: 50 * time.Millisecond}
		b := budget.New(budget.Options{})
		crowd(t, b, s, 10, budget.Call{})
		for range 3 {
			time.Sleep(time.Hour)
			answer(t, b, http.StatusOK, nil)
			crowd(t, b, s, 10, budget.Call{})
		}
		if s.refused > 0 {
			t.Errorf("%d calls were refused", s.refused)
		}
	})
}

// A tenant whose resets are early by a second, by rounding or by its clock,
// refuses one call, and then it is known.
func TestEarlyReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{limit: 2, rate: 0.2, early: time.Second, latency: 50 * time.Millisecond}
		b := budget.New(budget.Options{})
		crowd(t, b, s, 40, budget.Call{})
		if s.refused > 1 {
			t.Errorf("%d calls were refused, want at most 1", s.refused)
		}
	})
}

// The wall clock may jump: waits neither stall nor spin.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &tenant{limit: 2, rate: 2, latency: 50 * time.Millisecond}
				var off time.Duration
				b := budget.New(budget.Options{Now: func() time.Time { return time.Now().Add(off) }})
				crowd(t, b, s, 20, budget.Call{})
				off = jump
				woken := b.Wakeups()
				if took := crowd(t, b, s, 40, budget.Call{}); took > 21*time.Second {
					t.Errorf("40 calls after the jump took %v", took)
				}
				if n := b.Wakeups() - woken; n > 100 {
					t.Errorf("woken %d times for 40 calls", n)
				}
				if s.refused > 0 {
					t.Errorf("%d calls were refused", s.refused)
				}
			})
		})
	}
}

// A clock that jumped before anything was learned costs a minute at most, and
// a long wait is slept through.
func TestClockJumpsInAWait(t *testing.T) {
	for jump, limit := range map[time.Duration]time.Duration{-time.Hour: time.Minute, time.Hour: time.Second} {
		t.Run(jump.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := budget.New(budget.Options{Now: func() time.Time { return time.Now().Add(jump) }})
				answer(t, b, http.StatusOK, headers(2, 0, time.Now().Add(time.Second)))
				_, waited := acquire(t, b, budget.Call{})
				if waited < time.Second || waited > limit+time.Second/100 {
					t.Errorf("waited %v, want at most %v", waited, limit)
				}
				if n := b.Wakeups(); n > 62 {
					t.Errorf("woken %d times in %v", n, waited)
				}
			})
		})
	}
}

// Answers of an empty bucket whose resets are past leave nothing to go by: a
// call every second or two finds out.
func TestPastResetsDoNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		calls := 0
		for start := time.Now(); time.Since(start) < time.Minute; calls++ {
			answer(t, b, http.StatusOK, headers(2, 0, time.Now().Add(-time.Hour)))
		}
		if calls < 25 || calls > 62 {
			t.Errorf("%d calls in a minute", calls)
		}
		if n := b.Wakeups(); n > 130 {
			t.Errorf("woken %d times", n)
		}
	})
}

// FuzzAnswers lets any answers come to any calls: every call gets its leave in
// the end.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 200, 100, 50, 25})
	f.Add([]byte("\x00\x00\xff\xff\x07\x13\x21\x80\x81\x82\x40\x41\x42"))
	f.Fuzz(func(t *testing.T, script []byte) {
		script = script[:min(len(script), 300)]
		synctest.Test(t, func(t *testing.T) { anyAnswers(t, script) })
	})
}

func anyAnswers(t *testing.T, script []byte) {
	var off time.Duration
	b := budget.New(budget.Options{Now: func() time.Time { return time.Now().Add(off) }})
	var open []*budget.Ticket
	at := func(i int) byte { return script[i%len(script)] }
	for i, op := range script {
		c := budget.Call{Group: budget.Group(op % 5), Class: classes()[op/5%2], Source: strconv.Itoa(int(op / 10 % 3))}
		switch {
		case op%7 == 0:
			off = time.Duration(int(at(i+1))-128) * time.Minute
		case op%7 == 1:
			time.Sleep(time.Duration(at(i+1)) * 100 * time.Millisecond)
		case len(open) > 3 || op%7 == 2 && len(open) > 0:
			open[0].Done(anyAnswer(at(i+1), at(i+2), at(i+3), off))
			open = open[1:]
		case len(open) == 0:
			ticket, waited := acquire(t, b, c)
			if waited > 10*time.Minute {
				t.Fatalf("step %d: waited %v", i, waited)
			}
			open = append(open, ticket)
		default:
			got := make(chan *budget.Ticket, 1)
			go func() {
				if ticket, err := b.Acquire(t.Context(), c); err == nil {
					got <- ticket
				}
			}()
			synctest.Wait()
			for _, o := range open { // what is under way may be what it waits for
				o.Done(anyAnswer(at(i+1), at(i+2), at(i+3), off))
			}
			start := time.Now()
			open = append(open[:0], <-got)
			if waited := time.Since(start); waited > 10*time.Minute {
				t.Fatalf("step %d: waited %v", i, waited)
			}
		}
	}
	for _, o := range open {
		o.Done(0, nil)
	}
	if n := b.Wakeups(); n > 3*len(script)*600 {
		t.Errorf("woken %d times", n)
	}
}

// anyAnswer makes an answer, likely or not, of three bytes.
func anyAnswer(a, b, c byte, off time.Duration) (int, http.Header) {
	status := []int{0, 200, 200, 200, 204, 404, 429, 500}[a%8]
	h := http.Header{}
	if a/8%4 != 0 {
		limit := []int{1, 2, 5, 10, 50, 0, 1 << 30, 3}[b%8]
		h = headers(limit, int(b/8)-1, time.Now().Add(off+time.Duration(int(c)-100)*time.Second))
	}
	if a/32 == 7 {
		h.Set("Retry-After", strconv.Itoa(int(c)))
	}
	return status, h
}
