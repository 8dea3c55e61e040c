package store_test

import (
	"slices"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

// compare holds all that the ledger shows to the model.
func compare(t *testing.T, l *store.Ledger, m *model) {
	t.Helper()
	ctx := t.Context()
	records := map[string]dcr.Record{}
	counts := map[dcr.Phase]int{}
	for _, p := range dcr.Phases() {
		counts[p] = 0
		for q := (store.Query{Phase: p, Limit: 3}); ; {
			page, next, err := l.Clients(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				records[r.ClientID] = r
				counts[p]++
			}
			if q.After = next; next == "" {
				break
			}
		}
	}
	diff(t, records, m.records)
	stored, err := l.Counts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, stored, counts)
	dueCounts := map[dcr.Class]int{}
	for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
		want := m.due(class)
		dueCounts[class] = len(want)
		ids, _, err := l.Due(ctx, class, m.clock.at, 1000)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, ids, want)
	}
	n, err := l.DueCounts(ctx, m.clock.at)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, n, dueCounts)
	var journal []string
	for q := (store.JournalQuery{Limit: 100}); ; {
		page, next, err := l.Journal(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			journal = append(journal, e.ClientID)
		}
		if q.After = next; next == "" {
			break
		}
	}
	slices.Reverse(journal)
	diff(t, journal, m.journal)
	feeds, err := l.Feeds(ctx)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, feeds, m.feeds)
	holds, err := l.Holds(ctx)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, holds, m.heldNow())
	if err := l.Check(ctx); err != nil {
		t.Fatal(err)
	}
}
