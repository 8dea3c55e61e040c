package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"grantd/internal/display"
	"grantd/internal/setup"
)

// outcome is what became of an action.
type outcome string

// The outcomes.
const (
	setupDone       outcome = "done"
	setupIs         outcome = "is_so"
	setupWould      outcome = "would"
	setupDeclined   outcome = "declined"
	setupSkipped    outcome = "skipped" // what it needs was declined
	setupFailed     outcome = "failed"
	setupNotReached outcome = "not_reached"
	setupPerson     outcome = "person"
)

// setupReport is what setup prints as JSON.
type setupReport struct {
	Schema  int           `json:"schema"`
	Tenant  string        `json:"tenant"`
	DryRun  bool          `json:"dry_run"`
	EnvFile string        `json:"env_file,omitempty"`
	Actions []setupAction `json:"actions"`
	Next    []string      `json:"next"`
}

type setupAction struct {
	setup.Action
	Outcome outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"`
}

// left reports whether something remains to be done.
func (r setupReport) left() bool {
	for _, a := range r.Actions {
		if a.Outcome != setupDone && a.Outcome != setupIs {
			return true
		}
	}
	return false
}

// perform goes through the actions and puts down what became of each. It ends
// with the first that fails.
func (p *preparation) perform(ctx context.Context, d setup.Doer, actions []setup.Action, report *setupReport) error {
	if !p.dryRun {
		var needed []string
		for _, a := range actions {
			if a.Status == setup.Todo {
				needed = append(needed, a.Scopes...)
			}
		}
		if err := p.checkScopes(needed); err != nil {
			return err
		}
	}
	declined := map[setup.Kind]bool{}
	var failed error
	for _, a := range actions {
		done := setupAction{Action: a}
		switch {
		case failed == nil:
			done.Outcome, failed = p.one(ctx, d, a, declined)
		case a.Status == setup.Todo:
			done.Outcome = setupNotReached
		case a.Status == setup.Is:
			done.Outcome = setupIs
		case a.Status == setup.Person:
			done.Outcome = setupPerson
		}
		if done.Outcome == setupDeclined || done.Outcome == setupSkipped {
			declined[a.Kind] = true
		}
		if done.Outcome == setupFailed {
			done.Error = failed.Error()
		}
		report.Actions = append(report.Actions, done)
	}
	return failed
}

// errNoAnswer ends a setup that nobody is there to confirm.
var errNoAnswer = errors.New("nobody answers on standard input: --yes does everything without asking, --dry-run shows it")

