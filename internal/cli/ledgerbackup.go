package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/display"
	"grantd/internal/store"
)

// backedUp is what backup prints as JSON.
type backedUp struct {
	Schema int `json:"schema"`
	store.Report
}

func (a *app) ledgerBackupCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the ledger, also while the daemon runs",
		Long: `Write a copy of the ledger as it is at one moment to FILE, or to standard output
when FILE is -. The daemon goes on working. The copy is checked before it gets
its name, is complete on disk when the command returns, and can be read by its
owner alone: it holds client ids and names, and no secrets.

Exit codes: 0 the backup is there and sound, 1 failed, and there is none,
2 wrong usage or configuration.`,
		Example: `  grantd ledger backup /var/backups/grantd-$(date +%F).db
  grantd ledger backup --force /var/backups/grantd.db
  grantd ledger backup - | age -r KEY > grantd.db.age`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("to which file? Give one, or - for standard output")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" {
				return a.backupToOutput(cmd)
			}
			r, err := a.backup(cmd.Context(), args[0], force)
			if err != nil {
				return err
			}
			return a.printBackup(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite FILE if it is there")
	return cmd
}

func (a *app) backup(ctx context.Context, path string, force bool) (store.Report, error) {
	if err := free(path, force); err != nil {
		return store.Report{}, err
	}
	from, err := a.ledgerPlace(ctx)
	if err != nil {
		return store.Report{}, err
	}
	temp, r, err := soundCopy(ctx, from, path)
	if err != nil {
		return r, err
	}
	defer func() { _ = os.Remove(temp) }() // in vain once it has its name
	if err := free(path, force); err != nil {
		return r, err
	}
	if err := os.Rename(temp, path); err != nil {
		return r, fmt.Errorf("name the backup: %w", err)
	}
	r.Path = path
	return r, syncFolder(filepath.Dir(path))
}

// free fails where a backup must not be written.
func free(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for the backup: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: name another", path)
	case filepath.Base(path) == "grantd.db" && !missing(filepath.Join(filepath.Dir(path), "grantd.sock")):
		return fmt.Errorf("%s is a daemon's ledger: name another", path)
	case !force:
		return fmt.Errorf("%s is there already: name another, or overwrite it with --force", path)
	}
	return nil
}

// soundCopy is a temporary copy in which nothing is wrong.
func soundCopy(ctx context.Context, from ledgerPlace, path string) (string, store.Report, error) {
	if from.socket == "" {
		if is, err := os.Stat(from.path); err == nil {
			if at, err := os.Stat(path); err == nil && os.SameFile(is, at) {
				return "", store.Report{}, fmt.Errorf("%s is the ledger itself: name another", path)
			}
		}
	}
	temp, r, err := temporary(ctx, from, path)
	if err == nil && len(r.Findings) > 0 {
		err = fmt.Errorf("%w: %s\nThere is no backup. grantd ledger check lists all that is wrong", store.ErrCorrupt, r.Findings[0])
		_ = os.Remove(temp)
	}
	return temp, r, err
}

// backupToOutput checks the copy before the first byte is written.
func (a *app) backupToOutput(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	if terminal(out) {
		return usageError{errors.New("a backup is not for a terminal: redirect it to a file, or name one")}
	}
	from, err := a.ledgerPlace(cmd.Context())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "grantd-backup-")
	if err != nil {
		return fmt.Errorf("make a folder for the copy: %w", err)
	}
	defer os.RemoveAll(dir)
	temp, r, err := soundCopy(cmd.Context(), from, filepath.Join(dir, "grantd.db"))
	if err != nil {
		return err
	}
	f, err := os.Open(temp)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := io.Copy(out, f); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	r.Path = "-"
	return a.printBackup(cmd.ErrOrStderr(), r)
}

func (a *app) printBackup(w io.Writer, r store.Report) error {
	if a.json {
		return printJSON(w, backedUp{outputSchema, r})
	}
	var b strings.Builder
	p := a.color(w)
	fmt.Fprintf(&b, "%s  %s\n", p.paint(strong, display.Visible(r.Path)), p.paint(good, "The backup is complete and sound."))
	holds(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

// syncFolder makes a new file's name survive a power failure.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
