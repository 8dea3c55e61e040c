package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func TestClients(t *testing.T) {
	l := storetest.Open(t)
	for i := range 5 {
		id := fmt.Sprint("tpc_", i)
		record(t, l, registered(id, "log-"+id))
		if i != 2 {
			settle(t, l, id, dcr.Ready)
		}
	}
	tests := []struct {
		name  string
		query store.Query
		pages [][]string
	}{
		{"all", store.Query{}, [][]string{{"tpc_0", "tpc_1", "tpc_2", "tpc_3", "tpc_4"}}},
		{"by two", store.Query{Limit: 2}, [][]string{{"tpc_0", "tpc_1"}, {"tpc_2", "tpc_3"}, {"tpc_4"}}},
		{"by five", store.Query{Limit: 5}, [][]string{{"tpc_0", "tpc_1", "tpc_2", "tpc_3", "tpc_4"}}},
		{"one phase by two", store.Query{Phase: dcr.Ready, Limit: 2}, [][]string{{"tpc_0", "tpc_1"}, {"tpc_3", "tpc_4"}}},
		{"no such phase", store.Query{Phase: dcr.Gone}, [][]string{nil}},
		{"after one that is not there", store.Query{After: "tpc_00"}, [][]string{{"tpc_1", "tpc_2", "tpc_3", "tpc_4"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var pages [][]string
			for q := tt.query; ; {
				page, next, err := l.Clients(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				var ids []string
				for _, r := range page {
					ids = append(ids, r.ClientID)
				}
				pages = append(pages, ids)
				if q.After = next; next == "" {
					break
				}
			}
			diff(t, pages, tt.pages)
		})
	}
	if _, _, err := l.Clients(t.Context(), store.Query{After: "../"}); !errors.Is(err, store.ErrCursor) {
		t.Errorf("a cursor that is none: %v", err)
	}
	counts, err := l.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, counts, map[dcr.Phase]int{dcr.Ready: 4, dcr.Pending: 1, dcr.Blocked: 0, dcr.Refused: 0, dcr.Gone: 0})
}

func TestJournal(t *testing.T) {
	l := storetest.Open(t)
	record(t, l, registered("a", "log-a"), registered("ab", "log-ab"))
	for _, id := range []string{"a", "ab", "a", "ab", "a"} {
		r := client(t, l, id)
		if _, err := l.Save(t.Context(), dcr.Outcome{Record: r, Changes: []dcr.Change{{Step: dcr.StepPromote}}}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		query store.JournalQuery
		pages [][]uint64
	}{
		{"all", store.JournalQuery{}, [][]uint64{{5, 4, 3, 2, 1}}},
		{"by two", store.JournalQuery{Limit: 2}, [][]uint64{{5, 4}, {3, 2}, {1}}},
		{"one client", store.JournalQuery{ClientID: "a"}, [][]uint64{{5, 3, 1}}},
		{"one client by one", store.JournalQuery{ClientID: "ab", Limit: 1}, [][]uint64{{4}, {2}}},
		{"unknown client", store.JournalQuery{ClientID: "b"}, [][]uint64{nil}},
		{"from the middle", store.JournalQuery{ClientID: "a", After: "4"}, [][]uint64{{3, 1}}},
		{"from beyond", store.JournalQuery{After: "99"}, [][]uint64{{5, 4, 3, 2, 1}}},
		{"after the oldest", store.JournalQuery{After: "1"}, [][]uint64{nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var pages [][]uint64
			for q := tt.query; ; {
				page, next, err := l.Journal(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				var seqs []uint64
				for _, e := range page {
					seqs = append(seqs, e.Seq)
				}
				pages = append(pages, seqs)
				if q.After = next; next == "" {
					break
				}
			}
			diff(t, pages, tt.pages)
		})
	}
	for _, cursor := range []string{"0", "-1", "x", "99999999999999999999"} {
		if _, _, err := l.Journal(t.Context(), store.JournalQuery{After: cursor}); !errors.Is(err, store.ErrCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

// Entries that are no client's stand in the journal among the others.
func TestAddJournal(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("a", "log-a"))
	scopes := dcr.JournalEntry{
		Seq:    7, // the ledger numbers
		Change: dcr.Change{Step: dcr.StepScopes, After: map[string]any{"file": []any{"read"}}}, Cause: dcr.Cause{Feed: dcr.FeedConfig},
	}
	old := dcr.JournalEntry{ClientID: "a", Change: dcr.Change{Step: dcr.StepGrant, At: c.at.Add(-time.Hour)}}
	if err := l.AddJournal(t.Context(), scopes, old); err != nil {
		t.Fatal(err)
	}
	scopes.Seq, scopes.At, old.Seq = 1, c.at, 2
	for id, want := range map[string][]dcr.JournalEntry{"": {old, scopes}, "a": {old}} {
		entries, _, err := l.Journal(t.Context(), store.JournalQuery{ClientID: id})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, entries, want)
	}
	if err := l.AddJournal(t.Context(), scopes, dcr.JournalEntry{ClientID: "../a"}); err == nil {
		t.Error("an entry of what is not a client was taken")
	}
	if entries, _, err := l.Journal(t.Context(), store.JournalQuery{}); len(entries) != 2 || err != nil {
		t.Errorf("%d entries, error %v", len(entries), err)
	}
}

// A feed's status that was set survives whatever comes.
func TestSetFeed(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "grantd.db")
	l := storetest.Open(t, c.option, at(path))
	before := l.Commits()
	for _, s := range []dcr.FeedStatus{{LastSuccessAt: c.at, Events: 3}, {LastSuccessAt: c.at.Add(-time.Hour), Events: 1}} {
		if err := l.SetFeed(t.Context(), dcr.FeedSweep, s); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.Commits() - before; n != 2 {
		t.Errorf("%d commits", n)
	}
	if err := l.SetFeed(t.Context(), dcr.FeedConfig, dcr.FeedStatus{}); err == nil {
		t.Error("a feed that is none was taken")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = storetest.Open(t, c.option, at(path))
	feeds, err := l.Feeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, feeds, map[dcr.Feed]dcr.FeedStatus{dcr.FeedSweep: {LastSuccessAt: c.at, Events: 4}})
	if !l.FirstSweepEnded() {
		t.Error("the sweep is forgotten")
	}
}

func TestFacts(t *testing.T) {
	l := storetest.Open(t)
	if v, err := l.Fact(t.Context(), "health"); v != nil || err != nil {
		t.Errorf("%q, error %v", v, err)
	}
	if err := l.SetFact(t.Context(), "health", []byte("good")); err != nil {
		t.Fatal(err)
	}
	if v, err := l.Fact(t.Context(), "health"); string(v) != "good" || err != nil {
		t.Errorf("%q, error %v", v, err)
	}
	if err := l.SetFact(t.Context(), "", nil); err == nil {
		t.Error("an empty key was taken")
	}
}
