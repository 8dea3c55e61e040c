package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/display"
	"grantd/internal/store"
)

// checked is what check prints as JSON.
type checked struct {
	Schema int  `json:"schema"`
	Daemon bool `json:"daemon"` // a copy of a running daemon's ledger was checked
	OK     bool `json:"ok"`
	store.Report
}

func (a *app) ledgerCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Read the whole ledger and list what is wrong with it",
		Long: `Read every page and every record of the ledger, or of FILE, such as a backup,
and list what is wrong: damaged pages, values that cannot be read, indexes and
counters that disagree with the records. Nothing is changed. While a daemon
runs, a copy of its ledger is checked, so that it goes on working.

Exit codes: 0 nothing is wrong, 1 could not look, 2 wrong usage or
configuration, 3 defects were found and are listed.`,
		Example: "  grantd ledger check\n  grantd ledger check /var/backups/grantd.db\n  grantd ledger check --json | jq .findings",
		Args:    atMostOneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.checkLedger(cmd.Context(), args)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if a.json {
				err = printJSON(out, c)
			} else {
				err = printChecked(out, a.color(out), c)
			}
			if err == nil && !c.OK {
				return errFound
			}
			return err
		},
	}
}

func (a *app) checkLedger(ctx context.Context, args []string) (checked, error) {
	c := checked{Schema: outputSchema}
	from := ledgerPlace{}
	var err error
	if len(args) > 0 {
		from.path = args[0]
	} else if from, err = a.ledgerPlace(ctx); err != nil {
		return c, err
	}
	if from.socket == "" {
		c.Report, err = store.CheckFile(ctx, from.path)
		c.OK = len(c.Findings) == 0
		return c, ledgerFailure(from.path, err)
	}
	dir, err := os.MkdirTemp("", "grantd-check-")
	if err != nil {
		return c, fmt.Errorf("make a folder for the copy: %w", err)
	}
	defer os.RemoveAll(dir)
	if _, c.Report, err = temporary(ctx, from, filepath.Join(dir, "grantd.db")); err != nil {
		return c, err
	}
	c.Path, c.Daemon, c.OK = "", true, len(c.Findings) == 0
	return c, nil
}

func printChecked(w io.Writer, p painter, c checked) error {
	var b strings.Builder
	what := c.Path
	if c.Daemon {
		what = "the running daemon's ledger"
	}
	if c.OK {
		fmt.Fprintf(&b, "%s  %s\n", p.paint(strong, display.Visible(what)), p.paint(good, "Nothing is wrong."))
		holds(&b, c.Report)
		if c.Free > c.Size/2 && c.Size > 10<<20 {
			say(&b, p, notice, fmt.Sprintf("%s of it are free: grantd ledger compact gives them back.", bytesText(c.Free)))
		}
	} else {
		fmt.Fprintf(&b, "%s  %s\n", p.paint(strong, display.Visible(what)), p.paint(bad, "It is damaged."))
		for _, f := range c.Findings {
			lines := wrap(display.Line(f, 500), width-4)
			for i, line := range lines {
				mark := "  - "
				if i > 0 {
					mark = "    "
				}
				fmt.Fprintln(&b, mark+line)
			}
		}
		b.WriteByte('\n')
		say(&b, p, plain, "Put a backup back with grantd ledger restore FILE, or set the file aside with grantd ledger rebuild: the next start makes a new ledger from the tenant.")
	}
	for _, n := range c.Notes {
		say(&b, p, notice, "Note: "+display.Line(n, 500))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// holds says what is in a ledger.
func holds(w io.Writer, r store.Report) {
	fmt.Fprintf(w, "%s, schema %d, %s, %s\n", bytesText(r.Size), r.Schema, count(r.Clients, "client"), entries(r.Journal))
	if r.Tenant != "" {
		fmt.Fprintf(w, "tenant %s, audience %s\n", display.Visible(r.Tenant), display.Visible(r.Audience))
	}
}

func entries(n int) string {
	if n == 1 {
		return "1 journal entry"
	}
	return fmt.Sprintf("%d journal entries", n)
}

// atMostOneFile takes a file or none.
func atMostOneFile(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("one file, not %d", len(args))
	}
	return nil
}
