package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

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
		NextAttemptAt: c.at, Class: dcr.Urgent, Unadopted: true, SightedAt: c.at,
		Cause: dcr.Cause{Feed: dcr.FeedWebhook, LogID: "log1", Actor: &s.Actor},
	})
	ids, next, err := l.Due(t.Context(), dcr.Urgent, c.at, 10)
	if err != nil || !next.IsZero() {
		t.Errorf("next %v, error %v", next, err)
	}
	diff(t, idsOf(ids), []string{"tpc_a"})
}

// TestRecordMakesDue: which sightings of a known client are reason to look,
// whatever it was before.
func TestRecordMakesDue(t *testing.T) {
	const id = "tpc_a"
	sighting := func(kind dcr.SightingKind, change ...func(*dcr.Sighting)) dcr.Sighting {
		s := dcr.Sighting{Kind: kind, Class: dcr.Urgent, ClientID: id, LogID: "log2"}
		for _, f := range change {
			f(&s)
		}
		return s
	}
	ours := func(s *dcr.Sighting) { s.Audience = storetest.Audience }
	theirs := func(s *dcr.Sighting) { s.Audience = "https://other.example.com/" }
	byGrant := func(s *dcr.Sighting) { s.ClientID, s.GrantID = "", "cgr_a" }
	byOtherGrant := func(s *dcr.Sighting) { s.ClientID, s.GrantID = "", "cgr_b" }
	byConnection := func(s *dcr.Sighting) { s.ClientID, s.ConnectionID = "", "con_a" }
	byAPI := func(s *dcr.Sighting) { s.ClientID, s.APIID = "", "api_a" }
	background := func(s *dcr.Sighting) { s.Class = dcr.Background }
	deniedAgo := func(d time.Duration) func(*dcr.Record, time.Time) {
		return func(r *dcr.Record, now time.Time) { r.LastDeniedAt = now.Add(-d) }
	}
	retry := func(class dcr.Class, in time.Duration) func(*dcr.Record, time.Time) {
		return func(r *dcr.Record, now time.Time) {
			r.NextAttemptAt, r.Class, r.Attempts, r.LastError = now.Add(in), class, 3, dcr.ServerError
		}
	}
	tests := []struct {
		name     string
		phase    dcr.Phase
		before   func(*dcr.Record, time.Time)
		sighting dcr.Sighting
		due      bool
		after    dcr.Phase
		class    dcr.Class
		dueFor   time.Duration // since when, before now
		got      store.Recorded
	}{
		{name: "ready and changed", phase: dcr.Ready, sighting: sighting(dcr.Changed), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "ready and registered again", phase: dcr.Ready, sighting: sighting(dcr.Registered), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Registrations: 1}},
		{name: "ready and deleted", phase: dcr.Ready, sighting: sighting(dcr.Deleted), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Deletions: 1}},
		{name: "blocked and changed", phase: dcr.Blocked, sighting: sighting(dcr.Changed), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "refused and changed stays refused", phase: dcr.Refused, sighting: sighting(dcr.Changed), due: true, after: dcr.Refused, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "gone and changed", phase: dcr.Gone, sighting: sighting(dcr.Changed), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "gone and registered", phase: dcr.Gone, sighting: sighting(dcr.Registered), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Registrations: 1}},
		{name: "gone and deleted is old news", phase: dcr.Gone, sighting: sighting(dcr.Deleted), after: dcr.Gone, got: store.Recorded{Sightings: 1, Deletions: 1}},
		{name: "by its grant", phase: dcr.Ready, sighting: sighting(dcr.Changed, byGrant), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "another grant", phase: dcr.Ready, sighting: sighting(dcr.Changed, byOtherGrant), after: dcr.Ready, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "connection edited, blocked", phase: dcr.Blocked, sighting: sighting(dcr.Changed, byConnection, background), due: true, after: dcr.Pending, class: dcr.Background, got: store.Recorded{Sightings: 1, Changes: 1, TenantChanged: true}},
		{name: "API edited, blocked", phase: dcr.Blocked, sighting: sighting(dcr.Changed, byAPI), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1, TenantChanged: true}},
		{name: "connection edited, ready", phase: dcr.Ready, sighting: sighting(dcr.Changed, byConnection), after: dcr.Ready, got: store.Recorded{Sightings: 1, Changes: 1, TenantChanged: true}},
		{name: "denied", phase: dcr.Ready, sighting: sighting(dcr.Denied, ours), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Denials: 1}},
		{name: "denied for another audience", phase: dcr.Ready, sighting: sighting(dcr.Denied, theirs), after: dcr.Ready},
		{name: "denied without audience", phase: dcr.Ready, sighting: sighting(dcr.Denied), after: dcr.Ready},
		{name: "denied while refused", phase: dcr.Refused, sighting: sighting(dcr.Denied, ours), after: dcr.Refused, got: store.Recorded{Sightings: 1, Denials: 1}},
		{name: "denied again too soon", phase: dcr.Ready, before: deniedAgo(store.DeniedEvery - 1), sighting: sighting(dcr.Denied, ours), after: dcr.Ready, got: store.Recorded{Sightings: 1, Denials: 1}},
		{name: "denied again later", phase: dcr.Ready, before: deniedAgo(store.DeniedEvery), sighting: sighting(dcr.Denied, ours), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Denials: 1}},
		{name: "denied in a future that a clock took back", phase: dcr.Ready, before: deniedAgo(-time.Hour), sighting: sighting(dcr.Denied, ours), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Denials: 1}},
		{name: "urgent lifts background", phase: dcr.Pending, before: retry(dcr.Background, -time.Hour), sighting: sighting(dcr.Changed), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "background does not sink urgent", phase: dcr.Pending, before: retry(dcr.Urgent, time.Minute), sighting: sighting(dcr.Changed, background), due: true, after: dcr.Pending, class: dcr.Urgent, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "a later reason keeps the place in the queue", phase: dcr.Pending, before: retry(dcr.Urgent, -time.Minute), sighting: sighting(dcr.Changed), due: true, after: dcr.Pending, class: dcr.Urgent, dueFor: time.Minute, got: store.Recorded{Sightings: 1, Changes: 1}},
		{name: "an unknown class is background", phase: dcr.Ready, sighting: sighting(dcr.Changed, func(s *dcr.Sighting) { s.Class = "soon" }), due: true, after: dcr.Pending, class: dcr.Background, got: store.Recorded{Sightings: 1, Changes: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			l := storetest.Open(t, c.option)
			record(t, l, registered(id, "log1"))
			settle(t, l, id, tt.phase, func(r *dcr.Record) {
				r.GrantID, r.Reason, r.Message = "cgr_a", dcr.MissingScope, "words"
				if tt.before != nil {
					tt.before(r, c.at)
				}
			})
			before := client(t, l, id)
			diff(t, record(t, l, tt.sighting), tt.got)
			r := client(t, l, id)
			if r.Phase != tt.after {
				t.Errorf("phase %s, want %s", r.Phase, tt.after)
			}
			if !tt.due {
				diff(t, r, before)
				return
			}
			if r.Seq <= before.Seq {
				t.Error("the sequence number did not rise")
			}
			if want := c.at.Add(-tt.dueFor); !r.NextAttemptAt.Equal(want) || r.Class != tt.class || r.Attempts != 0 {
				t.Errorf("due at %v in %q after %d attempts, want %v in %q after 0", r.NextAttemptAt, r.Class, r.Attempts, want, tt.class)
			}
			if kept := r.Message != ""; kept != (tt.after == dcr.Refused || tt.phase == dcr.Pending) {
				t.Errorf("message %q", r.Message)
			}
			diff(t, r.Cause, dcr.Cause{Feed: dcr.FeedWebhook, LogID: "log2"})
			ids, _, err := l.Due(t.Context(), tt.class, c.at, 10)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, idsOf(ids), []string{id})
		})
	}
}

