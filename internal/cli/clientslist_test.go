package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	api "grantd/internal/http"
)

// many is a ledger of n clients that are made when they are asked for.
type many struct {
	ledgerReader
	n     int
	asked int
}

var manyAt = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func (m *many) client(i int) api.Client {
	c := api.Client{
		ClientID: fmt.Sprintf("tpc_%06d", i), Name: fmt.Sprintf("Client %d", i%7), Phase: dcr.Phases()[i%5],
		Callbacks:    []string{strings.Repeat("https://chatgpt.com/connector/oauth/", 20)},
		RegisteredAt: dcr.Timestamp{Time: manyAt.Add(-time.Duration(i) * time.Minute)},
		FirstSeenAt:  dcr.Timestamp{Time: manyAt}, Message: strings.Repeat("x", 300),
	}
	if i%2 == 0 {
		c.LastUsedAt = dcr.Timestamp{Time: manyAt.Add(-time.Duration(m.n-i) * time.Minute)}
	}
	return c
}

func (m *many) Clients(_ context.Context, _ dcr.Phase, limit int, after string) (api.ClientList, error) {
	first := 0
	if after != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(after, "tpc_"))
		if err != nil {
			return api.ClientList{}, err
		}
		first = n + 1
	}
	var l api.ClientList
	for i := first; i < min(m.n, first+limit); i++ {
		m.asked++
		l.Clients = append(l.Clients, m.client(i))
	}
	if first+limit < m.n {
		l.Next = l.Clients[limit-1].ClientID
	}
	return l, nil
}

func listIDs(t *testing.T, m *many, f listFlags) (ids []string, more bool) {
	t.Helper()
	s, err := f.selection(manyAt)
	if err != nil {
		t.Fatal(err)
	}
	var k keeper
	if err := collect(t.Context(), m, &s, false, &k); err != nil {
		t.Fatal(err)
	}
	return k.ids, k.more
}

type keeper struct {
	ids  []string
	next string
	more bool
}

func (k *keeper) add(l listed) error { k.ids = append(k.ids, l.id); return nil }

func (k *keeper) end(next string, more bool) error { k.next, k.more = next, more; return nil }

func TestSelection(t *testing.T) {
	for name, tt := range map[string]struct {
		flags listFlags
		want  []string
		more  bool
	}{
		"first":        {listFlags{limit: 2}, []string{"tpc_000000", "tpc_000001"}, true},
		"all":          {listFlags{limit: 10}, []string{"tpc_000000", "tpc_000001", "tpc_000002", "tpc_000003", "tpc_000004", "tpc_000005", "tpc_000006", "tpc_000007", "tpc_000008", "tpc_000009"}, false},
		"phases":       {listFlags{phases: []string{"ready", "gone"}, limit: 3}, []string{"tpc_000000", "tpc_000004", "tpc_000005"}, true},
		"newer":        {listFlags{newerThan: "1m"}, []string{"tpc_000000", "tpc_000001"}, false},
		"older":        {listFlags{olderThan: "7m"}, []string{"tpc_000008", "tpc_000009"}, false},
		"unused":       {listFlags{unused: "8m"}, []string{"tpc_000000"}, false},                                                  // used 10 minutes ago
		"unused, gone": {listFlags{unused: "8m", phases: []string{"ready", "gone"}}, []string{"tpc_000000", "tpc_000009"}, false}, // never, and registered 9 minutes ago
		"last":         {listFlags{sort: "-client", limit: 2}, []string{"tpc_000009", "tpc_000008"}, true},
		"reverse":      {listFlags{reverse: true, limit: 1}, []string{"tpc_000009"}, true},
		"twice":        {listFlags{sort: "-client", reverse: true, limit: 1}, []string{"tpc_000000"}, true},
		"name":         {listFlags{sort: "name", limit: 4}, []string{"tpc_000000", "tpc_000007", "tpc_000001", "tpc_000008"}, true},
		"registered":   {listFlags{sort: "registered", limit: 1}, []string{"tpc_000009"}, true},
		"used":         {listFlags{sort: "-used", limit: 6}, []string{"tpc_000008", "tpc_000006", "tpc_000004", "tpc_000002", "tpc_000000", "tpc_000009"}, true},
		"never used":   {listFlags{sort: "used", limit: 0}, []string{"tpc_000000", "tpc_000002", "tpc_000004", "tpc_000006", "tpc_000008", "tpc_000001", "tpc_000003", "tpc_000005", "tpc_000007", "tpc_000009"}, false},
		"phase sorted": {listFlags{sort: "phase", limit: 3}, []string{"tpc_000000", "tpc_000005", "tpc_000001"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			ids, more := listIDs(t, &many{n: 10}, tt.flags)
			if diff := cmp.Diff(tt.want, ids); diff != "" || more != tt.more {
				t.Errorf("more %v\n%s", more, diff)
			}
		})
	}
}

