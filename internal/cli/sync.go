package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	api "grantd/internal/http"
)

func (a *app) syncCommand() *cobra.Command {
	var adopt bool
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Compare the whole tenant with the configuration and put it right",
		Long: `Compare every third-party client of the tenant with the configuration and put
right what differs. The daemon does this by itself, on GRANTD_SWEEP_SCHEDULE
and whenever the configuration changes; sync does it now and waits for it.
While a daemon runs, it does it. Interrupted, what is left is done by the
daemon.

A client that had a grant for the API before grantd first looked keeps the
scopes it had. --adopt says that they are grantd's to take away.

Exit codes: 0 done, 3 done and something is left for a person to look at, 1
failed, 2 wrong usage or configuration.`,
		Example: "  grantd sync\n  grantd plan && grantd sync --adopt",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.sync(cmd, adopt) },
	}
	cmd.Flags().BoolVar(&adopt, "adopt", false, "also take away scopes of grants that were there before grantd")
	return cmd
}

func (a *app) sync(cmd *cobra.Command, adopt bool) error {
	commands, done, err := a.commands(cmd.Context(), cmd.ErrOrStderr(), false)
	if err != nil {
		return err
	}
	defer done()
	bar := a.progress(cmd.ErrOrStderr())
	s, err := commands.Sync(cmd.Context(), adopt, bar.show)
	bar.end()
	if err != nil {
		return err
	}
	if a.json {
		err = printJSON(cmd.OutOrStdout(), s)
	} else {
		err = printSynced(cmd.OutOrStdout(), a.color(cmd.OutOrStdout()), s)
	}
	if err == nil && (s.Pending > 0 || s.Stuck > 0) {
		return errFound
	}
	return err
}

func printSynced(w io.Writer, p painter, s api.Synced) error {
	fmt.Fprintf(w, "%s in %s: %s.\n", count(s.Listed, "third-party client"), duration(time.Duration(s.TookMS)*time.Millisecond), tally(s.Sweep))
	if s.Adopted > 0 {
		fmt.Fprintf(w, "Adopted: %s.\n", count(s.Adopted, "client"))
	}
	switch {
	case s.Stuck > 0:
		fmt.Fprintf(w, "%s\n", p.paint(bad, count(s.Stuck, "client")+" blocked: grantd clients list --phase blocked"))
	case s.Pending > 0:
		fmt.Fprintf(w, "%s\n", p.paint(notice, count(s.Pending, "client")+" not done yet: grantd clients list --phase pending says why; the daemon tries again"))
	case s.NotAdopted > 0:
		fmt.Fprintln(w, "grantd plan shows what --adopt would take away.")
	default:
		fmt.Fprintln(w, p.paint(good, "Everything is as desired."))
	}
	return nil
}
