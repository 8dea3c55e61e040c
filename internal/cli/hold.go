package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
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

func (a *app) holdCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hold",
		Short: "Keep grantd from writing, and let it go on",
		Long: `Keep grantd from writing to one client or to all, and let it go on.

While a hold is in force, what it covers is not written in Auth0: its clients
are shown as blocked, reason held. Whoever deletes a grant during an incident is
then not undone. Everything is still heard of and recorded. From Auth0's
dashboard a client is held by grantd=off in its application metadata.

Holds are set by grantd too: where somebody undoes a change again and again
(fighting), after grantd revert (reverted), and in a registration storm if
GRANTD_STORM_HOLD is on (registration_storm).

It works through the daemon while one runs, else on the ledger's file. Nothing
is asked of Auth0.`,
		Example: "  grantd hold add tpc_8SXWY6j3afl2CP5ntwEOpM --for 2h\n  grantd hold list\n  grantd hold release tpc_8SXWY6j3afl2CP5ntwEOpM",
		RunE:    help,
	}
	cmd.AddCommand(a.holdAddCommand(), a.holdListCommand(), a.holdReleaseCommand())
	return cmd
}

func (a *app) holdAddCommand() *cobra.Command {
	var length string
	cmd := &cobra.Command{
		Use:   "add [CLIENT_ID]",
		Short: "Keep grantd from writing to a client, or to all",
		Long: `Keep grantd from writing to a client or, without CLIENT_ID, to any client, until
it is released or the time given is over. It is in force when the command ends;
a write that is on its way at that moment may still arrive.

With everything held nobody new can log in: clients that register are recorded
and wait. To undo it: grantd hold release

Exit codes: 0 held, 1 failed, 2 wrong usage.`,
		Example: `  grantd hold add tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd hold add tpc_8SXWY6j3afl2CP5ntwEOpM --for 2h
  grantd hold add --for 30m`,
		Args:              oneClient,
		ValidArgsFunction: a.completeClient,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := api.HoldRequest{ClientID: first(args)}
			if cmd.Flags().Changed("for") {
				var err error
				if r.For, err = parseLength("--for", length); err != nil {
					return misuse(cmd, err)
				}
			}
			return a.addHold(cmd, r)
		},
	}
	cmd.Flags().StringVar(&length, "for", "", "release it by itself after this `DURATION`, such as 30m, 2h or 7d")
	return cmd
}

func (a *app) addHold(cmd *cobra.Command, r api.HoldRequest) error {
	brakes, done, err := a.brakes(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	set, err := brakes.Hold(cmd.Context(), r)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if a.json {
		return printJSON(out, set)
	}
	_, err = io.WriteString(out, describeHoldSet(set))
	return err
}

// describeHoldSet says what is held from now on, what that means, and how to
// undo it.
func describeHoldSet(set api.HoldSet) string {
	h := set.Hold
	until := "until it is released"
	if !h.Until.IsZero() {
		until = "until " + stamp(h.Until.Time) + ", or until it is released before"
	}
	if h.Scope == dcr.HoldAll {
		return fmt.Sprintf(`Everything is held, %s.
grantd writes to no client. Those that register are recorded and wait: nobody
can log in through them. Those that are ready go on working, shown as blocked.
To undo it: grantd hold release
`, until)
	}
	id := display.Visible(h.ClientID)
	text := fmt.Sprintf("%s is held, %s.\ngrantd writes nothing to it, whatever is changed there.\nTo undo it: grantd hold release %s\n", id, until, dcr.Argument(id))
	if !set.Known {
		text += "\nThe ledger has no such client. The hold is kept, should it register.\n"
	}
	return text
}

func (a *app) holdListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what is held, why, and until when",
		Long: `List the holds in force: what they cover, why they are there, since when and
until when, and by whom. Clients with grantd=off in their application metadata
are among them, reason switched_off.

Exit codes: 0 listed, also when there is none; 1 failed; 2 wrong usage.`,
		Example: "  grantd hold list\n  grantd hold list --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.holds(cmd.Context())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch {
			case a.json:
				return printJSON(out, list)
			case len(list.Holds) == 0:
				_, err := fmt.Fprintln(out, "Nothing is held.")
				return err
			}
			return printHolds(out, a.color(out), list.Holds, time.Now())
		},
	}
}

