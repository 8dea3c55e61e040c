package dcr_test

import (
	"encoding/json"
	"testing"
	"time"

	"grantd/internal/dcr"
)

func TestTimestampJSON(t *testing.T) {
	east := time.FixedZone("east", 2*60*60)
	for name, tc := range map[string]struct {
		at   time.Time
		want string
	}{
		"absent":        {time.Time{}, `null`},
		"whole second":  {time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC), `"2026-11-23T07:00:00.000Z"`},
		"cut to millis": {time.Date(2026, 11, 23, 7, 0, 0, 123_999_999, time.UTC), `"2026-11-23T07:00:00.123Z"`},
		"other zone":    {time.Date(2026, 11, 23, 9, 0, 0, 0, east), `"2026-11-23T07:00:00.000Z"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(dcr.Timestamp{Time: tc.at})
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Fatalf("got %s, want %s", got, tc.want)
			}
			var back dcr.Timestamp
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatal(err)
			}
			if want := (dcr.Timestamp{Time: tc.at.Truncate(time.Millisecond)}); !back.Equal(want) {
				t.Errorf("read back %v, want %v", back, want)
			}
		})
	}
	for _, bad := range []string{`"yesterday"`, `1`, `{}`} {
		if err := json.Unmarshal([]byte(bad), new(dcr.Timestamp)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
