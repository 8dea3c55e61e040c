package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// heldError says that a hold keeps a write from being made.
type heldError struct{ hold dcr.Hold }

func (e *heldError) Error() string { return describeHold(e.hold) }

// whole reports whether the hold leaves nothing to do for a client it covers.
func whole(h dcr.Hold) bool { return h.Scope == dcr.HoldClient || h.Scope == dcr.HoldAll }

// reasonOfHold is the reason of what a hold keeps from being as desired. A fight
// is over a field; whatever else stops grantd was somebody's decision.
func reasonOfHold(h dcr.Hold) dcr.Reason {
	if h.Scope == dcr.HoldField && h.Reason == dcr.Fighting {
		return dcr.Fighting
	}
	return dcr.Held
}

// covering is the hold that keeps a step of a client from being made, the
// longest there is.
func covering(holds []dcr.Hold, clientID string, step dcr.StepKind, now time.Time) (longest dcr.Hold, held bool) {
	for _, h := range holds {
		if !h.Active(now) || !h.Covers(clientID, step) {
			continue
		}
		if !held || h.Until.IsZero() || !longest.Until.IsZero() && h.Until.After(longest.Until) {
			longest, held = h, true
		}
	}
	return longest, held
}

// heldWhole is the hold that covers everything of the client. Those of a field
// are none: they are for no step.
func (j *job) heldWhole() (dcr.Hold, bool) {
	return covering(j.holds, j.rec.ClientID, "", j.r.now())
}

// errOvertaken says that another configuration is in force by now.
var errOvertaken = errors.New("the configuration changed meanwhile")

// mayWrite asks once more whether a step may be made: a hold that was set since
// the job began stops it, and so does a new desired state, which may not even
// want the client touched.
func (j *job) mayWrite(ctx context.Context, step dcr.StepKind) error {
	if now := j.r.settings.Load(); now != j.s && now.Desired.Digest() != j.s.Desired.Digest() {
		return errOvertaken
	}
	holds, err := j.r.holds(ctx)
	if err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	if h, held := covering(holds, j.rec.ClientID, step, j.r.now()); held {
		return &heldError{h}
	}
	return nil
}

// writing is the context in which a step is made. Whether it may be is asked now,
// and again when the rate limit lets the request through.
func (j *job) writing(ctx context.Context, step dcr.StepKind) (context.Context, error) {
	may := func(ctx context.Context) error { return j.mayWrite(ctx, step) }
	return auth0.WithGate(ctx, may), may(ctx)
}

// heldBack: a hold covers the whole client. What is known of it stays as it
// was last seen, and nothing is due before the hold ends.
func (j *job) heldBack(h dcr.Hold) {
	j.leave(findingOf(&heldError{h}))
	if !h.Until.IsZero() {
		j.rec.NextAttemptAt, j.rec.Class = h.Until, dcr.Background
	}
}

// switchedOff: an admin wants the client left alone. It is looked at now and
// then, for nobody may tell when that is over.
func (j *job) switchedOff() {
	attempts := j.rec.Attempts
	if j.was.Phase != dcr.Blocked || j.was.Reason != dcr.Held {
		attempts = 0
	}
	j.leave(plan.Finding{
		Reason: dcr.Held, Message: "the application's metadata has grantd=off, so it is left alone", Fix: dcr.SwitchedOff.Info().Fix,
	})
	j.rec.LastCheckedAt, j.rec.Digest, j.rec.Attempts = j.r.now(), j.s.Desired.Digest(), attempts
	j.again(backoff(attempts+1, recheckMin, recheckMax), dcr.Background, "")
}

// leave leaves a client alone because somebody said so.
func (j *job) leave(why plan.Finding) {
	why.Reason = dcr.Held
	if j.was.Phase != dcr.Blocked || j.was.Reason != why.Reason || j.was.Message != why.Message {
		j.log.Info("[dcr] client held", "message", why.Message, "fix", why.Reason.Advice(why.Fix).String())
	}
	j.phase(dcr.Blocked, why)
	j.rec.NextAttemptAt, j.rec.Class, j.rec.Attempts, j.rec.LastError = time.Time{}, "", 0, ""
}

// describeHold says why something is not written, and until when.
func describeHold(h dcr.Hold) string {
	until := "it is released"
	if !h.Until.IsZero() {
		until = h.Until.UTC().Format("15:04:05 UTC on 2 Jan")
	}
	if reasonOfHold(h) == dcr.Fighting {
		return fmt.Sprintf("%s undoes the step %s again and again; grantd leaves it alone until %s", describeActor(h.Actor), h.Field, until)
	}
	what := "this client"
	switch h.Scope {
	case dcr.HoldAll:
		what = "every client"
	case dcr.HoldField:
		what = "the step " + string(h.Field)
		if h.ClientID != "" {
			what += " of this client"
		}
	}
	return fmt.Sprintf("%s %s is held until %s", whyHeld(h), what, until)
}

// releaseOf says how a hold ends that somebody set.
func releaseOf(h dcr.Hold) dcr.Text {
	if reasonOfHold(h) == dcr.Fighting {
		return "" // it ends by itself
	}
	return dcr.Command(h.ReleaseCommand()) + " lets grantd go on."
}

func whyHeld(h dcr.Hold) string {
	switch h.Reason {
	case dcr.RegistrationStorm:
		return "it registered in a registration storm (GRANTD_STORM_HOLD):"
	case dcr.Reverted:
		return "a change was reverted by grantd revert:"
	default:
		return "a person stopped grantd:"
	}
}

// heldBy is the hold that an error comes from, if it covers the whole client.
func heldBy(errs ...error) (dcr.Hold, bool) {
	for _, err := range errs {
		if e, ok := errors.AsType[*heldError](err); ok && whole(e.hold) {
			return e.hold, true
		}
	}
	return dcr.Hold{}, false
}
