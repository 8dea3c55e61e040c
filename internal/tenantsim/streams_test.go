package tenantsim_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// receiver is a webhook that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []*http.Request
	bodies [][]byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.bodies = append(r.got, req), append(r.bodies, body)
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, b := range r.bodies {
		out = append(out, string(b))
	}
	return out
}

// ids are the log ids in deliveries of JSON lines.
func ids(t *testing.T, bodies []string) []string {
	t.Helper()
	var out []string
	for _, body := range bodies {
		for line := range strings.Lines(body) {
			var e struct {
				ID   string `json:"log_id"`
				Data struct {
					ID string `json:"log_id"`
				} `json:"data"`
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.ID == "" || e.ID != e.Data.ID {
				t.Fatalf("line %s: %v", line, err)
			}
			out = append(out, e.ID)
		}
	}
	return out
}

func manual(l tenantsim.LogStream) tenantsim.LogStream {
	l.Delivery.Manual = true
	return l
}

func entries(n int) []tenantsim.Log {
	out := make([]tenantsim.Log, n)
	for i := range out {
		out[i] = tenantsim.Log{Type: "sapi"}
	}
	return out
}

func TestStreamFormats(t *testing.T) {
	hook := newReceiver(t)
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	for _, tt := range []struct {
		format   tenantsim.Format
		together bool
		requests int
		begins   string
	}{
		{tenantsim.JSONLines, false, 1, `{"log_id":"900`},
		{tenantsim.JSONArray, false, 1, `[{"log_id":"900`},
		{tenantsim.JSONObject, false, 3, `{"log_id":"900`},
		{tenantsim.JSONObject, true, 1, `{"logs":[{"log_id":"900`},
	} {
		tenant.SetQuirks(func(q *tenantsim.Quirks) { q.LogsInOneObject = tt.together })
		s := tenant.AddLogStream(manual(tenantsim.LogStream{
			URL: hook.URL + "/hook", Format: tt.format, ContentType: "application/json; charset=utf-8", Authorization: "verbatim", Headers: map[string]string{"X-Foo": "bar"},
		}))
		tenant.AddLog(entries(3)...)
		next, ok := s.Next()
		if !ok || !strings.HasPrefix(string(next.Body), tt.begins) || s.Pending() != 3 {
			t.Errorf("%s: next is %s", tt.format, next.Body)
		}
		before := len(hook.received())
		if n, err := s.Flush(t.Context()); n != 3 || err != nil {
			t.Fatalf("%s: %d, %v", tt.format, n, err)
		}
		bodies := hook.received()[before:]
		if len(bodies) != tt.requests || bodies[0] != string(next.Body) {
			t.Errorf("%s: %d requests, first %s", tt.format, len(bodies), bodies[0])
		}
		for _, b := range bodies {
			if tt.format != tenantsim.JSONLines && !json.Valid([]byte(b)) {
				t.Errorf("%s: not JSON: %s", tt.format, b)
			}
		}
		req := hook.got[before]
		if req.Header.Get("Authorization") != "verbatim" || req.Header.Get("X-Foo") != "bar" || req.Header.Get("Content-Type") != "application/json; charset=utf-8" || req.URL.Path != "/hook" {
			t.Errorf("headers %v", req.Header)
		}
		if _, ok := s.Next(); ok {
			t.Error("something still waits")
		}
	}
}

// What a webhook refuses comes again, in the same order.
func TestStreamAtLeastOnce(t *testing.T) {
	hook := newReceiver(t)
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	s := tenant.AddLogStream(manual(tenantsim.LogStream{URL: hook.URL, Delivery: tenantsim.Delivery{Batch: 2, Copies: 1}}))
	want := tenant.AddLog(entries(4)...)
	hook.answer(503)
	if n, err := s.Deliver(t.Context()); n != 0 || err == nil {
		t.Fatalf("refused, yet %d, %v", n, err)
	}
	hook.answer(204)
	if n, err := s.Flush(t.Context()); n != 4 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	got := ids(t, hook.received())
	if order := slices.Concat(want[:2], want[:2], want[:2], want[2:], want[2:]); !slices.Equal(got, order) {
		t.Errorf("delivered %v", got)
	}
	if st := s.Stats(); st.Requests != 5 || st.Failures != 1 || st.Delivered != 4 || len(st.Errors) != 1 {
		t.Errorf("%+v", st)
	}
}

func TestStreamRetriesByItself(t *testing.T) {
	hook := newReceiver(t)
	hook.answer(500)
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	s := tenant.AddLogStream(tenantsim.LogStream{URL: hook.URL, Delivery: tenantsim.Delivery{
		Retries: []time.Duration{time.Millisecond, time.Millisecond}, Cycle: time.Millisecond,
	}})
	want := tenant.AddLog(entries(3)...)
	eventually(t, "more attempts than one cycle has", func() bool { return s.Stats().Failures > 3 })
	hook.answer(200)
	eventually(t, "delivered", func() bool { return s.Stats().Delivered == 3 })
	got := ids(t, hook.received())
	if !slices.Equal(got[len(got)-3:], want) {
		t.Errorf("the last delivery has %v, want %v", got[len(got)-3:], want)
	}
}

func TestStreamOutageAndLoss(t *testing.T) {
	hook := newReceiver(t)
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	s := tenant.AddLogStream(manual(tenantsim.LogStream{URL: hook.URL, Delivery: tenantsim.Delivery{Batch: 1}}))
	want := tenant.AddLog(entries(3)...)
	s.Hold()
	if n, err := s.Flush(t.Context()); n != 0 || err != nil || s.Pending() != 3 {
		t.Errorf("held: %d, %v", n, err)
	}
	s.Release()
	s.Drop(1)
	if n, err := s.Flush(t.Context()); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := ids(t, hook.received()); !slices.Equal(got, want[1:]) {
		t.Errorf("delivered %v, want all but the first", got)
	}
	if st := s.Stats(); st.Dropped != 1 {
		t.Errorf("%+v", st)
	}
}

// A held stream that runs by itself sends everything when it is released.
func TestStreamRelease(t *testing.T) {
	hook := newReceiver(t)
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	s := tenant.AddLogStream(tenantsim.LogStream{URL: hook.URL, Delivery: tenantsim.Delivery{Gzip: true, Wait: time.Millisecond}})
	s.Hold()
	want := tenant.AddLog(entries(150)...)
	s.Release()
	eventually(t, "delivered", func() bool { return s.Stats().Delivered == 150 })
	var got []string
	for i, b := range hook.received() {
		if hook.got[i].Header.Get("Content-Encoding") != "gzip" {
			t.Fatal("not compressed")
		}
		z, err := gzip.NewReader(bytes.NewReader([]byte(b)))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(t, []string{string(plain)})...)
	}
	if !slices.Equal(got, want) {
		t.Error("not all, or not in order")
	}
}

