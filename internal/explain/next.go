package explain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"grantd/internal/dcr"
)

// next says who has to do what, and when grantd looks again.
func (t *teller) next() Next {
	n := Next{Who: Nobody}
	if !t.rec.NextAttemptAt.IsZero() {
		n.When = dcr.Timestamp{Time: t.rec.NextAttemptAt}
	}
	if len(t.causes) == 0 || t.causes[0].Over {
		n.What = "Nothing."
		if len(t.causes) > 0 {
			n.What = "Nothing, but for the user to try the login again: what refused it is put right."
		}
		return n
	}
	c := t.causes[0]
	n.Who, n.Command = c.Who, c.Command
	switch c.Who {
	case Person:
		n.What, n.Then = c.Fix, t.after(c)
	case Grantd:
		n.What, n.Then = t.work(), "The user can log in then."
	default:
		n.What = c.Fix
		if n.What == "" {
			n.What = "Nothing."
		}
	}
	return n
}

// after is what grantd does once a person did their part.
func (t *teller) after(c Cause) string {
	switch c.Code {
	case HeldBack, SwitchedOff, Fighting, Storm, LimitReached, ScopeMissing, ScopesRejected, ScopesUnknown, Rejected,
		NotDomainLevel, ConnectionNotFound, APINotFound, TokenRefused, Unreachable, CallbackRefused, DryRun:
	default:
		return "After that the user can try the login again."
	}
	switch {
	case !t.f.Serving:
		return "After that run grantd sync, or start the daemon."
	case t.rec.NextAttemptAt.IsZero():
		return "grantd goes on by itself once it hears of it; grantd sync makes it look at once."
	default:
		return "grantd sync makes it look at once."
	}
}

// work is what grantd will do.
func (t *teller) work() string {
	var steps []string
	for _, c := range []Condition{t.cond.Promoted, t.cond.Connected, t.cond.Granted} {
		for _, m := range c.Now.Missing {
			steps = append(steps, string(m.Step))
		}
	}
	what := "grantd looks at the client"
	if len(steps) > 0 {
		what = "grantd makes what is missing: " + strings.Join(steps, ", ")
	}
	switch at := t.rec.NextAttemptAt; {
	case at.IsZero():
		return what + ", at its next sweep. grantd sync does it now."
	case at.After(t.f.Now):
		return fmt.Sprintf("%s, at %s. grantd sync does it now.", what, stamp(at))
	default:
		return what + "; it is due."
	}
}

// partial reports whether logins work in spite of a cause.
func partial(c Code) bool {
	switch c {
	case ScopesUndefined, ScopesMissing, RefreshNotAllowed, RefreshInvalid, GrantShadowsDefault, ResourceIgnored, SigningAlg, StreamStopped:
		return true
	default:
		return false
	}
}

// summary is the verdict.
func (t *teller) summary() string {
	s := t.verdictText()
	if !t.f.Live.answered() {
		s += " Auth0 did not answer just now, so this is what the ledger knows."
	}
	return s
}

func (t *teller) verdictText() string {
	if len(t.causes) > 0 && !t.causes[0].Over {
		c := t.causes[0]
		switch {
		case c.Code == Refused, c.Code == RegistrationOff, c.Code == ClientUnknown, c.Code == DocumentUnknown:
			return upper(c.Text) + "."
		case c.Who == Nobody:
			return upper(c.Text) + "."
		case t.readyUnasked():
			return "By the ledger it has everything it needs to log in, but " + c.Text + "."
		case partial(c.Code):
			return "Logins may work, but not as they should: " + c.Text + "."
		case c.Who == Grantd, c.Code == NoDaemon:
			return "Logins fail for now: " + c.Text + "."
		}
		return "Logins fail: " + c.Text + "."
	}
	switch {
	case t.inOrder():
		if len(t.causes) > 0 {
			return "It has everything it needs to log in; its last denial was put right since."
		}
		return "It has everything it needs to log in."
	case t.rec.Phase == dcr.Ready:
		return "By the ledger it has everything it needs to log in."
	default:
		return "Nothing is known that keeps it from logging in."
	}
}

// upper begins a text in upper case.
func upper(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}
