package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func TestSaveSettles(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log1"))
	r := client(t, l, "tpc_a")
	want := r
	want.Phase, want.NextAttemptAt, want.Class = dcr.Ready, time.Time{}, ""
	want.LastCheckedAt, want.ReadyAt, want.TimeToReady = c.at, c.at, time.Second
	want.Conditions.Granted = dcr.Condition{Status: true, Since: c.at}
	want.GrantID, want.GrantMade, want.Digest = "cgr_a", true, "d1"
	want.Unadopted = false // it is our own grant
	change := dcr.Change{Step: dcr.StepGrant, After: map[string]any{"scope": []any{"a"}}, CorrelationID: l.Prefix() + "1"}
	settled, err := l.Save(t.Context(), dcr.Outcome{Record: want, Changes: []dcr.Change{change}})
	if err != nil || !settled {
		t.Fatalf("settled %v, error %v", settled, err)
	}
	diff(t, client(t, l, "tpc_a"), want)
	if ids, next, err := l.Due(t.Context(), dcr.Urgent, c.at.Add(time.Hour), 10); len(ids) > 0 || !next.IsZero() || err != nil {
		t.Errorf("due %v, next %v, error %v", ids, next, err)
	}
	entries, _, err := l.Journal(t.Context(), store.JournalQuery{})
	if err != nil {
		t.Fatal(err)
	}
	change.At = c.at
	cause := r.Cause
	cause.Digest = "d1"
	diff(t, entries, []dcr.JournalEntry{{Seq: 1, ClientID: "tpc_a", Change: change, Cause: cause}})

	// Ready again later: the first time is the one that counts.
	record(t, l, dcr.Sighting{Kind: dcr.Changed, ClientID: "tpc_a", LogID: "log2"})
	settle(t, l, "tpc_a", dcr.Ready, func(r *dcr.Record) { r.ReadyAt, r.TimeToReady = c.at.Add(time.Hour), time.Hour })
	if r := client(t, l, "tpc_a"); !r.ReadyAt.Equal(c.at) || r.TimeToReady != time.Second {
		t.Errorf("ready at %v after %v", r.ReadyAt, r.TimeToReady)
	}
}

// TestSaveOvertaken: a sighting lands while its client is being reconciled.
func TestSaveOvertaken(t *testing.T) {
	for _, saved := range dcr.Phases() {
		t.Run(string(saved), func(t *testing.T) {
			c := newClock()
			l := storetest.Open(t, c.option)
			record(t, l, registered("tpc_a", "log1"))
			working := client(t, l, "tpc_a")

			c.advance(time.Second)
			record(t, l, dcr.Sighting{Kind: dcr.Denied, Class: dcr.Urgent, ClientID: "tpc_a", LogID: "log2", Audience: storetest.Audience})
			newer := client(t, l, "tpc_a")

			working.Phase, working.Reason, working.NextAttemptAt = saved, dcr.MissingScope, c.at.Add(time.Hour)
			working.Attempts, working.Name, working.GrantID = 2, "Renamed", "cgr_a"
			working.LastCheckedAt, working.ReadyAt, working.TimeToReady = c.at, c.at, time.Second
			working.Conditions.Promoted = dcr.Condition{Status: true, Since: c.at}
			settled, err := l.Save(t.Context(), dcr.Outcome{Record: working, Changes: []dcr.Change{{Step: dcr.StepPromote}}})
			if err != nil || settled {
				t.Fatalf("settled %v, error %v", settled, err)
			}
			want := working
			want.Phase, want.Reason, want.NextAttemptAt, want.Attempts = dcr.Pending, "", newer.NextAttemptAt, 0
			want.Cause, want.Seq, want.LastDeniedAt, want.SightedAt = newer.Cause, newer.Seq, c.at, c.at
			diff(t, client(t, l, "tpc_a"), want)
			ids, _, err := l.Due(t.Context(), dcr.Urgent, c.at, 1)
			if err != nil || !slices.Contains(idsOf(ids), "tpc_a") {
				t.Errorf("due %v, error %v", ids, err)
			}
			if entries, _, err := l.Journal(t.Context(), store.JournalQuery{ClientID: "tpc_a"}); err != nil || len(entries) != 1 || entries[0].Cause.LogID != "log1" {
				t.Errorf("journal %v, error %v", entries, err)
			}
			settle(t, l, "tpc_a", saved)
		})
	}
}

func TestSaveRejects(t *testing.T) {
	c := newClock()
	good := dcr.Record{ClientID: "tpc_a", Phase: dcr.Ready}
	tests := []struct {
		name   string
		change func(*dcr.Record)
	}{
		{"no id", func(r *dcr.Record) { r.ClientID = "" }},
		{"id that is a path", func(r *dcr.Record) { r.ClientID = "../a" }},
		{"no phase", func(r *dcr.Record) { r.Phase = "" }},
		{"unknown phase", func(r *dcr.Record) { r.Phase = "done" }},
		{"due without class", func(r *dcr.Record) { r.NextAttemptAt = c.at }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := storetest.Open(t, c.option)
			record(t, l, registered("tpc_a", "log1"))
			before := client(t, l, "tpc_a")
			r := good
			r.Seq = before.Seq
			tt.change(&r)
			if settled, err := l.Save(t.Context(), dcr.Outcome{Record: r}); err == nil || settled {
				t.Errorf("settled %v, error %v", settled, err)
			}
			diff(t, client(t, l, "tpc_a"), before)
		})
	}
}

// TestSaveUnknown: writes that were made are journalled even if nobody keeps a
// record of the client any more.
func TestSaveUnknown(t *testing.T) {
	l := storetest.Open(t)
	o := dcr.Outcome{Record: dcr.Record{ClientID: "tpc_a", Phase: dcr.Ready}, Changes: []dcr.Change{{Step: dcr.StepPromote}}}
	if settled, err := l.Save(t.Context(), o); settled || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("settled %v, error %v", settled, err)
	}
	if _, err := l.Client(t.Context(), "tpc_a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("client: %v", err)
	}
	if entries, _, err := l.Journal(t.Context(), store.JournalQuery{}); err != nil || len(entries) != 1 {
		t.Errorf("journal %v, error %v", entries, err)
	}
}