func (a *app) holdReleaseCommand() *cobra.Command {
	var s store.HoldSelector
	var reason, field string
	cmd := &cobra.Command{
		Use:   "release [CLIENT_ID]",
		Short: "Let grantd go on",
		Long: `Release holds: without arguments the one on everything, with CLIENT_ID all of
that client, by --reason or --field all of that kind, and with --all every one.
What they kept grantd from is looked at at once and put right; many clients are
looked at by a sweep.

What a client's metadata switched off is let go in Auth0's dashboard.

Exit codes: 0 released, 1 failed or no such hold, 2 wrong usage.`,
		Example: `  grantd hold release
  grantd hold release tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd hold release --reason registration_storm`,
		Args:              oneClient,
		ValidArgsFunction: a.completeClient,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.ClientID, s.Reason, s.Field = first(args), dcr.Reason(reason), dcr.StepKind(field)
			switch {
			case reason != "" && !slices.Contains(releasable(), reason):
				return misuse(cmd, fmt.Errorf("--reason %q: there are %s", display.Cut(reason, 40), strings.Join(releasable(), ", ")))
			case s.All && s != store.HoldSelector{All: true}:
				return misuse(cmd, errors.New("--all releases every hold: it goes with nothing else"))
			case s == store.HoldSelector{}:
				s.Scope = dcr.HoldAll
			}
			return a.releaseHolds(cmd, s)
		},
	}
	cmd.Flags().BoolVar(&s.All, "all", false, "every hold there is")
	cmd.Flags().StringVar(&reason, "reason", "", "only those that are there for this `REASON`: "+strings.Join(releasable(), ", "))
	cmd.Flags().StringVar(&field, "field", "", "only those of this `FIELD`, such as grant")
	completeFlag(cmd, "reason", releasable())
	completeFlag(cmd, "field", heldFields())
	return cmd
}

// heldFields are the steps that a hold can be of.
func heldFields() []string {
	return []string{
		string(dcr.StepPromote), string(dcr.StepConnect), string(dcr.StepDomainLevel), string(dcr.StepGrant), string(dcr.StepRevoke),
	}
}

// releasable are the reasons of holds that can be released.
func releasable() []string {
	return []string{string(dcr.Held), string(dcr.Fighting), string(dcr.RegistrationStorm), string(dcr.Reverted)}
}

