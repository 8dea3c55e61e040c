package feed_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/feed"
)

// Entries that show a client at work, in the form of a log stream. The first is
// of a CIMD client: what it called itself stands in the details.
const (
	exchange = `{"log_id":"X","data":{"date":"2026-09-01T10:00:00.123Z","type":"seacft","description":"","connection_id":"","client_id":"tpc_1","client_name":"Claude","hostname":"acme.eu.auth0.com","user_id":"auth0|6181","user_name":"jane@example.com","audience":"https://gw.example.com/mcp","details":{"code":"***VM-","requested_client_id":"https://claude.ai/oauth/mcp-oauth-client-metadata","access_token_jti":"j","refresh_token":{"access":"offline"}},"log_id":"X"}}`

	refreshed = `{"log_id":"R","data":{"date":"2026-09-01T10:00:01Z","type":"sertft","client_id":"tpc_1","scope":["read:things"],"details":{"familyId":"f","tokenCounter":2,"requested_scope":"read:things"},"log_id":"R"}}`

	loggedIn = `{"_id":"S","log_id":"S","date":"2026-09-01T09:59:59Z","type":"s","client_id":"tpc_2","connection":"google-oauth2","details":{"prompts":[],"session_id":"s","stats":{"loginsCount":3}},"isMobile":false}`
)

func TestClassifyUse(t *testing.T) {
	at := func(s string) string { return strings.Replace(loggedIn, "2026-09-01T09:59:59Z", s, 1) }
	id := func(s string) string { return strings.Replace(loggedIn, `"tpc_2"`, s, 1) }
	const want = "tpc_2 2026-09-01T09:59:59Z"
	tests := []struct{ name, entry, want string }{
		{"an exchange, by the application and not by what was requested", exchange, "tpc_1 2026-09-01T10:00:00.123Z"},
		{"a refresh", refreshed, "tpc_1 2026-09-01T10:00:01Z"},
		{"a login", loggedIn, want},
		{"an escaped id", id(`"tpc\u005f2"`), want},
		{"an escaped type", strings.Replace(loggedIn, `"type":"s"`, `"type":"\u0073"`, 1), want},
		{"a URL", id(`"https://claude.ai/oauth/mcp-oauth-client-metadata"`), ""},
		{"an impossible id", id(`"../x"`), ""},
		{"an impossible escaped id", id(`"\u0000"`), ""},
		{"a long id", id(`"` + strings.Repeat("x", 129) + `"`), ""},
		{"no id", id(`""`), ""},
		{"null", id("null"), ""},
		{"a number", id("5"), ""},
		{"an id in the details only", `{"type":"seacft","details":{"client_id":"tpc_2"}}`, ""},
		{"no date", at("whenever"), "tpc_2 0001-01-01T00:00:00Z"},
		{"in 2099", at("2099-01-01T00:00:00Z"), "tpc_2 0001-01-01T00:00:00Z"},
		{"a little ahead", at("2026-11-01T12:00:01Z"), "tpc_2 2026-11-01T12:00:01Z"},
		{"a failed exchange", strings.Replace(exchange, "seacft", "feacft", 1), ""},
		{"a failed refresh", strings.Replace(refreshed, "sertft", "fertft", 1), ""},
		{"a failed login", strings.Replace(loggedIn, `"type":"s"`, `"type":"f"`, 1), ""},
		{"a signup", strings.Replace(loggedIn, `"type":"s"`, `"type":"ss"`, 1), ""},
		{"client credentials", strings.Replace(exchange, "seacft", "seccft", 1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, err := feed.Classify([]byte(tt.entry), now)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, s := range found {
				if s.Kind != dcr.Used || s.LogID == "" {
					t.Errorf("%+v", s)
				}
				got = s.ClientID + " " + s.At.Format(time.RFC3339Nano)
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			r := decode(t, tt.entry)
			if r.Malformed > 0 || len(r.Sightings) > 0 || len(r.Uses) != len(found) {
				t.Errorf("decoded: %+v", r)
			}
		})
	}
}

// TestDecodeUses: each client once in a delivery, with its newest date.
func TestDecodeUses(t *testing.T) {
	r := decode(t, refreshed+"\n"+loggedIn+"\n"+exchange+"\n"+registration("a")+"\n"+other)
	want := []dcr.Use{
		{ClientID: "tpc_1", At: time.Date(2026, 9, 1, 10, 0, 1, 0, time.UTC)},
		{ClientID: "tpc_2", At: time.Date(2026, 9, 1, 9, 59, 59, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, r.Uses); diff != "" || r.Used != 3 || len(r.Sightings) != 1 {
		t.Errorf("%d, %+v (-want +got):\n%s", r.Used, r.Sightings, diff)
	}
}

// TestDecodeManyUses: a delivery cannot fill the memory.
func TestDecodeManyUses(t *testing.T) {
	var b strings.Builder
	const n = 30_000
	for i := range n {
		fmt.Fprintf(&b, "{\"type\":\"s\",\"client_id\":\"c%d\"}\n", i)
	}
	if r := decode(t, b.String()); r.Used != n || len(r.Uses) != 20_000 {
		t.Errorf("%d entries, %d clients", r.Used, len(r.Uses))
	}
}

// TestTakeUses: a client's use is kept without a commit, a wake or a place in
// the receipt; one of a client that nobody knows makes no record.
func TestTakeUses(t *testing.T) {
	it := newIntakeTest(t)
	it.take(t, dcr.FeedWebhook, lines(registers("l1", "tpc_a", noon())))
	before, due := it.file(t), len(it.calls)
	at := noon().Add(-time.Minute)
	body := lines(logged{id: "l2", kind: "seacft", client: "tpc_a", at: at}, logged{id: "l3", kind: "s", client: "tpc_b", at: at})
	for range 2 {
		if got, want := it.take(t, dcr.FeedWebhook, body), (feed.Receipt{Received: 2}); got != want {
			t.Errorf("receipt %+v, want %+v", got, want)
		}
		if got := it.taken[len(it.taken)-1].Kinds[dcr.Used]; got != 2 {
			t.Errorf("%d counted as used", got)
		}
	}
	if string(before) != string(it.file(t)) || len(it.calls) != due {
		t.Errorf("a commit, or woken: %q", it.calls)
	}
	if err := it.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rec, err := it.ledger.Client(t.Context(), "tpc_a")
	if err != nil || !rec.LastUsedAt.Equal(at) {
		t.Errorf("last used %s, %v; want %s", rec.LastUsedAt, err, at)
	}
	if diff := cmp.Diff([]string{"tpc_a"}, it.clients(t)); diff != "" {
		t.Error(diff)
	}
}

func decode(t *testing.T, in string) feed.Result {
	t.Helper()
	r, err := feed.NewDecoder(feed.Limits{}).Decode(strings.NewReader(in), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
