package daemon

import (
	"context"
	"fmt"
	"log/slog"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"grantd/internal/health"
)

// notify tells systemd where the daemon stands (sd_notify(3)). Outside of
// systemd there is nobody to tell, and nothing happens.
func notify(log *slog.Logger, state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		log.Warn("notify systemd", "error", err)
	}
}

// reloading is the message before a reload; sd.SdNotifyReady ends it.
func reloading() string {
	return sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec()
}

// ready ends the message before a reload, and says how things stand now.
func (d *Daemon) ready(ctx context.Context) {
	notify(d.log, sd.SdNotifyReady+"\n"+d.statusLine(d.health.Report(ctx)))
}

// statusLine is what systemctl status shows: how things stand and why, how many
// clients are in which phase, and what of an edited configuration is not in
// force.
func (d *Daemon) statusLine(r health.Report) string {
	how := string(r.Status)
	if len(r.Reasons) > 0 {
		how = fmt.Sprintf("%s %v", how, r.Reasons)
	}
	line := counts(how, r.Clients)
	if why, _ := d.refused.Load().(string); why != "" {
		line += "; the configuration has errors since it was edited, the one before stays"
	}
	if names, _ := d.restart.Load().(string); names != "" {
		line += "; a restart is needed for " + names
	}
	return line
}

func counts(how string, n health.Clients) string {
	return fmt.Sprintf("STATUS=%s: %d ready, %d pending, %d blocked, %d refused", how, n.Ready, n.Pending, n.Blocked, n.Refused)
}

// refuse notes why the configuration as it reads now is not taken over; empty:
// it can be. It reports whether that is news.
func (d *Daemon) refuse(why string) bool {
	was, _ := d.refused.Swap(why).(string)
	return was != why
}