func TestPresetOf(t *testing.T) {
	s := selection{known: knownPresets()}
	for _, tt := range []struct {
		callbacks []string
		want      string
	}{
		{[]string{"https://chatgpt.com/connector/oauth/a", "https://chatgpt.com/connector_platform_oauth_redirect"}, "chatgpt"},
		{[]string{"https://claude.ai/api/mcp/auth_callback"}, "claude"},
		{[]string{"http://localhost:6274/oauth/callback"}, "mcp-inspector"},
		{[]string{"https://claude.ai/api/mcp/auth_callback", "https://chatgpt.com/connector/oauth/a"}, "other"},
		{[]string{"https://chatgpt.com/connector/oauth/a/b"}, "other"},
		{nil, "other"},
	} {
		for _, name := range presetNames() {
			if got := s.isOf(name, tt.callbacks); got != (name == tt.want) {
				t.Errorf("%v is of %s: %v", tt.callbacks, name, got)
			}
		}
	}
}

// What is printed page by page is what would be printed at once.
func TestListJSON(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		m := &many{n: n}
		var got, want bytes.Buffer
		s := selection{}
		if err := collect(t.Context(), m, &s, true, newJSONSink(&got)); err != nil {
			t.Fatal(err)
		}
		list := api.ClientList{Schema: 1, Clients: []api.Client{}}
		for i := range n {
			list.Clients = append(list.Clients, m.client(i))
		}
		if err := printJSON(&want, list); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			t.Error(diff)
		}
	}
}

// A list of 100,000 clients is not kept, nor more of a sorted one than is shown.
func TestListIsBounded(t *testing.T) {
	for name, f := range map[string]listFlags{
		"streamed":       {},
		"filtered":       {phases: []string{"ready"}, presets: []string{"other"}},
		"sorted, capped": {sort: "-registered", limit: 50},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := f.selection(manyAt)
			if err != nil {
				t.Fatal(err)
			}
			var peak uint64
			w := writerFunc(func(b []byte) (int, error) { return len(b), nil })
			m := &sampled{many: many{n: 100_000}, peak: &peak}
			runtime.GC()
			base := heap()
			if err := collect(t.Context(), m, &s, false, &textSink{w: w, s: &s}); err != nil {
				t.Fatal(err)
			}
			if m.asked != m.n {
				t.Errorf("read %d", m.asked)
			}
			if grown := int64(peak) - int64(base); grown > 8<<20 {
				t.Errorf("%d MiB", grown>>20)
			}
		})
	}
}

// sampled looks at the memory in use every 20,000 clients.
type sampled struct {
	many
	peak *uint64
}