func (a *app) releaseHolds(cmd *cobra.Command, s store.HoldSelector) error {
	brakes, done, err := a.brakes(cmd.Context())
	if err != nil {
		return err
	}
	released, err := brakes.Release(cmd.Context(), s)
	done() // the ledger is read again below
	if errors.Is(err, api.ErrNoHold) {
		return a.noSuchHold(cmd, s)
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if a.json {
		return printJSON(out, released)
	}
	if err := printHolds(out, a.color(out), released.Holds, time.Now()); err != nil {
		return err
	}
	what := "Released."
	switch {
	case released.ClientsToCheck > 0:
		what = fmt.Sprintf("Released. The next sweep, which is due now, looks at %s.", count(released.ClientsToCheck, "client"))
	case released.ClientsDue > 0:
		what = fmt.Sprintf("Released. %s due now.", isAre(released.ClientsDue, "client"))
	}
	_, err = fmt.Fprintf(out, "\n%s\n", what)
	return err
}

// isAre is "1 client is" or "2 clients are".
func isAre(n int, noun string) string {
	if n == 1 {
		return count(n, noun) + " is"
	}
	return count(n, noun) + " are"
}

// holds are those in force, by the daemon or by the ledger's file.
func (a *app) holds(ctx context.Context) (api.HoldList, error) {
	ledger, err := a.openLedger(ctx)
	if err != nil {
		return api.HoldList{}, err
	}
	defer ledger.Close()
	return ledger.Holds(ctx)
}

// noSuchHold fails and says which holds there are.
func (a *app) noSuchHold(cmd *cobra.Command, s store.HoldSelector) error {
	list, err := a.holds(cmd.Context())
	if err != nil {
		return err
	}
	off := slices.ContainsFunc(list.Holds, func(h api.Hold) bool { return h.Reason == dcr.SwitchedOff && h.ClientID == s.ClientID })
	switch {
	case off && s.ClientID != "":
		return fmt.Errorf("%s is switched off in Auth0: take grantd=off out of its application metadata", s.ClientID)
	case len(list.Holds) == 0:
		return errors.New("nothing is held")
	case s == store.HoldSelector{Scope: dcr.HoldAll}:
		return fmt.Errorf("there is no hold on everything; grantd hold list has %s, and --all releases every one", count(len(list.Holds), "hold"))
	}
	return fmt.Errorf("no such hold; grantd hold list has %s", count(len(list.Holds), "hold"))
}

func printHolds(w io.Writer, p painter, holds []api.Hold, now time.Time) error {
	rows := [][]cell{{{"HELD", faint}, {"CLIENT", faint}, {"WHY", faint}, {"SINCE", faint}, {"UNTIL", faint}, {"BY", faint}}}
	for _, h := range holds {
		what := "everything"
		switch h.Scope {
		case dcr.HoldClient:
			what = "client"
		case dcr.HoldField:
			what = "step " + string(h.Field)
		}
		since, until := "-", "released"
		if !h.Since.IsZero() {
			since = distance(h.Since.Time, now)
		}
		if !h.Until.IsZero() {
			until = distance(h.Until.Time, now)
		}
		if h.Reason == dcr.SwitchedOff {
			until = "taken out"
		}
		rows = append(rows, []cell{
			{display.Line(what, 80), plain}, {dash(display.Line(h.ClientID, 128)), plain}, {display.Line(string(h.Reason), 40), notice},
			{since, plain}, {until, plain}, {display.Line(holder(h), 150), plain},
		})
	}
	return printTable(w, p, rows)
}

// holder says who set a hold, or whose doing it answers.
func holder(h api.Hold) string {
	switch {
	case h.Actor != nil:
		return string(h.Actor.Kind) + " " + h.Actor.ID
	case h.Reason == dcr.SwitchedOff:
		return "application metadata"
	case h.Reason == dcr.Held:
		return "a person"
	case h.Reason == dcr.Reverted:
		return "grantd revert"
	default:
		return "grantd"
	}
}

var errWhichClient = errors.New("which client? Give a client id; grantd clients list has them")

// oneClient takes at most one client id.
func oneClient(_ *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return fmt.Errorf("one client id, not %d", len(args))
	case len(args) == 1 && !dcr.ValidClientID(args[0]):
		return fmt.Errorf("%q cannot be a client id; grantd clients list has them", display.Cut(args[0], 40))
	}
	return nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// parseLength reads a duration; other than time.ParseDuration it knows days.
func parseLength(flag, s string) (time.Duration, error) {
	wrong := fmt.Errorf("%s %q: write a duration up to 3650d, such as 30m, 2h or 7d", flag, display.Cut(s, 40))
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, convErr := strconv.Atoi(days)
		if convErr != nil || n > 3650 {
			return 0, wrong
		}
		d, err = time.Duration(n)*24*time.Hour, nil
	}
	if err != nil || d <= 0 || d > api.MaxHold {
		return 0, wrong
	}
	return d, nil
}

// stamp shows a time to the second.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -07:00") }
