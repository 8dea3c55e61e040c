package budget_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// Background work takes hardly longer than the rate allows, learning included,
// and nothing is refused.
func TestThroughput(t *testing.T) {
	each(t, func(t *testing.T, s subscription, nextToken bool) {
		for _, latency := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond} {
			for _, callers := range []int{1, 5, 50, 100} {
				for _, phase := range []time.Duration{0, 500, 731} {
					synctest.Test(t, func(t *testing.T) {
						time.Sleep(phase * time.Millisecond)
						r := newRig(t, s.plan, nextToken, latency)
						took := r.run(s.calls, callers, budget.Call{Class: dcr.Background})
						best := s.allowed(s.calls)
						if callers == 1 {
							best = max(best, time.Duration(s.calls)*latency)
						}
						if ratio := took.Seconds() / best.Seconds(); ratio > 1.05 {
							t.Errorf("%d calls by %d callers at %v took %v, %.3f of the best", s.calls, callers, latency, took, ratio)
						}
						if n := r.refusals(); n > 0 {
							t.Errorf("%d calls by %d callers at %v: %d were refused", s.calls, callers, latency, n)
						}
					})
				}
			}
		}
	})
}

// A short sweep on the smallest plan is over before anything can be learned.
func TestThroughputOfFew(t *testing.T) {
	s := subscriptions()[0]
	for _, nextToken := range []bool{false, true} {
		for phase := time.Duration(0); phase < time.Second; phase += 50 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(phase)
				r := newRig(t, s.plan, nextToken, 50*time.Millisecond)
				took := r.run(40, 50, budget.Call{Class: dcr.Background})
				if limit := s.allowed(40) * 110 / 100; took > limit || r.refusals() > 0 {
					t.Errorf("%s, %v: 40 calls took %v, want at most %v; %d refused", meaning(nextToken), phase, took, limit, r.refusals())
				}
			})
		}
	}
}

// While a thousand background calls wait, a client that registers is served as
// if there were none.
func TestUrgentBesideBackground(t *testing.T) {
	each(t, func(t *testing.T, s subscription, nextToken bool) {
		var took []time.Duration
		for seed := range uint64(3) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				time.Sleep(time.Duration(rnd.IntN(1000)) * time.Millisecond)
				r := newRig(t, s.plan, nextToken, 50*time.Millisecond)
				var background sync.WaitGroup
				background.Go(func() { r.run(1000, 1000, budget.Call{Class: dcr.Background}) })
				for end := time.Now().Add(s.allowed(1000) * 8 / 10); time.Now().Before(end); {
					time.Sleep(time.Duration(rnd.ExpFloat64() / s.rate * 30 * float64(time.Second)))
					took = append(took, r.job(budget.Call{Class: dcr.Urgent, Source: "192.0.2.1"}))
				}
				background.Wait()
				if n := r.refusals(); n > 0 {
					t.Errorf("%d calls were refused", n)
				}
			})
		}
		slices.Sort(took)
		p50, p99 := took[len(took)/2], took[len(took)*99/100]
		limit := 4 * time.Second
		if s.plan == tenantsim.Enterprise {
			limit = time.Second
		}
		t.Logf("%d clients: p50 %v, p99 %v, max %v", len(took), p50, p99, took[len(took)-1])
		if p99 > limit {
			t.Errorf("p99 is %v, want at most %v", p99, limit)
		}
	})
}

// On a free tenant a client is ready soon, and so are twenty at once.
func TestClientsOnFree(t *testing.T) {
	for _, nextToken := range []bool{false, true} {
		for _, latency := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond} {
			for _, warm := range []bool{false, true} {
				for clients, limit := range map[int]time.Duration{1: 2500 * time.Millisecond, 20: 45 * time.Second} {
					for phase := time.Duration(0); phase < time.Second; phase += 100 * time.Millisecond {
						synctest.Test(t, func(t *testing.T) {
							time.Sleep(phase)
							r := newRig(t, tenantsim.Free, nextToken, latency)
							if warm {
								r.run(20, 3, budget.Call{})
								time.Sleep(5 * time.Second)
							}
							start := time.Now()
							var wg sync.WaitGroup
							for i := range clients {
								wg.Go(func() { r.job(budget.Call{Source: fmt.Sprint(i)}) })
							}
							wg.Wait()
							if took := time.Since(start); took > limit || r.refusals() > 0 {
								t.Errorf("%s, %v, warm %v: %d clients took %v, want at most %v; %d refused",
									meaning(nextToken), latency, warm, clients, took, limit, r.refusals())
							}
						})
					}
				}
			}
		}
	}
}

// A stranger who registers five clients a second does not delay the others.
func TestFlood(t *testing.T) {
	each(t, func(t *testing.T, s subscription, nextToken bool) {
		limit := 5 * time.Second
		switch s.plan {
		case tenantsim.Free:
			limit = 4 * time.Second
		case tenantsim.Enterprise:
			limit = time.Second
		}
		for seed := range uint64(4) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				time.Sleep(time.Duration(rnd.IntN(1000)) * time.Millisecond)
				r := newRig(t, s.plan, nextToken, 50*time.Millisecond)
				var flood sync.WaitGroup
				flood.Go(func() {
					for range 300 {
						flood.Go(func() { r.job(budget.Call{Source: "203.0.113.9"}) })
						time.Sleep(200 * time.Millisecond)
					}
				})
				time.Sleep(10 * time.Second)
				for range 12 {
					if took := r.job(budget.Call{Source: "192.0.2.1"}); took > limit {
						t.Errorf("a client beside the flood took %v, want at most %v", took, limit)
					}
					time.Sleep(time.Duration(rnd.ExpFloat64() * float64(time.Second)))
				}
				flood.Wait()
				if n := r.refusals(); n > 0 {
					t.Errorf("%d calls were refused", n)
				}
			})
		}
	})
}

// Another program takes half of the rate: we get nearly all of the other half,
// and are refused once a minute at most after the first.
func TestHalfTaken(t *testing.T) {
	each(t, func(t *testing.T, s subscription, nextToken bool) {
		for _, class := range []dcr.Class{dcr.Background, dcr.Urgent} {
			for _, latency := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond} {
				for _, phase := range []time.Duration{0, 613} {
					synctest.Test(t, func(t *testing.T) {
						r := newRig(t, s.plan, nextToken, latency)
						stop := r.drain(phase*time.Millisecond, time.Duration(2/s.rate*float64(time.Second)))
						n := int(s.rate * 120)
						took := r.run(n, 50, budget.Call{Class: class})
						stop()
						if share := float64(n) / took.Seconds() / s.rate; share < 0.4 {
							t.Errorf("%s, %v, %v: %.2f of the rate was ours", class, latency, phase, share)
						}
						late := 0
						for _, at := range r.refused {
							if at.Sub(r.start) > time.Minute {
								late++
							}
						}
						if rate := float64(late) / (took.Minutes() - 1); rate > 1 {
							t.Errorf("%s, %v, %v: %d refusals in the %v after the first minute", class, latency, phase, late, took-time.Minute)
						}
					})
				}
			}
		}
	})
}

// drain takes a token from time to time, as another program would, until the
// returned function is called.
func (r *rig) drain(first, every time.Duration) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for wait := first + every; ; wait = every {
			select {
			case <-done:
				return
			case <-time.After(wait):
				r.tenant.Drain(1)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