func (s *sampled) Clients(ctx context.Context, p dcr.Phase, limit int, after string) (api.ClientList, error) {
	if s.asked%20_000 == 0 {
		runtime.GC()
		*s.peak = max(*s.peak, heap())
	}
	return s.many.Clients(ctx, p, limit, after)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// What a short list does not show is not read.
func TestListReadsNoMoreThanItShows(t *testing.T) {
	m := &many{n: 10_000}
	if _, more := listIDs(t, m, listFlags{limit: 50}); !more || m.asked > 51 {
		t.Errorf("read %d", m.asked)
	}
}

// On a terminal the list is drawn until it is interrupted or the daemon is gone,
// every two seconds, and less often when that takes long.
func TestWatchScreen(t *testing.T) {
	for took, apart := range map[time.Duration]time.Duration{0: watchEvery, 100 * time.Millisecond: 2100 * time.Millisecond, 3 * time.Second: 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			var drawn []time.Time
			err := interrupted(ctx, watchScreen(ctx, func(now time.Time) error {
				if drawn = append(drawn, now); len(drawn) == 4 {
					interrupt()
				}
				<-time.After(took)
				return nil
			}, nil))
			if err != nil || len(drawn) != 4 {
				t.Fatalf("drawn at %v, %v", drawn, err)
			}
			for i, at := range drawn[1:] {
				if got := at.Sub(drawn[i]); got != apart {
					t.Errorf("what takes %v is drawn again after %v", took, got)
				}
			}
		})
	}

	ended := make(chan error, 1)
	ended <- errWatchEnded
	err := watchScreen(t.Context(), func(time.Time) error { return nil }, ended)
	if !errors.Is(err, errWatchEnded) {
		t.Error(err)
	}
	if err := watchScreen(t.Context(), func(time.Time) error { return io.ErrClosedPipe }, ended); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := drawScreen(&b, "a\nb\n", 0); err != nil || b.String() != "\x1b[H\x1b[?7la\x1b[K\nb\x1b[K\n\x1b[J\x1b[?7h" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// A list that a terminal has no room for says so in its last row but one, where
// the cursor does not make it scroll.
func TestScreenDoesNotScroll(t *testing.T) {
	t.Parallel()
	const text = "a\nb\nc\nd\n"
	for rows, want := range map[int]string{
		0: text, 5: text, 9: text,
		4: "a\nb\n2 lines more than fit here; --limit, --phase and --sort say which are shown.\n",
		3: "a\n3 lines more than fit here; --limit, --phase and --sort say which are shown.\n",
		1: "4 lines more than fit here; --limit, --phase and --sort say which are shown.\n",
	} {
		if got := fit(text, rows); got != want {
			t.Errorf("%d rows: %q", rows, got)
		}
	}
}

// Of the daemon's events those are passed on that are of clients asked for.
func TestFollowClients(t *testing.T) {
	stream := ": grantd\nretry: 2000\n\n" +
		"event: journal\ndata: {\"client_id\":\"tpc_x\"}\n\n" +
		"event: client\ndata: {\"client_id\":\"tpc_a\",\"phase\":\"ready\"}\n\n:\n\n" +
		"event: client\ndata: {\"client_id\":\"tpc_b\",\"phase\":\"blocked\"}\n\n" +
		"data: {\"client_id\":\"tpc_c\",\"phase\":\"blocked\"}\n\n"
	var got []string
	s := selection{phases: []dcr.Phase{dcr.Blocked}}
	err := followClients(strings.NewReader(stream), &s, func(c api.Client) error { got = append(got, c.ClientID); return nil })
	if !errors.Is(err, errWatchEnded) || len(got) != 1 || got[0] != "tpc_b" {
		t.Errorf("%v, %v", got, err)
	}
	err = followClients(strings.NewReader("event: client\ndata: <html>\n\n"), &s, func(api.Client) error { return nil })
	if err == nil || errors.Is(err, errWatchEnded) {
		t.Error(err)
	}
}

func FuzzFollowClients(f *testing.F) {
	f.Add("event: client\ndata: {\"client_id\":\"tpc_a\"}\n\n")
	f.Add(":\n\nevent: client\n\ndata: x\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		if err := followClients(strings.NewReader(stream), &selection{}, func(api.Client) error { return nil }); err == nil {
			t.Error("a stream that ends is an error")
		}
	})
}
