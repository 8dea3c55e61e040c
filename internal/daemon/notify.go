package daemon

import (
	"fmt"
	"log/slog"

	sd "github.com/coreos/go-systemd/v22/daemon"
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

func status(format string, args ...any) string {
	return "STATUS=" + fmt.Sprintf(format, args...)
}
