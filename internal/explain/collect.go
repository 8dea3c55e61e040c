package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/plan"
)

// collect looks for causes in everything but the denials, in the order in which
// they are worth telling.
func (t *teller) collect() {
	if t.absent() {
		return
	}
	t.refused()
	if !t.eligible && t.f.Live.answered() {
		return // nothing of it is grantd's concern
	}
	t.braked()
	t.troubled()
	t.lacking()
	t.tenantWide()
	t.unheard()
	t.unattended()
}

// absent tells of a client that Auth0 does not have. Where it is deleted, little
// else is worth telling.
func (t *teller) absent() bool {
	gone := t.rec.Phase == dcr.Gone && !t.f.Live.answered()
	switch {
	case !t.f.Live.Missing && !gone:
		return false
	case strings.HasPrefix(t.f.ID, "https://"):
		t.add(t.diagnose(DocumentUnknown, "Auth0 has no application with this external_client_id."))
	case t.rec.Reason == dcr.NotFoundYet:
		t.add(t.diagnose(Waiting, "Auth0 does not know the client yet (404); a fresh registration can take a moment."))
		return true
	case t.f.Record == nil:
		t.add(t.diagnose(ClientUnknown, "Auth0 answers 404 to this client id, and the ledger has never heard of it."))
	case gone:
		t.add(t.diagnose(ClientDeleted, "The ledger saw "+ago(t.rec.LastCheckedAt, t.f.Now)+" that Auth0 no longer has it."))
	default:
		t.add(t.diagnose(ClientDeleted, "Auth0 answers 404 to this client id; the ledger knew it, "+ago(t.rec.LastCheckedAt, t.f.Now)+" for the last time."))
	}
	t.findings(RegistrationOff)
	return true
}

// refused tells of a client that policy says not to touch.
func (t *teller) refused() {
	if t.verdict.Reason == "" {
		return
	}
	evidence := display.Line(t.verdict.Message, maxText)
	switch t.verdict.Reason {
	case dcr.CallbackNotAllowed, dcr.NoCallbacks:
		t.add(t.diagnose(CallbackRefused, evidence))
	default:
		t.add(t.diagnose(Refused, evidence))
	}
}

// inOrder reports whether Auth0 says that nothing is missing.
func (t *teller) inOrder() bool {
	return t.cond.Promoted.Now.Status && t.cond.Connected.Now.Status && t.cond.Granted.Now.Status
}

// braked tells of holds that keep grantd from what is missing.
func (t *teller) braked() {
	if t.inOrder() {
		return
	}
	for _, h := range t.f.Holds {
		if !h.Active(t.f.Now) || !t.holdsBack(h) {
			continue
		}
		code := map[dcr.Reason]Code{dcr.Fighting: Fighting, dcr.RegistrationStorm: Storm, dcr.SwitchedOff: SwitchedOff}[h.Reason]
		if code == "" {
			code = HeldBack
		}
		until := "until it is released"
		if !h.Until.IsZero() {
			until = "until " + stamp(h.Until)
		}
		c := t.diagnose(code, fmt.Sprintf("A hold (%s) is in force %s.", holdOf(h), until))
		if h.Actor != nil {
			c.Evidence = append(c.Evidence, "It answers what was done by "+display.Line(string(h.Actor.Kind)+" "+h.Actor.ID, maxShort)+".")
		}
		c.Command = h.ReleaseCommand()
		t.add(c)
		t.inForce = append(t.inForce, brake{code, h})
	}
	if c := t.f.Live.Client; c != nil && c.Off || c == nil && t.rec.Off {
		t.add(t.diagnose(SwitchedOff, "The application's metadata has grantd=off."))
	}
}

func holdOf(h dcr.Hold) string {
	what := "of every client"
	if h.ClientID != "" {
		what = "of this client"
	}
	if h.Field != "" {
		what = "of the step " + display.Line(string(h.Field), maxShort) + " " + what
	}
	return what + ", reason " + display.Line(string(h.Reason), maxShort)
}

// holdsBack reports whether a hold covers something that is missing, as far as
// that is known.
func (t *teller) holdsBack(h dcr.Hold) bool {
	for step, c := range map[dcr.StepKind]Condition{
		dcr.StepPromote: t.cond.Promoted, dcr.StepConnect: t.cond.Connected,
		dcr.StepDomainLevel: t.cond.Connected, dcr.StepGrant: t.cond.Granted,
	} {
		if h.Covers(t.f.ID, step) && !c.stands() {
			return true
		}
	}
	return false
}

