package dcr

import (
	"encoding/json"
	"fmt"
	"time"
)

// Timestamp is a time as grantd's JSON shows it to others: RFC 3339 in UTC
// with milliseconds, null when it is zero.
type Timestamp struct{ time.Time }

// timestampLayout always writes three digits, so that texts sort like times.
const timestampLayout = "2006-01-02T15:04:05.000Z07:00"

// Equal reports whether both are the same moment.
func (t Timestamp) Equal(u Timestamp) bool { return t.Time.Equal(u.Time) }

// MarshalJSON writes the time or null.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().AppendFormat(nil, `"`+timestampLayout+`"`), nil
}

// UnmarshalJSON reads any RFC 3339 time or null.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	var at *time.Time
	if err := json.Unmarshal(b, &at); err != nil {
		return fmt.Errorf("read timestamp: %w", err)
	}
	*t = Timestamp{}
	if at != nil {
		t.Time = *at
	}
	return nil
}
