package reconcile

import (
	"testing"
	"time"

	"grantd/internal/dcr"
)

// The more recently a client was used, the earlier it is put right; no place is
// later than now, or it would not be due.
func TestPlace(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	tests := []struct {
		name string
		rec  dcr.Record
		want time.Duration // before now
	}{
		{"never seen before", dcr.Record{}, 0},
		{"used just now", dcr.Record{LastUsedAt: now}, time.Hour},
		{"used in the future, before the clock was set back", dcr.Record{LastUsedAt: now.Add(time.Hour)}, time.Hour},
		{"idle for 500 hours", dcr.Record{LastUsedAt: ago(500 * time.Hour)}, 30 * time.Minute},
		{"idle for years", dcr.Record{LastUsedAt: ago(20_000 * time.Hour)}, 0},
		{"denied", dcr.Record{LastUsedAt: ago(500 * time.Hour), LastDeniedAt: ago(100 * time.Hour)}, 54 * time.Minute},
		{"ready", dcr.Record{ReadyAt: ago(100 * time.Hour)}, 54 * time.Minute},
		{"registered", dcr.Record{RegisteredAt: ago(100 * time.Hour)}, 54 * time.Minute},
		{"first seen", dcr.Record{FirstSeenAt: ago(100 * time.Hour)}, 54 * time.Minute},
	}
	for _, tt := range tests {
		if got := now.Sub(place(tt.rec, now)); got != tt.want {
			t.Errorf("%s: %v before now, want %v", tt.name, got, tt.want)
		}
	}
}
