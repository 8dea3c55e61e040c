package notify

import (
	"fmt"
	"strings"
	"time"

	"grantd/internal/dcr"
)

// Event is something to be told.
type Event struct {
	// Key says what it is and about whom: the same is told once in a while.
	Key string
	// Line tells it alone: one plain line, in which text from outside is tame.
	Line string
	// Group, where it is not empty, is that of the events which become one line
	// when there are several: their number, Many, and some Examples.
	Group, Many, Example string
}

// Ready tells of a client that is ready for the first time.
func Ready(r dcr.Record) Event {
	line := named(r) + " is ready: people can log in with it"
	if r.TimeToReady > 0 {
		unit := 100 * time.Millisecond
		if r.TimeToReady < time.Second {
			unit = time.Millisecond
		}
		line += fmt.Sprintf(", %s after it registered", r.TimeToReady.Round(unit))
	}
	return Event{
		Key: "ready/" + r.ClientID, Line: line + ".",
		Group: "ready", Many: "clients are ready: people can log in with them", Example: named(r),
	}
}

// Changed tells of what became of a client, false where that is nothing to be
// told of. It goes by the difference and not by the state, so that a restart
// or another configuration does not tell everything anew.
func Changed(was, is dcr.Record) (Event, bool) {
	switch {
	case is.Reason == dcr.OwnClient: // its being left alone is no news to anybody
	case was.ReadyAt.IsZero() && !is.ReadyAt.IsZero():
		return Ready(is), true
	case is.Phase == dcr.Refused && was.Phase != dcr.Refused && !was.ReadyAt.IsZero():
		return about(is, "client_turned_bad", "was ready and is refused now", "that were ready are refused now"), true
	case is.Phase == dcr.Refused && newlyRefused(was, is):
		return about(is, "client_refused", "is refused", "are refused"), true
	case is.Phase == dcr.Blocked && newlyBlocked(was, is):
		return about(is, "client_blocked", "is blocked", "are blocked"), true
	}
	return Event{}, false
}

// newlyRefused: a client that was checked, has no conditions and waits to be
// held against another configuration was refused before.
func newlyRefused(was, is dcr.Record) bool {
	again := was.Reason == dcr.Unchecked && was.Checked() && was.Conditions == dcr.Conditions{}
	return !again && (was.Phase != dcr.Refused || was.Reason != is.Reason)
}

// newlyBlocked: what is held is told with the hold, and a condition that failed
// for the same reason before says that nothing is new.
func newlyBlocked(was, is dcr.Record) bool {
	switch is.Reason {
	case dcr.Held, dcr.Fighting, dcr.RegistrationStorm, dcr.Reverted, dcr.SwitchedOff:
		return false
	}
	for _, c := range []dcr.Condition{was.Conditions.Promoted, was.Conditions.Connected, was.Conditions.Granted} {
		if !c.Status && c.Reason == is.Reason {
			return false
		}
	}
	return was.Phase != dcr.Blocked || was.Reason != is.Reason
}

// about tells that a client is refused or blocked, and why.
func about(r dcr.Record, kind, one, many string) Event {
	why := string(r.Reason)
	if m := tame(strings.TrimSuffix(r.Message, "."), maxMessage); m != "" {
		why += ", " + m
	}
	return Event{
		Key:     kind + "/" + string(r.Reason) + "/" + r.ClientID,
		Line:    fmt.Sprintf("%s %s: %s. %sgrantd clients show %s", named(r), one, why, sentence(r.Reason.Advice(r.Fix).String()), dcr.Argument(r.ClientID)),
		Group:   kind + "/" + string(r.Reason),
		Many:    fmt.Sprintf("clients %s: %s. %sgrantd clients list --phase %s", many, r.Reason, sentence(r.Reason.Info().Fix.String()), r.Phase),
		Example: named(r),
	}
}

