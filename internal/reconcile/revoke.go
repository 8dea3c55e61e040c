package reconcile

import (
	"context"
	"errors"
	"strings"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/policy"
)

// verdict is what policy says of a client that was observed.
func (j *job) verdict(o plan.Observed) policy.Verdict {
	return j.s.Policy.Decide(o.Client, j.s.OwnClientID)
}

// turnedAway: policy says hands off. With Desired.Revoke a client that grantd
// brought to the desired state does not keep what it was given.
func (j *job) turnedAway(ctx context.Context, o plan.Observed, v policy.Verdict) {
	s, revoke := j.revocation(o, v)
	made, unheard := j.unheard(o)
	j.doubtful = nil // it was looked at
	j.refused(v.Reason, v.Message)
	switch {
	case unheard:
		j.tellRevoked(made)
	case !revoke:
	case j.s.Desired.DryRun:
		j.rec.Plan = []dcr.Change{s.Change()}
		j.rec.Message += "; dry run: the scopes of its grant would be taken away"
	default:
		j.revoke(ctx, s)
	}
}

// revocation is the step that takes the scopes from a client that is refused,
// if there is anything to take and it is grantd's to take: the grant is one that
// grantd made or kept, of a client that was ready, and that nothing but its
// callbacks keeps from being so.
func (j *job) revocation(o plan.Observed, v policy.Verdict) (plan.Step, bool) {
	callbacks := v.Reason == dcr.CallbackNotAllowed || v.Reason == dcr.NoCallbacks
	if !j.s.Desired.Revoke || !callbacks || j.was.ReadyAt.IsZero() || o.Client.Off {
		return plan.Step{}, false
	}
	g := o.Grant.Grant
	if g == nil || g.ID != j.was.GrantID || j.was.Unadopted || g.SubjectType != dcr.SubjectUser || g.Audience != j.s.Desired.Audience {
		return plan.Step{}, false
	}
	if _, held := j.held(dcr.StepRevoke); held {
		return plan.Step{}, false
	}
	return plan.Revoke(*g)
}

// revoke takes the scopes away. What fails is tried again, and the client stays
// refused meanwhile.
func (j *job) revoke(ctx context.Context, s plan.Step) {
	id := j.r.correlationID()
	ctx, err := j.writing(ctx, s.Kind)
	sent := err == nil
	if sent {
		_, err = j.r.tenant.SetGrantScopes(ctx, id, s.Grant, s.Scopes)
	}
	if errors.Is(err, auth0.ErrNotFound) {
		j.rec.GrantID, j.rec.GrantMade = "", false // deleted meanwhile
		return
	}
	if _, held := errors.AsType[*heldError](err); held {
		j.say("the scopes of its grant are left to it: ", err)
		return
	}
	made := j.change(s, id, j.r.now())
	if err != nil {
		j.notRevoked(err)
		if sent && unsure(err) {
			j.rec.Plan = []dcr.Change{made} // by which it is known, should it have been made
		}
		return
	}
	if revoked(j.was) && len(j.undone(s.Kind)) >= j.r.fights.After { // somebody gives them back every time
		j.fight(dcr.Hold{Scope: dcr.HoldField, ClientID: j.rec.ClientID, Field: s.Kind})
	}
	j.tellRevoked(made)
}

// tellRevoked keeps what was taken away, and says so.
func (j *job) tellRevoked(made dcr.Change) {
	j.changes = append(j.changes, made)
	set(&j.rec.Conditions.Granted, plan.Finding{Reason: j.rec.Reason, Message: revokedMessage, Fix: revokedFix}, j.r.now())
	j.sayRevoked()
	j.log.Warn("[dcr] revoked client", j.about("grant", made.Before["id"], "taken", made.Before)...)
}

// unheard is a revocation that Auth0 made although its answer did not come: it
// belongs in the journal, which alone knows what there was.
func (j *job) unheard(o plan.Observed) (dcr.Change, bool) {
	g := o.Grant.Grant
	if g == nil || len(g.Scopes) > 0 || g.AllowAllScopes {
		return dcr.Change{}, false
	}
	for _, c := range j.doubtful {
		if c.Before["id"] == g.ID {
			return c, true
		}
	}
	return dcr.Change{}, false
}

// doubtful are the revocations among the changes of a record's plan that were
// sent to Auth0: those of a dry run have no correlation id.
func doubtful(changes []dcr.Change) (sent []dcr.Change) {
	for _, c := range changes {
		if c.Step == dcr.StepRevoke && c.CorrelationID != "" {
			sent = append(sent, c)
		}
	}
	return sent
}

// What is said of a revocation, and of how to undo it.
const (
	revokedMessage          = "the scopes of its grant were taken away (GRANTD_REVOKE)"
	revokedFix     dcr.Text = "`grantd history` shows what was taken away, and `grantd revert` gives it back."
)

// sayRevoked adds to why the client is refused that it lost its scopes.
func (j *job) sayRevoked() {
	j.rec.Message += "; " + revokedMessage
	j.rec.Fix = join(j.rec.Reason.Info().Fix, revokedFix)
}

// say adds to why the client is refused what became of taking its scopes away.
func (j *job) say(what string, err error) {
	f := findingOf(err)
	j.rec.Message += "; " + what + f.Message
	j.rec.Fix = join(f.Reason.Advice(f.Fix), j.rec.Reason.Info().Fix)
}

// join is two pieces of advice, of which either may be none.
func join(a, b dcr.Text) dcr.Text { return dcr.Text(strings.TrimSpace(string(a + " " + b))) }

// revoked reports whether the client lost its scopes: no other refusal says
// anything of a condition.
func revoked(r dcr.Record) bool {
	g := r.Conditions.Granted
	return !g.Status && (g.Reason == dcr.CallbackNotAllowed || g.Reason == dcr.NoCallbacks)
}

// notRevoked: the scopes could not be taken away for now.
func (j *job) notRevoked(err error) {
	if j.interrupted(err) {
		j.rec.NextAttemptAt, j.rec.Class = j.was.NextAttemptAt, j.was.Class
		return
	}
	r := reasonOf(err)
	wait, class := max(backoff(j.was.Attempts+1, retryMin, retryMax), retryAfter(err)), j.was.Class
	if needsPerson(r) {
		wait, class = backoff(j.was.Attempts+1, recheckMin, recheckMax), dcr.Background
	}
	j.say("the scopes of its grant could not be taken away yet: ", err)
	j.rec.Attempts = j.was.Attempts
	j.again(wait, class, r)
	j.log.Warn("[dcr] revoking client failed", "reason", r, "error", err, "attempts", j.rec.Attempts, "again_in", wait.Round(time.Millisecond))
}
