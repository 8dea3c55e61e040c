package http_test

import (
	"context"
	"fmt"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/page"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func apiOptions(t testing.TB) (http.APIOptions, *store.Ledger) {
	t.Helper()
	ledger := storetest.Open(t)
	return http.APIOptions{
		Ledger: ledger, Events: http.NewBroker(), Logger: discard(),
		Config: func(context.Context) (http.Configuration, error) {
			return http.Configuration{DesiredDigest: "d1", Settings: []http.Setting{{Name: "MGMT_CLIENT_SECRET", Value: "[redacted]", Origin: "env"}}}, nil
		},
	}, ledger
}

func adminOptions(t testing.TB) (http.AdminOptions, *store.Ledger) {
	t.Helper()
	api, ledger := apiOptions(t)
	status := page.New(page.Options{
		Ledger: ledger, Health: health.New(health.Options{Ledger: ledger}), About: func() page.About { return page.About{Version: "test"} },
	})
	return http.AdminOptions{API: api, Page: status, Metrics: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		_, _ = fmt.Fprintln(w, "grantd_clients 1")
	})}, ledger
}

func serveAdmin(t testing.TB) (url string, ledger *store.Ledger) {
	t.Helper()
	o, ledger := adminOptions(t)
	return serve(t, http.Admin(o)), ledger
}

// seen puts registrations into the ledger.
func seen(t testing.TB, l *store.Ledger, ids ...string) {
	t.Helper()
	var b store.Batch
	b.Feed = dcr.FeedWebhook
	for _, id := range ids {
		b.Sightings = append(b.Sightings, dcr.Sighting{
			Kind: dcr.Registered, Class: dcr.Urgent, ClientID: id, LogID: "log-" + id, Registration: dcr.RegistrationDCR,
		})
	}
	if _, err := l.Record(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// settle makes a client ready, by one write.
func settle(t testing.TB, l *store.Ledger, id string) {
	t.Helper()
	r, err := l.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	r.Phase = dcr.Ready
	change := dcr.Change{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"read:x"}}, CorrelationID: "c1"}
	if _, err := l.Save(t.Context(), dcr.Outcome{Record: r, Changes: []dcr.Change{change}}); err != nil {
		t.Fatal(err)
	}
}

