package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/display"
	"grantd/internal/doctor"
	api "grantd/internal/http"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out why clients cannot register or people cannot log in",
		Long: `Look at everything in the tenant that decides whether clients can register and
people can log in with them: grantd's own access, the API, the connections, the
tenant's settings, what runs at a login, grants, the log stream, the public
address, and how many applications and grants are left. Each finding says what
it breaks and how to mend it: where to click in the dashboard, or a command for
bash, the Auth0 CLI and jq.

Nothing is written. It makes at most 20 Management API calls, whatever the
tenant's size, and fetches a token if its application was granted other scopes
since it has the present one, or where that cannot be read, for want of
read:client_grants. Where a scope to look is missing it says so and goes on;
where Auth0 leaves the first calls without an answer, it gives up within half a
minute. While a daemon runs, the daemon does it.

Exit codes: 0 no problems, though there may be warnings; 1 the tenant could not
be looked at; 2 wrong usage or configuration; 3 problems.`,
		Example: "  grantd doctor --env-file /etc/grantd/grantd.env\n  grantd doctor --json | jq -r '.findings[] | .fix.command'",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd) },
	}
}

func (a *app) doctor(cmd *cobra.Command) error {
	commands, done, err := a.commands(cmd.Context(), cmd.ErrOrStderr(), true)
	if err != nil {
		return err
	}
	defer done()
	r, err := commands.Doctor(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if a.json {
		err = printJSON(out, r)
	} else {
		_, err = io.WriteString(out, describeReport(a.color(out), r))
	}
	if err == nil && r.Problems() {
		return errFound
	}
	return err
}

// Doctor implements api.Doctor.
func (r remote) Doctor(ctx context.Context) (doctor.Report, error) {
	m, err := r.run(ctx, "/api/v1/doctor", func(api.Progress) {})
	return lastly(m.Doctor, err)
}

// describeReport is a report as a person reads it.
func describeReport(p painter, r doctor.Report) string {
	var b strings.Builder
	for _, s := range []struct {
		doctor.Severity
		one, more string
		style     style
	}{
		{doctor.Problem, "problem", "problems", bad},
		{doctor.Warning, "warning", "warnings", notice},
		{doctor.Unknown, "thing that could not be looked at", "things that could not be looked at", faint},
	} {
		var of []doctor.Finding
		for _, f := range r.Findings {
			if f.Severity == s.Severity {
				of = append(of, f)
			}
		}
		if len(of) == 0 {
			continue
		}
		noun := s.more
		if len(of) == 1 {
			noun = s.one
		}
		fmt.Fprintf(&b, "%s\n\n", p.paint(strong, fmt.Sprintf("%d %s", len(of), noun)))
		for _, some := range alike(of) {
			describeFindings(&b, p, s.style, some)
		}
	}
	fine := count(len(r.Fine), "check") + " fine."
	if len(r.Findings) == 0 {
		fine = fmt.Sprintf("All is well: %s", fine)
	}
	fmt.Fprintln(&b, p.paint(good, fine))
	describeCapacity(&b, r)
	mode := ""
	if r.Mode != "" {
		mode = fmt.Sprintf(" Clients that register are %s.", display.Line(string(r.Mode), 40))
	}
	say(&b, p, plain, fmt.Sprintf("%s looked at in %s with %s.%s", display.Line(r.Tenant, 255), milliseconds(r.TookMS), count(r.Calls, "call"), mode))
	return b.String()
}

// alike gathers neighbours that are mended in the same way.
func alike(all []doctor.Finding) [][]doctor.Finding {
	var out [][]doctor.Finding
	for i, f := range all {
		if i > 0 && f.Code == all[i-1].Code && f.Fix == all[i-1].Fix {
			out[len(out)-1] = append(out[len(out)-1], f)
			continue
		}
		out = append(out, []doctor.Finding{f})
	}
	return out
}

// describeFindings shows findings that have all but their messages in common.
func describeFindings(w io.Writer, p painter, s style, all []doctor.Finding) {
	one := all[0]
	fmt.Fprintln(w, p.paint(s, display.Line(string(one.Code), 60)))
	for i, f := range all {
		if i == shownRows {
			fmt.Fprintf(w, "  … and %d more; --json lists all\n", len(all)-i)
			break
		}
		lines(w, wrapped("", f.Message))
	}
	lines(w, wrapped("Breaks ", one.Breaks))
	for _, way := range [][2]string{{"Click  ", one.Fix.Dashboard}, {"Set    ", one.Fix.Setting}} {
		if way[1] != "" {
			lines(w, wrapped(way[0], way[1]))
		}
	}
	if one.Fix.Command != "" {
		// In one line, to be pasted into a shell.
		fmt.Fprintf(w, "  Run    %s\n", command(one.Fix.Command))
	}
	fmt.Fprintln(w)
}

func lines(w io.Writer, all []string) {
	for _, line := range all {
		fmt.Fprintln(w, line)
	}
}

// describeCapacity says how much room there is.
func describeCapacity(w io.Writer, r doctor.Report) {
	c := r.Capacity
	usage := func(what string, u doctor.Usage) string {
		switch {
		case !u.Known:
			return ""
		case u.Limit == 0:
			return count(u.Used, what)
		}
		s := fmt.Sprintf("%d of %d %ss", u.Used, u.Limit, what)
		if !u.FullAt.IsZero() {
			s += fmt.Sprintf(", the last taken about %s at %.1f a day", u.FullAt.Format("2006-01-02"), u.PerDay)
		}
		return s
	}
	var parts []string
	for _, s := range []string{usage("application", c.Applications), usage("grant", c.Grants)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return
	}
	plan := "GRANTD_PLAN, the subscription, would tell how many there may be"
	switch {
	case c.Guessed:
		plan = "plan " + c.Plan + ", guessed from the rate limit"
	case c.Plan != "":
		plan = "plan " + c.Plan
	}
	lines(w, wrap(display.Visible("In use: "+strings.Join(parts, "; ")+" ("+plan+")."), width))
}
