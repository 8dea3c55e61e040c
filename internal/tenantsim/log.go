package tenantsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Log is one entry of the tenant's log.
// https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes
type Log struct {
	Type         string
	Description  string
	Date         time.Time // of the event; zero means shortly before now
	ClientID     string    // of whoever acts: for sapi the caller of the API
	ClientName   string
	UserID       string
	UserName     string
	IP           string
	UserAgent    string
	Hostname     string
	Connection   string
	ConnectionID string
	Audience     string
	Scope        string
	Strategy     string
	Details      any // becomes JSON; nil is null

	CorrelationID string
	Auth0Client   any                        // echo of the caller's Auth0-Client header
	Extra         map[string]json.RawMessage // further members

	// ID is the log_id; "" has one made. An entry with an id of its own can
	// come before entries that were served already.
	ID string
	// Late delays this entry in searches, on top of the tenant's delay.
	Late time.Duration

	ingested time.Time
	visible  time.Time // in searches
	details  json.RawMessage
	old      bool // without what Auth0 added to entries later
	tenant   string
}

// stamp is a time as Auth0 writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// logIDTail is where the last part of the log ids begins.
const logIDTail = 1_223_372_037_868_840_734

// newLogID is 900, the time of ingest to the microsecond, and 33 digits that
// count up: 56 in all.
func (t *Tenant) newLogID(at time.Time) string {
	t.logSeq++
	at = at.UTC()
	return fmt.Sprintf("900%s%06d%033d", at.Format("20060102150405"), at.Nanosecond()/1000, logIDTail+t.logSeq)
}

// AddLog writes entries as they are given and returns their ids.
func (t *Tenant) AddLog(entries ...Log) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]string, len(entries))
	for i, l := range entries {
		ids[i] = t.addLog(l).ID
	}
	return ids
}

func (t *Tenant) addLog(l Log) *Log {
	l.ingested = t.now()
	if l.Date.IsZero() {
		l.Date = l.ingested.Add(-30 * time.Millisecond)
	}
	l.visible = l.ingested.Add(t.searchDelay + l.Late)
	if t.searchMore > 0 {
		l.visible = l.visible.Add(time.Duration(t.rand.Int64N(int64(t.searchMore))))
	}
	if l.ID == "" {
		l.ID = t.newLogID(l.ingested)
	}
	l.details = json.RawMessage("null")
	if l.Details != nil {
		if raw, err := json.Marshal(l.Details); err == nil {
			l.details = raw
		}
	}
	l.Details = nil
	l.old, l.tenant = t.quirks.OldLogs, t.name()
	e := &l
	i := len(t.logs)
	if i > 0 && t.logs[i-1].ID >= e.ID {
		i = t.logsAfter(e.ID)
	}
	t.logs = slices.Insert(t.logs, i, e)
	for s := range t.streams.all() {
		s.offer(e)
	}
	return e
}

// logsAfter is the index of the first entry whose id is greater than id.
func (t *Tenant) logsAfter(id string) int {
	i, found := slices.BinarySearchFunc(t.logs, id, func(l *Log, id string) int { return cmp.Compare(l.ID, id) })
	if found {
		i++
	}
	return i
}

// SetSearchDelay is how long after its ingest an entry turns up in searches:
// at least atLeast, and up to more longer, so that entries appear out of order.
func (t *Tenant) SetSearchDelay(atLeast, more time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.searchDelay, t.searchMore = atLeast, more
}

// Logs returns all entries, oldest log id first, as GET /logs shows them.
func (t *Tenant) Logs() []json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]json.RawMessage, len(t.logs))
	for i, l := range t.logs {
		out[i] = l.api()
	}
	return out
}

// name is the tenant's name: the first label of its domain.
func (t *Tenant) name() string {
	name, _, _ := strings.Cut(t.domain, ".")
	return name
}

type schemaVersion struct {
	Version string `json:"version"`
}

type references struct {
	CorrelationID string `json:"correlation_id"`
}

