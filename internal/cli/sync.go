package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
)

func (a *app) syncCommand() *cobra.Command {
	var adopt bool
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Compare the whole tenant with the configuration and put it right",
		Long: `Compare every third-party client of the tenant with the configuration and put
right what differs. A daemon does this by itself, on GRANTD_SWEEP_SCHEDULE and
whenever the configuration changes; sync does it now, and waits for it. Clients
that failed or are blocked are tried again as well. While a daemon runs, the
daemon does it, and goes on with it when sync is interrupted.

A client that had a grant for the API before grantd first looked keeps the
scopes it had. --adopt makes those grants grantd's own, to be brought to the
desired scopes; "grantd plan" shows what that takes away.

Exit codes: 0 everything is as desired, 1 failed, 2 wrong usage or
configuration, 3 done, and some clients are not as desired: a person must act,
they failed and are tried again, or it is a dry run.`,
		Example: "  grantd sync\n  grantd sync --adopt --json | jq .left",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.sync(cmd, adopt) },
	}
	cmd.Flags().BoolVar(&adopt, "adopt", false, "take undesired scopes also from grants that were there before")
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
	if err == nil && len(s.Left) > 0 {
		return errFound
	}
	return err
}

func printSynced(w io.Writer, p painter, s api.Synced) error {
	var b strings.Builder
	printGroups(&b, p, "", leftGroups(s.Left))
	fmt.Fprintf(&b, "%s; %d worked on, in %s\n", compared(s.Sweep), s.Due+s.Unlisted, milliseconds(s.TookMS))
	var now []number
	for _, phase := range []dcr.Phase{dcr.Ready, dcr.Pending, dcr.Blocked, dcr.Refused, dcr.Gone} {
		now = append(now, number{s.Clients[phase], string(phase), phaseStyle(phase)})
	}
	tally(&b, p, now)
	capped(&b, s.Sweep)
	b.WriteByte('\n')
	if s.Adopted > 0 {
		say(&b, p, plain, count(s.Adopted, "client")+" from before grantd: kept like all others from now on.")
	}
	if s.NotAdopted > 0 {
		say(&b, p, notice, count(s.NotAdopted, "grant")+" from before grantd with more than the desired scopes: grantd plan shows what --adopt would take away.")
	}
	switch {
	case s.Clients[dcr.Blocked] > 0:
		say(&b, p, bad, "Not all is as desired: blocked clients need you; see above.")
	case s.Pending > 0:
		say(&b, p, notice, "Not all is as desired: a daemon tries what failed again, and so does the next sync.")
	case len(s.Left) > 0:
		say(&b, p, notice, "Not all is as desired; see above.")
	default:
		say(&b, p, good, "All is as desired.")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// leftGroups shows what a sync could not bring to the desired state.
func leftGroups(left []api.Left) []group {
	out := make([]group, len(left))
	for i, l := range left {
		out[i] = group{
			title: string(l.Phase) + ": " + string(l.Reason), noun: "client", style: phaseStyle(l.Phase),
			lines: explained(l.Reason, l.Message), n: l.Clients, more: "grantd clients list --phase " + string(l.Phase),
		}
		for _, id := range l.ClientIDs {
			out[i].rows = append(out[i].rows, []cell{{display.Visible(id), plain}})
		}
	}
	return out
}