func TestStreamShuffle(t *testing.T) {
	hook := newReceiver(t)
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	s := tenant.AddLogStream(manual(tenantsim.LogStream{URL: hook.URL, Delivery: tenantsim.Delivery{Shuffle: true, Batch: 7}}))
	want := tenant.AddLog(entries(50)...)
	if _, err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := ids(t, hook.received())
	if slices.Equal(got, want) {
		t.Error("in order")
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Error("something is missing or doubled")
	}
}

func TestStreamFilters(t *testing.T) {
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	for category, types := range map[string]string{
		"management.success": "sapi mgmt_api_read", "management.fail": "fapi", "auth.login.success": "s", "auth.login.fail": "f fu fp",
		"auth.token_exchange.success": "seacft sertft seccft", "auth.token_exchange.fail": "feacft fertft feccft",
		"system.notification": "api_limit api_limit_warning", "auth.signup.success": "ss", "user.success": "sdu", "other": "unheard_of",
	} {
		s := tenant.AddLogStream(manual(tenantsim.LogStream{URL: "http://127.0.0.1:1", Filters: []string{category}}))
		for kind := range strings.FieldsSeq(types) {
			tenant.AddLog(tenantsim.Log{Type: kind})
		}
		tenant.AddLog(tenantsim.Log{Type: "slo"}, tenantsim.Log{Type: "ssa"})
		if got, want := s.Pending(), len(strings.Fields(types)); got != want {
			t.Errorf("%s lets %d entries through, want %d", category, got, want)
		}
	}
}

func TestStreamObjects(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Delivery: tenantsim.Delivery{Manual: true}})
	hook := newReceiver(t)
	type m = map[string]any
	sink := m{"httpEndpoint": hook.URL, "httpAuthorization": "s3cret", "httpContentFormat": "JSONARRAY", "httpContentType": "application/json", "httpCustomHeaders": []m{{"header": "foo", "value": "bar"}}}
	made := object(t, a.want(200, "POST", "/api/v2/log-streams", m{"name": "grantd", "type": "http", "sink": sink, "filters": []m{{"type": "category", "name": "management.success"}}}))
	if made["status"] != "active" || made["isPriority"] != false || made["sink"].(m)["httpAuthorization"] != "s3cret" || !strings.HasPrefix(made["id"].(string), "lst_") {
		t.Errorf("%v", made)
	}
	logs := a.tenant.Logs()
	if entry := string(logs[len(logs)-1]); !strings.Contains(entry, "Create a log stream") || strings.Contains(entry[strings.Index(entry, `"response"`):], "s3cret") {
		t.Errorf("log: %s", entry)
	}
	path := "/api/v2/log-streams/" + made["id"].(string)
	if got := array(t, a.want(200, "GET", "/api/v2/log-streams", nil)); len(got) != 1 {
		t.Errorf("list: %v", got)
	}
	if got := object(t, a.want(200, "PATCH", path, m{"status": "paused"})); got["status"] != "paused" {
		t.Errorf("%v", got)
	}
	replaced := object(t, a.want(200, "PATCH", path, m{"sink": m{"httpEndpoint": hook.URL}}))["sink"].(m)
	if replaced["httpAuthorization"] != nil || replaced["httpContentFormat"] != "JSONLINES" || replaced["httpCustomHeaders"] != nil {
		t.Errorf("the sink is not replaced: %v", replaced)
	}
	for _, body := range []m{{"type": "http"}, {"startFrom": "2026-01-01T00:00:00Z"}, {"status": "resting"}, {"filters": []m{{"type": "category", "name": "dcr"}}}, {"sink": m{}}, {"foo": 1}} {
		a.refused(400, "invalid_body", "PATCH", path, body)
	}
	a.want(204, "DELETE", path, nil)
	gone := a.want(404, "GET", path, nil)
	if text(t, gone, "message") != "The log stream does not exist." || object(t, gone)["errorCode"] != nil {
		t.Errorf("%s", gone)
	}
}

