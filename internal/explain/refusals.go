package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/doctor"
	"grantd/internal/plan"
)

// passing is how long a denial counts that may be over by itself, such as that
// of a code that had expired.
const passing = time.Hour

// denials matches each denial with the missing piece, and notes the cause.
func (t *teller) denials() []Denial {
	known := patterns()
	out := make([]Denial, 0, len(t.f.Denials))
	for _, d := range t.f.Denials[:min(len(t.f.Denials), MaxDenials)] {
		d.Cause = t.resolve(match(known, d), d)
		t.denied(d)
		out = append(out, d)
	}
	return out
}

// resolve says what a denial comes to by what else is known.
func (t *teller) resolve(code Code, d Denial) Code {
	audience := t.f.Desired.Audience
	switch {
	case code == GrantMissing && d.to != "" && d.to != audience:
		return WrongAudience
	case code == WrongAudience && d.to == display.Line(audience, maxURI):
		return APINotFound
	case code == GrantMissing && t.grantedBefore(d):
		return APIDeniesUsers // with a grant, only the API's policy refuses
	case code == ClientUnknown && (strings.HasPrefix(d.by, "https://") || strings.HasPrefix(t.f.ID, "https://")):
		return DocumentUnknown
	case code == ClientUnknown && t.f.Record != nil:
		return ClientDeleted
	case code == RefreshInvalid && t.noOfflineAccess():
		return RefreshNotAllowed
	case code == NotConnected && t.cond.Connected.Now.Status && t.cond.Connected.Now.Reason == dcr.PerClientUnproven:
		return NotDomainLevel
	}
	return code
}

// noOfflineAccess reports whether the API gives no refresh tokens, by what the
// tenant's findings say or Auth0 now; an API whose signing algorithm is not known
// was not read that far.
func (t *teller) noOfflineAccess() bool {
	if a := t.f.Live.API.API; a != nil && a.SigningAlg != "" && !a.AllowOfflineAccess {
		return true
	}
	return slices.ContainsFunc(t.f.Findings, func(f doctor.Finding) bool {
		return f.Code == doctor.APINoOfflineAccess && f.Severity != doctor.Unknown
	})
}

// grantedBefore reports whether the grant was there, by the ledger and by Auth0,
// well before the denial: for long enough that Auth0 knew it everywhere, and
// without grantd having put it right since.
func (t *teller) grantedBefore(d Denial) bool {
	since := t.grantedSince()
	return t.cond.Granted.Now.Status && t.cond.Granted.Status && !since.IsZero() && d.At.After(since.Add(time.Minute))
}

// grantedSince is since when the grant is as it is: grantd may have put it right
// within one look, so that its condition did not change.
func (t *teller) grantedSince() time.Time {
	since := t.cond.Granted.Since.Time
	for _, e := range t.f.Journal {
		if (e.Step == dcr.StepGrant || e.Step == dcr.StepRevoke) && e.At.After(since) {
			since = e.At
		}
	}
	return since
}

// denied notes the cause that a denial tells of.
func (t *teller) denied(d Denial) {
	evidence := fmt.Sprintf("Auth0, %s (%s): %s", stamp(d.At.Time), d.Type, quote(d.Text))
	if b := t.blocker(d.Cause); b != nil {
		t.add(Cause{Code: b.Code, Evidence: []string{evidence}})
		return
	}
	c := t.diagnose(d.Cause, evidence)
	if d.Cause == RateLimited { // Auth0's of logins, not of grantd's calls
		c.Text, c.Who = "Auth0's rate limit for logins was reached", Person
		c.Fix = "Wait a minute and have the user try again; if it goes on, Monitoring → Logs has under type api_limit what uses it up."
	}
	c.Over = t.over(d)
	if !c.Over {
		t.findings(d.Cause) // with the fix that knows the tenant
		t.particular(d, &c)
	}
	if c.Who == Grantd && !c.Over && !t.f.Serving {
		t.add(t.diagnose(NoDaemon, "No daemon answers on the control socket."))
	}
	t.add(c)
	if k := t.cause(d.Cause); k != nil && !c.Over && d.Cause == ClientDeleted {
		k.Who, k.Fix = Person, addAgain+"." // somebody still tries
	}
}

// over reports whether what a denial tells of is put right by now, or was
// followed by a login that worked.
func (t *teller) over(d Denial) bool {
	if t.rec.LastUsedAt.After(d.At.Time) {
		return true
	}
	live := t.f.Live
	absent := d.Cause == ClientUnknown || d.Cause == ClientDeleted || d.Cause == DocumentUnknown
	if live.Missing && !absent {
		return true // whatever it lacked, it is not there any more
	}
	switch d.Cause {
	case CodeInvalid, PKCEFailed, RefreshInvalid, UserDeclined, RateLimited:
		return t.f.Now.Sub(d.At.Time) > passing
	case GrantMissing:
		return t.cond.Granted.stands()
	case ScopesMissing:
		return t.cond.Granted.stands() && mended(t.cond.Granted, d)
	case NotConnected, NotDomainLevel:
		return t.cond.Connected.stands() && t.cond.Connected.Now.Reason != dcr.PerClientUnproven
	case ConnectionInactive:
		return mended(t.cond.Connected, d) && live.Connections != nil &&
			!slices.ContainsFunc(live.Connections, func(c plan.Connection) bool { return c.Connection == nil || c.Connection.Inactive }) &&
			t.f.Now.Sub(d.At.Time) > passing
	case NotPromoted:
		return t.cond.Promoted.stands()
	case ClientUnknown, ClientDeleted, DocumentUnknown:
		return live.Client != nil
	case CallbackMismatch:
		return live.Client != nil && slices.Contains(live.Client.Callbacks, d.to)
	case APINotFound:
		return live.API.API != nil
	default:
		return false
	}
}

// mended reports whether a condition came to hold after the denial.
func mended(c Condition, d Denial) bool {
	return c.stands() && !d.At.After(c.Since.Time)
}

// particular adds to a cause what the denial itself says.
func (t *teller) particular(d Denial, c *Cause) {
	switch d.Cause {
	case WrongAudience:
		if d.to == "" {
			return
		}
		audience := display.Line(t.f.Desired.Audience, maxURI)
		c.Text = fmt.Sprintf("the product asks for the API %s, and clients are granted %s", d.to, audience)
		if strings.TrimRight(d.to, "/") == strings.TrimRight(audience, "/") {
			c.Text += ": a slash at the end makes them two"
		}
	case CallbackMismatch:
		if _, ok := t.f.Policy.MatchURI(d.to); ok || d.to == "" {
			return
		}
		c.Fix += " It is not on the allow-list either: grantd refuses the client if you add it without GRANTD_ALLOWED_CLIENTS."
	case OrganizationBlocks:
		if plainID(d.to) {
			c.Text = "the organization " + d.to + " does not let third-party clients in"
			c.Command = `auth0 api patch organizations/` + d.to + ` --data '{"third_party_client_access":"allow"}'`
		}
	case APIDeniesUsers:
		c.Evidence = append(c.Evidence, "Auth0 has the grant since "+stamp(t.grantedSince())+", before that denial; only the API's access policy refuses then.")
	}
}
