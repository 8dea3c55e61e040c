package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// found pages through a search and returns the ids in their order.
func found(t testing.TB, l *store.Ledger, s store.Search) []string {
	t.Helper()
	ids := []string{}
	for {
		f, err := l.Newest(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range f.Clients {
			ids = append(ids, r.ClientID)
		}
		if s.After = f.Next; f.Next == "" {
			return ids
		}
	}
}

func TestNewest(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	l := storetest.Open(t, func(o *store.Options) { o.Now = func() time.Time { return now } })
	for i, id := range []string{"tpc_z", "tpc_a", "tpc_m", "tpc_k"} {
		s := registered(id, "log"+id)
		s.Name = []string{"ChatGPT", "Größe <b>", "Claude", ""}[i]
		s.Callbacks = []string{"https://chatgpt.com/connector/oauth/" + id}
		record(t, l, s)
		now = now.Add(time.Second)
	}
	settle(t, l, "tpc_a", dcr.Ready)
	settle(t, l, "tpc_k", dcr.Ready)
	for _, tc := range []struct {
		name string
		s    store.Search
		want []string
	}{
		{"all", store.Search{}, []string{"tpc_k", "tpc_m", "tpc_a", "tpc_z"}},
		{"pages of one", store.Search{Limit: 1}, []string{"tpc_k", "tpc_m", "tpc_a", "tpc_z"}},
		{"pages of two", store.Search{Limit: 2}, []string{"tpc_k", "tpc_m", "tpc_a", "tpc_z"}},
		{"phase", store.Search{Phase: dcr.Ready, Limit: 1}, []string{"tpc_k", "tpc_a"}},
		{"name, whatever the case", store.Search{Text: "CHATgpt", Phase: dcr.Pending}, []string{"tpc_m", "tpc_z"}},
		{"name that JSON escapes", store.Search{Text: "e <B>"}, []string{"tpc_a"}},
		{"name beyond ASCII", store.Search{Text: "GRÖSSE"}, []string{}},
		{"name beyond ASCII in another case", store.Search{Text: "GRÖß"}, []string{"tpc_a"}},
		{"id", store.Search{Text: "tpc_m"}, []string{"tpc_m"}},
		{"callback", store.Search{Text: "oauth/tpc_z"}, []string{"tpc_z"}},
		{"what JSON has and no field", store.Search{Text: `"name"`}, []string{}},
		{"a field of JSON that is not searched", store.Search{Text: "first_seen_at"}, []string{}},
		{"nothing", store.Search{Text: "nobody"}, []string{}},
	} {
		if diff := cmp.Diff(tc.want, found(t, l, tc.s)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	for _, cursor := range []string{"x", "-", "0011-tpc_a", "00112233445566zz-tpc_a", "0011223344556677-", "0011223344556677-a/b"} {
		if _, err := l.Newest(t.Context(), store.Search{After: cursor}); !errors.Is(err, store.ErrCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	// A cursor stays good when its client is forgotten.
	f, err := l.Newest(t.Context(), store.Search{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Forget(t.Context(), "tpc_m", true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tpc_a", "tpc_z"}, found(t, l, store.Search{After: f.Next})); diff != "" {
		t.Errorf("after a client that is gone (-want +got):\n%s", diff)
	}
}

// TestNewestIsBounded: a search that has much to read stops, says so, and the
// next page goes on where it stopped.
func TestNewestIsBounded(t *testing.T) {
	l := storetest.Open(t)
	const n = 16_000
	swept := make([]store.Swept, n)
	start := time.Now().Add(-time.Hour)
	for i := range swept {
		r := sweptReady(i, start.Add(time.Duration(i)*time.Millisecond)).Record
		r.FirstSeenAt = start.Add(time.Duration(i) * time.Millisecond)
		swept[i] = store.Swept{Record: r, ObservedAt: start}
	}
	for part := range slices.Chunk(swept, 8000) {
		if _, err := l.SaveSwept(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	// Every record has the word, as the name of a field.
	f, err := l.Newest(t.Context(), store.Search{Text: "registration"})
	if err != nil || !f.Cut || f.Next == "" || f.Looked >= n {
		t.Fatalf("looked at %d, cut %v, next %q, error %v", f.Looked, f.Cut, f.Next, err)
	}
	looked, pages := f.Looked, 1
	for f.Next != "" && pages < 100 { // a slow machine takes more
		if f, err = l.Newest(t.Context(), store.Search{Text: "registration", After: f.Next}); err != nil {
			t.Fatal(err)
		}
		looked += f.Looked
		pages++
	}
	if f.Cut || looked != n {
		t.Errorf("looked at %d in %d pages, cut %v", looked, pages, f.Cut)
	}
	// Who has no time left gets on, by a little.
	for _, text := range []string{"registration", "nobody"} {
		f, err := l.Newest(t.Context(), store.Search{Text: text, Within: 1})
		if err != nil || !f.Cut || f.Next == "" || f.Looked == 0 || f.Looked > 1000 {
			t.Errorf("%s: looked at %d without time, cut %v, next %q, error %v", text, f.Looked, f.Cut, f.Next, err)
		}
	}
}

// BenchmarkNewest100k is a page of the newest clients, and searches from the
// cheapest to the dearest.
func BenchmarkNewest100k(b *testing.B) {
	l, _ := openLarge(b)
	for name, s := range map[string]store.Search{
		"Page":       {},
		"PhaseNone":  {Phase: dcr.Blocked},
		"SearchHits": {Text: "chatgpt"},
		"SearchID":   {Text: fmt.Sprintf("tpc_%06d", large/2)},
		"SearchNone": {Text: "nobody"},
		"SearchCut":  {Text: "registration"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Newest(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
