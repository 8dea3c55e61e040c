package dcr_test

import (
	"testing"

	"grantd/internal/dcr"
)

func TestPlanLimits(t *testing.T) {
	for plan, want := range map[string][2]int{
		"free": {10, 100}, "essentials": {100, 10_000}, "professional": {100, 10_000}, "enterprise": {100_000, 100_000},
	} {
		l, ok := dcr.PlanLimits(plan)
		if !ok || l.Guessed || l.Plan != plan || [2]int{l.Applications, l.Grants} != want {
			t.Errorf("%s: %+v, %v", plan, l, ok)
		}
	}
	if l, ok := dcr.PlanLimits(""); ok {
		t.Errorf("no plan: %+v", l)
	}
}

// The rate limit tells the subscription, unless the tenant has more than that
// allows.
func TestGuessLimits(t *testing.T) {
	for _, tt := range []struct {
		burst int
		has   dcr.Totals
		apps  int // 0: not known
	}{
		{0, dcr.Totals{Applications: 5, Grants: 5}, 0},
		{-1, dcr.Totals{}, 0},
		{2, dcr.Totals{Applications: 5, Grants: 5}, 10},
		{2, dcr.Totals{Applications: 10, Grants: 100}, 10},
		{2, dcr.Totals{Applications: 11}, 100},
		{2, dcr.Totals{Grants: 101}, 100},
		{10, dcr.Totals{Applications: 5}, 100},
		{49, dcr.Totals{Applications: 100, Grants: 10_000}, 100},
		{10, dcr.Totals{Applications: 101}, 100_000},
		{10, dcr.Totals{Grants: 10_001}, 100_000},
		{50, dcr.Totals{}, 100_000},
		{50, dcr.Totals{Applications: 200_000}, 100_000},
	} {
		l, ok := dcr.GuessLimits(tt.burst, tt.has)
		if ok != (tt.apps > 0) || l.Applications != tt.apps || l.Guessed != ok || ok && l.Grants < 100 {
			t.Errorf("burst %d, %+v: %+v, %v", tt.burst, tt.has, l, ok)
		}
	}
}

func TestScarce(t *testing.T) {
	for _, tt := range []struct {
		has, limit int
		want       bool
	}{{7, 10, false}, {8, 10, true}, {11, 10, true}, {79_999, 100_000, false}, {80_000, 100_000, true}, {0, 0, false}, {5, 0, false}} {
		if got := dcr.Scarce(tt.has, tt.limit); got != tt.want {
			t.Errorf("%d of %d: %v", tt.has, tt.limit, got)
		}
	}
}