// TestRecordDrops: what creates no record.
func TestRecordDrops(t *testing.T) {
	tests := []struct {
		name     string
		sighting dcr.Sighting
		want     int // sightings counted
	}{
		{"changed, unknown", dcr.Sighting{Kind: dcr.Changed, ClientID: "x", LogID: "1"}, 1},
		{"deleted, unknown", dcr.Sighting{Kind: dcr.Deleted, ClientID: "x", LogID: "1"}, 1},
		{"denied, unknown", dcr.Sighting{Kind: dcr.Denied, ClientID: "x", LogID: "1", Audience: storetest.Audience}, 1},
		{"grant unknown", dcr.Sighting{Kind: dcr.Changed, GrantID: "x", LogID: "1"}, 1},
		{"not a client id", registered("../x", "1"), 0},
		{"about nothing", dcr.Sighting{Kind: dcr.Changed, LogID: "1"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := storetest.Open(t)
			if got := record(t, l, tt.sighting); got.Sightings != tt.want {
				t.Errorf("counted %d sightings, want %d", got.Sightings, tt.want)
			}
			if got := record(t, l, tt.sighting); got.Sightings != 0 {
				t.Errorf("counted %d sightings of the same entry again", got.Sightings)
			}
			if page, _, err := l.Clients(t.Context(), store.Query{}); err != nil || len(page) > 0 {
				t.Errorf("%d records, error %v", len(page), err)
			}
		})
	}
}

