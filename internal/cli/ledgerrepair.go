package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/display"
	"grantd/internal/store"
)

// restored is what restore prints as JSON.
type restored struct {
	Schema   int    `json:"schema"`
	SetAside string `json:"set_aside"` // what was there before; empty: nothing
	store.Report
}

// compacted is what compact prints as JSON, in bytes.
type compacted struct {
	Schema int    `json:"schema"`
	Path   string `json:"path"`
	Before int64  `json:"before_bytes"`
	After  int64  `json:"after_bytes"`
}

// rebuilt is what rebuild prints as JSON.
type rebuilt struct {
	Schema   int    `json:"schema"`
	Path     string `json:"path"`
	SetAside string `json:"set_aside"`
}

func (a *app) ledgerRestoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the ledger",
		Long: `Check FILE, a backup or a copy from before an upgrade, and put it in the place
of the ledger. It must be of the tenant and audience that are configured, where
they are. The ledger that is there is kept beside it under another name, and
when anything fails it stays where it is. The daemon must be stopped.

What happened since the backup comes back by itself: the daemon reads the log
on from where the backup ends, and compares the whole tenant.

Exit codes: 0 done, 1 failed, and the ledger is as it was, 2 wrong usage or
configuration, or the backup is of another tenant or audience.`,
		Example: "  sudo systemctl stop grantd\n  sudo grantd ledger restore /var/backups/grantd.db\n  sudo systemctl start grantd",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which file? Give a backup")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.restore(cmd, args[0]) },
	}
}

func (a *app) restore(cmd *cobra.Command, file string) error {
	path, err := a.idleLedger(cmd.Context(), true)
	if err != nil {
		return err
	}
	tenant, audience, err := a.identity()
	if err != nil {
		return err
	}
	if missing(file) {
		return fmt.Errorf("there is no backup at %s", file)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	r, err := store.Restore(cmd.Context(), store.RestoreOptions{
		Backup: file, Path: path, Tenant: tenant, Audience: audience, Now: time.Now(),
	})
	switch {
	case errors.Is(err, store.ErrOtherTenant), errors.Is(err, store.ErrOtherAudience):
		return usageError{err}
	case err != nil:
		return ledgerFailure(path, err)
	}
	out := cmd.OutOrStdout()
	if a.json {
		return printJSON(out, restored{outputSchema, r.SetAside, r.Report})
	}
	var b strings.Builder
	p := a.color(out)
	fmt.Fprintf(&b, "%s  %s\n", p.paint(strong, display.Visible(r.Path)), p.paint(good, "Restored."))
	holds(&b, r.Report)
	for _, n := range r.Notes {
		say(&b, p, notice, "Note: "+display.Line(n, 500))
	}
	if r.SetAside != "" {
		fmt.Fprintf(&b, "What was there before: %s\n", display.Visible(r.SetAside))
	}
	b.WriteByte('\n')
	say(&b, p, plain, "Start the daemon. It reads the log on from where the backup ends; grantd sync compares the whole tenant at once.")
	_, err = io.WriteString(out, b.String())
	return err
}

func (a *app) ledgerCompactCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compact",
		Short: "Write the ledger anew without the space it does not use",
		Long: `Write the ledger anew without the space it does not use, check the new file, and
put it in the place of the old one. The ledger uses free space again by itself:
this is worth it after a large part was pruned. The daemon must be stopped.

Exit codes: 0 done, 1 failed, and the ledger is as it was, 2 wrong usage or
configuration.`,
		Example: "  sudo systemctl stop grantd\n  sudo grantd ledger compact\n  sudo systemctl start grantd",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := a.idleLedger(cmd.Context(), false)
			if err != nil {
				return err
			}
			c, err := store.Compact(cmd.Context(), path)
			if err != nil {
				return ledgerFailure(path, err)
			}
			out := cmd.OutOrStdout()
			if a.json {
				return printJSON(out, compacted{outputSchema, path, c.Before, c.After})
			}
			p := a.color(out)
			_, err = fmt.Fprintf(out, "%s  %s\n", p.paint(strong, display.Visible(path)),
				p.paint(good, fmt.Sprintf("Compacted from %s to %s.", bytesText(c.Before), bytesText(c.After))))
			return err
		},
	}
}

func (a *app) ledgerRebuildCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Set a damaged ledger aside, so that the next start makes a new one",
		Long: `Set a damaged ledger aside, under another name in the same directory. The next
start makes a new one from the tenant: it lists every client and puts right what
differs. Lost are the journal, the holds, and the knowledge which grants are
grantd's own. Until "grantd sync --adopt" those grants are widened and never
narrowed. A backup, if there is one, loses less: grantd ledger restore. The
daemon must be stopped.

Exit codes: 0 done, 1 failed, or nothing is wrong with the ledger, 2 wrong usage
or configuration.`,
		Example: "  sudo systemctl stop grantd\n  sudo grantd ledger rebuild\n  sudo systemctl start grantd\n  grantd plan\n  grantd sync --adopt",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := a.idleLedger(cmd.Context(), false)
			if err != nil {
				return err
			}
			name, err := store.SetAside(cmd.Context(), path, force, time.Now())
			if errors.Is(err, store.ErrSound) {
				return fmt.Errorf("%w; --force sets it aside all the same", err)
			}
			if err != nil {
				return ledgerFailure(path, err)
			}
			out := cmd.OutOrStdout()
			if a.json {
				return printJSON(out, rebuilt{outputSchema, path, name})
			}
			var b strings.Builder
			p := a.color(out)
			fmt.Fprintf(&b, "%s  %s\n\n", p.paint(strong, display.Visible(name)), p.paint(good, "The ledger was set aside."))
			say(&b, p, plain, "Start the daemon: it makes a new ledger and compares the whole tenant with the configuration. "+
				"It creates and widens grants, and narrows none that it finds: grantd plan shows what that leaves, and grantd sync --adopt narrows it.")
			_, err = io.WriteString(out, b.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also if nothing is wrong with the ledger")
	return cmd
}
