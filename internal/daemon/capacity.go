package daemon

import (
	"context"
	"sync"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

const (
	// capacityJob looks how full the tenant is: a minute after a start, every
	// hour, and sooner when clients have come since.
	capacityJob, capacitySchedule = "capacity", "@every 1m"
	capacityEvery, capacitySooner = time.Hour, 5 * time.Minute
	// scarceWarning is how often the log says that the tenant is nearly full.
	scarceWarning = 24 * time.Hour
)

// capacity is how full the tenant is, and when the log last said that it is
// nearly full.
type capacity struct {
	dcr.Capacity
	warned time.Time
}

type share struct {
	kind       string
	has, limit int
}

func (c *capacity) shares() []share {
	return []share{
		{"applications", c.Applications, c.Limits.Applications},
		{"grants", c.Grants, c.Limits.Grants},
	}
}

// counting is when the tenant was counted, by which plan, and why that failed the
// last time. Jobs do not overlap, but for a moment when the clock jumps.
type counting struct {
	mu      sync.Mutex
	at      time.Time // the last time that it could be, zero after a failure
	tried   time.Time // the last time that it was to be
	plan    string    // by which
	failure dcr.Reason
}

// count counts the tenant's applications and grants, where that can have
// changed. A failure that lasts is one line.
func (d *Daemon) count(ctx context.Context) {
	if !d.counted.mu.TryLock() {
		return
	}
	defer d.counted.mu.Unlock()
	came, plan := d.newcomers.Load(), string(d.config.Load().TenantPlan)
	within := func(t time.Time, wait time.Duration) bool { return !t.IsZero() && time.Since(t) < wait-time.Minute/2 }
	if plan == d.counted.plan && (within(d.counted.tried, capacitySooner) || came == 0 && within(d.counted.at, capacityEvery)) {
		return
	}
	d.counted.tried, d.counted.plan = time.Now(), plan
	has, err := d.totals(auth0.WithCall(ctx, dcr.Background, ""))
	if ctx.Err() != nil {
		return
	}
	why := failureOf(err)
	if err != nil && why != d.counted.failure {
		d.log.Warn("count applications and grants", "error", err)
	}
	if d.counted.failure = why; err != nil {
		d.counted.at = time.Time{} // so that it is tried again soon
		return
	}
	d.newcomers.Add(-came)
	d.counted.at = time.Now()
	limits, known := dcr.PlanLimits(plan)
	if !known {
		limits, known = dcr.GuessLimits(d.budget.Snapshot().Burst, has)
	}
	if !known {
		d.capacity.Store(nil)
		return
	}
	c := &capacity{Capacity: dcr.Capacity{Totals: has, Limits: limits}}
	if was := d.capacity.Load(); was != nil {
		c.warned = was.warned
	}
	d.warnScarce(c)
	d.capacity.Store(c)
}

// warnScarce says once a day that the tenant is nearly full.
func (d *Daemon) warnScarce(c *capacity) {
	if !c.warned.IsZero() && time.Since(c.warned) < scarceWarning {
		return
	}
	for _, s := range c.shares() {
		if dcr.Scarce(s.has, s.limit) {
			d.log.Warn("the tenant is nearly full: at the limit no client can register", "of", s.kind, "has", s.has,
				"limit", s.limit, "plan", c.Limits.Plan, "guessed", c.Limits.Guessed)
			c.warned = time.Now()
		}
	}
}

func (d *Daemon) totals(ctx context.Context) (has dcr.Totals, err error) {
	if has.Applications, err = d.tenant.ApplicationTotal(ctx); err != nil {
		return has, err
	}
	has.Grants, err = d.tenant.GrantTotal(ctx)
	return has, err
}

// capacityKnown is how full the tenant is, for the metrics.
func (e *Engine) capacityKnown() (dcr.Capacity, bool) {
	c := e.capacity.Load()
	if c == nil {
		return dcr.Capacity{}, false
	}
	return c.Capacity, true
}