// HoldSet tells of a hold that was set, by whatever or whomever.
func HoldSet(h dcr.Hold) Event {
	meaning := h.Reason.Info().Meaning.String()
	more := sentence(meaning) + "grantd hold list"
	if strings.Contains(meaning, "grantd hold list") {
		more = meaning
	}
	until := "it is released"
	if !h.Until.IsZero() {
		until = h.Until.UTC().Format("15:04 UTC on 2 Jan")
	}
	e := Event{
		Key:  "hold/" + identity(h),
		Line: fmt.Sprintf("grantd leaves %s alone until %s: %s. %s", covered(h), until, h.Reason, more),
	}
	if h.ClientID != "" {
		e.Group = "hold/" + string(h.Reason)
		e.Many = fmt.Sprintf("holds were set: %s. %s", h.Reason, more)
		e.Example = h.ClientID
	}
	return e
}

// HoldReleased tells that somebody released a hold.
func HoldReleased(h dcr.Hold) Event { return holdOver(h, "was released", "holds were released") }

// HoldRanOut tells that the time of a hold is over.
func HoldRanOut(h dcr.Hold) Event { return holdOver(h, "has run out", "holds have run out") }

// holdOver tells that a hold is in force no more. Another one may be.
func holdOver(h dcr.Hold, how, many string) Event {
	const more = "What is still held: grantd hold list"
	e := Event{
		Key:  "hold_over/" + identity(h),
		Line: fmt.Sprintf("The hold on %s %s: %s. %s", covered(h), how, h.Reason, more),
	}
	if h.ClientID != "" {
		e.Group = "hold_over/" + how + "/" + string(h.Reason)
		e.Many = fmt.Sprintf("%s: %s. %s", many, h.Reason, more)
		e.Example = h.ClientID
	}
	return e
}

// identity tells one hold from others, and from the next one like it.
func identity(h dcr.Hold) string {
	return fmt.Sprintf("%s/%s/%s/%s/%d", h.Reason, h.Scope, h.ClientID, h.Field, h.Since.Unix())
}

// covered is what a hold covers, in words.
func covered(h dcr.Hold) string {
	switch {
	case h.ClientID != "" && h.Field != "":
		return fmt.Sprintf("the step %s of client %s", h.Field, h.ClientID)
	case h.ClientID != "":
		return "client " + h.ClientID
	case h.Field != "":
		return fmt.Sprintf("the step %s of every client", h.Field)
	}
	return "everything"
}

// Storm tells that a registration storm has begun.
func Storm() Event {
	info := dcr.RegistrationStorm.Info()
	return Event{Key: "alarm/" + string(dcr.RegistrationStorm), Line: fmt.Sprintf("A registration storm has begun. %s %s", info.Meaning, info.Fix)}
}

// Trouble tells that something is wrong with grantd, its feeds or its way to
// Auth0; Over that it is no more.
func Trouble(r dcr.Reason) Event {
	info := r.Info()
	return Event{Line: strings.TrimSpace(fmt.Sprintf("%s: %s %s", r, info.Meaning, info.Fix))}
}

// Over tells that a Trouble has ended.
func Over(r dcr.Reason) Event { return Event{Line: fmt.Sprintf("%s is over.", r)} }

// Scarce tells that most of what a tenant may have is taken. What is what there
// are so many of, such as applications.
func Scarce(what string, has int, limit int, l dcr.Limits) Event {
	plan := "of the plan " + l.Plan
	if l.Guessed {
		plan = "as grantd guesses of the plan " + l.Plan + "; GRANTD_PLAN says which it is"
	}
	return Event{Line: fmt.Sprintf(
		"The tenant has %d of %d %s (%s). At the limit no client can register. Delete those that nobody uses: grantd clients list", has, limit, what, plan)}
}

// named is a client, by its name, which is its own invention, and its id.
func named(r dcr.Record) string {
	if name := tame(r.Name, maxName); name != "" {
		return fmt.Sprintf("“%s” (%s)", name, r.ClientID)
	}
	return "Client " + r.ClientID
}

// sentence is a text with a space after it, or nothing.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return s + " "
}
