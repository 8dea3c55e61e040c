package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// journalled are the numbers of all entries kept, newest first.
func journalled(t testing.TB, l *store.Ledger, id string) (seqs []uint64) {
	t.Helper()
	for q := (store.JournalQuery{ClientID: id, Limit: 1000}); ; {
		page, next, err := l.Journal(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			seqs = append(seqs, e.Seq)
		}
		if q.After = next; next == "" {
			return seqs
		}
	}
}

func addEntries(t testing.TB, l *store.Ledger, n int, id string) {
	t.Helper()
	var entries []dcr.JournalEntry
	for range n {
		entries = append(entries, dcr.JournalEntry{ClientID: id, Change: dcr.Change{
			Step: dcr.StepGrant, After: map[string]any{"scope": []string{strings.Repeat("x", 300)}},
		}})
	}
	if err := l.AddJournal(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

// Entries beyond the age are forgotten as others are added, a handful by each;
// their numbers are not used again, and the newest one stays whatever its age.
func TestJournalAge(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option, func(o *store.Options) { o.Journal.MaxAge = 24 * time.Hour })
	addEntries(t, l, 10, "tpc_a")
	addEntries(t, l, 1, "")
	c.advance(24*time.Hour + 1)
	diff(t, len(journalled(t, l, "")), 11)
	addEntries(t, l, 1, "tpc_b")
	diff(t, journalled(t, l, ""), []uint64{12, 11, 10, 9, 8, 7, 6, 5})
	diff(t, journalled(t, l, "tpc_a"), []uint64{10, 9, 8, 7, 6, 5})
	addEntries(t, l, 2, "tpc_b")
	diff(t, journalled(t, l, ""), []uint64{14, 13, 12})
	diff(t, journalled(t, l, "tpc_a"), []uint64(nil))
	c.advance(48 * time.Hour)
	done, err := l.Prune(t.Context())
	diff(t, []any{done, err}, []any{store.Pruned{Entries: 2}, nil})
	diff(t, journalled(t, l, ""), []uint64{14})
	addEntries(t, l, 1, "tpc_a")
	diff(t, journalled(t, l, ""), []uint64{15})
	if _, err := l.Entry(t.Context(), 14); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "entry 14 was pruned or never there") {
		t.Error(err)
	}
	if e, err := l.Entry(t.Context(), 15); err != nil || e.Seq != 15 || e.ClientID != "tpc_a" {
		t.Errorf("%+v, %v", e, err)
	}
}

// The size is kept within its limit by every commit, also when the limit is
// lowered while the ledger is open.
func TestJournalSize(t *testing.T) {
	l := storetest.Open(t)
	addEntries(t, l, 1000, "tpc_a")
	full := l.JournalBytes()
	l.SetJournalLimits(store.JournalLimits{MaxBytes: int64(full / 2)})
	before := l.Commits()
	done, err := l.Prune(t.Context())
	if err != nil || done.Entries < 499 || done.Entries > 501 || l.JournalBytes() > full/2 {
		t.Errorf("%+v, %v; %d of %d bytes left", done, err, l.JournalBytes(), full)
	}
	if n := l.Commits() - before; n > 6 {
		t.Errorf("%d commits", n)
	}
	for range 100 {
		addEntries(t, l, 3, "tpc_b")
		if n := l.JournalBytes(); n > full/2 {
			t.Fatalf("%d bytes, limit %d", n, full/2)
		}
	}
	// Where nothing is to be forgotten, nothing is written.
	before = l.Commits()
	if done, err = l.Prune(t.Context()); err != nil || done != (store.Pruned{}) {
		t.Errorf("%+v, %v", done, err)
	}
	diff(t, l.Commits()-before, 0)
	l.SetJournalLimits(store.JournalLimits{MaxBytes: 1})
	if _, err = l.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	diff(t, journalled(t, l, ""), []uint64{1300})
}

// A backlog is forgotten in small steps, and an interrupted Prune goes on later.
func TestPruneInSteps(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	for range 5 {
		addEntries(t, l, 1000, "tpc_a")
	}
	l.SetJournalLimits(store.JournalLimits{MaxBytes: 1})
	before := l.Commits()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Prune(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if done, err := l.Prune(t.Context()); err != nil || done.Entries != 4999 {
		t.Errorf("%+v, %v", done, err)
	}
	if n := l.Commits() - before; n != 50 {
		t.Errorf("%d commits for 4,999 entries", n)
	}
}

// What else has had its time goes too, where no traffic takes it along.
func TestPruneTheRest(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log1"))
	hold(t, l, dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Until: c.at})
	diff(t, len(holdsOf(t, l)), 1) // and remembered
	c.advance(store.SeenFor + time.Millisecond)
	done, err := l.Prune(t.Context())
	diff(t, []any{done, err}, []any{store.Pruned{Seen: 1, Holds: 1}, nil})
	diff(t, l.Remembered(), 0)
	diff(t, len(holdsOf(t, l)), 0)
}

