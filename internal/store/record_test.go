package store_test

import (
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// clock is a clock that a test moves.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func (c *clock) option(o *store.Options) { o.Now = c.now }

func registered(id, logID string) dcr.Sighting {
	return dcr.Sighting{
		Kind: dcr.Registered, Class: dcr.Urgent, ClientID: id, LogID: logID,
		Registration: dcr.RegistrationDCR, Name: "ChatGPT", Callbacks: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
		At: time.Date(2026, 11, 20, 11, 59, 59, 0, time.UTC), Actor: dcr.Actor{Kind: dcr.ActorApplication, ID: "app"},
	}
}

func record(t testing.TB, l *store.Ledger, ss ...dcr.Sighting) store.Recorded {
	t.Helper()
	got, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: ss})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func client(t testing.TB, l *store.Ledger, id string) dcr.Record {
	t.Helper()
	r, err := l.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// settle saves the record in a phase, with changes of the test's.
func settle(t testing.TB, l *store.Ledger, id string, p dcr.Phase, change ...func(*dcr.Record)) {
	t.Helper()
	r := client(t, l, id)
	r.Phase, r.NextAttemptAt = p, time.Time{}
	for _, f := range change {
		f(&r)
	}
	settled, err := l.Save(t.Context(), dcr.Outcome{Record: r})
	if err != nil {
		t.Fatal(err)
	}
	if !settled {
		t.Fatalf("the save of %s did not settle", id)
	}
}

func TestRecordCreates(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	s := registered("tpc_a", "log1")
	if got, want := record(t, l, s), (store.Recorded{Sightings: 1, Registrations: 1}); got != want {
		t.Errorf("recorded %+v, want %+v", got, want)
	}
	r := client(t, l, "tpc_a")
	if r.Seq == 0 {
		t.Error("the record has no sequence number")
	}
	r.Seq = 0
	diff(t, r, dcr.Record{
		ClientID: "tpc_a", Name: "ChatGPT", Registration: dcr.RegistrationDCR, Callbacks: s.Callbacks,
		Phase: dcr.Pending, FirstSeenAt: c.at, FirstSeenFeed: dcr.FeedWebhook, RegisteredAt: s.At,
		NextAttemptAt: c.at, Class: dcr.Urgent,
		Cause: dcr.Cause{Feed: dcr.FeedWebhook, LogID: "log1", Actor: &s.Actor},
	})
	ids, next, err := l.Due(t.Context(), dcr.Urgent, c.at, 10)
	if err != nil || !next.IsZero() {
		t.Errorf("next %v, error %v", next, err)
	}
	diff(t, ids, []string{"tpc_a"})
}