// stands reports whether the condition holds, by Auth0 if it said so.
func (c Condition) stands() bool {
	if c.Now.Known {
		return c.Now.Status
	}
	return c.Status
}

// troubled tells of what grantd itself meets with: by the record, and just now.
func (t *teller) troubled() {
	for _, p := range t.problems() {
		switch {
		case p.What == LogSearch, p.Reason == dcr.Timeout && t.f.Live.answered():
			continue
		case t.readyUnasked() && p.Reason != dcr.TokenRefused && p.Reason != dcr.MissingScope:
			continue // nothing is known to be missing, and it will pass; the summary says so
		}
		t.failing(p.Reason, fmt.Sprintf("Just now, asked for %s: %s", p.What, p.Message))
	}
	if t.inOrder() {
		return
	}
	message := display.Line(t.rec.Message, maxText)
	switch t.rec.Reason {
	case dcr.DryRun:
		t.add(t.diagnose(DryRun, "The ledger has it pending, reason dry_run."))
	case dcr.LimitReached, dcr.ScopesRejected, dcr.RejectedByAuth0, dcr.MissingScope, dcr.ScopesUnknown:
		t.failing(t.rec.Reason, "grantd's last attempt: "+message)
	case dcr.RegistrationStorm:
		if t.cause(Storm) == nil {
			t.add(t.diagnose(Storm, "The ledger has it pending, reason registration_storm."))
		}
	}
	if t.rec.LastError != "" && t.rec.LastError != t.rec.Reason || t.rec.Phase == dcr.Pending && t.rec.LastError != "" {
		t.failing(t.rec.LastError, "grantd's last attempt: "+message)
	}
}

// failing adds the cause that a failed call stands for.
func (t *teller) failing(r dcr.Reason, evidence string) {
	code := map[dcr.Reason]Code{
		dcr.LimitReached: LimitReached, dcr.ScopesRejected: ScopesRejected, dcr.RejectedByAuth0: Rejected,
		dcr.MissingScope: ScopeMissing, dcr.ScopesUnknown: ScopesUnknown, dcr.RateLimited: RateLimited,
		dcr.TokenRefused: TokenRefused, dcr.Unauthorized: Unreachable, dcr.TokenUnavailable: Unreachable,
		dcr.Unreachable: Unreachable, dcr.Timeout: Unreachable, dcr.ServerError: Unreachable, dcr.BadResponse: Unreachable,
	}[r]
	if code != "" {
		t.add(t.diagnose(code, evidence))
	}
	if code == ScopeMissing || code == LimitReached {
		t.findings(code) // with the fix that knows the tenant
	}
}

// readyUnasked reports whether the client was ready, and Auth0 could not be asked
// whether it still is.
func (t *teller) readyUnasked() bool { return t.rec.Phase == dcr.Ready && !t.f.Live.answered() }

// lacking tells what of the three conditions does not hold.
func (t *teller) lacking() {
	t.lackingConnection()
	t.lackingGrant()
	if c := t.cond.Promoted; !c.stands() && (c.Now.Known || t.rec.Checked()) {
		t.step(NotPromoted, "promoted", c)
	}
}

func (t *teller) lackingConnection() {
	c := t.cond.Connected
	reason, evidence := t.said("connected", c)
	switch {
	case reason == dcr.ConnectionNotDomainLevel && !c.stands():
		t.add(t.diagnose(NotDomainLevel, evidence))
	case reason == dcr.ConnectionNotFound && !c.stands():
		t.add(t.diagnose(ConnectionNotFound, evidence))
	case !c.stands() && (c.Now.Known || t.rec.Checked()):
		t.step(NotConnected, "connected", c)
	}
	if slices.ContainsFunc(t.f.Live.Connections, func(c plan.Connection) bool { return c.Connection != nil && c.Connection.Inactive }) {
		t.add(t.diagnose(ConnectionInactive, "Auth0 now: "+c.Now.Has+"."))
	}
}

func (t *teller) lackingGrant() {
	c := t.cond.Granted
	reason, evidence := t.said("granted", c)
	switch {
	case reason == dcr.APINotFound && !c.stands():
		t.add(t.diagnose(APINotFound, evidence))
	case reason == dcr.ScopesUnknown && !c.stands():
		t.add(t.diagnose(ScopesUnknown, evidence))
	case !c.stands() && (c.Now.Known || t.rec.Checked()):
		if g := t.f.Live.Grant; g.Known && g.Grant != nil {
			t.step(ScopesMissing, "granted", c)
		} else {
			t.step(GrantMissing, "granted", c)
		}
	}
	if reason == dcr.ScopesUndefined {
		t.add(t.diagnose(ScopesUndefined, evidence))
	}
	if a := t.f.Live.API.API; a != nil && a.UserPolicy == dcr.DenyAll {
		t.add(t.diagnose(APIDeniesUsers, "Auth0 now: the API's policy for user access is deny_all."))
	}
}

