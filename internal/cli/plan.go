package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
	"grantd/internal/reconcile"
)

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what would be changed in Auth0 now",
		Long: `Compare every third-party client of the tenant with the configuration and show
what would be changed. Nothing is written, neither in Auth0 nor in the ledger.
It lists the tenant in pages of 100, so it costs a few Management API calls,
however many clients there are. While a daemon runs, the daemon does it.

It also shows what "grantd sync --adopt" would take away, and grants of
grantd's own that nothing asks for any more, since grantd deletes none: those
for another audience, and those of clients that are refused by now.

Exit codes: 0 nothing to change, 1 failed, 2 wrong usage or configuration, 3
something to change.`,
		Example: "  grantd plan --env-file /etc/grantd/grantd.env\n  grantd plan --json | jq '.clients[].changes'",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.plan(cmd) },
	}
}

func (a *app) plan(cmd *cobra.Command) error {
	commands, done, err := a.commands(cmd.Context(), cmd.ErrOrStderr(), true)
	if err != nil {
		return err
	}
	defer done()
	bar := a.progress(cmd.ErrOrStderr())
	p, err := commands.Plan(cmd.Context(), bar.show)
	bar.end()
	if err != nil {
		return err
	}
	if a.json {
		err = printJSON(cmd.OutOrStdout(), p)
	} else {
		err = printPlan(cmd.OutOrStdout(), a.color(cmd.OutOrStdout()), p)
	}
	if err == nil && p.Drift() {
		return errFound
	}
	return err
}

func printPlan(w io.Writer, p painter, plan api.Plan) error {
	var b strings.Builder
	printGroups(&b, p, "clients to change", toChange(plan.Clients))
	printGroups(&b, p, "", remarks(plan.Clients))
	printGroups(&b, p, "", leftBehind(plan.LeftBehind))
	fmt.Fprintf(&b, "%s, compared in %s\n", compared(plan.Sweep), milliseconds(plan.TookMS))
	tally(&b, p, []number{
		{plan.InSync, "as desired", good}, {plan.Due, "to change", notice}, {plan.Blocked, "blocked", bad},
		{plan.Waiting, "waiting", notice}, {plan.Refused, "refused", faint},
	})
	capped(&b, plan.Sweep)
	b.WriteByte('\n')
	switch {
	case plan.Drift() && plan.DryRun:
		say(&b, p, notice, "GRANTD_DRY_RUN is on, so nothing of this will be written.")
	case plan.Drift():
		say(&b, p, notice, "grantd sync makes these changes; so does the daemon at its next sweep.")
	case plan.Blocked > 0:
		say(&b, p, notice, "Nothing that grantd could change. Blocked clients need you; see above.")
	case plan.NotAdopted > 0:
		say(&b, p, notice, "Nothing to change. grantd sync --adopt takes away what was there before.")
	case plan.Waiting > 0:
		say(&b, p, notice, "Nothing that grantd could change yet; see above.")
	default:
		say(&b, p, good, "Nothing to change.")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// toChange groups clients by what would be changed.
func toChange(clients []reconcile.Planned) []group {
	var g groups
	for _, c := range clients {
		if len(c.Changes) == 0 {
			continue
		}
		var lines []string
		for _, ch := range c.Changes {
			lines = append(lines, wrapped(fmt.Sprintf("%-9s", ch.Step), describe(ch))...)
		}
		g.add(group{lines: lines}, clientRow(c))
	}
	return g.largestFirst()
}

// remarks groups clients by what is to be said of them.
func remarks(clients []reconcile.Planned) []group {
	var g groups
	for _, c := range clients {
		for _, r := range c.Remarks {
			g.add(group{title: string(r.Reason), noun: "client", style: reasonStyle(r.Reason), lines: explained(r.Reason, r.Message)}, clientRow(c))
		}
	}
	return g.largestFirst()
}

// explained is what there is to read about a reason, for a group.
func explained(r dcr.Reason, message string) []string {
	var lines []string
	for _, text := range explain(r, message) {
		lines = append(lines, wrapped("", text)...)
	}
	return lines
}

// reasonStyle tells what keeps a client from working from what is worth knowing.
func reasonStyle(r dcr.Reason) style {
	if strings.HasPrefix(r.Info().Where, "phase blocked") {
		return bad
	}
	return notice
}

func clientRow(c reconcile.Planned) []cell {
	row := []cell{{display.Visible(c.ClientID), plain}, {display.Line(c.Name, 40), plain}}
	if c.New {
		row = append(row, cell{"new", faint})
	}
	return row
}

// leftBehind groups grants by why nothing asks for them.
func leftBehind(grants []reconcile.LeftBehind) []group {
	var g groups
	for _, l := range grants {
		about := "grantd made it for " + l.Audience + ". " + l.Reason.Info().Fix.String()
		if l.Reason != dcr.OtherAudience {
			about = "grantd made it before its client was refused. Delete it under Applications → the application → APIs if the client shall not reach the API; grantd deletes nothing by itself."
		}
		g.add(group{title: "left behind, " + string(l.Reason), noun: "grant", style: notice, lines: wrapped("", about)},
			[]cell{{display.Visible(l.ClientID), plain}, {display.Visible(l.GrantID), plain}, {display.Line(strings.Join(l.Scopes, " "), 200), plain}})
	}
	return g.largestFirst()
}

// compared says how many clients there are.
func compared(s reconcile.Sweep) string {
	head := count(s.Listed, "third-party client")
	if s.New > 0 {
		head += fmt.Sprintf(", %d of them new", s.New)
	}
	return head
}

// capped says what a list that ends at 1,000 clients means.
func capped(w io.Writer, s reconcile.Sweep) {
	if s.Capped {
		fmt.Fprintln(w, "Auth0 lists the first 1,000 only; a daemon reads the others, some every day.")
	}
}

// number is how many there are of something.
type number struct {
	n     int
	what  string
	style style
}

// tally prints the numbers that are not zero, aligned.
func tally(w io.Writer, p painter, numbers []number) {
	numbers = slices.DeleteFunc(numbers, func(n number) bool { return n.n == 0 })
	digits := 0
	for _, n := range numbers {
		digits = max(digits, len(fmt.Sprint(n.n)))
	}
	for _, n := range numbers {
		fmt.Fprintf(w, "  %*d %s\n", digits, n.n, p.paint(n.style, n.what))
	}
}

func say(w io.Writer, p painter, s style, text string) {
	for _, line := range wrap(text, width) {
		fmt.Fprintln(w, p.paint(s, line))
	}
}

func milliseconds(ms int64) string { return duration(time.Duration(ms) * time.Millisecond) }

// count says how many there are of something whose plural takes an s.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
