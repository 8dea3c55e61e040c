package daemon

import (
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

// statusLine is what systemctl status shows: how things stand, and how many
// clients are in which phase.
func statusLine(how string, n health.Clients) string {
	return fmt.Sprintf("STATUS=%s: %d ready, %d pending, %d blocked, %d refused", how, n.Ready, n.Pending, n.Blocked, n.Refused)
}