// Refused clients that rest are bounded: the one of which nothing was heard for
// the longest time goes first. Those that were served, or are to be looked at,
// stay.
func TestRestingBound(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	store.SetMaxResting(l, 3)
	refuse := func(id string, change ...func(*dcr.Record)) {
		c.advance(time.Second)
		record(t, l, registered(id, "log-"+id))
		settle(t, l, id, dcr.Refused, change...)
	}
	served := func(r *dcr.Record) { r.GrantMade, r.GrantID = true, "cgr_"+r.ClientID }
	refuse("served", served)
	refuse("ready", func(r *dcr.Record) { r.ReadyAt = c.at })
	refuse("a", func(r *dcr.Record) { r.GrantID = "cgr_a" })
	refuse("b")
	refuse("c")
	c.advance(time.Second)
	record(t, l, dcr.Sighting{Kind: dcr.Changed, Class: dcr.Background, ClientID: "a", LogID: "again"}) // due, and then heard of last
	refuse("d")
	settle(t, l, "a", dcr.Refused, func(r *dcr.Record) { r.GrantID = "cgr_a" })
	want := func(ids ...string) {
		t.Helper()
		page, _, err := l.Clients(t.Context(), store.Query{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range page {
			got = append(got, r.ClientID)
		}
		diff(t, got, ids)
	}
	want("a", "c", "d", "ready", "served") // b was the oldest
	refuse("e")
	refuse("f")
	want("d", "e", "f", "ready", "served") // a was heard of before d
	// One that became ready is no longer among them.
	settle(t, l, "d", dcr.Ready)
	refuse("g")
	want("d", "e", "f", "g", "ready", "served")
	// Gone ones rest, whatever they were.
	c.advance(time.Second)
	settle(t, l, "served", dcr.Gone)
	want("d", "e", "f", "g", "ready") // it was heard of before all others
	// A lower bound is reached by Prune.
	store.SetMaxResting(l, 1)
	done, err := l.Prune(t.Context())
	diff(t, []any{done, err}, []any{store.Pruned{Clients: 2}, nil})
	want("d", "g", "ready")
}

// A sweep that finds refused clients where there is no room for more records
// none, so that an idle tenant causes no churn.
func TestSweepOfMoreThanFit(t *testing.T) {
	l := storetest.Open(t)
	store.SetMaxResting(l, 10)
	var found []store.Swept
	for n := range 50 {
		found = append(found, store.Swept{ObservedAt: time.Now(), Record: dcr.Record{ClientID: fmt.Sprintf("tpc_%02d", n), Phase: dcr.Refused}})
	}
	for range 3 {
		if _, err := l.SaveSwept(t.Context(), found); err != nil {
			t.Fatal(err)
		}
		page, _, err := l.Clients(t.Context(), store.Query{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, len(page), 10)
		diff(t, page[9].ClientID, "tpc_09")
	}
	// Eligible ones always are.
	seqs, err := l.SaveSwept(t.Context(), []store.Swept{{ObservedAt: time.Now(), Record: dcr.Record{ClientID: "tpc_x", Phase: dcr.Ready}}})
	if err != nil || seqs[0] == 0 {
		t.Errorf("%v, %v", seqs, err)
	}
}

// What is kept of a client that is none of grantd's is little, whatever was
// registered, and of another bounded too.
func TestRecordSizes(t *testing.T) {
	l := storetest.Open(t)
	for name, text := range map[string]string{
		"letters": "x", "escapes": "<", "controls": "\x01", "wide": "\U0001f600", "invalid": "\xff\xfe", "lines": "\u2028",
	} {
		t.Run(name, func(t *testing.T) {
			id := "tpc_" + name + strings.Repeat("a", 24)
			s := registered(id, strings.Repeat("l", 90))
			s.LogID = name + s.LogID
			s.Name = strings.Repeat(text, 1<<20/len(text))
			for n := range 500 {
				s.Callbacks = append(s.Callbacks, fmt.Sprint("https://evil.example/", n, strings.Repeat(text, 2000)))
			}
			record(t, l, s)
			if n := l.RecordSize(id); n > 6<<10 {
				t.Errorf("%d bytes while it waits", n)
			}
			hostile := func(r *dcr.Record) {
				r.Name, r.Callbacks, r.Reason, r.Message = s.Name, s.Callbacks, dcr.CallbackNotAllowed, s.Name
				c := dcr.Condition{Message: s.Name, Reason: dcr.RejectedByAuth0}
				r.Conditions = dcr.Conditions{Promoted: c, Connected: c, Granted: c}
				r.Cause.Actor = &dcr.Actor{Kind: dcr.ActorUser, ID: s.Name}
			}
			settle(t, l, id, dcr.Blocked, hostile)
			if n := l.RecordSize(id); n > 16<<10 {
				t.Errorf("%d bytes blocked", n)
			}
			settle(t, l, id, dcr.Refused, hostile)
			if n := l.RecordSize(id); n > 1400 {
				t.Errorf("%d bytes refused", n)
			}
			settle(t, l, id, dcr.Refused, func(r *dcr.Record) { hostile(r); r.Cause.Actor = nil })
			if n := l.RecordSize(id); n > 1<<10 {
				t.Errorf("%d bytes refused, by no actor", n)
			}
			r := client(t, l, id)
			if r.Name == "" || len(r.Callbacks) == 0 || r.Message == "" || r.Reason != dcr.CallbackNotAllowed {
				t.Errorf("what is left says little: %+v", r)
			}
		})
	}
}

func FuzzFit(f *testing.F) {
	f.Add("a<\x00\u2028é\xff😀", 7)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(0, min(n, 1000))
		got := store.Fit(s, n)
		b, err := json.Marshal(got)
		if err != nil || len(b)-2 > n {
			t.Errorf("%q takes %d bytes of %d, %v", got, len(b)-2, n, err)
		}
		if len(s) <= n/6 && strings.ToValidUTF8(s, "\uFFFD") != got {
			t.Errorf("%q was cut to %q", s, got)
		}
	})
}
