package reconcile

import (
	"log/slog"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/policy"
)

// judgement is what a client's state, seen without touching it, amounts to.
type judgement struct {
	record dcr.Record // as it is to be kept
	plan   plan.Plan  // what is to be written
	// due: there is something to write, which is a worker's to do.
	due bool
	// held: somebody said that it is to be left alone.
	held bool
	// say raises the alarm there is, once the record is kept; nil: there is none.
	say func()
	// unread: whether there is a grant must be read first.
	unread bool
}

// judge holds what was seen of a client against the desired state, by the same
// rules as Reconcile and without a call. What is as desired, refused or blocked
// is settled; what is not is due. Quiet says nothing in the log.
func (r *Reconciler) judge(s *Settings, holds []dcr.Hold, rec dcr.Record, o plan.Observed, quiet bool) judgement {
	log := r.log.With("client_id", rec.ClientID, "cause", rec.Cause)
	if quiet || rec.Seq == 0 { // strangers that were there before are counted, not told of one by one
		log = slog.New(slog.DiscardHandler)
	}
	j := r.job(s, rec, log)
	say := func() {}
	j.tell = func(f func()) { say = f }
	j.holds = holds
	j.describe(o.Client)
	if v := j.verdict(o); !v.Eligible {
		out := j.judgeRefused(o, v)
		out.say = say
		return out
	}
	j.doubtful = nil
	if g := o.Grant.Grant; g != nil && j.rec.GrantID != g.ID {
		j.rec.GrantID, j.rec.GrantMade = g.ID, false
	}
	if h, held := j.heldWhole(); held {
		j.heldBack(h)
		j.rec.LastCheckedAt, j.rec.Digest = r.now(), s.Desired.Digest()
		return judgement{record: j.rec, held: true}
	}
	if j.rec.Off {
		j.switchedOff()
		return judgement{record: j.rec, held: true}
	}
	p := j.brake(plan.Compute(s.Desired, o))
	switch {
	case len(p.Steps()) == 0:
		j.rec.Unread = false
		j.settle(results{
			promote: applied{finding: p.Promote.Result},
			connect: applied{finding: p.Connect.Result},
			grant:   applied{finding: p.Grant.Result},
			made:    o.Grant.Grant,
		})
	case s.Desired.DryRun:
		j.planned(p)
	default:
		if j.rec.Phase == dcr.Refused { // it was; now it fits
			j.rec.Phase = dcr.Pending
		}
		return judgement{record: j.rec, plan: p, due: true}
	}
	return judgement{record: j.rec, plan: p}
}

// judgeRefused settles a refused client, unless its scopes are to be taken away.
// Whose grant it is then stays as it was known, for a worker to hold against.
func (j *job) judgeRefused(o plan.Observed, v policy.Verdict) judgement {
	s, revoke := j.revocation(o, v)
	_, unheard := j.unheard(o)
	if !unheard && o.Grant.Known {
		j.doubtful = nil
	}
	j.refused(v.Reason, v.Message)
	out := judgement{record: j.rec, due: unheard}
	if !revoke {
		return out
	}
	out.plan.Grant.Steps = []plan.Step{s}
	if out.due = !j.s.Desired.DryRun; !out.due {
		out.record.Plan = []dcr.Change{s.Change()}
	}
	return out
}

const (
	// queueSpan is how far back the places reach that a sweep gives in the queue.
	queueSpan = time.Hour
	// queueReach is the idleness beyond which all clients are equal.
	queueReach = 1000 * time.Hour
)

// place is where in the queue a client stands that a sweep found not to be as
// desired: the more recently it was used, the earlier. The queue is ordered by
// time, so that a place is a time before now.
func place(rec dcr.Record, now time.Time) time.Time {
	last := rec.LastUsedAt
	for _, t := range []time.Time{rec.LastDeniedAt, rec.ReadyAt, rec.RegisteredAt, rec.FirstSeenAt} {
		if t.After(last) {
			last = t
		}
	}
	idle := min(max(now.Sub(last), 0), queueReach)
	return now.Add(-queueSpan + idle/time.Duration(queueReach/queueSpan))
}
