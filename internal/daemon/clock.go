package daemon

import (
	"context"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

const (
	// clockLook is how often the clock is looked at.
	clockLook = 10 * time.Second
	// clockJump is by how much the time of day must have gone otherwise than
	// time itself to be a jump: somebody set the clock, or the machine slept.
	clockJump = 30 * time.Second
)

// clock notices when the time of day jumps.
type clock struct {
	wall time.Time
	mono time.Duration
}

// jumped is by how much the time of day jumped since the last call, zero when
// it did not. mono is the time since some fixed moment by a clock that nobody
// sets.
func (c *clock) jumped(wall time.Time, mono time.Duration) time.Duration {
	last := *c
	c.wall, c.mono = wall.Round(0), mono
	if last.wall.IsZero() {
		return 0
	}
	jump := c.wall.Sub(last.wall) - (mono - last.mono)
	if jump.Abs() < clockJump {
		return 0
	}
	return jump
}

// watchClock sees to it that no wait counts in a time of day that is no more.
func (d *Daemon) watchClock(ctx context.Context) {
	tick := time.NewTicker(clockLook)
	defer tick.Stop()
	var c clock
	for start := time.Now(); ; {
		if jump := c.jumped(time.Now(), time.Since(start)); jump != 0 {
			d.log.Warn("the clock jumped", "by", jump.Round(time.Second))
			d.clockJumped(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// clockJumped begins all waits anew: schedules, retries, what is remembered of
// the tenant. Entries may have been missed meanwhile.
func (d *Daemon) clockJumped(ctx context.Context) {
	if err := d.schedule.restart(); err != nil {
		d.log.Error("restart the schedule", "error", err)
	}
	d.reconciler.TenantChanged()
	if _, err := d.ledger.Requeue(ctx, store.Failing, dcr.Background, dcr.Cause{}); err != nil && ctx.Err() == nil {
		d.log.Error("make clients due again", "error", err)
	}
	signal(d.reloaded)
	d.sweeper.Request()
}
