package feed_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// noon is when the tests' clocks start.
func noon() time.Time { return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) }

// testClock stands still until it is moved.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	return c.t
}

// logged is a log entry as the Logs API shows it.
type logged struct {
	id, kind, description, correlation string
	client                             string // at top level: whose login or token it was
	at                                 time.Time
	method, path                       string
	status                             int
	request, response                  map[string]any
}

func (e logged) String() string {
	m := map[string]any{
		"_id": e.id, "log_id": e.id, "type": e.kind, "date": e.at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"description": e.description, "client_id": cmp.Or(e.client, "the_caller"), "ip": "203.0.113.7", "user_id": nil, "isMobile": false,
	}
	if e.correlation != "" {
		m["references"] = map[string]any{"correlation_id": e.correlation}
	}
	if e.path != "" {
		m["details"] = map[string]any{
			"request":  map[string]any{"method": e.method, "path": e.path, "body": e.request, "channel": "api"},
			"response": map[string]any{"statusCode": e.status, "body": e.response},
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// registers is the entry of a dynamic registration.
func registers(logID, clientID string, at time.Time) logged {
	return logged{
		id: logID, kind: "sapi", description: "Dynamic client registration", at: at, method: "post", path: "/oidc/register", status: 201,
		response: map[string]any{"client_id": clientID, "client_name": "ChatGPT", "redirect_uris": []string{"https://chatgpt.com/connector/oauth/x"}},
	}
}

// edits is the entry of an edited client.
func edits(logID, clientID string, at time.Time) logged {
	return logged{
		id: logID, kind: "sapi", description: "Update a client", at: at, method: "patch", path: "/api/v2/clients/" + clientID, status: 200,
		response: map[string]any{"client_id": clientID},
	}
}

// editsConnection is the entry of an edited connection.
func editsConnection(logID string, at time.Time) logged {
	return logged{
		id: logID, kind: "sapi", description: "Update a connection", at: at, method: "patch",
		path: "/api/v2/connections/con_1", status: 200, response: map[string]any{"id": "con_1"},
	}
}

// denies is the entry of a login that wanted a grant.
func denies(logID, clientID string, at time.Time) logged {
	return logged{
		id: logID, kind: "f", at: at, client: clientID,
		description: `Client "` + clientID + `" is not authorized to access resource server "` + storetest.Audience + `"`,
	}
}

// lines is a delivery as a log stream makes it, an entry a line.
func lines(entries ...logged) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(`{"log_id":"` + e.id + `","data":` + e.String() + "}\n")
	}
	return b.String()
}

// intakeTest is an Intake over a real ledger, with everything it calls.
type intakeTest struct {
	*feed.Intake
	ledger *store.Ledger
	path   string
	clock  *testClock
	log    *bytes.Buffer // of one goroutine at a time
	calls  []string      // of Wake and TenantChanged
	taken  []feed.Taken
	mu     sync.Mutex
}

func newIntakeTest(t testing.TB, set ...func(*feed.IntakeOptions)) *intakeTest {
	t.Helper()
	it := &intakeTest{clock: &testClock{t: noon()}, log: new(bytes.Buffer), path: filepath.Join(storetest.Dir(t), "grantd.db")}
	it.ledger = storetest.Open(t, func(o *store.Options) { o.Path, o.Now = it.path, it.clock.now })
	it.use(it.ledger, set...)
	return it
}

// use makes an Intake over another ledger.
func (it *intakeTest) use(l feed.Ledger, set ...func(*feed.IntakeOptions)) {
	note := func(call string) func() {
		return func() {
			it.mu.Lock()
			defer it.mu.Unlock()
			it.calls = append(it.calls, call)
		}
	}
	o := feed.IntakeOptions{
		Ledger: l, Now: it.clock.now, Logger: slog.New(slog.NewTextHandler(it.log, nil)),
		Wake: note("wake"), TenantChanged: note("tenant changed"),
		OnTaken: func(taken feed.Taken) {
			it.mu.Lock()
			defer it.mu.Unlock()
			it.taken = append(it.taken, taken)
		},
	}
	for _, s := range set {
		s(&o)
	}
	it.Intake = feed.NewIntake(o)
}

// take makes a delivery that must succeed.
func (it *intakeTest) take(t testing.TB, f dcr.Feed, body string) feed.Receipt {
	t.Helper()
	r, err := it.Take(t.Context(), f, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// status is what the ledger knows of a feed.
func (it *intakeTest) status(t testing.TB, f dcr.Feed) dcr.FeedStatus {
	t.Helper()
	feeds, err := it.ledger.Feeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return feeds[f]
}

// clients are the ids of all records.
func (it *intakeTest) clients(t testing.TB) []string {
	t.Helper()
	var ids []string
	for after := ""; ; {
		page, next, err := it.ledger.Clients(t.Context(), store.Query{Limit: 1000, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			ids = append(ids, r.ClientID)
		}
		if after = next; next == "" {
			return ids
		}
	}
}

// file is the ledger's file: any commit changes it.
func (it *intakeTest) file(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(it.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
