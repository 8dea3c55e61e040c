package store_test

import (
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store/storetest"
)

// What to do about a client is kept within bounds, as its messages are; of a
// stranger the closed list of reasons has to do.
func TestFixIsBounded(t *testing.T) {
	l := storetest.Open(t)
	ready := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long := dcr.Text(strings.Repeat("x", 1<<16))
	for id, r := range map[string]dcr.Record{
		"tpc_served":   {Phase: dcr.Blocked, ReadyAt: ready, FirstSeenAt: ready},
		"tpc_stranger": {Phase: dcr.Refused, FirstSeenAt: ready},
	} {
		record(t, l, dcr.Sighting{Kind: dcr.Registered, Class: dcr.Urgent, ClientID: id, LogID: id})
		was, err := l.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		r.ClientID, r.Seq, r.Fix, r.Conditions.Granted.Fix = id, was.Seq, long, long
		if settled, err := l.Save(t.Context(), dcr.Outcome{Record: r}); err != nil || !settled {
			t.Fatalf("settled %v, error %v", settled, err)
		}
		got, err := l.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want := 2048
		if r.Phase == dcr.Refused {
			want = 0
		}
		if len(got.Fix) != want || len(got.Conditions.Granted.Fix) != want {
			t.Errorf("%s: %d and %d bytes", id, len(got.Fix), len(got.Conditions.Granted.Fix))
		}
	}
}
