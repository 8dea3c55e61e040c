package reconcile

import (
	"errors"
	"slices"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// settle turns what became of the parts into the record's new state.
func (j *job) settle(res results) {
	now := j.r.now()
	j.rec.LastCheckedAt, j.rec.Digest = now, j.s.Desired.Digest()
	parts := []struct {
		applied
		condition *dcr.Condition
	}{
		{res.promote, &j.rec.Conditions.Promoted},
		{res.connect, &j.rec.Conditions.Connected},
		{res.grant, &j.rec.Conditions.Granted},
	}
	switch {
	case res.made != nil:
		j.rec.GrantMade = res.created || (j.rec.GrantMade && j.rec.GrantID == res.made.ID)
		j.rec.GrantID = res.made.ID
		j.rec.Unadopted = j.rec.Unadopted && !j.rec.GrantMade
	case errors.Is(res.grant.err, errClientGone), reasonOf(res.grant.err) == dcr.ChangedMeanwhile:
		j.rec.GrantID, j.rec.GrantMade = "", false // deleted meanwhile
	}
	var failure error
	var blocker plan.Finding
	for _, p := range parts {
		j.changes = append(j.changes, p.changes...)
		f := p.finding
		if p.err != nil {
			f = findingOf(p.err)
		}
		_, stopped := heldBy(p.err)
		if !j.interrupted(p.err) && !stopped { // which says nothing of the condition
			set(p.condition, f, now)
		}
		switch {
		case f.Status:
		case p.err == nil, needsPerson(f.Reason):
			if blocker.Reason == "" {
				blocker = f
			}
		case failure == nil || j.interrupted(p.err):
			failure = p.err
		}
	}
	slices.SortStableFunc(j.changes, func(a, b dcr.Change) int { return a.At.Compare(b.At) })
	h, stopped := heldBy(res.promote.err, res.connect.err, res.grant.err)
	switch {
	case stopped:
		j.heldBack(h)
	case failure != nil:
		j.failed(failure)
	case blocker.Reason == dcr.ScopesUnknown:
		j.waiting(blocker)
	case blocker.Reason != "":
		j.blocked(blocker)
	default:
		j.ready(now)
	}
}

func set(c *dcr.Condition, f plan.Finding, now time.Time) {
	if c.Since.IsZero() || c.Status != f.Status {
		c.Since = now
	}
	c.Status, c.Reason, c.Message, c.Fix = f.Status, f.Reason, f.Message, f.Fix
}

func (j *job) ready(now time.Time) {
	j.phase(dcr.Ready, plan.Finding{})
	j.rec.NextAttemptAt, j.rec.Class, j.rec.Attempts, j.rec.LastError = time.Time{}, "", 0, ""
	if j.rec.ReadyAt.IsZero() {
		j.rec.ReadyAt = now
		if !j.rec.RegisteredAt.IsZero() {
			j.rec.TimeToReady = max(0, now.Sub(j.rec.RegisteredAt))
		}
	}
	if j.was.Phase != dcr.Ready && (len(j.changes) > 0 || j.was.ReadyAt.IsZero()) {
		j.log.Info("[dcr] promoted+enabled+granted", j.about()...)
	}
}

// about are the attributes that people look for in every line on what became of
// a client: what it was to have, and how long it took so far.
func (j *job) about(more ...any) []any {
	return append([]any{
		"audience", j.s.Desired.Audience, "scopes", j.s.Desired.Scopes, "took", j.r.now().Sub(j.started),
	}, more...)
}

// blocked: a person must act. Looked at again by itself, ever more seldom.
func (j *job) blocked(why plan.Finding) {
	if j.was.Phase != dcr.Blocked || j.was.Reason != why.Reason {
		j.rec.Attempts = 0
		j.log.Warn("[dcr] client blocked", "reason", why.Reason, "message", why.Message, "fix", why.Reason.Advice(why.Fix).String())
	}
	j.phase(dcr.Blocked, why)
	j.again(backoff(j.rec.Attempts+1, recheckMin, recheckMax), dcr.Background, "")
	if until := j.heldUntil(why.Reason); !until.IsZero() {
		j.rec.NextAttemptAt = until
	}
}

// waiting: nothing to be done before the desired state changes, and that will
// make itself heard.
func (j *job) waiting(why plan.Finding) {
	j.phase(dcr.Pending, why)
	j.done()
}

func (j *job) refused(r dcr.Reason, message string) {
	j.tellRefused(r, message)
	j.phase(dcr.Refused, plan.Finding{Reason: r, Message: message})
	switch {
	case revoked(j.rec):
		j.sayRevoked()
	case j.s.Desired.Revoke && j.was.Unadopted && !j.was.ReadyAt.IsZero():
		j.rec.Message += "; its grant was there before grantd and keeps its scopes"
	}
	j.done()
}

// tellRefused says what is new: a client that was ready is an alarm.
func (j *job) tellRefused(r dcr.Reason, message string) {
	about := j.about("reason", r, "message", message)
	switch {
	case j.was.Phase != dcr.Refused && !j.was.ReadyAt.IsZero():
		j.tell(func() {
			j.log.Error("[dcr] refused client", append(about, "alarm", AlarmTurnedBad, "was_ready", true)...)
			j.r.alarm(AlarmTurnedBad)
		})
	case j.was.Phase != dcr.Refused || j.was.Reason != r:
		j.log.Warn("[dcr] refused client", about...)
	}
}

func (j *job) gone() {
	if !j.was.Checked() && j.was.Reason != dcr.NotFoundYet {
		j.phase(dcr.Pending, plan.Finding{Reason: dcr.NotFoundYet, Message: "Auth0 does not know this client yet"})
		j.again(freshRetry, j.rec.Class, dcr.NotFoundYet)
		return
	}
	if j.was.Phase != dcr.Gone {
		j.log.Info("[dcr] client is gone")
	}
	j.phase(dcr.Gone, plan.Finding{Reason: dcr.DeletedInAuth, Message: "the client does not exist in Auth0"})
	j.rec.GrantID, j.rec.GrantMade, j.rec.Conditions = "", false, dcr.Conditions{}
	j.done()
}

// done: nothing more to do until something changes.
func (j *job) done() {
	j.rec.LastCheckedAt, j.rec.Digest = j.r.now(), j.s.Desired.Digest()
	j.rec.NextAttemptAt, j.rec.Class, j.rec.Attempts, j.rec.LastError = time.Time{}, "", 0, ""
}

// failed: it goes wrong now and may go right later; or it was interrupted,
// which counts for nothing.
func (j *job) failed(err error) {
	r := reasonOf(err)
	switch {
	case j.interrupted(err):
		return // phase, attempts and plan are as they were, and it is as due as it was
	case needsPerson(r):
		j.blocked(findingOf(err))
		return
	}
	if r == dcr.ChangedMeanwhile {
		j.r.facts.invalidate()
	}
	wait := max(backoff(j.rec.Attempts+1, retryMin, retryMax), retryAfter(err))
	class := j.rec.Class
	if j.rec.Attempts >= urgentAttempts {
		class = dcr.Background // whoever waited has given up by now
	}
	j.phase(dcr.Pending, findingOf(err))
	j.again(wait, class, r)
	j.log.Warn("[dcr] attempt failed", "reason", r, "error", err, "attempts", j.rec.Attempts, "again_in", wait.Round(time.Millisecond))
}

// planned keeps what a dry run would do.
func (j *job) planned(p plan.Plan) {
	j.phase(dcr.Pending, plan.Finding{Reason: dcr.DryRun, Message: "dry run: nothing was written"})
	for _, s := range p.Steps() {
		j.rec.Plan = append(j.rec.Plan, s.Change())
	}
	j.done() // the next sweep plans anew
	j.log.Info("[dcr] dry run", "steps", len(j.rec.Plan))
}

func (j *job) again(wait time.Duration, c dcr.Class, lastError dcr.Reason) {
	if c == "" {
		c = dcr.Background
	}
	j.rec.Attempts++
	j.rec.NextAttemptAt, j.rec.Class, j.rec.LastError = j.r.now().Add(wait), c, lastError
}

func (j *job) phase(p dcr.Phase, why plan.Finding) {
	j.rec.Enter(p, why.Reason, why.Message)
	j.rec.Fix, j.rec.Plan = why.Fix, j.doubtful
}

// Repaired lists the outcome's writes that made a condition true again which
// had been true before: drift, not onboarding, and not that configuration asks
// for something else now. Each kind stands once.
func Repaired(was dcr.Record, o dcr.Outcome) []dcr.StepKind {
	if was.Digest != o.Record.Digest {
		return nil
	}
	held := map[dcr.StepKind]bool{
		dcr.StepPromote:     was.Conditions.Promoted.Status,
		dcr.StepConnect:     was.Conditions.Connected.Status,
		dcr.StepDomainLevel: was.Conditions.Connected.Status,
		dcr.StepGrant:       was.Conditions.Granted.Status,
	}
	var steps []dcr.StepKind
	for _, c := range o.Changes {
		if held[c.Step] && c.Reverts == 0 && !slices.Contains(steps, c.Step) {
			steps = append(steps, c.Step)
		}
	}
	return steps
}
