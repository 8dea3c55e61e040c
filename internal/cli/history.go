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
	"grantd/internal/display"
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
				return misuse(cmd, fmt.Errorf("--after %q: the number of an entry", display.Cut(after, 40)))
			}
			q := journalQuery{id: first(args), limit: limit, after: after, steps: steps}
			for _, s := range steps {
				if !slices.Contains(stepNames(), s) {
					return misuse(cmd, fmt.Errorf("--step %q: there are %s", display.Cut(s, 40), strings.Join(stepNames(), ", ")))
				}
			}
			if newer != "" {
				age, err := parseLength("--newer-than", newer)
				if err != nil {
					return misuse(cmd, err)
				}
				q.from, q.newer = time.Now().Add(-age), newer
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
	newer string    // from, as it was asked for
}

func (q journalQuery) all() bool { return len(q.steps) == 0 && q.from.IsZero() }

func (a *app) showHistory(cmd *cobra.Command, q journalQuery) error {
	ledger, err := a.openLedger(cmd.Context())
	if err != nil {
		return err
	}
	defer ledger.Close()
	out := cmd.OutOrStdout()
	if a.json {
		return readJournal(cmd.Context(), ledger, q, &journalJSON{jsonList{w: out, name: "entries"}})
	}
	return readJournal(cmd.Context(), ledger, q, &journalText{w: out, p: a.color(out), q: q})
}

// journalSink takes entries of the journal, one after another: there may be
// very many.
type journalSink interface {
	add(e api.JournalEntry) error
	// end is told where the journal goes on; empty: nowhere.
	end(next string) error
}

// readJournal gives up to as many entries as are wanted to the sink, as they
// come.
func readJournal(ctx context.Context, ledger ledgerReader, q journalQuery, to journalSink) error {
	for read, next := 0, q.after; ; {
		n := pageSize
		if q.limit > 0 && q.all() {
			n = min(n, q.limit-read)
		}
		page, err := ledger.Journal(ctx, q.id, n, next)
		if err != nil {
			return err
		}
		next = page.Next
		for i, e := range page.Entries {
			if e.At.Before(q.from) { // and so are those that follow
				return to.end("")
			}
			if len(q.steps) > 0 && !slices.Contains(q.steps, string(e.Step)) {
				continue
			}
			if err := to.add(e); err != nil {
				return err
			}
			if read++; q.limit > 0 && read >= q.limit {
				if i < len(page.Entries)-1 {
					next = strconv.FormatUint(e.Seq, 10)
				}
				return to.end(next)
			}
		}
		if next == "" {
			return to.end("")
		}
	}
}

// journalJSON prints a JournalList.
type journalJSON struct{ jsonList }

func (j *journalJSON) add(e api.JournalEntry) error { return j.item(e) }
func (j *journalJSON) end(next string) error        { return j.close(next) }

// journalText prints a table, in parts that become wider if need be.
type journalText struct {
	w      io.Writer
	p      painter
	q      journalQuery
	rows   [][]cell
	widths []int
	n      int
}

func (t *journalText) add(e api.JournalEntry) error {
	if t.n == 0 {
		t.rows = append(t.rows, []cell{{"ENTRY", faint}, {"TIME", faint}, {"CLIENT", faint}, {"STEP", faint}, {"CAUSE", faint}, {"CHANGE", faint}})
	}
	t.n++
	t.rows = append(t.rows, []cell{
		{strconv.FormatUint(e.Seq, 10), strong}, {stamp(e.At.Time), plain}, {dash(display.Line(e.ClientID, 128)), plain},
		{display.Line(string(e.Step), 40), plain}, {display.Line(because(e.Cause), 300), plain}, {changed(e), plain},
	})
	if len(t.rows) < pageSize {
		return nil
	}
	return t.flush()
}

func (t *journalText) flush() (err error) {
	t.widths, err = printRows(t.w, t.p, t.rows, t.widths)
	t.rows = t.rows[:0]
	return err
}

func (t *journalText) end(next string) error {
	if t.n == 0 {
		_, err := fmt.Fprintln(t.w, t.q.nothing())
		return err
	}
	err := t.flush()
	if err == nil && next != "" {
		_, err = fmt.Fprintf(t.w, "\nThese are the newest %d; older ones: %s\n", t.n, t.q.command(display.Visible(next)))
	}
	return err
}

// nothing says that there is no such entry.
func (q journalQuery) nothing() string {
	switch {
	case !q.all():
		return "The journal has no such entry."
	case q.after != "":
		return "There is nothing older."
	case q.id != "":
		return "The journal has nothing of " + q.id + "."
	default:
		return "grantd has changed nothing yet."
	}
}

// command asks for the same entries after one of them.
func (q journalQuery) command(after string) string {
	c := "grantd history"
	if len(q.steps) > 0 {
		c += " --step " + strings.Join(q.steps, ",")
	}
	if q.newer != "" {
		c += " --newer-than " + q.newer
	}
	c += " --after " + after
	if q.id != "" {
		c += " " + dcr.Argument(q.id)
	}
	return c
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
