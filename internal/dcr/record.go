package dcr

import (
	"log/slog"
	"time"
)

// Phase is where a record stands.
type Phase string

// The phases of a record.
const (
	// Pending: work is due.
	Pending Phase = "pending"
	// Ready: the last check found everything as desired.
	Ready Phase = "ready"
	// Blocked: a person must act. Checked again by itself.
	Blocked Phase = "blocked"
	// Refused: policy says hands off. Examined again when policy or client change.
	Refused Phase = "refused"
	// Gone: deleted in Auth0.
	Gone Phase = "gone"
)

// Phases are all phases in the order people want them listed.
func Phases() []Phase { return []Phase{Ready, Pending, Blocked, Refused, Gone} }

// Condition is one of the three things a client needs, as last checked.
type Condition struct {
	Status  bool      `json:"status"`
	Reason  Reason    `json:"reason"`
	Message string    `json:"message"`       // what is wrong; of earlier versions, also what to do
	Fix     Text      `json:"fix,omitempty"` // what to do, where that is more than Reason says
	Since   time.Time `json:"since"`         // when Status last changed
}

// Conditions are the three things a client needs.
type Conditions struct {
	// Promoted: application type, authentication method and grant types are right.
	Promoted Condition `json:"promoted"`
	// Connected: users of every desired connection can log in through it.
	Connected Condition `json:"connected"`
	// Granted: it holds the client grant for the audience.
	Granted Condition `json:"granted"`
}

// Cause is why grantd looked at a client, kept with every change it makes.
type Cause struct {
	Feed   Feed   `json:"feed,omitempty"`
	LogID  string `json:"log_id,omitempty"`
	Digest string `json:"digest,omitempty"` // of the desired state applied
	Actor  *Actor `json:"actor,omitempty"`
}

// LogValue shows the feed and the log entry.
func (c Cause) LogValue() slog.Value {
	if c.LogID == "" {
		return slog.StringValue(string(c.Feed))
	}
	return slog.StringValue(string(c.Feed) + ":" + c.LogID)
}

// Record is all that the ledger keeps of one client. Absent times are zero.
type Record struct {
	ClientID     string       `json:"client_id"`
	Name         string       `json:"name,omitempty"`
	Registration Registration `json:"registration"`
	SecurityMode SecurityMode `json:"security_mode,omitempty"`
	Callbacks    []string     `json:"callbacks,omitempty"`

	Phase   Phase  `json:"phase"`
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"` // as in Condition
	Fix     Text   `json:"fix,omitempty"`

	FirstSeenAt   time.Time     `json:"first_seen_at,omitzero"`
	FirstSeenFeed Feed          `json:"first_seen_feed"`
	RegisteredAt  time.Time     `json:"registered_at,omitzero"` // by the registration's log entry
	ReadyAt       time.Time     `json:"ready_at,omitzero"`      // first time only
	TimeToReady   time.Duration `json:"time_to_ready,omitempty"`
	LastCheckedAt time.Time     `json:"last_checked_at,omitzero"`
	LastUsedAt    time.Time     `json:"last_used_at,omitzero"`
	LastDeniedAt  time.Time     `json:"last_denied_at,omitzero"`
	// SightedAt is when the newest log entry that was reason to look came in:
	// what was listed before then says nothing of it.
	SightedAt time.Time `json:"sighted_at,omitzero"`

	// NextAttemptAt is when the record is due in the class Class; zero when
	// nothing is planned. Attempts counts failures in a row.
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
	Class         Class     `json:"class,omitempty"`
	Attempts      int       `json:"attempts,omitempty"`
	LastError     Reason    `json:"last_error,omitempty"`

	Digest     string     `json:"digest,omitempty"` // of the desired state it was last checked against
	Conditions Conditions `json:"conditions,omitzero"`
	GrantID    string     `json:"grant_id,omitempty"`
	GrantMade  bool       `json:"grant_made,omitempty"` // whether grantd created that grant
	Plan       []Change   `json:"plan,omitempty"`       // what a dry run would do

	// Unadopted: its grant was there before grantd first swept the tenant. It is
	// widened and never narrowed until a person says so.
	Unadopted bool `json:"unadopted,omitempty"`
	// Off: its client_metadata has grantd=off.
	Off bool `json:"off,omitempty"`
	// Unread: connections were enabled for it together with others, and it was
	// not read back yet whether Auth0 kept them.
	Unread bool `json:"unread,omitempty"`
	// Undone is when others undid what grantd had done, by step, oldest first.
	Undone map[StepKind][]time.Time `json:"undone,omitempty"`

	// Source stands for the network that the newest urgent reason came from: a
	// keyed hash of its address, never the address. Sources take turns.
	Source string `json:"source,omitempty"`

	// Cause is the newest reason to look. Seq is bumped whenever one is
	// recorded, so that a save can tell whether it saw the newest.
	Cause Cause  `json:"cause,omitzero"`
	Seq   uint64 `json:"seq"`
}

// Enter puts the record in a phase. What was said of the one before is over.
func (r *Record) Enter(p Phase, why Reason, message string) {
	r.Phase, r.Reason, r.Message, r.Fix = p, why, message, ""
}

// Checked reports whether the client was ever observed in Auth0.
func (r Record) Checked() bool { return !r.LastCheckedAt.IsZero() }

// Listed reports whether a list of the tenant's third-party clients can be
// expected to hold the client: what was seen to be first-party never changes.
// https://auth0.com/docs/get-started/applications/third-party-applications/security-controls
func (r Record) Listed() bool { return !r.Checked() || r.SecurityMode != "" }

// Outcome is what reconciling one client led to, saved in one transaction.
type Outcome struct {
	// Record is the new state. Record.Seq is the sequence number that was
	// reconciled: when the ledger's is higher by now, the record stays due.
	Record Record
	// Changes are the writes made in Auth0, for the journal.
	Changes []Change
	// Holds are brakes to set.
	Holds []Hold
}
