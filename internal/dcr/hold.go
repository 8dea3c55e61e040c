package dcr

import "time"

// HoldScope is how much a Hold covers.
type HoldScope string

// The scopes of a hold.
const (
	// HoldField covers one step of one client, or, without a client, of every one.
	HoldField HoldScope = "field"
	// HoldClient covers everything of one client.
	HoldClient HoldScope = "client"
	// HoldAll covers every write.
	HoldAll HoldScope = "all"
)

// Hold is a brake: while it is active, what it covers is not written to.
// There is at most one for each scope, client and field.
type Hold struct {
	Scope    HoldScope `json:"scope"`
	ClientID string    `json:"client_id,omitempty"`
	Field    StepKind  `json:"field,omitempty"`
	Reason   Reason    `json:"reason"`
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`  // zero: until it is released
	Times    int       `json:"times,omitempty"` // holds of this kind in a row, this one included
	Actor    *Actor    `json:"actor,omitempty"` // who set it, or whose doing it answers
}

// ReleaseCommand is the command that ends the hold; empty where none does, since
// the application's metadata in Auth0 says so.
func (h Hold) ReleaseCommand() string {
	switch {
	case h.Reason == SwitchedOff:
		return ""
	case h.ClientID != "":
		return "grantd hold release " + Argument(h.ClientID)
	case h.Field != "":
		return "grantd hold release --field " + string(h.Field)
	default:
		return "grantd hold release"
	}
}

// Active reports whether the hold is in force at t.
func (h Hold) Active(t time.Time) bool { return h.Until.IsZero() || t.Before(h.Until) }

// Covers reports whether the hold keeps a step of a client from being made.
func (h Hold) Covers(clientID string, step StepKind) bool {
	switch h.Scope {
	case HoldAll:
		return true
	case HoldClient:
		return h.ClientID == clientID
	case HoldField:
		return h.Field == step && (h.ClientID == "" || h.ClientID == clientID)
	default:
		return false
	}
}
