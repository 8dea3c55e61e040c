package budget_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// plan is one that Auth0 documents, with how it is refilled.
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy
type plan struct {
	name  string
	limit int
	rate  float64
	step  bool
}

func plans() []plan {
	return []plan{
		{"free", 2, 2, false},
		{"paid", 10, 150. / 60, true},
		{"paid, continuous", 10, 150. / 60, false},
		{"paid connections", 5, 50. / 60, true},
		{"enterprise", 50, 16, false},
		{"enterprise, stepwise", 50, 16, true},
		{"non-production", 10, 2, false},
	}
}

// Whatever the plan, and whatever its reset means, nothing is refused and
// nearly all there is gets used.
func TestPlans(t *testing.T) {
	for _, plan := range plans() {
		for _, full := range []bool{false, true} {
			for _, phase := range []time.Duration{0, 1, 300, 500, 700, 999} {
				for _, latency := range []time.Duration{0, 50 * time.Millisecond, 400 * time.Millisecond} {
					t.Run(fmt.Sprintf("%s/full=%v/%dms/%v", plan.name, full, phase, latency), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							time.Sleep(phase * time.Millisecond)
							s := &tenant{limit: plan.limit, rate: plan.rate, step: plan.step, full: full, latency: latency}
							b := budget.New(budget.Options{})
							n := plan.limit + int(plan.rate*60)
							took := crowd(t, b, s, n, budget.Call{Class: dcr.Urgent})
							limit := 64 * time.Second
							if latency > 100*time.Millisecond {
								limit = 75 * time.Second // what comes back is measured less exactly
							}
							if took > limit {
								t.Errorf("%d calls took %v, want at most %v", n, took, limit)
							}
							if s.refused > 0 {
								t.Errorf("%d calls were refused", s.refused)
							}
						})
					})
				}
			}
		}
	}
}

func TestFreePlanFirstCalls(t *testing.T) {
	for _, full := range []bool{false, true} {
		for phase := time.Duration(0); phase < time.Second; phase += 50 * time.Millisecond {
			t.Run(fmt.Sprintf("full=%v/%v", full, phase), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(phase)
					s := &tenant{limit: 2, rate: 2, full: full, latency: 50 * time.Millisecond}
					b := budget.New(budget.Options{})
					if took := crowd(t, b, s, 4, budget.Call{}); took > 2500*time.Millisecond {
						t.Errorf("4 calls took %v, want at most 2.5 s", took)
					}
					if took := crowd(t, b, s, 16, budget.Call{}); took > 9*time.Second {
						t.Errorf("16 more took %v, want at most 9 s", took)
					}
					if s.refused > 0 {
						t.Errorf("%d calls were refused", s.refused)
					}
				})
			})
		}
	}
}

func TestUnlimitedTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{silent: true, latency: 50 * time.Millisecond}
		b := budget.New(budget.Options{})
		if took := crowd(t, b, s, 400, budget.Call{}); took > 200*time.Millisecond {
			t.Errorf("400 calls took %v: they were not let go together", took)
		}
		if s := b.Snapshot(); s.Tightest != nil {
			t.Errorf("Tightest = %+v without any header", s.Tightest)
		}
	})
}

// Before the first answer only as many calls go as the smallest plan takes, in
// all groups together.
func TestFirstAnswerTeaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		tickets := make(chan *budget.Ticket, 8)
		for i := range 8 {
			go func() {
				if ticket, err := b.Acquire(t.Context(), budget.Call{Group: budget.Group(i % 4)}); err == nil {
					tickets <- ticket
				}
			}()
		}
		synctest.Wait()
		if n := len(tickets); n != 2 {
			t.Fatalf("%d calls went before any answer, want 2", n)
		}
		for _, status := range []int{0, http.StatusBadGateway} { // these teach nothing
			(<-tickets).Done(status, nil)
			synctest.Wait()
			if n := len(tickets); n != 2 {
				t.Fatalf("%d calls under way after status %d, want 2", n, status)
			}
		}
		(<-tickets).Done(http.StatusOK, http.Header{})
		synctest.Wait()
		if n := len(tickets); n != 5 {
			t.Errorf("%d calls under way after an answer without a limit, want all 5", n)
		}
	})
}

// On the free plan one bucket serves all groups. In whatever order calls come,
// finding that out costs no refusal and little time.
func TestGroupsShare(t *testing.T) {
	for _, full := range []bool{false, true} {
		for seed := range uint64(50) {
			t.Run(fmt.Sprintf("full=%v/%d", full, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { groupsShare(t, full, seed) })
			})
		}
	}
}

