package store_test

import (
	"errors"
	"fmt"
	"testing"

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