func TestRecordFillsIn(t *testing.T) {
	l := storetest.Open(t)
	if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedSweep, Sightings: []dcr.Sighting{{Kind: dcr.Registered, ClientID: "tpc_a", LogID: "sweep1"}}}); err != nil {
		t.Fatal(err)
	}
	if r := client(t, l, "tpc_a"); r.Registration != dcr.RegistrationUnknown || r.Class != dcr.Background || !r.RegisteredAt.IsZero() {
		t.Errorf("found by a sweep: %+v", r)
	}
	s := registered("tpc_a", "log1")
	record(t, l, s)
	r := client(t, l, "tpc_a")
	if r.Registration != dcr.RegistrationDCR || !r.RegisteredAt.Equal(s.At) || r.FirstSeenFeed != dcr.FeedSweep {
		t.Errorf("then registered: %+v", r)
	}
	later := registered("tpc_a", "log2")
	later.At = s.At.Add(time.Hour)
	record(t, l, later)
	if r := client(t, l, "tpc_a"); !r.RegisteredAt.Equal(s.At) {
		t.Errorf("registered at %v, then again: %v", s.At, r.RegisteredAt)
	}
}

// A sweep may find a client and make it ready before the log tells when it
// registered.
func TestRegisteredAfterReady(t *testing.T) {
	l := storetest.Open(t)
	if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedSweep, Sightings: []dcr.Sighting{{Kind: dcr.Registered, ClientID: "tpc_a", LogID: "sweep1"}}}); err != nil {
		t.Fatal(err)
	}
	s := registered("tpc_a", "log1")
	settle(t, l, "tpc_a", dcr.Ready, func(r *dcr.Record) { r.ReadyAt = s.At.Add(700 * time.Millisecond) })
	record(t, l, s)
	if r := client(t, l, "tpc_a"); r.TimeToReady != 700*time.Millisecond {
		t.Errorf("it took %v", r.TimeToReady)
	}
	settle(t, l, "tpc_a", dcr.Ready, func(r *dcr.Record) { r.TimeToReady = time.Hour })
	if r := client(t, l, "tpc_a"); r.TimeToReady != 700*time.Millisecond {
		t.Errorf("then it took %v", r.TimeToReady)
	}
}

func TestRecordBoundsTexts(t *testing.T) {
	l := storetest.Open(t)
	s := registered("tpc_a", "log1")
	s.Name = strings.Repeat("é", 1<<20) + "\xff"
	s.Callbacks = slices.Repeat([]string{strings.Repeat("x", 1<<16)}, 500)
	record(t, l, s)
	r := client(t, l, "tpc_a")
	if want := strings.Repeat("é", 128); r.Name != want {
		t.Errorf("the name has %d bytes", len(r.Name))
	}
	if len(r.Callbacks) != 7 || len(r.Callbacks[0]) != 512 {
		t.Errorf("%d callbacks of %d bytes", len(r.Callbacks), len(r.Callbacks[0]))
	}
}

// TestRedelivery: one log entry is taken once in 7 days, by whatever feed, and
// offering it again does not even commit.
func TestRedelivery(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "grantd.db")
	l := storetest.Open(t, c.option, func(o *store.Options) { o.Path = path })
	both := []dcr.Sighting{registered("tpc_a", "log1"), {Kind: dcr.Changed, ClientID: "stranger", LogID: "log2"}}
	if got := record(t, l, append(both, both...)...); got.Sightings != 2 {
		t.Errorf("%d sightings of 2 entries, each twice in one delivery", got.Sightings)
	}
	settle(t, l, "tpc_a", dcr.Ready)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = storetest.Open(t, c.option, func(o *store.Options) { o.Path = path })

	c.advance(store.SeenFor)
	before := l.Commits()
	for _, feed := range []dcr.Feed{dcr.FeedWebhook, dcr.FeedPoll} {
		got, err := l.Record(t.Context(), store.Batch{Feed: feed, Sightings: both, Status: dcr.FeedStatus{Events: 2}})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, store.Recorded{})
	}
	if n := l.Commits() - before; n != 0 {
		t.Errorf("%d commits", n)
	}
	if r := client(t, l, "tpc_a"); r.Phase != dcr.Ready {
		t.Errorf("phase %s", r.Phase)
	}
	c.advance(time.Second)
	if got := record(t, l, both[0]); got.Registrations != 1 {
		t.Error("after 7 days the entry is not new again")
	}
}

