package doctor

import (
	"fmt"
	"math"
	"time"

	"grantd/internal/dcr"
)

// Capacity is how much of what the subscription allows is used.
type Capacity struct {
	Plan         string `json:"plan,omitempty"` // the subscription; absent: not known
	Guessed      bool   `json:"plan_guessed"`   // by the rate limit
	Applications Usage  `json:"applications"`
	Grants       Usage  `json:"grants"`
}

// Usage is how many there are of something, and may be.
type Usage struct {
	Known  bool          `json:"known"` // Used was looked at
	Used   int           `json:"used"`
	Limit  int           `json:"limit,omitempty"` // absent: not known
	PerDay float64       `json:"per_day"`         // by how many it grew over the last week
	FullAt dcr.Timestamp `json:"full_at"`         // at that rate; null: not before long, or not known
}

// far is how far ahead it makes sense to say when all is used.
const far = 10 * 365 * 24 * time.Hour

func (f Facts) capacity() Capacity {
	limits, known := dcr.PlanLimits(f.Plan)
	if !known {
		limits, _ = dcr.GuessLimits(f.LargestLimit, dcr.Totals{Applications: f.ClientCount.Value, Grants: f.GrantCount.Value})
	}
	return Capacity{
		Plan: limits.Plan, Guessed: limits.Guessed,
		Applications: f.usage(f.ClientCount, limits.Applications, f.ClientsPerDay),
		Grants:       f.usage(f.GrantCount, limits.Grants, f.GrantsPerDay),
	}
}

func (f Facts) usage(used Answer[int], limit int, perDay float64) Usage {
	u := Usage{Known: used.ok(), Used: used.Value, Limit: limit, PerDay: math.Round(perDay*10) / 10}
	if !u.Known || limit == 0 || perDay <= 0 {
		return u
	}
	left := float64(max(limit-u.Used, 0)) / perDay * float64(24*time.Hour)
	if left < float64(far) {
		u.FullAt = dcr.Timestamp{Time: f.CheckedAt.Add(time.Duration(left)).UTC().Truncate(time.Minute)}
	}
	return u
}

func (x *examination) capacity() {
	c := x.f.capacity()
	plan := c.Plan
	if c.Guessed {
		plan += ", guessed from the rate limit"
	}
	for _, one := range []struct {
		what string
		Usage
	}{{"applications", c.Applications}, {"grants", c.Grants}} {
		if !one.Known || one.Limit == 0 {
			continue
		}
		x.looks(CapacityLow, CapacityFull)
		message := fmt.Sprintf("%d of %d %s are used (plan %s).", one.Used, one.Limit, one.what, plan)
		switch {
		case one.Used >= one.Limit:
			x.found(CapacityFull, one.what, message)
		case dcr.Scarce(one.Used, one.Limit):
			if !one.FullAt.IsZero() {
				message += fmt.Sprintf(" At %.1f a day the last is taken about %s.", one.PerDay, one.FullAt.Format("2006-01-02"))
			}
			x.found(CapacityLow, one.what, message)
		}
	}
}
