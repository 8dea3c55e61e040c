package dcr

import "time"

// StepKind names a kind of write to Auth0.
type StepKind string

// The kinds of write.
const (
	// StepPromote patches the client.
	StepPromote StepKind = "promote"
	// StepConnect enables a connection for the client.
	StepConnect StepKind = "connect"
	// StepDomainLevel promotes a connection to domain level, for all
	// third-party clients at once.
	StepDomainLevel StepKind = "domain_level"
	// StepGrant creates the client grant or sets its scopes.
	StepGrant StepKind = "grant"
	// StepRevoke takes every scope from the grant of a client that policy no
	// longer allows.
	StepRevoke StepKind = "revoke"
	// StepScopes is no write to Auth0: a scope source reads otherwise than
	// before. Its entry has no client.
	StepScopes StepKind = "scopes"
	// StepForget is no write to Auth0 either: a person had the record of a
	// client removed from the ledger.
	StepForget StepKind = "forget"
)

// Change is one write to Auth0, made or (in a dry run) planned. Before and
// After hold only the fields it is about, under Auth0's names.
type Change struct {
	Step          StepKind       `json:"step"`
	Before        map[string]any `json:"before,omitempty"`
	After         map[string]any `json:"after,omitempty"`
	CorrelationID string         `json:"correlation_id,omitempty"`
	At            time.Time      `json:"at,omitzero"`
	Reverts       uint64         `json:"reverts,omitempty"` // the journal entry that it undoes
}

// Texts is a list of strings among the fields of a change: as it is in this
// process, or as JSON brings it. It is not ok for anything else. The list may be
// the change's own.
func Texts(field any) (all []string, ok bool) {
	switch v := field.(type) {
	case []string:
		return v, true
	case []any:
		all = make([]string, len(v))
		for i, one := range v {
			if all[i], ok = one.(string); !ok {
				return nil, false
			}
		}
		return all, true
	default:
		return nil, false
	}
}

// JournalEntry is one write grantd made in Auth0, or one change of what it
// shall write, and why.
type JournalEntry struct {
	Seq      uint64 `json:"seq"`
	ClientID string `json:"client_id"`
	Change
	Cause Cause `json:"cause"`
}

// FeedStatus is what is known of one feed. Absent times are zero.
type FeedStatus struct {
	LastEventAt      time.Time `json:"last_event_at,omitzero"`      // newest date of any entry, whatever its type
	LastManagementAt time.Time `json:"last_management_at,omitzero"` // newest date of a Management API call (type sapi), which every log feed brings
	LastDeliveryAt   time.Time `json:"last_delivery_at,omitzero"`   // when it last brought anything
	LastSuccessAt    time.Time `json:"last_success_at,omitzero"`    // when a poll or sweep last ended well
	Checkpoint       time.Time `json:"checkpoint,omitzero"`         // poll: everything dated before was read
	Events           uint64    `json:"events,omitempty"`            // entries ever
}

// Merge returns the status with what u knows beyond it: later times win,
// events add up.
func (s FeedStatus) Merge(u FeedStatus) FeedStatus {
	s.LastEventAt = later(s.LastEventAt, u.LastEventAt)
	s.LastManagementAt = later(s.LastManagementAt, u.LastManagementAt)
	s.LastDeliveryAt = later(s.LastDeliveryAt, u.LastDeliveryAt)
	s.LastSuccessAt = later(s.LastSuccessAt, u.LastSuccessAt)
	s.Checkpoint = later(s.Checkpoint, u.Checkpoint)
	s.Events += u.Events
	return s
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
