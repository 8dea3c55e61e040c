package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// Brakes are the holds that keep grantd from writing.
type Brakes interface {
	// Holds returns all that are kept, also those whose time is over.
	Holds(ctx context.Context) ([]dcr.Hold, error)
}

// Fights say when two managers are taken to fight over a field, and for how
// long it is then left alone.
type Fights struct {
	After    int           // repairs of one field of one client, 5 when 0
	Within   time.Duration // in which they fall, 10 min when 0
	Hold     time.Duration // for the first time, 10 min when 0; it doubles with each time in a row
	HoldMost time.Duration // 24 h when 0
}

func (f Fights) withDefaults() Fights {
	if f.After == 0 {
		f.After = 5
	}
	if f.Within == 0 {
		f.Within = 10 * time.Minute
	}
	if f.Hold == 0 {
		f.Hold = 10 * time.Minute
	}
	if f.HoldMost == 0 {
		f.HoldMost = 24 * time.Hour
	}
	return f
}

// repairs counts those of a field that belongs to no client.
type repairs struct {
	mu    sync.Mutex
	times []time.Time
}

// add notes one more and returns those that count; when they are enough for a
// hold, counting begins again.
func (r *repairs) add(now time.Time, f Fights) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	recent := f.add(r.times, now)
	r.times = recent
	if len(recent) >= f.After {
		r.times = nil
	}
	return recent
}

// add returns the repairs that still count, and this one.
func (f Fights) add(times []time.Time, now time.Time) []time.Time {
	recent := slices.DeleteFunc(slices.Clone(times), func(t time.Time) bool { return now.Sub(t) >= f.Within })
	return append(recent, now)
}

// brake takes out of the plan what a hold covers. The conditions say so.
func (j *job) brake(p plan.Plan) plan.Plan {
	for _, part := range []*plan.Part{&p.Promote, &p.Connect, &p.Grant} {
		for _, s := range part.Steps {
			if h, held := j.held(s.Kind); held {
				part.Steps, part.Result = nil, findingOf(&heldError{h})
				break
			}
		}
	}
	return p
}

// held is the hold that keeps a step from being made, the longest there is.
func (j *job) held(step dcr.StepKind) (longest dcr.Hold, held bool) {
	return covering(j.holds, j.rec.ClientID, step, j.r.now())
}

// heldUntil is when the first of the holds in force ends that keep this client
// from what it needs, zero when none ends by itself.
func (j *job) heldUntil(r dcr.Reason) time.Time {
	var first time.Time
	for _, h := range j.holds {
		mine := h.Scope == dcr.HoldAll || h.ClientID == "" || h.ClientID == j.rec.ClientID
		if mine && reasonOfHold(h) == r && h.Active(j.r.now()) && !h.Until.IsZero() && (first.IsZero() || h.Until.Before(first)) {
			first = h.Until
		}
	}
	return first
}

func describeActor(a *dcr.Actor) string {
	if a == nil || a.ID == "" {
		return "somebody whom the log does not name"
	}
	return string(a.Kind) + " " + a.ID
}

// noteRepairs counts what others undid and grantd just did again, and what Auth0
// did not keep. When that goes on, the field is held.
func (j *job) noteRepairs() {
	steps := Repaired(j.was, dcr.Outcome{Record: j.rec, Changes: j.changes})
	for _, step := range append(steps, j.unkept(steps)...) {
		key := dcr.Hold{Scope: dcr.HoldField, ClientID: j.rec.ClientID, Field: step}
		var undone []time.Time
		if step == dcr.StepDomainLevel { // of the tenant, whoever's turn it was
			key.ClientID = ""
			undone = j.r.promotions.add(j.r.now(), j.r.fights)
		} else {
			undone = j.undone(step)
		}
		if len(undone) >= j.r.fights.After {
			j.fight(key)
		}
	}
}

// unkept lists what Auth0 took and did not keep, but for the steps given. Where
// log entries carry no correlation id grantd does not know its own writes again,
// and would make them without end.
func (j *job) unkept(but []dcr.StepKind) (steps []dcr.StepKind) {
	c := j.rec.Conditions
	forgotten := map[dcr.StepKind]bool{
		dcr.StepPromote: !c.Promoted.Status && c.Promoted.Reason == dcr.RejectedByAuth0,
		dcr.StepConnect: !c.Connected.Status && c.Connected.Reason == dcr.ConnectionNotDomainLevel,
	}
	for _, made := range j.changes {
		if forgotten[made.Step] && !slices.Contains(but, made.Step) && !slices.Contains(steps, made.Step) {
			steps = append(steps, made.Step)
		}
	}
	return steps
}

// undone adds this repair to those of the step that still count.
func (j *job) undone(step dcr.StepKind) []time.Time {
	recent := j.r.fights.add(j.rec.Undone[step], j.r.now())
	all := map[dcr.StepKind][]time.Time{} // the record that came is not ours to edit
	maps.Copy(all, j.rec.Undone)
	all[step] = recent
	if len(recent) >= j.r.fights.After {
		delete(all, step) // the hold answers them
	}
	j.rec.Undone = all
	return recent
}

// fight holds a field, longer than the last time.
func (j *job) fight(h dcr.Hold) {
	now := j.r.now()
	h.Reason, h.Since, h.Times, h.Actor = dcr.Fighting, now, 1, j.rec.Cause.Actor
	for _, before := range j.holds {
		if before.Scope == h.Scope && before.ClientID == h.ClientID && before.Field == h.Field {
			h.Times = before.Times + 1
		}
	}
	wait := j.r.fights.HoldMost
	if shift := h.Times - 1; shift < 20 && j.r.fights.Hold<<shift < wait {
		wait = j.r.fights.Hold << shift
	}
	h.Until = now.Add(wait)
	j.setHolds = append(j.setHolds, h)
	j.r.alarm(AlarmFighting)
	j.log.Error("[dcr] two managers fight over a field, leaving it alone",
		"field", h.Field, "by", describeActor(h.Actor), "times", j.r.fights.After, "within", j.r.fights.Within, "until", h.Until.UTC().Format(time.RFC3339))
}