func groupsShare(t *testing.T, full bool, seed uint64) {
	const calls = 24
	s := &tenant{limit: 2, rate: 2, full: full, latency: 20 * time.Millisecond}
	b := budget.New(budget.Options{})
	start := time.Now()
	done := make(chan bool)
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(calls) {
		go func() { done <- do(t, b, s, budget.Call{Group: budget.Group(i % 4), Source: fmt.Sprint(i)}) }()
		synctest.Wait() // one after the other, so that the order is the seed's
	}
	for range calls {
		if !<-done {
			t.Error("a call was refused")
		}
	}
	// 11 s is what the bucket allows.
	if took := time.Since(start); took > 13*time.Second {
		t.Errorf("%d calls took %v", calls, took)
	}
}

// Where limits differ each group has its own bucket, and an empty one does not
// hold up the others.
func TestGroupsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := &tenant{limit: 10, rate: 100. / 60, latency: time.Millisecond}
		conns := &tenant{limit: 5, rate: 50. / 60, latency: time.Millisecond}
		other := &tenant{limit: 10, rate: 150. / 60, latency: time.Millisecond}
		b := budget.New(budget.Options{})
		do(t, b, other, budget.Call{})
		do(t, b, conns, budget.Call{Group: budget.ListConnections})
		crowd(t, b, conns, 4, budget.Call{Group: budget.ListConnections})
		blocked := make(chan bool)
		go func() { blocked <- do(t, b, conns, budget.Call{Group: budget.ListConnections}) }()
		synctest.Wait()
		if took := crowd(t, b, other, 9, budget.Call{}); took > 100*time.Millisecond {
			t.Errorf("9 calls of a full group took %v while another was empty", took)
		}
		if took := crowd(t, b, logs, 10, budget.Call{Group: budget.ReadLogs}); took > 100*time.Millisecond {
			t.Errorf("10 log calls took %v", took)
		}
		<-blocked
		if n := logs.refused + conns.refused + other.refused; n > 0 {
			t.Errorf("%d calls were refused", n)
		}
	})
}

// Another program uses half of what there is.
func TestOtherConsumer(t *testing.T) {
	for _, plan := range plans() {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/full=%v", plan.name, full), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &tenant{limit: plan.limit, rate: plan.rate, step: plan.step, full: full, latency: 30 * time.Millisecond}
					b := budget.New(budget.Options{})
					stop, theirs, tries := make(chan struct{}), 0, 0
					go func() {
						wait := time.NewTimer(0)
						defer wait.Stop()
						for {
							select {
							case <-stop:
								return
							case <-wait.C:
							}
							tries++
							if s.take() {
								theirs++
								wait.Reset(time.Duration(2 / plan.rate * float64(time.Second)))
							} else {
								wait.Reset(130 * time.Millisecond)
							}
						}
					}()
					n := int(plan.rate * 60) // two minutes' worth of the other half
					took := crowd(t, b, s, n, budget.Call{})
					close(stop)
					synctest.Wait()
					t.Logf("%d calls took %v, %d refused; other %d of %d", n, took, s.refused, theirs, tries)
					if s.refused > int(took/(5*time.Second)) {
						t.Errorf("%d of %d calls were refused in %v", s.refused, n, took)
					}
					if took > 150*time.Second {
						t.Errorf("%d calls took %v", n, took)
					}
					if share := plan.rate / 2 * took.Seconds(); float64(theirs) < share/2 {
						t.Errorf("the other program made %d calls of the %.0f of its half", theirs, share)
					}
				})
			})
		}
	}
}

func TestRPS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tenant{silent: true}
		b := budget.New(budget.Options{RPS: 5})
		if took := crowd(t, b, s, 21, budget.Call{}); took < 4*time.Second || took > 4200*time.Millisecond {
			t.Errorf("21 calls at 5 a second took %v, want 4 s", took)
		}
		b.SetRPS(0)
		if took := crowd(t, b, s, 100, budget.Call{}); took > 10*time.Millisecond {
			t.Errorf("100 calls without a cap took %v", took)
		}
		b.SetRPS(10)
		if took := crowd(t, b, s, 11, budget.Call{}); took < 900*time.Millisecond || took > 1100*time.Millisecond {
			t.Errorf("11 calls at 10 a second took %v, want 1 s", took)
		}
	})
}
