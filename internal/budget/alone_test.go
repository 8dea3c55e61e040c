package budget_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// Alone at a tenant of any bucket, with calls of all groups and classes that
// come in any rhythm and take any time, the budget is never refused once it
// has seen a header.
func TestAloneNeverRefused(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { alone(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func alone(t *testing.T, rnd *rand.Rand) {
	s := &tenant{
		limit: 2 + rnd.IntN(4)*rnd.IntN(16),
		rate:  0.3 + rnd.Float64()*3*float64(1+rnd.IntN(6)),
		full:  rnd.IntN(2) == 0,
	}
	if s.limit < 5 {
		s.rate = min(s.rate, 2) // such as the smallest plan has
	} else {
		s.step = rnd.IntN(3) == 0
	}
	slowest := []time.Duration{1, 50, 400, 3000}[rnd.IntN(4)] * time.Millisecond
	spread := 1 + rnd.IntN(4) // groups in use, all of one bucket
	b := budget.New(budget.Options{})
	call := func(c budget.Call, there, back time.Duration) {
		ticket, err := b.Acquire(t.Context(), c)
		if err != nil {
			t.Errorf("acquire: %v", err)
			return
		}
		time.Sleep(there)
		status, h := s.serve()
		time.Sleep(back)
		ticket.Done(status, h)
	}
	time.Sleep(time.Duration(rnd.IntN(1000)) * time.Millisecond)
	var wg sync.WaitGroup
	for range 20 {
		for range rnd.IntN(1 + 2*s.limit) {
			c := budget.Call{Group: budget.Group(rnd.IntN(spread)), Class: classes()[rnd.IntN(2)], Source: fmt.Sprint(rnd.IntN(3))}
			there, back := time.Duration(rnd.Int64N(int64(slowest))), time.Duration(rnd.Int64N(int64(slowest)))
			wg.Go(func() { call(c, there, back) })
		}
		time.Sleep(time.Duration(rnd.ExpFloat64() * float64(s.limit) / s.rate * float64(time.Second)))
	}
	wg.Wait()
	if s.refused > 0 {
		t.Errorf("%d of %d calls were refused: limit %d, %.3f/s, step %v, full %v, up to %v a way, %d groups",
			s.refused, s.calls, s.limit, s.rate, s.step, s.full, slowest, spread)
	}
}

func classes() []dcr.Class { return []dcr.Class{dcr.Urgent, dcr.Background} }
