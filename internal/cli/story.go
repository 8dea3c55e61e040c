package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
	stories "grantd/internal/explain"
)

// printStory prints a client's story, the most important first.
func printStory(w io.Writer, p painter, s stories.Story, now time.Time) error {
	var b strings.Builder
	t := story{sheet{p, &b, now}, s}
	t.verdict()
	t.next()
	t.causes()
	t.conditions()
	t.denials()
	t.identity()
	t.holds()
	t.history()
	t.problems()
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

// story is a story on its way to the terminal.
type story struct {
	sheet
	stories.Story
}

// verdict is who it is and the one sentence.
func (t story) verdict() {
	fmt.Fprintln(t.out, strings.TrimSpace(t.paint(strong, short(t.ClientID))+"  "+display.Line(t.Identity.Name, 60)))
	look := good
	switch {
	case t.NeedsPerson():
		look = bad
	case t.Next.Who == stories.Grantd || len(t.Problems) > 0:
		look = notice
	}
	say(t.out, t.painter, look, display.Line(t.Summary, 2000))
	fmt.Fprintln(t.out)
}

func (t story) next() {
	t.heading("What to do")
	t.words("  ", t.Next.What)
	if t.Next.Command != "" {
		fmt.Fprintln(t.out, "    "+t.paint(strong, command(t.Next.Command)))
	}
	if t.Next.Then != "" {
		t.words("  ", t.Next.Then)
	}
	if !t.Next.When.IsZero() {
		t.words("  ", "grantd looks again by itself: "+t.date(t.Next.When)+".")
	}
	fmt.Fprintln(t.out)
}

func (t story) heading(text string) { fmt.Fprintln(t.out, t.paint(strong, text)) }

// shownCauses is how many causes are printed as text.
const shownCauses = 10

func (t story) causes() {
	if len(t.Causes) == 0 {
		return
	}
	t.heading("Why")
	for i, c := range t.Causes[:min(len(t.Causes), shownCauses)] {
		look, who := bad, ""
		switch {
		case c.Over:
			look, who = faint, ", over"
		case c.Who == stories.Grantd:
			look, who = notice, ", grantd sees to it"
		case c.Who == stories.Nobody:
			look = notice
		}
		fmt.Fprintln(t.out, "  "+t.paint(look, short(string(c.Code)))+who)
		if c.Over {
			t.words("    ", "At the time: "+c.Text+".")
		} else {
			t.words("    ", c.Text+".")
		}
		for _, e := range c.Evidence {
			t.point(e)
		}
		if i > 0 && !c.Over && c.Fix != "" { // that of the first is above
			t.words("    ", "To do: "+c.Fix)
			if c.Command != "" {
				fmt.Fprintln(t.out, "      "+command(c.Command))
			}
		}
	}
	fmt.Fprintln(t.out)
}

// short is a text from outside that has a line to itself, or less.
func short(s string) string { return display.Line(s, 200) }

// maxCommand is how long a command may be, in characters.
const maxCommand = 10_000

// command is one to paste: wrapped, cut or made printable it would be none, or
// another one.
func command(s string) string {
	switch {
	case display.Cut(s, maxCommand) != s:
		return "(the command is too long to show; --json has it)"
	case display.Visible(s) != s:
		return "(the command has characters in it that cannot be shown; --json has it)"
	}
	return s
}

// point prints one of several, with a dash.
func (t story) point(text string) {
	for i, line := range wrap(display.Line(text, 2000), width-6) {
		mark := "    - "
		if i > 0 {
			mark = "      "
		}
		fmt.Fprintln(t.out, mark+line)
	}
}

// conditions holds the ledger against Auth0.
func (t story) conditions() {
	if t.CheckedAt.IsZero() && !t.Conditions.Promoted.Now.Known {
		return
	}
	t.heading("What it needs to log in")
	for _, k := range []struct {
		name string
		stories.Condition
	}{{"promoted", t.Conditions.Promoted}, {"connected", t.Conditions.Connected}, {"granted", t.Conditions.Granted}} {
		t.condition(k.name, k.Condition)
	}
	fmt.Fprintln(t.out)
}

func (t story) condition(name string, c stories.Condition) {
	answer := func(yes bool, r dcr.Reason) string {
		said := t.paint(bad, "no")
		if yes {
			said = t.paint(good, "yes")
		}
		if r != "" {
			said += ", " + short(string(r))
		}
		return said
	}
	ledger := "never checked"
	if !t.CheckedAt.IsZero() && !c.Since.IsZero() {
		ledger = answer(c.Status, c.Reason) + ", for " + duration(max(0, t.now.Sub(c.Since.Time)))
	}
	fmt.Fprintf(t.out, "  %-10s  ledger     %s\n", name, ledger)
	now := "not known"
	if c.Now.Known && (t.Phase != dcr.Refused || c.Now.Status || len(c.Now.Missing) > 0) {
		now = answer(c.Now.Status, c.Now.Reason)
	} else if c.Now.Known {
		now = "not asked for"
	}
	const indent = "              "
	fmt.Fprintf(t.out, "%sAuth0 now  %s\n", indent, now)
	if c.Now.Has != "" {
		t.words(indent, c.Now.Has)
	}
	for _, m := range c.Now.Missing {
		t.words(indent, "missing: "+short(string(m.Step))+": "+describe(m))
	}
}

// shownDenials is how many denials are printed as text.
const shownDenials = 5

func (t story) denials() {
	if len(t.Denials) == 0 {
		return
	}
	t.heading("Last denials")
	for _, d := range t.Denials[:min(len(t.Denials), shownDenials)] {
		fmt.Fprintf(t.out, "  %s  %s  %s\n", t.date(d.At), short(d.Type), t.paint(notice, short(string(d.Cause))))
		t.words("    ", d.Text)
	}
	if more := len(t.Denials) - shownDenials; more > 0 {
		fmt.Fprintf(t.out, "  … and %d more; --json lists them\n", more)
	}
	fmt.Fprintln(t.out)
}

func (t story) identity() {
	i := t.Identity
	t.heading("Who it is")
	kind := string(i.Registration)
	if i.SecurityMode != "" {
		kind += ", " + string(i.SecurityMode)
	}
	t.row("  kind", plain, short(kind))
	switch i.Registration {
	case dcr.RegistrationDCR:
		t.row("", faint, "registered itself, which anybody can without logging in")
	case dcr.RegistrationCIMD:
		t.row("", faint, "imported from its metadata document by an admin")
	case dcr.RegistrationUnknown:
		t.row("", faint, "grantd has not seen it register: an admin may have made it")
	}
	for _, c := range i.Callbacks {
		whose := "of no product grantd knows"
		if c.Product != "" {
			whose = "of preset " + c.Product
		}
		if !c.Allowed {
			whose += ", not on the allow-list"
		}
		t.row("  callback", plain, short(c.URI))
		t.row("", faint, short(whose))
	}
	t.when("  registered", i.RegisteredAt, "")
	t.when("  first seen", i.FirstSeenAt, "by "+short(string(i.FirstSeenFeed)))
	t.when("  ready", i.ReadyAt, "first time")
	t.when("  last used", i.LastUsedAt, "")
	t.when("  checked", t.CheckedAt, "")
	if t.CheckedAt.IsZero() && t.Phase == "" {
		t.row("  ledger", plain, "has never heard of it")
	}
	fmt.Fprintln(t.out)
}

func (t story) holds() {
	if len(t.Holds) == 0 {
		return
	}
	t.heading("Held")
	for _, h := range t.Holds {
		what := "everything"
		switch h.Scope {
		case dcr.HoldClient:
			what = "this client"
		case dcr.HoldField:
			what = "step " + short(string(h.Field))
		}
		until := "until it is released"
		if !h.Until.IsZero() {
			until = "until " + t.date(h.Until)
		}
		t.words("  ", strings.TrimSuffix(what+", "+string(h.Reason)+", "+until+"; "+h.Release, "; "))
	}
	fmt.Fprintln(t.out)
}

func (t story) history() {
	if len(t.History) == 0 {
		return
	}
	t.heading("What grantd changed")
	for _, h := range t.History {
		what := describe(dcr.Change{Step: h.Step, Before: h.Before, After: h.After})
		if h.Reverts > 0 {
			what = fmt.Sprintf("reverts %d: %s", h.Reverts, what)
		}
		fmt.Fprintf(t.out, "  %-5d %s  %s\n", h.Seq, t.date(h.At), short(string(h.Step)))
		t.words("        ", what)
	}
	fmt.Fprintln(t.out)
}

func (t story) problems() {
	if len(t.Problems) == 0 {
		return
	}
	t.heading("What Auth0 did not answer")
	for _, p := range t.Problems {
		t.words("  ", p.What+": "+p.Message)
	}
	fmt.Fprintln(t.out)
}
