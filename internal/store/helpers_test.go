package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

func diff(t testing.TB, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want - got +\n%s", d)
	}
}

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

func idsOf(due []store.DueClient) (ids []string) {
	for _, d := range due {
		ids = append(ids, d.ID)
	}
	return ids
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