func TestAPI(t *testing.T) {
	url, ledger := serveAdmin(t)
	seen(t, ledger, "aaa", "bbb", "ccc")
	settle(t, ledger, "bbb")
	const limits = `{"error":"bad_request","message":"limit must be a number from 1 to 500."}`
	for _, tc := range []struct {
		path   string
		status int
		want   string // a regular expression of all of the body
	}{
		{"/api/v1/clients", 200, `{"schema":1,"clients":\[{"client_id":"aaa".*"client_id":"bbb".*"client_id":"ccc".*}\],"next":""}`},
		{"/api/v1/clients?phase=ready", 200, `{"schema":1,"clients":\[{"client_id":"bbb","name":"","phase":"ready".*}\],"next":""}`},
		{"/api/v1/clients?phase=blocked", 200, `{"schema":1,"clients":\[\],"next":""}`},
		{"/api/v1/clients?limit=2", 200, `{"schema":1,"clients":\[{"client_id":"aaa".*"client_id":"bbb".*}\],"next":"[^"]+"}`},
		{"/api/v1/clients?limit=500", 200, `.*`},
		{"/api/v1/clients?limit=100000", 200, `{"schema":1,"clients":\[.*\],"next":""}`},
		{"/api/v1/clients?limit=0", 400, limits},
		{"/api/v1/clients?limit=-1", 400, limits},
		{"/api/v1/clients?limit=many", 400, limits},
		{"/api/v1/clients?phase=reday", 400, `{"error":"bad_request","message":"phase must be one of .*"}`},
		{"/api/v1/clients?after=%00nonsense%2F", 400, `{"error":"bad_request","message":"after is not a cursor of this list."}`},
		{"/api/v1/clients/bbb", 200, `{"client_id":"bbb".*}`},
		{"/api/v1/clients/unknown", 404, `{"error":"not_found","message":"The ledger has no such client."}`},
		{"/api/v1/clients/" + strings.Repeat("x", 10_000), 404, `{"error":"not_found".*}`},
		{"/api/v1/clients/..%2F..%2Fx", 404, `{"error":"not_found".*}`},
		{"/api/v1/clients/a%00b", 404, `{"error":"not_found".*}`},
		{"/api/v1/clients/%C3%BC", 404, `{"error":"not_found".*}`},
		{"/api/v1/clients/a.b", 404, `{"error":"not_found".*}`},
		{"/api/v1/journal", 200, `{"schema":1,"entries":\[{"seq":1,"at":"[^"]+Z","client_id":"bbb","step":"grant","before":{},"after":{"scope":\["read:x"\]},"correlation_id":"c1","cause":{"feed":"webhook","log_id":"log-bbb","digest":"","actor":null}}\],"next":""}`},
		{"/api/v1/journal?client_id=bbb", 200, `{"schema":1,"entries":\[{"seq":1.*}\],"next":""}`},
		{"/api/v1/journal?client_id=aaa", 200, `{"schema":1,"entries":\[\],"next":""}`},
		{"/api/v1/journal?client_id=a%2Fb", 400, `{"error":"bad_request","message":"client_id is not one."}`},
		{"/api/v1/journal?limit=1000", 200, `{"schema":1,.*`},
		{"/api/v1/journal?limit=-1", 400, limits},
		{"/api/v1/journal?after=nonsense", 400, `{"error":"bad_request".*}`},
		{"/api/v1/config", 200, `{"schema":1,"desired_digest":"d1","scopes":\[\],"scopes_known":false,"settings":\[{"name":"MGMT_CLIENT_SECRET","value":"\[redacted\]","origin":"env"}\]}`},
		{"/metrics", 200, `grantd_clients 1`},
		{"/", 200, `(?s)grantd\n.*/api/v1/clients.*`},
	} {
		t.Run(tc.path[:min(len(tc.path), 60)], func(t *testing.T) {
			got := request(t, "GET", url+tc.path, "")
			if got.status != tc.status || !regexp.MustCompile(`^`+tc.want+`$`).MatchString(got.body) {
				t.Errorf("got %d %s\nwant %d %s", got.status, got.body, tc.status, tc.want)
			}
		})
	}
}

// TestPages: the cursor of one page leads to the next, until it is empty.
func TestPages(t *testing.T) {
	url, ledger := serveAdmin(t)
	var ids []string
	for i := range 120 {
		ids = append(ids, fmt.Sprintf("client%03d", i))
	}
	seen(t, ledger, ids...)
	next := regexp.MustCompile(`"next":"([^"]*)"`)
	for _, tc := range []struct {
		query string
		pages []int
	}{{"", []int{50, 50, 20}}, {"limit=60&", []int{60, 60}}, {"limit=500&", []int{120}}} {
		after, total := "", 0
		for i, want := range tc.pages {
			got := request(t, "GET", url+"/api/v1/clients?"+tc.query+"after="+after, "")
			n := strings.Count(got.body, `"client_id":`)
			total += n
			after = next.FindStringSubmatch(got.body)[1]
			if last := i == len(tc.pages)-1; n != want || (after == "") != last {
				t.Errorf("%q page %d: %d clients, next %q", tc.query, i, n, after)
			}
		}
		if total != len(ids) {
			t.Errorf("%q: %d of %d", tc.query, total, len(ids))
		}
	}
}

func TestAPILedgerUnavailable(t *testing.T) {
	url, ledger := serveAdmin(t)
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/clients", "/api/v1/clients/aaa", "/api/v1/journal"} {
		if got := request(t, "GET", url+path, ""); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
}