// said is the reason of a condition and how it is known: by Auth0 if it
// answered, else by the ledger.
func (t *teller) said(name string, c Condition) (dcr.Reason, string) {
	if c.Now.Known {
		return c.Now.Reason, fmt.Sprintf("Auth0 now, %s: %s.", name, c.Now.Has)
	}
	return c.Reason, fmt.Sprintf("The ledger, checked %s, %s: %s", ago(t.rec.LastCheckedAt, t.f.Now), name, c.Message)
}

// step tells of something that grantd would do: a cause of its own, or evidence
// of what keeps grantd from it.
func (t *teller) step(code Code, name string, c Condition) {
	_, evidence := t.said(name, c)
	if b := t.blocker(code); b != nil {
		t.add(Cause{Code: b.Code, Evidence: []string{evidence}})
		return
	}
	t.add(t.diagnose(code, evidence))
}

// blocker is the cause that keeps grantd from mending what code stands for; nil
// when nothing does.
func (t *teller) blocker(code Code) *Cause {
	own := map[Code][]Code{
		GrantMissing:   {APINotFound, ScopesUnknown, APIDeniesUsers},
		ScopesMissing:  {APINotFound, ScopesUnknown, ScopesUndefined},
		NotConnected:   {NotDomainLevel, ConnectionNotFound, ConnectionInactive},
		RefreshInvalid: {RefreshNotAllowed},
		ClientUnknown:  {DocumentUnknown, ClientDeleted},
	}[code]
	if code == GrantMissing || code == ScopesMissing || code == NotConnected || code == NotPromoted {
		own = append(own, CallbackRefused, Refused, SwitchedOff, HeldBack, Fighting, Storm, DryRun, ScopeMissing,
			LimitReached, ScopesRejected, Rejected, TokenRefused, Unreachable, RateLimited)
	}
	for _, b := range own {
		if c := t.cause(b); c != nil && !c.Over && t.covers(b, code) {
			return c
		}
	}
	return nil
}

// brake is a hold and the cause that it stands for.
type brake struct {
	code Code
	hold dcr.Hold
}

// covers reports whether a cause keeps grantd from mending what code stands for:
// one that comes of holds does for what they cover.
func (t *teller) covers(cause, code Code) bool {
	steps := map[Code][]dcr.StepKind{
		GrantMissing: {dcr.StepGrant}, ScopesMissing: {dcr.StepGrant}, NotPromoted: {dcr.StepPromote},
		NotConnected: {dcr.StepConnect, dcr.StepDomainLevel},
	}[code]
	held := false
	for _, b := range t.inForce {
		if b.code != cause {
			continue
		}
		held = true
		if slices.ContainsFunc(steps, func(s dcr.StepKind) bool { return b.hold.Covers(t.f.ID, s) }) {
			return true
		}
	}
	return !held
}

// unheard tells of a client that grantd would serve and has not heard of.
func (t *teller) unheard() {
	if t.f.Record == nil && t.f.Live.Client != nil && t.eligible {
		t.add(t.diagnose(Waiting, "Auth0 has the client, and the ledger has not. grantd hears of registrations by the log stream at once, "+
			"by its poll of the log within seconds, and by its sweep of all third-party clients."))
	}
}

// unattended tells that nobody does what grantd would do.
func (t *teller) unattended() {
	due := slices.ContainsFunc(t.causes, func(c Cause) bool { return c.Who == Grantd && !c.Over })
	if !due && t.rec.Phase == dcr.Pending && !t.inOrder() && len(t.causes) == 0 {
		t.add(t.diagnose(Waiting, fmt.Sprintf("The ledger has it pending, reason %s.", orNone(t.rec.Reason))))
		due = true
	}
	if due && !t.f.Serving {
		t.add(t.diagnose(NoDaemon, "No daemon answers on the control socket."))
	}
}

func orNone(r dcr.Reason) string {
	if r == "" {
		return "none"
	}
	return string(r)
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

// ago says when something was, coarsely.
func ago(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case at.IsZero():
		return "never"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	default:
		return fmt.Sprintf("%d days ago", d/(24*time.Hour))
	}
}
