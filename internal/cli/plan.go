package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/config"
	"grantd/internal/daemon"
	api "grantd/internal/http"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// shownClients is how many clients a plan lists as text.
const shownClients = 50

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what would be changed in Auth0 now",
		Long: `Compare every third-party client of the tenant with the configuration and show
what would be changed. Nothing is written, neither in Auth0 nor in the ledger.
It lists the tenant in pages of 100, so it costs a few Management API calls,
however many clients there are. While a daemon runs, it does it.

It also lists what "grantd sync --adopt" would take away, and grants that
grantd made for another audience: left behind, since it deletes nothing.

Exit codes: 0 nothing to change, 3 something to change, 1 failed, 2 wrong
usage or configuration.`,
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

// commands finds who carries out a command: the running daemon, or this
// process itself. done must be called in the end.
func (a *app) commands(ctx context.Context, stderr io.Writer, readOnly bool) (_ api.Commands, done func(), err error) {
	at, err := a.findDaemon(ctx)
	if err != nil {
		return nil, nil, err
	}
	if at.socket != "" {
		return newRemote(at.socket), func() {}, nil
	}
	c, notices, err := config.Load(a.source())
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	log := logger(stderr, c.LogFormat, quieter(c.LogLevel))
	for _, n := range notices {
		log.Warn(n.String())
	}
	e, err := daemon.Open(ctx, daemon.Options{Config: c, Logger: log, Version: buildVersion().Version, ReadOnly: readOnly})
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, nil, fmt.Errorf("%w; is a daemon running whose socket is elsewhere? --socket or GRANTD_SOCKET says where", err)
	case errors.Is(err, store.ErrOtherTenant), errors.Is(err, store.ErrOtherAudience):
		return nil, nil, usageError{err}
	case err != nil:
		return nil, nil, err
	}
	return e, func() {
		if err := e.Close(); err != nil {
			log.Error("close", "error", err)
		}
	}, nil
}

func printPlan(w io.Writer, p painter, plan api.Plan) error {
	for i, c := range plan.Clients {
		if i == shownClients {
			fmt.Fprintf(w, "… and %s more; --json lists all.\n\n", count(len(plan.Clients)-i, "client"))
			break
		}
		printPlanned(w, p, c)
	}
	for i, g := range plan.LeftBehind {
		if i == 0 {
			fmt.Fprintln(w, p.paint(strong, "Left behind, made by grantd for another audience:"))
		}
		if i == shownClients {
			fmt.Fprintf(w, "  … and %d more; --json lists all\n", len(plan.LeftBehind)-i)
			break
		}
		fmt.Fprintf(w, "  %s of %s for %s: %s\n", printable(g.GrantID), printable(g.ClientID), printable(g.Audience), printable(strings.Join(g.Scopes, " ")))
	}
	if len(plan.LeftBehind) > 0 {
		fmt.Fprintln(w, "  Delete them under Applications → the application → APIs if nobody needs them.")
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s in %s: %s.\n", count(plan.Listed, "third-party client"), duration(time.Duration(plan.TookMS)*time.Millisecond), tally(plan.Sweep))
	if plan.Capped {
		fmt.Fprintln(w, "Auth0 lists the first 1,000 clients only; the daemon reads the others one by one.")
	}
	switch {
	case plan.Drift():
		fmt.Fprintln(w, "grantd sync makes these changes; so does the daemon at its next sweep.")
	case plan.NotAdopted > 0:
		fmt.Fprintln(w, "Nothing to change. grantd sync --adopt takes away what was there before and is not desired.")
	default:
		fmt.Fprintln(w, p.paint(good, "Nothing to change."))
	}
	return nil
}

func printPlanned(w io.Writer, p painter, c reconcile.Planned) {
	head := p.paint(strong, printable(c.ClientID)) + "  " + printable(cut(c.Name, 40))
	if c.New {
		head += p.paint(faint, "  not seen before")
	}
	fmt.Fprintln(w, strings.TrimSpace(head))
	for _, ch := range c.Changes {
		fmt.Fprintln(w, "  "+change(ch))
	}
	if c.Reason != "" {
		fmt.Fprintln(w, "  "+p.paint(notice, string(c.Reason)))
		for _, line := range wrap(printable(cut(c.Message, 2000)), width-4) {
			fmt.Fprintln(w, "    "+line)
		}
	}
	fmt.Fprintln(w)
}

// tally says how many clients are what.
func tally(s reconcile.Sweep) string {
	parts := []string{fmt.Sprintf("%d as desired", s.InSync)}
	for _, part := range []struct {
		n    int
		what string
	}{
		{s.Due, "to change"}, {s.New, "not seen before"}, {s.Blocked, "blocked"}, {s.Refused, "refused"},
		{s.Waiting, "waiting"}, {s.NotAdopted, "holding more than desired from before grantd"}, {s.Unlisted, "recorded but not listed, to be looked at"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
