package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
)

func (a *app) historyCommand() *cobra.Command {
	var limit int
	var after string
	cmd := &cobra.Command{
		Use:   "history [CLIENT_ID]",
		Short: "Show what grantd changed in Auth0, and why",
		Long: `Show the journal, newest first: every write that grantd made in Auth0 and every
change of what its scope sources say, with its cause. With CLIENT_ID only what
was changed of that client. --json has what was there before and after, and the
correlation id under which Auth0's own log has the call.

GRANTD_JOURNAL_MAX_DAYS and GRANTD_JOURNAL_MAX_MIB say how far back it goes. It
works through the daemon while one runs, else from the ledger's file.

Exit codes: 0 shown, also when there is nothing; 1 failed; 2 wrong usage.`,
		Example: `  grantd history
  grantd history tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd history --limit 0 --json`,
		Args:              oneClient,
		ValidArgsFunction: a.completeClient,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return misuse(cmd, fmt.Errorf("--limit %d: use 0 for all of them", limit))
			}
			if seq, err := strconv.ParseUint(after, 10, 64); cmd.Flags().Changed("after") && (err != nil || seq == 0) {
				return misuse(cmd, fmt.Errorf("--after %q: the number of an entry", cut(after, 40)))
			}
			return a.showHistory(cmd, first(args), limit, after)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N` entries; 0 is all of them")
	cmd.Flags().StringVar(&after, "after", "", "go on after this `ENTRY`, with those older than it")
	return cmd
}

func (a *app) showHistory(cmd *cobra.Command, id string, limit int, after string) error {
	ledger, err := a.openLedger(cmd.Context())
	if err != nil {
		return err
	}
	defer ledger.Close()
	list, err := readJournal(cmd.Context(), ledger, id, limit, after)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case a.json:
		return printJSON(out, list)
	case len(list.Entries) > 0:
		return printJournal(out, a.color(out), list, id)
	case after != "":
		_, err = fmt.Fprintln(out, "There is nothing older.")
	case id != "":
		_, err = fmt.Fprintf(out, "The journal has nothing of %s.\n", id)
	default:
		_, err = fmt.Fprintln(out, "grantd has changed nothing yet.")
	}
	return err
}

// readJournal reads up to limit entries, or all of them if it is 0.
func readJournal(ctx context.Context, ledger ledgerReader, id string, limit int, after string) (api.JournalList, error) {
	list := api.JournalList{Schema: 1, Entries: []api.JournalEntry{}, Next: after}
	for {
		n := pageSize
		if limit > 0 {
			n = min(n, limit-len(list.Entries))
		}
		page, err := ledger.Journal(ctx, id, n, list.Next)
		if err != nil {
			return list, err
		}
		list.Entries, list.Next = append(list.Entries, page.Entries...), page.Next
		if list.Next == "" || (limit > 0 && len(list.Entries) >= limit) {
			return list, nil
		}
	}
}

func printJournal(w io.Writer, p painter, list api.JournalList, id string) error {
	rows := [][]cell{{{"ENTRY", faint}, {"TIME", faint}, {"CLIENT", faint}, {"STEP", faint}, {"CAUSE", faint}, {"CHANGE", faint}}}
	for _, e := range list.Entries {
		rows = append(rows, []cell{
			{strconv.FormatUint(e.Seq, 10), strong}, {stamp(e.At.Time), plain}, {dash(printable(cut(e.ClientID, 128))), plain},
			{printable(cut(string(e.Step), 40)), plain}, {printable(cut(because(e.Cause), 300)), plain}, {changed(e), plain},
		})
	}
	if err := printTable(w, p, rows); err != nil {
		return err
	}
	if list.Next != "" {
		more := "grantd history"
		if id != "" {
			more += " " + id
		}
		fmt.Fprintf(w, "\nThese are the newest %d; older ones: %s --after %s\n", len(list.Entries), more, printable(list.Next))
	}
	return nil
}

// changed says in words what an entry changed.
func changed(e api.JournalEntry) string {
	said := describe(dcr.Change{Step: e.Step, Before: e.Before, After: e.After})
	if e.Reverts != 0 {
		said = fmt.Sprintf("reverts %d: %s", e.Reverts, said)
	}
	return said
}

// because says why a change was made.
func because(c api.Cause) string {
	said := string(c.Feed)
	if c.LogID != "" {
		said += " " + c.LogID
	}
	if c.Actor != nil {
		said += " by " + string(c.Actor.Kind) + " " + c.Actor.ID
	}
	return dash(said)
}

func (f fileReader) Journal(ctx context.Context, id string, limit int, after string) (api.JournalList, error) {
	page, next, err := f.Ledger.Journal(ctx, store.JournalQuery{ClientID: id, Limit: limit, After: after})
	return api.JournalListView(page, next), err
}

func (s socketReader) Journal(ctx context.Context, id string, limit int, after string) (list api.JournalList, err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if id != "" {
		q.Set("client_id", id)
	}
	if after != "" {
		q.Set("after", after)
	}
	return list, s.get(ctx, "/api/v1/journal?"+q.Encode(), &list)
}
