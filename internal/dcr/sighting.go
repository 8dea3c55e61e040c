package dcr

import "time"

// Feed is where sightings come from.
type Feed string

// The feeds, and two that only ever stand as a cause: FeedConfig of a client that
// is due because the configuration changed, FeedCommand of what a person asked
// for.
const (
	FeedWebhook Feed = "webhook"
	FeedPoll    Feed = "poll"
	FeedSweep   Feed = "sweep"
	FeedConfig  Feed = "config"
	FeedCommand Feed = "command"
)

// SightingKind is the reason to look at a client.
type SightingKind string

// The kinds of sighting.
const (
	// Registered: a client appeared in the tenant. Only this kind, and sweeps,
	// create records.
	Registered SightingKind = "registered"
	// Changed: a client, its grant, a connection or the API was edited, or a
	// grant was deleted.
	Changed SightingKind = "changed"
	// Deleted: a client was deleted, says the log. The Management API has the
	// last word.
	Deleted SightingKind = "deleted"
	// Denied: Auth0 turned a login away for want of a client grant.
	Denied SightingKind = "denied"
	// Used: somebody logged in through the client, or it got a token. That is no
	// reason to look, and travels as a Use.
	Used SightingKind = "used"
)

// Class is the urgency of work.
type Class string

// The classes of work.
const (
	// Urgent work has a person waiting: registrations, denials, an admin's edit.
	Urgent Class = "urgent"
	// Background work is verification and repair; it leaves a reserve.
	Background Class = "background"
)

// ActorKind says what an Actor is.
type ActorKind string

// The kinds of actor.
const (
	ActorUser        ActorKind = "user"
	ActorApplication ActorKind = "application"
	ActorSelf        ActorKind = "self"
)

// Actor is who did something in Auth0, by id alone: no name, address or mail.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   string    `json:"id"`
}

// Use says that a client worked: a login through it, or a token issued to it,
// succeeded.
type Use struct {
	ClientID string    // valid by ValidClientID
	At       time.Time // the newest entry's date, zero when it had none
}

// Sighting is one reason, found in one log entry, to look at a client. It is a
// hint and nothing more: what the client is, is read from the Management API.
//
// At most one of ClientID, GrantID, ConnectionID and APIID is set: the thing
// the entry is about. A deleted grant is known by GrantID alone, because its
// log entry does not name the client.
type Sighting struct {
	Kind  SightingKind
	Class Class

	ClientID     string // valid by ValidClientID, or empty
	GrantID      string
	ConnectionID string
	APIID        string

	LogID         string    // never empty; a digest of the entry where it had none
	At            time.Time // the entry's date, zero when it had none
	Registration  Registration
	Name          string   // as the log has it, possibly masked; may be empty
	Callbacks     []string // as the log has them: may demote a client, never approve it
	Audience      string   // the API it was denied for, or that a grant is for as the log has it
	Actor         Actor    // zero when the entry does not say
	SourceIP      string   // the address of whoever registered; for fairness only, never stored
	CorrelationID string   // references.correlation_id, by which own writes are known
}
