package budget_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// plenty are the headers of a bucket that is never empty.
func plenty() http.Header {
	return http.Header{"X-Ratelimit-Limit": {"1000000"}, "X-Ratelimit-Remaining": {"999999"}}
}

// The cost of one call's passage when nothing holds it up.
func BenchmarkAcquire(b *testing.B) {
	bud, h := budget.New(budget.Options{}), plenty()
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := bud.Acquire(b.Context(), budget.Call{Class: dcr.Urgent, Source: "192.0.2.1"})
		if err != nil {
			b.Fatal(err)
		}
		ticket.Done(http.StatusOK, h)
	}
}

// The cost of one call's passage while so many others wait for theirs, urgent
// ones each of a source of its own. Before the first answer has told anything
// two calls may be under way, so that one goes whenever one ends.
func BenchmarkAcquireBehind(b *testing.B) {
	for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
		for _, waiters := range []int{10, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", class, waiters), func(b *testing.B) {
				bud := budget.New(budget.Options{})
				ctx, cancel := context.WithCancel(b.Context())
				tickets := make(chan *budget.Ticket, waiters)
				var wg sync.WaitGroup
				for i := range waiters {
					c := budget.Call{Class: class, Source: strconv.Itoa(i)}
					wg.Go(func() {
						for ticket, err := bud.Acquire(ctx, c); err == nil; ticket, err = bud.Acquire(ctx, c) {
							tickets <- ticket
						}
					})
				}
				b.ReportAllocs()
				for b.Loop() {
					(<-tickets).Done(0, nil) // teaches nothing
				}
				b.StopTimer()
				cancel()
				wg.Wait()
			})
		}
	}
}

// Background work on each plan, by 50 callers at 50 ms, in virtual time:
// how long it took, how much longer than the rate allows, and the refusals.
func BenchmarkThroughput(b *testing.B) {
	simulate(b, func(b *testing.B, r *rig, s subscription) {
		took := r.run(s.calls, 50, budget.Call{Class: dcr.Background})
		b.ReportMetric(float64(s.calls), "calls")
		b.ReportMetric(took.Seconds(), "s-virtual")
		b.ReportMetric(took.Seconds()/s.allowed(s.calls).Seconds(), "of-best")
	})
}

// A client that registers while a thousand background calls wait, in virtual
// time: a call, and two at once.
func BenchmarkUrgent(b *testing.B) {
	simulate(b, func(b *testing.B, r *rig, s subscription) {
		var background sync.WaitGroup
		background.Go(func() { r.run(1000, 1000, budget.Call{Class: dcr.Background}) })
		var took []time.Duration
		for i := range 100 {
			// Steps in the golden ratio meet every phase of the refill.
			time.Sleep(time.Duration((2 + float64(i)*0.618) / s.rate * float64(time.Second) / 2))
			took = append(took, r.job(budget.Call{Class: dcr.Urgent, Source: "192.0.2.1"}))
		}
		background.Wait()
		slices.Sort(took)
		b.ReportMetric(took[50].Seconds(), "s-p50")
		b.ReportMetric(took[99].Seconds(), "s-max")
	})
}

// Background work while another program takes half of the rate, in virtual
// time: what part of the rate was ours.
func BenchmarkHalfTaken(b *testing.B) {
	simulate(b, func(b *testing.B, r *rig, s subscription) {
		stop := r.drain(137*time.Millisecond, time.Duration(2/s.rate*float64(time.Second)))
		n := int(s.rate * 120)
		took := r.run(n, 50, budget.Call{Class: dcr.Background})
		stop()
		b.ReportMetric(float64(n)/took.Seconds()/s.rate, "of-rate")
	})
}

// simulate runs a benchmark for every plan and meaning of x-ratelimit-reset.
func simulate(b *testing.B, fn func(b *testing.B, r *rig, s subscription)) {
	b.Helper()
	for _, s := range subscriptions() {
		for _, nextToken := range []bool{false, true} {
			b.Run(s.name+"/"+meaning(nextToken), func(b *testing.B) {
				for b.Loop() {
					bubble(b, func(t *testing.T) {
						r := newRig(t, s.plan, nextToken, 50*time.Millisecond)
						fn(b, r, s)
						b.ReportMetric(float64(r.refusals()), "429s")
					})
				}
			})
		}
	}
}

// bubble runs fn in virtual time, for which there has to be a test.
func bubble(b *testing.B, fn func(t *testing.T)) {
	b.Helper()
	all := func(string, string) (bool, error) { return true, nil }
	test := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, fn) }}
	if !testing.RunTests(all, []testing.InternalTest{test}) {
		b.Fatal("the simulation failed")
	}
}
