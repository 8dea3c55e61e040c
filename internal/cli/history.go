package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
)

func (a *app) historyCommand() *cobra.Command {
	var limit int
	var after, newer string
	var steps []string
	cmd := &cobra.Command{
		Use:   "history [CLIENT_ID]",
		Short: "Show what grantd changed in Auth0, and why",
		Long: `Show the journal, newest first: every write that grantd made in Auth0, every
change of what its scope sources say, and every client that was forgotten by
command, with its cause. With CLIENT_ID only what was changed of that client.
--json has what was there before and after, and the correlation id under which
Auth0's own log has the call.

GRANTD_JOURNAL_MAX_DAYS and GRANTD_JOURNAL_MAX_MIB say how far back it goes. It
works through the daemon while one runs, else from the ledger's file.

Exit codes: 0 shown, also when there is nothing; 1 failed; 2 wrong usage.`,
		Example: `  grantd history
  grantd history tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd history --step grant,revoke --newer-than 7d
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
			q := journalQuery{id: first(args), limit: limit, after: after, steps: steps}
			for _, s := range steps {
				if !slices.Contains(stepNames(), s) {
					return misuse(cmd, fmt.Errorf("--step %q: there are %s", cut(s, 40), strings.Join(stepNames(), ", ")))
				}
			}
			if newer != "" {
				age, err := parseLength("--newer-than", newer)
				if err != nil {
					return misuse(cmd, err)
				}
				q.from = time.Now().Add(-age)
			}
			return a.showHistory(cmd, q)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N` entries; 0 is all of them")
	cmd.Flags().StringSliceVar(&steps, "step", nil, "only entries of this `STEP`, or of one of several: "+strings.Join(stepNames(), ", "))
	cmd.Flags().StringVar(&newer, "newer-than", "", "only entries of the last `DURATION`, such as 24h or 7d")
	completeFlag(cmd, "step", stepNames())
	cmd.Flags().StringVar(&after, "after", "", "go on after this `ENTRY`, with those older than it")
	return cmd
}

// stepNames are the steps that the journal has entries of.
func stepNames() []string {
	return append(heldFields(), string(dcr.StepScopes), string(dcr.StepForget))
}

// journalQuery says which entries of the journal are wanted.
type journalQuery struct {
	id    string // of a client; empty: of all
	limit int    // 0: all
	after string
	steps []string  // empty: every one
	from  time.Time // zero: from the beginning
}

func (q journalQuery) all() bool { return len(q.steps) == 0 && q.from.IsZero() }

func (a *app) showHistory(cmd *cobra.Command, q journalQuery) error {
	ledger, err := a.openLedger(cmd.Context())
	if err != nil {
		return err
	}
	defer ledger.Close()
	list, err := readJournal(cmd.Context(), ledger, q)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case a.json:
		return printJSON(out, list)
	case len(list.Entries) > 0:
		return printJournal(out, a.color(out), list, q)
	case !q.all():
		_, err = fmt.Fprintln(out, "The journal has no such entry.")
	case q.after != "":
		_, err = fmt.Fprintln(out, "There is nothing older.")
	case q.id != "":
		_, err = fmt.Fprintf(out, "The journal has nothing of %s.\n", q.id)
	default:
		_, err = fmt.Fprintln(out, "grantd has changed nothing yet.")
	}
	return err
}

// readJournal reads up to as many entries as are wanted.
func readJournal(ctx context.Context, ledger ledgerReader, q journalQuery) (api.JournalList, error) {
	list := api.JournalList{Schema: 1, Entries: []api.JournalEntry{}, Next: q.after}
	for {
		n := pageSize
		if q.limit > 0 && q.all() {
			n = min(n, q.limit-len(list.Entries))
		}
		page, err := ledger.Journal(ctx, q.id, n, list.Next)
		if err != nil {
			return list, err
		}
		list.Next = page.Next
		for i, e := range page.Entries {
			if e.At.Before(q.from) { // and so are those that follow
				list.Next = ""
				return list, nil
			}
			if len(q.steps) > 0 && !slices.Contains(q.steps, string(e.Step)) {
				continue
			}
			list.Entries = append(list.Entries, e)
			if q.limit > 0 && len(list.Entries) >= q.limit {
				if i < len(page.Entries)-1 {
					list.Next = strconv.FormatUint(e.Seq, 10)
				}
				return list, nil
			}
		}
		if list.Next == "" {
			return list, nil
		}
	}
}

func printJournal(w io.Writer, p painter, list api.JournalList, q journalQuery) error {
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
		if q.id != "" {
			more += " " + q.id
		}
		if len(q.steps) > 0 {
			more += " --step " + strings.Join(q.steps, ",")
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
