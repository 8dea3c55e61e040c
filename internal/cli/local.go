package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"grantd/internal/config"
	"grantd/internal/daemon"
	api "grantd/internal/http"
	"grantd/internal/store"
)

// commands finds who carries out a command that calls Auth0: the running
// daemon, so that there is no second budget, or this process itself. done must
// be called in the end.
func (a *app) commands(ctx context.Context, stderr io.Writer, readOnly bool) (_ api.Commands, done func(), err error) {
	at, err := a.findDaemon(ctx)
	if err != nil {
		return nil, nil, err
	}
	if at.socket != "" {
		return newRemote(at.socket), func() {}, nil
	}
	return a.local(ctx, stderr, readOnly, at.dirs)
}

// local opens the ledger, the first there is in dirs, and what is between it and
// Auth0. With a new one beside that of a service that is stopped, its holds
// would not hold.
func (a *app) local(ctx context.Context, stderr io.Writer, readOnly bool, dirs []string) (api.Commands, func(), error) {
	c, notices, err := config.Load(a.source())
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	if c.StateDir, err = ledgerDir(dirs, os.Geteuid() == 0); err != nil {
		return nil, nil, err
	}
	log := logger(stderr, c.LogFormat, slog.LevelWarn)
	for _, n := range notices {
		log.Warn(n.String())
	}
	e, err := daemon.Open(ctx, daemon.Options{
		Config: c, Logger: logger(stderr, c.LogFormat, quieter(c.LogLevel)), Version: buildVersion().Version, ReadOnly: readOnly,
	})
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, nil, fmt.Errorf("%w; is a daemon running whose socket is elsewhere? --socket or GRANTD_SOCKET says where", err)
	case errors.Is(err, store.ErrOtherTenant), errors.Is(err, store.ErrOtherAudience):
		return nil, nil, usageError{err}
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, forOthers(filepath.Join(c.StateDir, "grantd.db"))
	case err != nil:
		return nil, nil, err
	}
	return e, func() {
		if err := e.Close(); err != nil {
			log.Error("close", "error", err)
		}
	}, nil
}

// ledgerDir is the first of dirs that has a ledger. Where none has, it is the one
// that is there, for root may mean the service's, or the first.
func ledgerDir(dirs []string, root bool) (string, error) {
	path, err := findLedger(dirs)
	switch {
	case err != nil:
		return "", err
	case path != "":
		return filepath.Dir(path), nil
	}
	if dir, err := newPlace(dirs, root); err == nil {
		return dir, nil
	}
	return dirs[0], nil // nothing tells which
}

// quieter is the level for commands that people watch: what there is to say of
// their work is in their output. Who wants it all gets it with debug.
func quieter(level slog.Level) slog.Level {
	if level == slog.LevelDebug {
		return level
	}
	return slog.LevelError
}
