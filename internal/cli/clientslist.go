package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
)

// pageSize is how many clients are asked for at once.
const pageSize = 500

// listed is what a list keeps of a client: little, for there may be very many.
type listed struct {
	id, name string
	phase    dcr.Phase
	reason   dcr.Reason // or the last error, where there is none
	readyIn  string

	since, ready, checked, used time.Time

	full json.RawMessage // for --json alone
}

// listing keeps of a client what the output needs.
func listing(c api.Client, asJSON bool) (l listed, err error) {
	l = listed{
		id: c.ClientID, name: c.Name, phase: c.Phase, reason: c.Reason, readyIn: readyIn(c),
		since: since(c), ready: c.ReadyAt.Time, checked: c.LastCheckedAt.Time, used: c.LastUsedAt.Time,
	}
	if l.reason == "" {
		l.reason = c.LastError
	}
	if asJSON {
		l.full, err = json.Marshal(c)
	}
	return l, err
}

// sink takes a list, one client after another.
type sink interface {
	add(l listed) error
	// end is told where the list goes on, and whether it does.
	end(next string, more bool) error
}

func (a *app) listClients(cmd *cobra.Command, s selection) error {
	ledger, err := a.openLedger(cmd.Context())
	if err != nil {
		return err
	}
	defer ledger.Close()
	out := cmd.OutOrStdout()
	if a.json {
		return collect(cmd.Context(), ledger, &s, true, newJSONSink(out))
	}
	return collect(cmd.Context(), ledger, &s, false, &textSink{w: out, p: a.color(out), s: &s})
}

// collect gives what is selected to the sink. Pages are passed on as they come,
// unless the list is sorted.
func collect(ctx context.Context, ledger ledgerReader, s *selection, asJSON bool, to sink) error {
	if s.sorted {
		return collectSorted(ctx, ledger, s, asJSON, to)
	}
	n, last, more := 0, "", false
	err := eachClient(ctx, ledger, s, func(c api.Client) (bool, error) {
		if s.limit > 0 && n == s.limit {
			more = true
			return false, nil
		}
		l, err := listing(c, asJSON)
		if err == nil {
			n, last, err = n+1, c.ClientID, to.add(l)
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	if !more {
		last = ""
	}
	return to.end(last, more)
}

// sortSlack is how many clients beyond the limit are kept before those are
// dropped that will not be shown.
const sortSlack = 1000

func collectSorted(ctx context.Context, ledger ledgerReader, s *selection, asJSON bool, to sink) error {
	var kept []listed
	more := false
	shorten := func(slack int) {
		if s.limit > 0 && len(kept) > s.limit+slack {
			slices.SortFunc(kept, s.less)
			kept, more = slices.Delete(kept, s.limit, len(kept)), true
		}
	}
	err := eachClient(ctx, ledger, s, func(c api.Client) (bool, error) {
		l, err := listing(c, asJSON)
		kept = append(kept, l)
		shorten(sortSlack)
		return true, err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(kept, s.less)
	shorten(0)
	for _, l := range kept {
		if err := to.add(l); err != nil {
			return err
		}
	}
	return to.end("", more)
}

// eachClient reads clients, page by page, and passes on what is selected, until
// there are no more or visit has enough.
func eachClient(ctx context.Context, ledger ledgerReader, s *selection, visit func(api.Client) (more bool, err error)) error {
	size := pageSize
	if s.limit > 0 && s.all() && !s.sorted {
		size = min(size, s.limit+1) // one more tells whether there are more
	}
	for after := s.after; ; {
		page, err := ledger.Clients(ctx, s.phase(), size, after)
		if err != nil {
			return err
		}
		for _, c := range page.Clients {
			if !s.match(c) {
				continue
			}
			if more, err := visit(c); err != nil || !more {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// jsonSink prints a ClientList.
type jsonSink struct{ jsonList }

func newJSONSink(w io.Writer) *jsonSink { return &jsonSink{jsonList{w: w, name: "clients"}} }

func (j *jsonSink) add(l listed) error { return j.item(l.full) }

func (j *jsonSink) end(next string, _ bool) error { return j.close(next) }

// textSink prints a table, in parts that become wider if need be.
type textSink struct {
	w       io.Writer
	p       painter
	s       *selection
	rows    [][]cell
	widths  []int
	n       int
	blocked bool
}

func (t *textSink) add(l listed) error {
	if t.n == 0 {
		t.rows = append(t.rows, []cell{
			{"CLIENT", faint}, {"PHASE", faint}, {"REASON", faint}, {"READY IN", faint}, {"CHECKED", faint}, {"LAST USED", faint}, {"NAME", faint},
		})
	}
	t.n++
	t.blocked = t.blocked || l.phase == dcr.Blocked
	t.rows = append(t.rows, []cell{
		{display.Visible(l.id), plain}, {string(l.phase), phaseStyle(l.phase)}, {dash(display.Line(string(l.reason), 60)), plain},
		{dash(l.readyIn), plain}, {ago(l.checked, t.s.now), plain}, {ago(l.used, t.s.now), plain}, {display.Line(l.name, 40), plain},
	})
	if len(t.rows) < pageSize {
		return nil
	}
	return t.flush()
}

func (t *textSink) flush() (err error) {
	t.widths, err = printRows(t.w, t.p, t.rows, t.widths)
	t.rows = t.rows[:0]
	return err
}

func (t *textSink) end(_ string, more bool) error {
	if t.n == 0 {
		_, err := fmt.Fprintln(t.w, t.s.nothing())
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	if t.blocked {
		fmt.Fprintln(t.w, "\nBlocked clients need you: grantd clients show CLIENT_ID says what to do.")
	}
	if more {
		fmt.Fprintf(t.w, "\nThese are the first %d; --limit 0 lists all.\n", t.n)
	}
	return nil
}

// nothing says that nothing was selected.
func (s *selection) nothing() string {
	switch {
	case !s.all():
		return "No client is so."
	case s.phase() != "":
		return "No client is " + string(s.phase()) + "."
	default:
		return "No clients yet. One appears when somebody adds your MCP server, to ChatGPT say."
	}
}

// ago is how long ago something was, a dash if it never was.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return distance(t, now)
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