// newer are the members that older entries lack.
type newer struct {
	Tenant      string         `json:"tenant_name,omitempty"`
	Environment string         `json:"environment_name,omitempty"`
	Schema      *schemaVersion `json:"$event_schema,omitempty"`
	References  *references    `json:"references,omitempty"`
	Auth0Client any            `json:"auth0_client,omitempty"`
}

func (l *Log) newer() newer {
	if l.old {
		return newer{}
	}
	n := newer{Tenant: l.tenant, Environment: "prod-us-1", Schema: &schemaVersion{"1.0.0"}, Auth0Client: l.Auth0Client}
	if l.CorrelationID != "" {
		n.References = &references{l.CorrelationID}
	}
	return n
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// api is the entry as GET /logs answers it: bare, with nulls.
func (l *Log) api() json.RawMessage {
	return withExtra(struct {
		ID2          string          `json:"_id"`
		ID           string          `json:"log_id"`
		Date         string          `json:"date"`
		Type         string          `json:"type"`
		Description  string          `json:"description"`
		Connection   *string         `json:"connection"`
		ConnectionID *string         `json:"connection_id"`
		OrgID        *string         `json:"organization_id"`
		OrgName      *string         `json:"organization_name"`
		ClientID     *string         `json:"client_id"`
		ClientName   string          `json:"client_name"`
		IP           string          `json:"ip"`
		Hostname     *string         `json:"hostname"`
		Details      json.RawMessage `json:"details"`
		UserID       *string         `json:"user_id"`
		UserName     *string         `json:"user_name"`
		UserAgent    string          `json:"user_agent"`
		Audience     *string         `json:"audience"`
		Scope        *string         `json:"scope"`
		Strategy     *string         `json:"strategy"`
		StrategyType *string         `json:"strategy_type"`
		Mobile       bool            `json:"isMobile"`
		Location     *struct{}       `json:"location_info"`
		newer
	}{
		ID2: l.ID, ID: l.ID, Date: stamp(l.Date), Type: l.Type, Description: l.Description, Connection: orNull(l.Connection),
		ConnectionID: orNull(l.ConnectionID),
		ClientID:     orNull(l.ClientID), ClientName: l.ClientName, IP: l.IP, Hostname: orNull(l.Hostname), Details: l.details,
		UserID: orNull(l.UserID), UserName: orNull(l.UserName), UserAgent: l.UserAgent, Audience: orNull(l.Audience),
		Scope: orNull(l.Scope), Strategy: orNull(l.Strategy), newer: l.newer(),
	}, l.Extra)
}

// stream is the data of the entry as log streams deliver it: without nulls,
// but for the caller of a registration, which nobody is.
func (l *Log) stream() json.RawMessage {
	var details json.RawMessage
	if string(l.details) != "null" {
		details = l.details
	}
	return withExtra(struct {
		Date         string          `json:"date"`
		Type         string          `json:"type"`
		Description  string          `json:"description"`
		Connection   string          `json:"connection,omitempty"`
		ConnectionID string          `json:"connection_id,omitempty"`
		ClientID     *string         `json:"client_id"`
		ClientName   string          `json:"client_name"`
		IP           string          `json:"ip"`
		Hostname     string          `json:"hostname,omitempty"`
		UserAgent    string          `json:"user_agent"`
		Details      json.RawMessage `json:"details,omitempty"`
		UserID       string          `json:"user_id,omitempty"`
		UserName     string          `json:"user_name,omitempty"`
		Audience     string          `json:"audience,omitempty"`
		Scope        string          `json:"scope,omitempty"`
		Strategy     string          `json:"strategy,omitempty"`
		newer
		ID string `json:"log_id"`
	}{
		Date: stamp(l.Date), Type: l.Type, Description: l.Description, Connection: l.Connection, ConnectionID: l.ConnectionID, ClientID: orNull(l.ClientID),
		ClientName: l.ClientName, IP: l.IP, Hostname: l.Hostname, UserAgent: l.UserAgent, Details: details, UserID: l.UserID,
		UserName: l.UserName, Audience: l.Audience, Scope: l.Scope, Strategy: l.Strategy, newer: l.newer(), ID: l.ID,
	}, l.Extra)
}