// TestAdminHost: without a token a name that is not the machine's own is
// refused, because a browser may have been led here by it.
func TestAdminHost(t *testing.T) {
	o, _ := adminOptions(t)
	h := http.Admin(o)
	for host, status := range map[string]int{
		"localhost": 200, "localhost:8081": 200, "LOCALHOST:8081": 200,
		"127.0.0.1": 200, "127.0.0.1:1": 200,
		"[::1]": 200, "[::1]:8081": 200,
		"evil.example": 403, "evil.example:8081": 403,
		"localhost.evil.example": 403, "127.0.0.1.evil.example": 403,
		"localhost.": 403, "127.0.0.2": 403, "127.1": 403, "0.0.0.0": 403, "0x7f000001": 403,
		"::1": 403, "[::]": 403, "[::1%25lo]": 403, "::1:8081": 403, "[localhost]": 403,
		"localhost:": 403, "localhost:x": 403, "localhost:80:80": 403,
		"user@localhost": 403, "localhost@evil.example": 403, "localhost/": 403,
		"localhost evil": 403, "ｌocalhost": 403, "": 403,
	} {
		r := record(t, h, "GET", "/api/v1/clients", "Host: "+host)
		if host == "" {
			r = recordHost(t, h, "")
		}
		if r.Code != status {
			t.Errorf("Host %q: got %d, want %d", host, r.Code, status)
		}
	}

	t.Run("an HTTP/1.0 request without one", func(t *testing.T) {
		conn := dial(t, serve(t, h))
		conn.send("GET /api/v1/clients HTTP/1.0\r\n\r\n")
		if got := conn.rest(); !strings.HasPrefix(got, "HTTP/1.0 403 ") {
			t.Errorf("got %.60q", got)
		}
	})
}

// TestAdminTokenTakenAway: without a token, claiming a local host is not
// enough where others can connect.
func TestAdminTokenTakenAway(t *testing.T) {
	o, _ := adminOptions(t)
	o.Token = http.NewSecrets("admin-token")
	h := http.Admin(o)
	o.Token.Set()
	for address, status := range map[string]int{"127.0.0.1": 200, "127.0.0.9": 200, "::1": 200, "192.0.2.1": 403, "2001:db8::1": 403} {
		ctx := context.WithValue(t.Context(), nethttp.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(address), Port: 8081})
		r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/config", nil)
		r.Host = "localhost:8081"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("over %s: got %d, want %d", address, w.Code, status)
		}
	}
}

func TestAdminToken(t *testing.T) {
	o, _ := adminOptions(t)
	o.Token = http.NewSecrets("admin-token")
	h := http.Admin(o)
	for name, tc := range map[string]struct {
		headers []string
		status  int
	}{
		"none":                   {nil, 401},
		"bearer":                 {[]string{"Authorization: Bearer admin-token"}, 200},
		"bearer, other host":     {[]string{"Authorization: bearer admin-token", "Host: grantd.example"}, 200},
		"basic":                  {[]string{"Authorization: Basic YW55Ym9keTphZG1pbi10b2tlbg=="}, 200}, // anybody:admin-token
		"basic, token as user":   {[]string{"Authorization: Basic YWRtaW4tdG9rZW46"}, 401},             // admin-token:
		"basic, not base64":      {[]string{"Authorization: Basic admin-token"}, 401},
		"wrong":                  {[]string{"Authorization: Bearer nope"}, 401},
		"verbatim":               {[]string{"Authorization: admin-token"}, 401},
		"none, from the machine": {[]string{"Host: localhost"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/", "/metrics", "/api/v1/clients", "/nowhere"} {
				w := record(t, h, "GET", path, tc.headers...)
				want := tc.status
				if want == 200 && path == "/nowhere" {
					want = 404
				}
				if w.Code != want {
					t.Errorf("%s: got %d, want %d", path, w.Code, want)
				}
				if n := len(w.Header().Values("WWW-Authenticate")); (n == 2) != (want == 401) {
					t.Errorf("%s: %d challenges with %d", path, n, w.Code)
				}
			}
		})
	}
}

// FuzzAdminHost: whatever the header, only the names of the machine get in.
func FuzzAdminHost(f *testing.F) {
	for _, s := range []string{"localhost:1", "[::1]", "::1", "127.0.0.1:x", "LocalHost:", "evil"} {
		f.Add(s)
	}
	o, _ := adminOptions(f)
	h := http.Admin(o)
	own := regexp.MustCompile(`^(?i:localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?$`)
	f.Fuzz(func(t *testing.T, host string) {
		if w := recordHost(t, h, host); (w.Code == 200) != own.MatchString(host) {
			t.Errorf("%q: %d", host, w.Code)
		}
	})
}

func TestControl(t *testing.T) {
	o, ledger := apiOptions(t)
	seen(t, ledger, "aaa")
	h := http.Control(o, nil)
	if w := record(t, h, "GET", "/api/v1/clients/aaa", "Host: anything"); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := record(t, h, "GET", "/metrics"); w.Code != 404 {
		t.Errorf("metrics: got %d", w.Code)
	}
}
