package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	api "grantd/internal/http"
)

func (a *app) clientsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "Show what the ledger knows of clients",
		Long: `Show what the ledger knows of clients: through the daemon while one runs, else
from its file.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.clientsListCommand(), a.clientsShowCommand())
	return cmd
}

// pageSize is how many clients are asked for at once.
const pageSize = 500

func (a *app) clientsListCommand() *cobra.Command {
	var phase string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List clients and where they stand",
		Example: "  grantd clients list\n  grantd clients list --phase blocked\n  grantd clients list --limit 0 --json",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if phase != "" && !slices.Contains(dcr.Phases(), dcr.Phase(phase)) {
				return usageError{fmt.Errorf("--phase %q: there are ready, pending, blocked, refused and gone", phase)}
			}
			if limit < 0 {
				return usageError{fmt.Errorf("--limit %d: 0 is all of them", limit)}
			}
			return a.listClients(cmd, dcr.Phase(phase), limit)
		},
	}
	cmd.Flags().StringVar(&phase, "phase", "", "only clients in this phase: ready, pending, blocked, refused, gone")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many; 0 is all of them")
	return cmd
}

func (a *app) listClients(cmd *cobra.Command, phase dcr.Phase, limit int) error {
	ledger, err := a.openLedger(cmd.Context())
	if err != nil {
		return err
	}
	defer ledger.Close()
	list := api.ClientList{Schema: 1, Clients: []api.Client{}}
	for {
		n := pageSize
		if limit > 0 {
			n = min(n, limit-len(list.Clients))
		}
		page, err := ledger.Clients(cmd.Context(), phase, n, list.Next)
		if err != nil {
			return err
		}
		list.Clients, list.Next = append(list.Clients, page.Clients...), page.Next
		if list.Next == "" || (limit > 0 && len(list.Clients) >= limit) {
			break
		}
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), list)
	}
	return printClients(cmd.OutOrStdout(), list)
}

func printClients(w io.Writer, list api.ClientList) error {
	if len(list.Clients) == 0 {
		_, err := fmt.Fprintln(w, "No clients yet.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tNAME\tPHASE\tREASON\tREADY IN\tCHECKED")
	for _, c := range list.Clients {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", c.ClientID, cut(printable(c.Name), 24), c.Phase, dash(string(c.Reason)), readyIn(c), ago(c.LastCheckedAt))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if list.Next != "" {
		fmt.Fprintln(w, "There are more: --limit 0 lists all.")
	}
	return nil
}

func (a *app) clientsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show CLIENT_ID",
		Short:   "Show one client: what it has, what it lacks, and why",
		Example: "  grantd clients show tpc_8SXWY6j3afl2CP5ntwEOpM\n  grantd clients show tpc_8SXWY6j3afl2CP5ntwEOpM --json",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, argv []string) error {
			if !dcr.ValidClientID(argv[0]) {
				return usageError{fmt.Errorf("%q cannot be a client id", cut(argv[0], 40))}
			}
			ledger, err := a.openLedger(cmd.Context())
			if err != nil {
				return err
			}
			defer ledger.Close()
			c, err := ledger.Client(cmd.Context(), argv[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), c)
			}
			return printClient(cmd.OutOrStdout(), c)
		},
	}
}

func printClient(w io.Writer, c api.Client) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("client", c.ClientID)
	row("name", printable(c.Name))
	row("phase", strings.TrimSuffix(string(c.Phase)+": "+string(c.Reason), ": "))
	row("", printable(c.Message))
	row("registered", strings.TrimSpace(at(c.RegisteredAt)+" by "+string(c.Registration)))
	row("first seen", at(c.FirstSeenAt)+" by "+string(c.FirstSeenFeed))
	row("security mode", string(c.SecurityMode))
	for _, u := range c.Callbacks {
		row("callback", printable(u))
	}
	row("ready", at(c.ReadyAt))
	row("ready in", readyIn(c))
	row("checked", at(c.LastCheckedAt))
	row("next attempt", at(c.NextAttemptAt))
	row("last error", string(c.LastError))
	for _, k := range []struct {
		name string
		c    api.Condition
	}{{"promoted", c.Conditions.Promoted}, {"connected", c.Conditions.Connected}, {"granted", c.Conditions.Granted}} {
		row(k.name, condition(k.c))
	}
	for _, p := range c.Plan {
		row("would", fmt.Sprintf("%s: %v → %v", p.Step, p.Before, p.After))
	}
	return t.Flush()
}

func condition(c api.Condition) string {
	s := "no"
	if c.Status {
		s = "yes"
	}
	if c.Reason != "" {
		s += ", " + string(c.Reason)
	}
	if c.Message != "" {
		s += ": " + printable(c.Message)
	}
	return s
}

// printable shows text from outside so that it cannot play tricks on a
// terminal: control characters and the like become visible escapes.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func readyIn(c api.Client) string {
	if c.TimeToReadyMS == nil {
		return "-"
	}
	return (time.Duration(*c.TimeToReadyMS) * time.Millisecond).String()
}

func at(t dcr.Timestamp) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.RFC3339)
}

func ago(t dcr.Timestamp) string {
	if t.IsZero() {
		return "-"
	}
	return time.Since(t.Time).Round(time.Second).String() + " ago"
}
