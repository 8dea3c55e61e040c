package explain

import "grantd/internal/dcr"

// Schema is the version of the story's JSON.
const Schema = 1

// Story is one client's, the most important first. Texts from outside are
// bounded and printable; nothing in it is about a person.
type Story struct {
	Schema   int       `json:"schema"`
	ClientID string    `json:"client_id"` // or the URL of a metadata document that no client has
	Phase    dcr.Phase `json:"phase"`     // by the ledger; empty when it does not know the client
	Summary  string    `json:"summary"`   // the verdict, in a sentence or two
	Next     Next      `json:"next"`
	Causes   []Cause   `json:"causes"` // why logins fail, the one to see to first; those that are over last

	Identity   Identity   `json:"identity"`
	Conditions Conditions `json:"conditions"`
	Denials    []Denial   `json:"denials"` // the newest first
	Holds      []Held     `json:"holds"`   // in force, of this client or of all
	History    []Written  `json:"history"` // what grantd wrote, the newest first

	CheckedAt dcr.Timestamp `json:"checked_at"` // when the ledger last looked
	// Auth0 says what Auth0 has: exists, missing or unknown.
	Auth0 Existence `json:"auth0"`
	// Problems are the questions to Auth0 that brought no answer.
	Problems []Problem `json:"problems"`
}

// Existence is whether Auth0 has the client.
type Existence string

// The answers to whether Auth0 has the client.
const (
	Exists  Existence = "exists"
	Missing Existence = "missing"
	Unasked Existence = "unknown" // it did not answer
)

// Who has to do something.
type Who string

// Those who can have to do something.
const (
	Person Who = "person"
	Grantd Who = "grantd"
	Nobody Who = "nobody"
)

// Next is what happens next.
type Next struct {
	Who  Who    `json:"who"`
	What string `json:"what"` // one instruction, or what grantd will do
	// Command is one to paste into a shell that does What; empty when none does.
	Command string `json:"command"`
	// When grantd looks at the client again by itself; null when it waits for
	// something to happen.
	When dcr.Timestamp `json:"when"`
	// Then is what grantd does after What, or at When; may be empty.
	Then string `json:"then"`
}

// Cause is one reason why logins fail, or did.
type Cause struct {
	Code     Code     `json:"code"`
	Text     string   `json:"text"`     // the cause, in a sentence
	Evidence []string `json:"evidence"` // how that is known, quoting Auth0 where it said so
	Fix      string   `json:"fix"`      // the exact instruction; empty when there is nothing to do
	Command  string   `json:"command"`  // to paste into a shell; empty when none does it
	Who      Who      `json:"who"`      // who has to act
	Over     bool     `json:"over"`     // it was the cause, and is no more
}

// Identity is who the client is and how it came.
type Identity struct {
	Name          string           `json:"name"` // its own word: no proof of anything
	Registration  dcr.Registration `json:"registration"`
	SecurityMode  dcr.SecurityMode `json:"security_mode"` // empty: first-party or never seen
	Callbacks     []Callback       `json:"callbacks"`
	RegisteredAt  dcr.Timestamp    `json:"registered_at"`
	FirstSeenAt   dcr.Timestamp    `json:"first_seen_at"`
	FirstSeenFeed dcr.Feed         `json:"first_seen_feed"`
	ReadyAt       dcr.Timestamp    `json:"ready_at"` // first time
	LastUsedAt    dcr.Timestamp    `json:"last_used_at"`
	LastDeniedAt  dcr.Timestamp    `json:"last_denied_at"`
}

// Callback is where the client's logins may go.
type Callback struct {
	URI     string `json:"uri"`
	Product string `json:"product"` // the preset that knows it; empty when none does
	Allowed bool   `json:"allowed"` // it is on the allow-list
}

// Conditions are the three things a client needs.
type Conditions struct {
	Promoted  Condition `json:"promoted"`
	Connected Condition `json:"connected"`
	Granted   Condition `json:"granted"`
}

// Condition is one of them: by the ledger, and by Auth0 now.
type Condition struct {
	Status  bool          `json:"status"`
	Reason  dcr.Reason    `json:"reason"`
	Message string        `json:"message"`
	Since   dcr.Timestamp `json:"since"` // null: never checked
	Now     Now           `json:"now"`
}

// Now is a condition as Auth0 has it at this moment.
type Now struct {
	Known   bool         `json:"known"`
	Status  bool         `json:"status"`
	Has     string       `json:"has"` // what Auth0 has, in words
	Reason  dcr.Reason   `json:"reason"`
	Message string       `json:"message"`
	Missing []dcr.Change `json:"missing"` // the difference to the desired state
}

// Held is a hold in force that covers the client.
type Held struct {
	Scope   dcr.HoldScope `json:"scope"`
	Field   dcr.StepKind  `json:"field"`
	Reason  dcr.Reason    `json:"reason"`
	Since   dcr.Timestamp `json:"since"`
	Until   dcr.Timestamp `json:"until"` // null: until it is released
	Release string        `json:"release"`
}

// Written is a change that grantd made in Auth0.
type Written struct {
	Seq     uint64         `json:"seq"`
	At      dcr.Timestamp  `json:"at"`
	Step    dcr.StepKind   `json:"step"`
	Before  map[string]any `json:"before"`
	After   map[string]any `json:"after"`
	Feed    dcr.Feed       `json:"feed"`    // by which the reason came
	Reverts uint64         `json:"reverts"` // the entry it undoes; 0: none
}

// NeedsPerson reports whether somebody has to act.
func (s Story) NeedsPerson() bool { return s.Next.Who == Person }
