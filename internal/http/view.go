package http

import (
	"grantd/internal/dcr"
)

// Client is a record as everybody gets to see it: the listeners' JSON and the
// commands' --json. Absent times are null.
type Client struct {
	ClientID      string           `json:"client_id"`
	Name          string           `json:"name"`
	Phase         dcr.Phase        `json:"phase"`
	Reason        dcr.Reason       `json:"reason"`
	Message       string           `json:"message"`
	Registration  dcr.Registration `json:"registration"`
	SecurityMode  dcr.SecurityMode `json:"security_mode"` // empty until the client was looked at
	Callbacks     []string         `json:"callbacks"`
	FirstSeenAt   dcr.Timestamp    `json:"first_seen_at"`
	FirstSeenFeed dcr.Feed         `json:"first_seen_feed"`
	RegisteredAt  dcr.Timestamp    `json:"registered_at"`
	ReadyAt       dcr.Timestamp    `json:"ready_at"`         // first time
	TimeToReadyMS *int64           `json:"time_to_ready_ms"` // null until then, and where nobody knows when it registered
	LastCheckedAt dcr.Timestamp    `json:"last_checked_at"`
	LastUsedAt    dcr.Timestamp    `json:"last_used_at"`
	NextAttemptAt dcr.Timestamp    `json:"next_attempt_at"`
	Attempts      int              `json:"attempts"` // failures in a row
	LastError     dcr.Reason       `json:"last_error"`
	Digest        string           `json:"digest"` // of the desired state last checked against
	Conditions    Conditions       `json:"conditions"`
	Plan          []dcr.Change     `json:"plan,omitempty"` // what a dry run would do
}

// Conditions are the three things a client needs.
type Conditions struct {
	Promoted  Condition `json:"promoted"`
	Connected Condition `json:"connected"`
	Granted   Condition `json:"granted"`
}

// Condition is one of them. Since is when Status last changed.
type Condition struct {
	Status  bool          `json:"status"`
	Reason  dcr.Reason    `json:"reason"`
	Message string        `json:"message"`
	Since   dcr.Timestamp `json:"since"`
}

// ClientView shows a record.
func ClientView(r dcr.Record) Client {
	c := Client{
		ClientID: r.ClientID, Name: r.Name,
		Phase: r.Phase, Reason: r.Reason, Message: r.Reason.Told(r.Message, r.Fix),
		Registration: r.Registration, SecurityMode: r.SecurityMode, Callbacks: r.Callbacks,
		FirstSeenAt: dcr.Timestamp{Time: r.FirstSeenAt}, FirstSeenFeed: r.FirstSeenFeed,
		RegisteredAt:  dcr.Timestamp{Time: r.RegisteredAt},
		ReadyAt:       dcr.Timestamp{Time: r.ReadyAt},
		LastCheckedAt: dcr.Timestamp{Time: r.LastCheckedAt},
		LastUsedAt:    dcr.Timestamp{Time: r.LastUsedAt},
		NextAttemptAt: dcr.Timestamp{Time: r.NextAttemptAt},
		Attempts:      r.Attempts, LastError: r.LastError, Digest: r.Digest,
		Conditions: Conditions{
			Promoted:  conditionView(r.Conditions.Promoted),
			Connected: conditionView(r.Conditions.Connected),
			Granted:   conditionView(r.Conditions.Granted),
		},
		Plan: r.Plan,
	}
	if c.Registration == "" {
		c.Registration = dcr.RegistrationUnknown
	}
	if c.Callbacks == nil {
		c.Callbacks = []string{}
	}
	if !r.ReadyAt.IsZero() && !r.RegisteredAt.IsZero() {
		ms := r.TimeToReady.Milliseconds()
		c.TimeToReadyMS = &ms
	}
	return c
}

func conditionView(c dcr.Condition) Condition {
	return Condition{c.Status, c.Reason, c.Reason.Told(c.Message, c.Fix), dcr.Timestamp{Time: c.Since}}
}

// JournalEntry is a write made in Auth0 and why.
type JournalEntry struct {
	Seq           uint64         `json:"seq"`
	At            dcr.Timestamp  `json:"at"`
	ClientID      string         `json:"client_id"`
	Step          dcr.StepKind   `json:"step"`
	Before        map[string]any `json:"before"`
	After         map[string]any `json:"after"`
	CorrelationID string         `json:"correlation_id"` // as in Auth0's own log
	Cause         Cause          `json:"cause"`
	Reverts       uint64         `json:"reverts,omitempty"` // the entry that it undoes
}

// Cause is why grantd looked at the client. Actor is null when unknown.
type Cause struct {
	Feed   dcr.Feed   `json:"feed"`
	LogID  string     `json:"log_id"`
	Digest string     `json:"digest"`
	Actor  *dcr.Actor `json:"actor"`
}

// JournalView shows a journal entry.
func JournalView(e dcr.JournalEntry) JournalEntry {
	j := JournalEntry{
		Seq: e.Seq, At: dcr.Timestamp{Time: e.At}, ClientID: e.ClientID,
		Step: e.Step, Before: e.Before, After: e.After, CorrelationID: e.CorrelationID,
		Cause: Cause(e.Cause), Reverts: e.Reverts,
	}
	if j.Before == nil {
		j.Before = map[string]any{}
	}
	if j.After == nil {
		j.After = map[string]any{}
	}
	return j
}

// schema is the version of the lists' form.
const schema = 1

// ClientList is a page of clients. Next is the cursor of the page that
// follows, empty at the end.
type ClientList struct {
	Schema  int      `json:"schema"`
	Clients []Client `json:"clients"`
	Next    string   `json:"next"`
}

// ClientListView shows a page of records.
func ClientListView(page []dcr.Record, next string) ClientList {
	l := ClientList{Schema: schema, Clients: make([]Client, len(page)), Next: next}
	for i, r := range page {
		l.Clients[i] = ClientView(r)
	}
	return l
}

// JournalList is a page of the journal. Next is the cursor of the page that
// follows, empty at the end.
type JournalList struct {
	Schema  int            `json:"schema"`
	Entries []JournalEntry `json:"entries"`
	Next    string         `json:"next"`
}

// JournalListView shows a page of journal entries.
func JournalListView(page []dcr.JournalEntry, next string) JournalList {
	l := JournalList{Schema: schema, Entries: make([]JournalEntry, len(page)), Next: next}
	for i, e := range page {
		l.Entries[i] = JournalView(e)
	}
	return l
}

// Configuration is the configuration in force, without secrets.
type Configuration struct {
	Schema        int       `json:"schema"`
	DesiredDigest string    `json:"desired_digest"`
	Scopes        []string  `json:"scopes"`       // that clients shall get, of all sources
	ScopesKnown   bool      `json:"scopes_known"` // false until every source has told any
	Settings      []Setting `json:"settings"`
}

// Setting is one variable. The value of a secret is a mask.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // such as default, env, env-file
}
