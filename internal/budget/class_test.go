package budget_test

import (
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// A source that floods does not delay the others: sources take turns.
func TestSourcesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{limit: 2, rate: 2, latency: 50 * time.Millisecond}
		b := budget.New(budget.Options{})
		order := make(chan string, 200)
		call := func(source string) {
			do(t, b, s, budget.Call{Class: dcr.Urgent, Source: source})
			order <- source
		}
		for range 100 {
			go call("flood")
		}
		synctest.Wait()
		start := time.Now()
		for range 4 {
			go call("one")
			go call("two")
		}
		left := map[string]int{"one": 4, "two": 4}
		for source := range order {
			if left[source]--; left["one"] <= 0 && left["two"] <= 0 {
				break
			}
		}
		// 8 calls and as many turns of the flood's as one source gets.
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("4 calls each of two sources took %v beside a flood", took)
		}
		for range 92 - 8 {
			<-order
		}
		time.Sleep(time.Minute)
	})
}

// Background calls leave a reserve, so an urgent one goes at once.
func TestBackgroundLeavesReserve(t *testing.T) {
	for _, plan := range plans() {
		t.Run(plan.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &tenant{limit: plan.limit, rate: plan.rate, step: plan.step, full: true, latency: 20 * time.Millisecond}
				b := budget.New(budget.Options{})
				do(t, b, s, budget.Call{})
				n := int(plan.rate * 40)
				done := make(chan time.Duration)
				go func() { done <- crowd(t, b, s, n, budget.Call{Class: dcr.Background}) }()
				for range 20 {
					time.Sleep(1700 * time.Millisecond)
					if _, waited := acquireAndCall(t, b, s, budget.Call{Class: dcr.Urgent}); waited > 1100*time.Millisecond {
						t.Errorf("an urgent call waited %v behind background ones", waited)
					}
				}
				took := <-done
				if took > 110*time.Second {
					t.Errorf("%d background calls took %v", n, took)
				}
				if s.refused > 0 {
					t.Errorf("%d calls were refused", s.refused)
				}
			})
		})
	}
}

func acquireAndCall(t *testing.T, b *budget.Budget, s *tenant, c budget.Call) (int, time.Duration) {
	t.Helper()
	ticket, waited := acquire(t, b, c)
	status, h := s.call()
	ticket.Done(status, h)
	return status, waited
}

// Urgent calls go first, and background ones get their turn all the same when
// the urgent never end.
func TestBackgroundYieldsButDoesNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{limit: 2, rate: 2, latency: 50 * time.Millisecond}
		b := budget.New(budget.Options{})
		stop := make(chan struct{})
		for _, source := range []string{"a", "b", "c", "d"} {
			go func() {
				for {
					select {
					case <-stop:
						return
					default:
						do(t, b, s, budget.Call{Class: dcr.Urgent, Source: source})
					}
				}
			}()
		}
		time.Sleep(10 * time.Second)
		start := time.Now()
		do(t, b, s, budget.Call{Class: dcr.Background})
		if took := time.Since(start); took < 30*time.Second || took > 35*time.Second {
			t.Errorf("a background call took %v beside endless urgent ones, want its turn after 30 s", took)
		}
		close(stop)
		time.Sleep(time.Minute)
	})
}

// Background calls of one group do not wait for urgent ones of another.
func TestBackgroundYieldsInItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		ticket, _ := acquire(t, b, budget.Call{Group: budget.ReadLogs})
		ticket.Done(200, headers(10, 0, time.Now().Add(20*time.Second)))
		ticket, _ = acquire(t, b, budget.Call{Group: budget.ListConnections})
		ticket.Done(200, headers(5, 4, time.Now().Add(time.Second)))
		go func() {
			ticket, err := b.Acquire(t.Context(), budget.Call{Group: budget.ReadLogs, Class: dcr.Urgent})
			if err == nil {
				ticket.Done(0, nil)
			}
		}()
		synctest.Wait()
		if _, waited := acquire(t, b, budget.Call{Group: budget.ListConnections, Class: dcr.Background}); waited > 0 {
			t.Errorf("waited %v for an urgent call of another bucket", waited)
		}
		time.Sleep(time.Minute)
	})
}

// A background call that becomes urgent while it waits goes as an urgent one,
// and one that was urgent from the start is not disturbed.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{limit: 2, rate: 2, latency: 50 * time.Millisecond}
		b := budget.New(budget.Options{})
		do(t, b, s, budget.Call{})
		done := make(chan time.Duration)
		go func() { done <- crowd(t, b, s, 40, budget.Call{Class: dcr.Background}) }()
		synctest.Wait()
		hurry := make(chan struct{})
		waited := make(chan time.Duration, 2)
		for _, class := range []dcr.Class{dcr.Background, dcr.Urgent} {
			go func() {
				start := time.Now()
				do(t, b, s, budget.Call{Class: class, Hurry: hurry})
				waited <- time.Since(start)
			}()
		}
		time.Sleep(3 * time.Second)
		if len(waited) != 1 {
			t.Fatalf("%d calls went, want the urgent one", len(waited))
		}
		close(hurry)
		time.Sleep(1200 * time.Millisecond)
		if len(waited) != 2 {
			t.Error("the one in a hurry waits behind the others")
		}
		<-done
		if s.refused > 0 {
			t.Errorf("%d calls were refused", s.refused)
		}
	})
}
