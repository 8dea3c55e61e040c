package daemon

import (
	"context"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// pingsPerPeriod is how often in systemd's WatchdogSec= it is told that the
// daemon lives, so that two pings may be late before it is killed.
const pingsPerPeriod = 3

// watchdog tells systemd that the daemon lives (sd_watchdog_enabled(3)), where
// systemd wants to know.
func (d *Daemon) watchdog(ctx context.Context) {
	period, err := sd.SdWatchdogEnabled(false)
	switch {
	case err != nil:
		d.log.Warn("read systemd's watchdog period: there are no pings, and it may kill grantd", "error", err)
	case period > 0:
		d.pings(ctx, period/pingsPerPeriod, func() { notify(d.log, sd.SdNotifyWatchdog) })
	}
}

// pings calls ping once in every, and only if the ledger and the loop answered
// since: what waits for either of them for ever is mended by a restart and by
// nothing else. Errors are answers. A full disk or a tenant that refuses would
// be the same after a restart, which costs a Management API token.
func (d *Daemon) pings(ctx context.Context, every time.Duration, ping func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if !d.answered(ctx, every) {
			return
		}
		ping()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// answered waits until the ledger and the loop have answered, and says which of
// them keeps it waiting for longer than patience. It reports false when ctx ends
// first.
func (d *Daemon) answered(ctx context.Context, patience time.Duration) bool {
	for _, part := range []struct {
		name    string
		answers func(context.Context) error
	}{
		{"ledger", d.ledger.Answers},
		{"work loop", d.loop.Turns},
	} {
		late := time.AfterFunc(patience, func() {
			d.log.Error("no answer: unless one comes soon, systemd kills grantd and starts it again", "from", part.name, "after", patience)
		})
		_ = part.answers(ctx) // an error of the ledger is told of by whoever needs it
		late.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
	return true
}
