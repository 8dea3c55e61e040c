package cli

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	api "grantd/internal/http"
)

// past is a journal of n entries, the newest first.
type past struct {
	ledgerReader
	n    int
	peak uint64
}

func (p *past) entry(seq int) api.JournalEntry {
	return api.JournalEntry{
		Seq: uint64(seq), At: dcr.Timestamp{Time: manyAt}, ClientID: "tpc_a", Step: dcr.StepGrant, //nolint:gosec // seq is positive
		After: map[string]any{"scope": []any{strings.Repeat("s", 200)}},
	}
}

func (p *past) Journal(_ context.Context, _ string, limit int, after string) (api.JournalList, error) {
	first := p.n
	if after != "" {
		seq, err := strconv.Atoi(after)
		if err != nil {
			return api.JournalList{}, err
		}
		first = seq - 1
	}
	if first%20_000 == 0 {
		runtime.GC()
		p.peak = max(p.peak, heap())
	}
	var l api.JournalList
	for seq := first; seq > max(0, first-limit); seq-- {
		l.Entries = append(l.Entries, p.entry(seq))
	}
	if first > limit {
		l.Next = strconv.Itoa(first - limit + 1)
	}
	return l, nil
}

// A journal of 100,000 entries is printed and not kept, and what is printed page
// by page is what would be printed at once.
func TestHistoryIsStreamed(t *testing.T) {
	for name, to := range map[string]func(w writerFunc) journalSink{
		"text": func(w writerFunc) journalSink { return &journalText{w: w} },
		"json": func(w writerFunc) journalSink { return &journalJSON{jsonList{w: w, name: "entries"}} },
	} {
		p := &past{n: 100_000}
		runtime.GC()
		base, lines := heap(), 0
		if err := readJournal(t.Context(), p, journalQuery{}, to(func(b []byte) (int, error) {
			lines += bytes.Count(b, []byte("tpc_a"))
			return len(b), nil
		})); err != nil || lines != p.n {
			t.Errorf("%s: %d entries, %v", name, lines, err)
		}
		if grown := int64(p.peak) - int64(base); grown > 8<<20 { //nolint:gosec // no heap is that large
			t.Errorf("%s: %d MiB", name, grown>>20)
		}
	}
	for _, tt := range []struct {
		n, limit int
		next     string
	}{{0, 0, ""}, {3, 0, ""}, {3, 2, "2"}, {700, 600, "101"}} {
		p, list := &past{n: tt.n}, api.JournalList{Schema: 1, Entries: []api.JournalEntry{}, Next: tt.next}
		for seq := tt.n; seq > 0 && (tt.limit == 0 || len(list.Entries) < tt.limit); seq-- {
			list.Entries = append(list.Entries, p.entry(seq))
		}
		var got, want bytes.Buffer
		if err := readJournal(t.Context(), p, journalQuery{limit: tt.limit}, &journalJSON{jsonList{w: &got, name: "entries"}}); err != nil {
			t.Fatal(err)
		}
		if err := printJSON(&want, list); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			t.Error(fmt.Sprint(tt), diff)
		}
	}
}

// The command for older entries asks for the same ones, and its id is no flag.
func TestOlderEntries(t *testing.T) {
	t.Parallel()
	for want, q := range map[string]journalQuery{
		"grantd history --after 7":                                    {},
		"grantd history --after 7 tpc_a":                              {id: "tpc_a"},
		"grantd history --step grant --newer-than 2h --after 7 -- -a": {id: "-a", steps: []string{"grant"}, newer: "2h"},
	} {
		if got := q.command("7"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
