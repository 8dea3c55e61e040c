package explain

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// Denial is a login or an exchange that Auth0 refused, by the tenant's log.
type Denial struct {
	At    dcr.Timestamp `json:"at"`
	Type  string        `json:"type"`  // Auth0's event type, one of those DenialQuery asks for
	Text  string        `json:"text"`  // Auth0's words: one printable line without personal data
	Cause Code          `json:"cause"` // the missing piece
	LogID string        `json:"log_id"`

	// By is the client that was named, and To what it asked for, where the
	// text says so: an audience, a callback or an organization.
	by, to string
}

// MaxDenials is how many denials are asked for, and told.
const MaxDenials = 20

// denialTypes are the event types of what a client can be refused: f and fc at
// the login, feacft at the exchange of a code, fertft and ferrt at that of a
// refresh token.
// https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes
func denialTypes() []string { return []string{"f", "fc", "feacft", "fertft", "ferrt"} }

// DenialQuery is the search for a client's denials by its ids, which must be
// valid: those that name it and, when quoting, those that only quote it. Quoted
// texts match as a whole.
// https://auth0.com/docs/deploy-monitor/logs/log-search-query-syntax
func DenialQuery(ids []string, audience string, quoting bool) string {
	var who []string
	for _, id := range ids {
		who = append(who, `client_id:"`+id+`"`)
		if quoting {
			who = append(who, `description:"`+escape("Unknown client: "+id)+`"`, `description:"`+escape(missingGrant(id, audience))+`"`)
		}
	}
	return "(" + strings.Join(who, " OR ") + ") AND type:(" + strings.Join(denialTypes(), " OR ") + ")"
}

func missingGrant(id, audience string) string {
	return fmt.Sprintf(`Client "%s" is not authorized to access resource server "%s"`, id, audience)
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}

// ReadDenials reads log entries, a JSON array, for what is about the client: its
// id, or the URL of its document. What cannot be read or is about somebody else
// is left out. Only type, date, id and Auth0's words are looked at: entries hold
// names, mail and addresses of people.
func ReadDenials(raw []byte, ids ...string) ([]Denial, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, errors.New("read log entries: the answer is not a JSON array")
	}
	var out []Denial
	for _, e := range entries {
		if d, ok := readDenial(e, ids); ok {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b Denial) int {
		return cmp.Or(b.At.Compare(a.At.Time), cmp.Compare(b.LogID, a.LogID))
	})
	out = slices.CompactFunc(out, func(a, b Denial) bool { return a.LogID != "" && a.LogID == b.LogID })
	return out[:min(len(out), MaxDenials)], nil
}

// word is a string where one stands, and empty where anything else does.
type word string

// UnmarshalJSON never fails.
func (w *word) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*w = word(s)
	}
	return nil
}

type logEntry struct {
	Type        word            `json:"type"`
	Date        word            `json:"date"`
	Description word            `json:"description"`
	ClientID    word            `json:"client_id"`
	LogID       word            `json:"log_id"`
	Details     json.RawMessage `json:"details"`
}

func readDenial(raw json.RawMessage, ids []string) (Denial, bool) {
	var e logEntry
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) || json.Unmarshal(raw, &e) != nil ||
		!slices.Contains(denialTypes(), string(e.Type)) {
		return Denial{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(e.Date))
	if err != nil {
		return Denial{}, false
	}
	said := words(e)
	d := Denial{At: dcr.Timestamp{Time: at}, Type: string(e.Type), LogID: display.Line(string(e.LogID), maxShort)}
	d.by, d.to = named(said)
	about := func(s string) bool { return s != "" && slices.Contains(ids, s) }
	if !about(string(e.ClientID)) && !about(d.by) {
		return Denial{}, false
	}
	d.Text = display.Line(impersonal(display.Line(said, 4*maxText)), maxText)
	d.to = display.Line(d.to, maxURI)
	return d, true
}

// words is what Auth0 said: the description, or what the details have.
func words(e logEntry) string {
	if e.Description != "" {
		return string(e.Description)
	}
	var d struct {
		Error       json.RawMessage `json:"error"`
		Description word            `json:"error_description"`
		Message     word            `json:"message"`
	}
	if json.Unmarshal(e.Details, &d) != nil {
		return ""
	}
	var inner struct {
		Message     word `json:"message"`
		Description word `json:"error_description"`
		Code        word `json:"oauthError"`
	}
	var text word
	_ = json.Unmarshal(d.Error, &text) // empty where it is an object
	_ = json.Unmarshal(d.Error, &inner)
	return string(cmp.Or(inner.Message, inner.Description, d.Description, d.Message, text, inner.Code))
}
