package daemon

import (
	"context"
	"time"

	"grantd/internal/config"
	"grantd/internal/watch"
)

const (
	// envSettle is how long the env file must read the same before a change
	// that is not a mere widening takes effect by itself. A file that is half
	// written must take nothing away; whoever is in a hurry sends SIGHUP.
	envSettle = 30 * time.Second
	// envIdle is how long after the last look the file is looked at anyway.
	envIdle = time.Hour
)

// watchEnvFile puts changes of the env file into effect.
func (d *Daemon) watchEnvFile(ctx context.Context) {
	changed := make(chan struct{}, 1)
	go func() {
		defer close(changed)
		d.last(ctx, "watch env file", func(ctx context.Context) {
			watch.File(ctx, d.envFile, d.log, func() { signal(changed) })
		})
	}()
	w := envWatch{daemon: d}
	timer := time.NewTimer(envIdle)
	defer timer.Stop()
	for {
		select {
		case _, open := <-changed:
			if !open {
				return
			}
		case <-timer.C:
		}
		again := envSettle
		d.contain("read env file", func() { again = w.look(ctx, time.Now()) })
		timer.Reset(again)
	}
}

// envWatch waits for the env file to settle.
type envWatch struct {
	daemon  *Daemon
	pending *config.Config // as last read, not in force yet; nil: nothing is
	since   time.Time      // it has read so
}

// look reads the file and applies what may be applied. It returns when to look
// again.
func (w *envWatch) look(ctx context.Context, now time.Time) time.Duration {
	d := w.daemon
	d.reloads.Lock() // what is judged is what is applied
	defer d.reloads.Unlock()
	c, notices, err := d.load()
	if err != nil {
		if d.refuse(err.Error()) {
			d.log.Warn("the env file changed and is refused, the running configuration stays", "error", err)
		}
		w.pending = nil
		return envIdle
	}
	d.refuse("")
	switch {
	case same(d.read, c):
		w.pending = nil
		return envIdle
	case config.Widens(d.read, c):
	case w.pending == nil || !same(w.pending, c):
		w.pending, w.since = c, now
		d.log.Info("the env file changed; it is applied once it has read the same for 30 s, or at once by SIGHUP")
		return envSettle
	case now.Sub(w.since) < envSettle:
		return envSettle - now.Sub(w.since)
	}
	notify(d.log, reloading())
	defer d.ready(ctx)
	if err := d.put(ctx, c, notices, d.scopes.Adjust); err != nil {
		if ctx.Err() == nil {
			d.log.Error("reload", "error", err)
		}
		return envSettle
	}
	w.pending = nil
	return envIdle
}

func same(a, b *config.Config) bool { return len(config.Diff(a, b)) == 0 }