// one shows an action and, if it is wanted, does it.
func (p *preparation) one(ctx context.Context, d setup.Doer, a setup.Action, declined map[setup.Kind]bool) (outcome, error) {
	switch a.Status {
	case setup.Is:
		p.title("is so  ", good, a)
		return setupIs, nil
	case setup.Person:
		p.show(a)
		return setupPerson, nil
	case setup.Todo:
	}
	p.show(a)
	switch {
	case p.dryRun:
		return setupWould, nil
	case a.Needs != "" && declined[a.Needs]:
		fmt.Fprintln(p.talk, p.paint(notice, "  skipped: its secret would have no place without the env file"))
		return setupSkipped, nil
	}
	if !p.yes {
		switch yes, err := p.confirm(ctx); {
		case errors.Is(err, io.EOF):
			return setupNotReached, usageError{errNoAnswer}
		case err != nil:
			return setupNotReached, err
		case !yes:
			fmt.Fprintln(p.talk, p.paint(notice, "  left as it is"))
			return setupDeclined, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return setupNotReached, err
	}
	// What is begun is ended: the secret of an application is told once.
	if err := d.Do(context.WithoutCancel(ctx), a); err != nil {
		fmt.Fprintln(p.talk, p.paint(bad, "  failed"))
		p.words("It ends here. What is done stays, and grantd setup goes on from there when it is run again.", plain)
		return setupFailed, p.explainCall(err)
	}
	fmt.Fprintln(p.talk, p.paint(good, "  done"))
	return setupDone, nil
}

// confirm asks until the answer is one.
func (p *preparation) confirm(ctx context.Context) (bool, error) {
	for range tries {
		line, err := p.prompt(ctx, "  Do it? y or n [n]: ")
		if err != nil {
			return false, err
		}
		switch strings.ToLower(line) {
		case "y", "yes":
			return true, nil
		case "n", "no", "":
			return false, nil
		}
	}
	return false, misuse(p.cmd, fmt.Errorf("none of %d answers was y or n", tries))
}

// show says what an action is, why, what it opens, and what it stands for.
func (p *preparation) show(a setup.Action) {
	head, look := "to do  ", strong
	if a.Status == setup.Person {
		head, look = "you    ", notice
	}
	fmt.Fprintln(p.talk)
	p.title(head, look, a)
	p.words(a.Why, plain)
	p.words(a.Opens, notice)
	for _, c := range a.Calls {
		fmt.Fprintln(p.talk, "    "+c.String())
	}
	if a.Writes != "" {
		fmt.Fprintf(p.talk, "    into %s:\n", display.Visible(p.envFile))
		for line := range strings.SplitSeq(a.Writes, "\n") {
			fmt.Fprintln(p.talk, "      "+display.Visible(display.Cut(line, 1000)))
		}
	}
	if a.Dashboard != "" {
		p.words("Dashboard: "+a.Dashboard, plain)
	}
	if a.Command != "" {
		fmt.Fprintln(p.talk, "    "+command(a.Command))
	}
}

// title is what an action is, after head.
func (p *preparation) title(head string, look style, a setup.Action) {
	for i, line := range wrap(display.Line(a.Title, 2000), width-len(head)) {
		if i > 0 {
			head = strings.Repeat(" ", len(head))
		}
		fmt.Fprintln(p.talk, p.paint(look, head+line))
	}
}

func (p *preparation) words(text string, look style) {
	for _, line := range wrapped("", text) {
		fmt.Fprintln(p.talk, p.paint(look, line))
	}
}

// unwritten reports whether a new env file was wanted and is not there.
func (r setupReport) unwritten(f setup.File) bool {
	return f.New && slices.ContainsFunc(r.Actions, func(a setupAction) bool {
		return a.Kind == setup.EnvFile && a.Outcome != setupDone && a.Outcome != setupWould
	})
}

// next says what comes after, whatever was found.
func (p *preparation) next(s setup.State, r setupReport) []string {
	var all []string
	if r.left() {
		all = append(all, "Run grantd setup again when you want what is left to be done, or have done it.")
	}
	switch {
	case s.StreamURL == "":
		all = append(all, "Set GRANTD_PUBLIC_URL when there is a public https address, and run grantd setup again for the log stream. Until then grantd finds registrations by looking, every 15 seconds.")
	case p.config.TLSCertFile != "" || p.config.ACMEDomain != "":
		all = append(all, "Have "+p.config.PublicURL+" lead to "+p.config.Listen+", where the daemon listens, with a certificate of its own.")
	default:
		all = append(all, "Have a proxy with a certificate hand "+p.config.PublicURL+" on to "+p.config.Listen+", where the daemon listens.")
	}
	if p.unread {
		all = append(all, "TOOL_SCOPES_FILE or TOOL_SCOPES_URL could not be read, so its scopes were not looked at: run grantd setup again when it can be.")
	}
	flag := ""
	switch {
	case r.unwritten(s.File):
		all = append(all, "Give the daemon its configuration, since "+p.envFile+" was not written: grantd config example prints all there is to set.")
	case p.envFile != "":
		flag = " --env-file " + setup.ShellWord(p.envFile)
	}
	return append(all,
		"Start it: "+start(p.envFile, flag),
		"Then look: grantd doctor"+flag+"\nIt finds Rules, Hooks and Organizations that keep clients out, too; those a person has to change.",
		"Forget the token: unset GRANTD_SETUP_TOKEN")
}

// start is the command that starts the daemon with an env file: of one that a
// unit has, its service, for by hand it would get a ledger of its own.
func start(envFile, flag string) string {
	if abs, err := filepath.Abs(envFile); envFile != "" && err == nil {
		envFile = abs
	}
	dir, name := filepath.Split(envFile)
	name, isEnv := strings.CutSuffix(name, ".env")
	switch {
	case dir != "/etc/grantd/" || !isEnv || name == "":
		return "grantd serve" + flag
	case name == "grantd":
		return "sudo systemctl restart grantd"
	default:
		return "sudo systemctl restart grantd@" + setup.ShellWord(name)
	}
}

// print ends the conversation, or prints all of it as JSON.
func (p *preparation) print(r setupReport, failed error) error {
	if p.json {
		return printJSON(p.cmd.OutOrStdout(), r)
	}
	if failed != nil {
		return nil
	}
	fmt.Fprintf(p.talk, "\n%s\n", p.paint(strong, "Next"))
	for i, n := range r.Next {
		first, more, _ := strings.Cut(n, "\n")
		label := fmt.Sprintf("%d. ", i+1)
		for _, line := range wrapped(label, first) {
			fmt.Fprintln(p.talk, line)
		}
		for _, line := range wrapped(strings.Repeat(" ", len(label)), more) {
			fmt.Fprintln(p.talk, line)
		}
	}
	return nil
}
