package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
)

func (a *app) clientsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show CLIENT_ID",
		Short: "Show one client: what it has, what it lacks, and what to do",
		Long: `Show one client by its client id: what it has of the three things it needs to
log in, what it lacks and what to do about it, and its times. "grantd explain"
also asks Auth0, and tells of failed logins.

Exit codes: 0 shown, whatever its phase; 1 failed, or no such client; 2 wrong
usage.`,
		Example: "  grantd clients show tpc_8SXWY6j3afl2CP5ntwEOpM\n  grantd clients show tpc_8SXWY6j3afl2CP5ntwEOpM --json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errWhichClient
			}
			return oneClient(cmd, args)
		},
		ValidArgsFunction: a.completeClient,
		RunE: func(cmd *cobra.Command, args []string) error {
			ledger, err := a.openLedger(cmd.Context())
			if err != nil {
				return err
			}
			defer ledger.Close()
			c, err := ledger.Client(cmd.Context(), args[0])
			if errors.Is(err, errNoClient) {
				return fmt.Errorf("%w: %s; grantd clients list has those it knows", err, args[0])
			}
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if a.json {
				return printJSON(out, c)
			}
			return printClient(out, a.color(out), c, time.Now())
		},
	}
}

// sheet is a client as a person reads it.
type sheet struct {
	painter
	out io.Writer
	now time.Time
}

func printClient(w io.Writer, p painter, c api.Client, now time.Time) error {
	var b strings.Builder
	s := sheet{p, &b, now}
	s.head(c)
	s.conditions(c)
	s.history(c)
	for _, step := range c.Plan {
		s.would(step)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// head says who it is, where it stands, why, and what to do.
func (s sheet) head(c api.Client) {
	fmt.Fprintln(s.out, strings.TrimSpace(s.paint(strong, display.Visible(c.ClientID))+"  "+display.Line(c.Name, 60)))
	stands := string(c.Phase)
	if c.Reason != "" {
		stands += ": " + string(c.Reason)
	}
	fmt.Fprintln(s.out, s.paint(phaseStyle(c.Phase), stands))
	for _, text := range explain(c.Reason, c.Message) {
		s.words("  ", text)
	}
	fmt.Fprintln(s.out)
}

// explain is what there is to read about a reason: its message, which says what
// to do as well, or what the reason means where there is none, and what to do.
func explain(r dcr.Reason, message string) []string {
	if message != "" {
		return []string{message}
	}
	info := r.Info()
	return slices.DeleteFunc([]string{info.Meaning.String(), info.Fix.String()}, func(s string) bool { return s == "" })
}

// conditions are the three things it needs, once they were looked at.
func (s sheet) conditions(c api.Client) {
	if c.Conditions == (api.Conditions{}) {
		return
	}
	for _, k := range []struct {
		name string
		api.Condition
	}{{"promoted", c.Conditions.Promoted}, {"connected", c.Conditions.Connected}, {"granted", c.Conditions.Granted}} {
		answer, look := "no", bad
		if k.Status {
			answer, look = "yes", good
		}
		if k.Reason != "" {
			answer += ", " + string(k.Reason)
		}
		if !k.Since.IsZero() {
			answer += ", for " + duration(max(0, s.now.Sub(k.Since.Time)))
		}
		s.row(k.name, look, answer)
		if k.Message != c.Message { // else it was said above
			s.words(strings.Repeat(" ", labelWidth), k.Message)
		}
	}
	fmt.Fprintln(s.out)
}

func (s sheet) history(c api.Client) {
	kind := string(c.Registration)
	if c.SecurityMode != "" {
		kind += ", " + string(c.SecurityMode)
	}
	s.row("kind", plain, kind)
	for _, u := range c.Callbacks {
		s.row("callback", plain, display.Line(u, 200))
	}
	s.when("registered", c.RegisteredAt, "")
	s.when("first seen", c.FirstSeenAt, "by "+string(c.FirstSeenFeed))
	took := readyIn(c)
	if took != "" {
		took = "after " + took
	}
	s.when("first ready", c.ReadyAt, took)
	s.when("checked", c.LastCheckedAt, "")
	s.when("last used", c.LastUsedAt, "")
	attempt := ""
	if c.Attempts > 0 && c.Reason != dcr.Held { // to be held is no failure
		attempt = fmt.Sprintf("after %d failures in a row", c.Attempts)
		if c.Attempts == 1 {
			attempt = "after a failure"
		}
	}
	s.when("next attempt", c.NextAttemptAt, attempt)
	s.row("last error", bad, string(c.LastError))
	if fix := c.LastError.Info().Fix; fix != "" && c.LastError != c.Reason {
		s.words(strings.Repeat(" ", labelWidth), fix.String())
	}
}

// labelWidth is the column where values begin.
const labelWidth = 14

func (s sheet) row(label string, look style, value string) {
	if value != "" {
		fmt.Fprintf(s.out, "%-*s%s\n", labelWidth, label, s.paint(look, value))
	}
}

// would prints what a dry run would write.
func (s sheet) would(c dcr.Change) {
	for i, line := range wrap(display.Visible(string(c.Step))+": "+describe(c), width-labelWidth) {
		label := ""
		if i == 0 {
			label = "would"
		}
		s.row(label, plain, line)
	}
}

// words prints text from outside, wrapped and indented.
func (s sheet) words(indent, text string) {
	for _, line := range wrap(display.Line(text, 2000), width-len(indent)) {
		fmt.Fprintln(s.out, indent+line)
	}
}

func (s sheet) when(label string, t dcr.Timestamp, more string) {
	if t.IsZero() {
		return
	}
	value := s.date(t)
	if more != "" {
		value += ", " + more
	}
	s.row(label, plain, value)
}

func (s sheet) date(t dcr.Timestamp) string {
	return t.Local().Format("2006-01-02 15:04:05 -07:00") + " (" + distance(t.Time, s.now) + ")"
}
