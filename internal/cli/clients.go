package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	api "grantd/internal/http"
)

func (a *app) clientsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "Show what the ledger knows of clients",
		Long: `Show what the ledger knows of clients: through the daemon while one runs, else
from its file. Nothing is asked of Auth0.

  ready     a user can log in through it
  pending   work is due, or is tried again by itself
  blocked   a person must act; "grantd clients show" says how
  refused   not on the allow-list, or not to be touched at all
  gone      deleted in Auth0`,
		Example: "  grantd clients list\n  grantd clients show tpc_8SXWY6j3afl2CP5ntwEOpM",
		RunE:    help,
	}
	cmd.AddCommand(a.clientsListCommand(), a.clientsShowCommand())
	return cmd
}

// pageSize is how many clients are asked for at once.
const pageSize = 500

func (a *app) clientsListCommand() *cobra.Command {
	var phase string
	var limit int
	phases := make([]string, len(dcr.Phases()))
	for i, p := range dcr.Phases() {
		phases[i] = string(p)
	}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List clients and where they stand",
		Example: "  grantd clients list\n  grantd clients list --phase blocked\n  grantd clients list --limit 0 --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if phase != "" && !slices.Contains(phases, phase) {
				return misuse(cmd, fmt.Errorf("--phase %q: there are %s", cut(phase, 40), strings.Join(phases, ", ")))
			}
			if limit < 0 {
				return misuse(cmd, fmt.Errorf("--limit %d: use 0 for all of them", limit))
			}
			return a.listClients(cmd, dcr.Phase(phase), limit)
		},
	}
	cmd.Flags().StringVar(&phase, "phase", "", "only clients in this `PHASE`: "+strings.Join(phases, ", "))
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N` clients; 0 is all of them")
	// It fails only for a flag that is not defined.
	_ = cmd.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions(phases, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) listClients(cmd *cobra.Command, phase dcr.Phase, limit int) error {
	ledger, err := a.openLedger(cmd.Context())
	if err != nil {
		return err
	}
	defer ledger.Close()
	list, err := readClients(cmd.Context(), ledger, phase, limit)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if a.json {
		return printJSON(out, list)
	}
	if len(list.Clients) == 0 && phase != "" {
		_, err := fmt.Fprintf(out, "No client is %s.\n", phase)
		return err
	}
	return printClients(out, a.color(out), list, time.Now())
}

// readClients reads up to limit clients, or all of them if it is 0.
func readClients(ctx context.Context, ledger ledgerReader, phase dcr.Phase, limit int) (api.ClientList, error) {
	list := api.ClientList{Schema: 1, Clients: []api.Client{}}
	for {
		n := pageSize
		if limit > 0 {
			n = min(n, limit-len(list.Clients))
		}
		page, err := ledger.Clients(ctx, phase, n, list.Next)
		if err != nil {
			return list, err
		}
		list.Clients, list.Next = append(list.Clients, page.Clients...), page.Next
		if list.Next == "" || (limit > 0 && len(list.Clients) >= limit) {
			return list, nil
		}
	}
}

func printClients(w io.Writer, p painter, list api.ClientList, now time.Time) error {
	if len(list.Clients) == 0 {
		_, err := fmt.Fprintln(w, "No clients yet. One appears when somebody adds your MCP server, to ChatGPT say.")
		return err
	}
	rows := [][]cell{{{"CLIENT", faint}, {"PHASE", faint}, {"REASON", faint}, {"READY IN", faint}, {"CHECKED", faint}, {"NAME", faint}}}
	blocked := false
	for _, c := range list.Clients {
		blocked = blocked || c.Phase == dcr.Blocked
		reason := c.Reason
		if reason == "" {
			reason = c.LastError
		}
		checked := "-"
		if !c.LastCheckedAt.IsZero() {
			checked = distance(c.LastCheckedAt.Time, now)
		}
		rows = append(rows, []cell{
			{printable(c.ClientID), plain}, {string(c.Phase), phaseStyle(c.Phase)}, {dash(string(reason)), plain},
			{dash(readyIn(c)), plain}, {checked, plain}, {printable(cut(c.Name, 40)), plain},
		})
	}
	if err := printTable(w, p, rows); err != nil {
		return err
	}
	if blocked {
		fmt.Fprintln(w, "\nBlocked clients need you: grantd clients show CLIENT says what to do.")
	}
	if list.Next != "" {
		fmt.Fprintf(w, "\nThese are the first %d; --limit 0 lists all.\n", len(list.Clients))
	}
	return nil
}

func phaseStyle(p dcr.Phase) style {
	switch p {
	case dcr.Ready:
		return good
	case dcr.Blocked:
		return bad
	case dcr.Pending:
		return notice
	default:
		return faint
	}
}

// readyIn is how long it took the client to become ready, empty if it never
// did.
func readyIn(c api.Client) string {
	if c.TimeToReadyMS == nil {
		return ""
	}
	return duration(time.Duration(*c.TimeToReadyMS) * time.Millisecond)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