func TestStreamStartFrom(t *testing.T) {
	c := newClock()
	tenant := tenantsim.ForTest(t, tenantsim.Options{Now: c.now})
	tenant.AddLog(entries(2)...)
	c.advance(time.Hour)
	tenant.AddLog(entries(3)...)
	s := tenant.AddLogStream(manual(tenantsim.LogStream{URL: "http://127.0.0.1:1", StartFrom: c.now().Add(-time.Minute)}))
	if n := s.Pending(); n != 3 {
		t.Errorf("%d entries from there on, want 3", n)
	}
}

// After seven days of failure the stream is paused, and goes on from there
// when it is resumed.
func TestStreamPausedAfterAWeek(t *testing.T) {
	c := newClock()
	hook := newReceiver(t)
	hook.answer(500)
	a := newAPI(t, tenantsim.Options{Now: c.now, TokenLifetime: 30 * 24 * time.Hour})
	s := a.tenant.AddLogStream(manual(tenantsim.LogStream{URL: hook.URL}))
	a.tenant.AddLog(entries(1)...)
	for day := range 8 {
		if s.Status() != "active" {
			t.Fatalf("paused after %d days", day)
		}
		_, _ = s.Deliver(t.Context()) // refused: that is the point
		c.advance(24 * time.Hour)
	}
	if s.Status() != "paused" {
		t.Fatal("still active")
	}
	a.tenant.AddLog(entries(1)...)
	hook.answer(200)
	if n, err := s.Flush(t.Context()); n != 0 || err != nil {
		t.Errorf("a paused stream delivered %d, %v", n, err)
	}
	a.want(200, "PATCH", "/api/v2/log-streams/"+s.ID(), map[string]any{"status": "active"})
	if n, err := s.Flush(t.Context()); n < 2 || err != nil {
		t.Errorf("resumed: %d, %v", n, err)
	}
}

// A stream that a person paused or Auth0 suspended says so, delivers nothing,
// and goes on where it stopped.
func TestStreamStopped(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	hook := newReceiver(t)
	s := a.tenant.AddLogStream(manual(tenantsim.LogStream{URL: hook.URL}))
	for status, stop := range map[string]func(){"paused": s.Pause, "suspended": s.Suspend} {
		stop()
		a.tenant.AddLog(entries(2)...)
		listed := array(t, a.want(200, "GET", "/api/v2/log-streams", nil))
		if len(listed) != 1 || listed[0]["status"] != status || s.Status() != status {
			t.Errorf("%s: %v, %s", status, listed, s.Status())
		}
		if n, err := s.Flush(t.Context()); n != 0 || err != nil {
			t.Errorf("a %s stream delivered %d, %v", status, n, err)
		}
		s.Resume()
		if n, err := s.Flush(t.Context()); n != 2 || err != nil || s.Status() != "active" {
			t.Errorf("resumed after %s: %d, %v", status, n, err)
		}
	}
}

func TestStreamHidesPersonalData(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Delivery: tenantsim.Delivery{Manual: true}})
	hook := newReceiver(t)
	body := map[string]any{
		"name": "x", "type": "http", "sink": map[string]any{"httpEndpoint": hook.URL},
		"pii_config": map[string]any{"log_fields": []string{"first_name", "email"}, "method": "mask"},
	}
	a.want(200, "POST", "/api/v2/log-streams", body)
	_, err := a.tenant.Register(tenantsim.ChatGPT("abc"))
	if err != nil {
		t.Fatal(err)
	}
	a.tenant.AddLog(tenantsim.Log{Type: "s", Details: map[string]any{"name": "Chuck", "email": "c@example.com", "client_id": "tpc_x"}})
	s := a.tenant.Streams()[0]
	if _, err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(hook.received(), "")
	if strings.Contains(got, "Chuck") || strings.Contains(got, "c@example.com") || !strings.Contains(got, `"tpc_x"`) || !strings.Contains(got, "connector/oauth/abc") {
		t.Errorf("delivered %s", got)
	}
}