// TestOneEntryManySubjects: an entry about several clients is taken for each.
func TestOneEntryManySubjects(t *testing.T) {
	l := storetest.Open(t)
	got := record(t, l, registered("a", "log1"), registered("b", "log1"), registered("a", "log1"))
	diff(t, got, store.Recorded{Sightings: 2, Registrations: 2})
	if got := record(t, l, registered("c", "log1")); got.Sightings != 0 {
		t.Error("the entry was taken again")
	}
}

func TestSeenIsPruned(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	var week []dcr.Sighting
	for i := range 1000 {
		week = append(week, dcr.Sighting{Kind: dcr.Changed, ClientID: "stranger", LogID: fmt.Sprint("old", i)})
	}
	record(t, l, week...)
	c.advance(store.SeenFor + time.Second)
	for i := range 60 { // each forgets 16 and two more
		record(t, l, dcr.Sighting{Kind: dcr.Changed, ClientID: "stranger", LogID: fmt.Sprint("new", i)})
	}
	if n := l.Remembered(); n != 60 {
		t.Errorf("%d log entries are remembered, want 60", n)
	}
}

func TestStatusRidesAlong(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "grantd.db")
	at := func(o *store.Options) { o.Path = path }
	l := storetest.Open(t, c.option, at)
	feeds := func() map[dcr.Feed]dcr.FeedStatus {
		t.Helper()
		m, err := l.Feeds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	before := l.Commits()
	status := dcr.FeedStatus{LastEventAt: c.at, LastDeliveryAt: c.at, Events: 3}
	for range 2 {
		if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.Commits() - before; n != 0 {
		t.Errorf("%d commits for a status alone", n)
	}
	want := dcr.FeedStatus{LastEventAt: c.at, LastDeliveryAt: c.at, Events: 6}
	diff(t, feeds(), map[dcr.Feed]dcr.FeedStatus{dcr.FeedWebhook: want})

	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := l.Commits() - before; n != 1 {
		t.Errorf("%d commits for a flush and one without need", n)
	}
	poll := dcr.FeedStatus{Checkpoint: c.at, Events: 1}
	if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedPoll, Status: poll}); err != nil {
		t.Fatal(err)
	}
	if n := l.Commits() - before; n != 2 {
		t.Error("a checkpoint that moves was not committed")
	}
	poll.Checkpoint = c.at.Add(-time.Hour)
	if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedPoll, Status: poll}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = storetest.Open(t, c.option, at)
	diff(t, feeds(), map[dcr.Feed]dcr.FeedStatus{dcr.FeedWebhook: want, dcr.FeedPoll: {Checkpoint: c.at, Events: 2}})
	if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedConfig}); err == nil {
		t.Error("a feed that is none was taken")
	}
}

func TestContextDone(t *testing.T) {
	l := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Record(ctx, store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{registered("a", "1")}}); !errors.Is(err, context.Canceled) {
		t.Errorf("record: %v", err)
	}
	if _, err := l.Save(ctx, dcr.Outcome{Record: dcr.Record{ClientID: "a", Phase: dcr.Ready}}); !errors.Is(err, context.Canceled) {
		t.Errorf("save: %v", err)
	}
	if _, err := l.Client(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("client: %v", err)
	}
}

// A denied login does not hide who did what is still to be put right.
func TestRecordKeepsTheActor(t *testing.T) {
	admin := dcr.Actor{Kind: dcr.ActorUser, ID: "auth0|admin"}
	edit := dcr.Sighting{Kind: dcr.Changed, Class: dcr.Urgent, ClientID: "tpc_a", LogID: "edit", Actor: admin}
	denial := dcr.Sighting{Kind: dcr.Denied, Class: dcr.Urgent, ClientID: "tpc_a", LogID: "denial", Audience: storetest.Audience}
	l := storetest.Open(t, newClock().option)
	record(t, l, registered("tpc_a", "log1"))
	settle(t, l, "tpc_a", dcr.Ready)
	record(t, l, edit)
	before := client(t, l, "tpc_a")
	record(t, l, denial)
	r := client(t, l, "tpc_a")
	if diff(t, r.Cause, before.Cause); r.Cause.LogID != "edit" || *r.Cause.Actor != admin || r.Seq <= before.Seq {
		t.Errorf("%+v", r)
	}
	settle(t, l, "tpc_a", dcr.Ready)
	record(t, l, dcr.Sighting{Kind: dcr.Changed, Class: dcr.Urgent, ClientID: "tpc_a", LogID: "later"})
	diff(t, client(t, l, "tpc_a").Cause, dcr.Cause{Feed: dcr.FeedWebhook, LogID: "later"})
}
