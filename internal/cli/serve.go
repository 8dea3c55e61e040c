package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/config"
	"grantd/internal/daemon"
	"grantd/internal/display"
	"grantd/internal/store"
)

func (a *app) serveCommand() *cobra.Command {
	var acceptAudience bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `Run the daemon in the foreground, configured by environment variables or an
env file; configs/grantd.env.example explains them all. It logs to standard
error.

SIGTERM and SIGINT stop it: work under way is finished, then the ledger closed;
a second signal ends it at once, and nothing acknowledged is lost either way.
SIGHUP reads the env file again and applies it without a restart.`,
		Example: "  grantd serve --env-file /etc/grantd/grantd.env\n  GRANTD_DRY_RUN=true grantd serve --env-file grantd.env",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd.Context(), cmd.ErrOrStderr(), acceptAudience)
		},
	}
	cmd.Flags().BoolVar(&acceptAudience, "accept-audience-change", false, "use the ledger although it belongs to another OAUTH_AUDIENCE")
	return cmd
}

func (a *app) serve(ctx context.Context, stderr io.Writer, acceptAudience bool) error {
	load := func() (*config.Config, []config.Notice, error) { return config.Load(a.source()) }
	c, notices, err := load()
	if err != nil {
		return usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	level := new(slog.LevelVar)
	level.Set(c.LogLevel)
	log := a.serveLogger(stderr, c.LogFormat, level)
	for _, n := range notices {
		log.Warn(n.String())
	}
	d, err := daemon.New(ctx, daemon.Options{
		Config: c, Load: load, EnvFile: a.envFile, AcceptAudienceChange: acceptAudience,
		Logger: log, LogLevel: level, Version: buildVersion().Version,
	})
	if err != nil {
		if _, ok := errors.AsType[config.Errors](err); ok {
			return usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
		}
		if errors.Is(err, store.ErrOtherTenant) || errors.Is(err, store.ErrOtherAudience) {
			return usageError{err}
		}
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	hangups := a.process.Hangups() // before anybody is told that it serves
	done := make(chan struct{})
	go func() {
		defer close(done)
		followHangups(ctx, hangups, log, d)
	}()
	err = d.Run(ctx)
	stop()
	<-done
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// followHangups reloads the daemon on SIGHUP.
func followHangups(ctx context.Context, hangups <-chan os.Signal, log *slog.Logger, d *daemon.Daemon) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if err := d.Reload(ctx); err != nil {
				log.Error("reload", "error", err)
			}
		}
	}
}

// source is where the configuration comes from.
func (a *app) source() config.Source {
	return config.Source{Environ: withHome(a.process.Environ), EnvFile: a.envFile}
}

// withHome adds HOME, where the state directory is by default, if it is
// missing, as it is in services and in cron jobs of some systems.
func withHome(environ []string) []string {
	if slices.ContainsFunc(environ, func(e string) bool { return strings.HasPrefix(e, "HOME=") && e != "HOME=" }) {
		return environ
	}
	u, err := user.Current()
	if err != nil {
		return environ
	}
	return append(slices.Clone(environ), "HOME="+u.HomeDir)
}

// serveLogger is the daemon's, which may write to the journal.
func (a *app) serveLogger(w io.Writer, f config.LogFormat, level slog.Leveler) *slog.Logger {
	if !a.process.Journal {
		return logger(w, f, level)
	}
	return slog.New(newPrioritized(w, func(w io.Writer) slog.Handler { return logger(w, f, level).Handler() }))
}

func logger(w io.Writer, f config.LogFormat, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if f == config.LogJSON {
		return slog.New(slog.NewJSONHandler(escaped{w}, o))
	}
	return slog.New(slog.NewTextHandler(w, o)) // quotes what is not printable
}

// escaped makes lines of JSON harmless on a terminal.
type escaped struct{ io.Writer }

// Write implements io.Writer.
func (e escaped) Write(line []byte) (int, error) {
	if _, err := e.Writer.Write(display.JSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
