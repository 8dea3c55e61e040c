package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"grantd/internal/config"
	"grantd/internal/store"
)

// outputSchema is the version of what the ledger's commands print as JSON.
const outputSchema = 1

func (a *app) ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Check, back up, restore and compact the ledger's file",
		Long: `Look after the file in which grantd keeps everything, grantd.db in
GRANTD_STATE_DIR. check and backup work while the daemon runs, without holding
it up; restore, compact and rebuild need it stopped. Nothing is ever removed:
what a command replaces is kept beside the ledger under another name.`,
		Example: "  grantd ledger check\n  grantd ledger backup /var/backups/grantd.db",
	}
	cmd.AddCommand(a.ledgerCheckCommand(), a.ledgerBackupCommand(), a.ledgerRestoreCommand(), a.ledgerCompactCommand(), a.ledgerRebuildCommand())
	return cmd
}

// ledgerPlace is where the ledger is that a command is about.
type ledgerPlace struct {
	socket string   // of the running daemon; empty: none runs
	path   string   // of the file when none runs
	none   []string // where it was looked for, when there is no file
}

// ledgerPlace finds the running daemon or the ledger's file, which need not be
// there.
func (a *app) ledgerPlace(ctx context.Context) (ledgerPlace, error) {
	at, err := a.findDaemon(ctx)
	if err != nil {
		return ledgerPlace{}, err
	}
	if at.socket != "" {
		return ledgerPlace{socket: at.socket}, nil
	}
	for _, dir := range at.dirs {
		path := filepath.Join(dir, "grantd.db")
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return ledgerPlace{path: path}, nil
		}
	}
	return ledgerPlace{path: filepath.Join(at.dirs[0], "grantd.db"), none: at.dirs}, nil
}

// newPlace is the directory for a ledger where there is none, of those in which
// it could be. Root, who says nothing, may mean the service's or its own.
func newPlace(dirs []string, root bool) (string, error) {
	if len(dirs) == 1 || !root {
		return dirs[0], nil
	}
	var there []string
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			there = append(there, dir)
		}
	}
	if len(there) == 1 {
		return there[0], nil
	}
	return "", usageError{fmt.Errorf("there is no ledger yet, neither in %s; say where it shall be: GRANTD_STATE_DIR, in the environment or in --env-file",
		strings.Join(dirs, " nor in "))}
}

// idleLedger is the path of a ledger that no daemon has open; with create also
// of one that is not there yet.
func (a *app) idleLedger(ctx context.Context, create bool) (string, error) {
	at, err := a.ledgerPlace(ctx)
	if err != nil {
		return "", err
	}
	if at.socket != "" {
		return "", fmt.Errorf("a daemon runs on this ledger: %s", stopFirst)
	}
	dir := filepath.Dir(at.path)
	if create && at.none != nil {
		if dir, err = newPlace(at.none, os.Geteuid() == 0); err != nil {
			return "", err
		}
	}
	if _, err := store.SecureDir(dir, false); err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(at.path)), nil
}

const stopFirst = "stop it first, with sudo systemctl stop grantd, and then run this again"

// ledgerFailure explains what went wrong with a file, and says what to do.
func ledgerFailure(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("%w\nIs a daemon running? If so, %s. --socket or GRANTD_SOCKET says where a running one is asked", err, stopFirst)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: it is for its owner and root alone: try sudo", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room and run this again; the ledger is as it was", err)
	case errors.Is(err, fs.ErrNotExist) && missing(path):
		return fmt.Errorf("there is no ledger at %s; GRANTD_STATE_DIR, in the environment or in --env-file, says where it is", path)
	}
	return err
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// identity is the tenant and the audience that are configured, empty where they
// are not.
func (a *app) identity() (tenant, audience string, err error) {
	c, _, err := config.LoadOnly(a.source(), "MGMT_DOMAIN", "OAUTH_AUDIENCE")
	if err != nil {
		return "", "", usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	return c.Domain, c.Audience, nil
}

// copyLedger writes a copy of the ledger, from the running daemon or from the
// file.
func copyLedger(ctx context.Context, from ledgerPlace, w io.Writer) error {
	if from.socket == "" {
		_, err := store.BackupFile(ctx, from.path, w)
		return ledgerFailure(from.path, err)
	}
	return newRemote(from.socket).backup(ctx, w)
}

// backup has the running daemon copy its ledger to w.
func (r remote) backup(ctx context.Context, w io.Writer) error {
	resp, err := openStream(ctx, r.http.Do, http.MethodPost, "http://grantd/api/v1/backup", r.wait)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errJustStopped
	}
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return errors.New("ask the daemon: it knows no backups; is it of an older version than this command?")
	default:
		return fmt.Errorf("ask the daemon: %s", problemMessage(resp))
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("copy the ledger: %w", err)
	}
	return nil
}

// temporary makes a complete and synced copy of the ledger beside path, for its
// owner alone, and reports what is in it. The caller removes it.
func temporary(ctx context.Context, from ledgerPlace, path string) (name string, r store.Report, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return "", r, fmt.Errorf("make a file for the copy: %w", err)
	}
	err = copyLedger(ctx, from, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		r, err = store.CheckFile(ctx, f.Name())
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", r, err
	}
	return f.Name(), r, nil
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}
