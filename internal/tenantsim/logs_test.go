package tenantsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

func (a *api) search(q string, more ...string) []map[string]any {
	a.t.Helper()
	path := "/api/v2/logs?per_page=100&q=" + url.QueryEscape(q)
	if len(more) > 0 {
		path += "&" + strings.Join(more, "&")
	}
	return array(a.t, a.want(200, "GET", path, nil))
}

func TestLogSearch(t *testing.T) {
	c := newClock()
	a := newAPI(t, tenantsim.Options{Now: c.now})
	ids := a.tenant.AddLog(
		tenantsim.Log{Type: "sapi", Description: "Dynamic client registration", Date: c.now().Add(-3 * time.Minute)},
		tenantsim.Log{Type: "sapi", Description: "Update a client", ClientID: "one", Date: c.now().Add(-2 * time.Minute)},
		tenantsim.Log{Type: "f", Description: `Client "tpc_x" is not authorized`, ClientID: "tpc_x", Date: c.now().Add(-time.Minute)},
		tenantsim.Log{Type: "s", ClientID: "tpc_x", ClientName: "Chat GPT", Details: map[string]string{"hidden": "treasure"}},
	)
	name := map[string]string{ids[0]: "dcr", ids[1]: "update", ids[2]: "denied", ids[3]: "login"}
	now := c.now().Format(time.RFC3339)
	for q, want := range map[string]string{
		"":          "login denied update dcr",
		"type:sapi": "update dcr",
		`type:sapi AND description:"Dynamic client registration"`: "dcr",
		`type:"f"`:            "denied",
		"type:sapi OR type:f": "denied update dcr",
		"type:sapi type:f":    "denied update dcr",
		"type:(sapi OR f)":    "denied update dcr",
		"(type:sapi OR type:f) AND NOT client_id:one":         "denied dcr",
		`(type:f OR (type:sapi AND NOT client_id:"one"))`:     "denied dcr",
		"type:sapi OR type:f AND client_id:none":              "update dcr",
		"NOT type:sapi":                                       "login denied",
		"-type:sapi":                                          "login denied",
		"type:sapi AND -client_id:one":                        "dcr",
		"type:sapi NOT client_id:one":                         "dcr",
		"client_id:tpc_*":                                     "login denied",
		"client_id:tp?_x":                                     "login denied",
		`client_id:"tpc_*"`:                                   "",
		"client_id:TPC_x":                                     "",
		"description:Dynamic":                                 "",
		"details.hidden:treasure":                             "",
		"treasure":                                            "",
		`"Chat GPT"`:                                          "login",
		`description:"Client \"tpc_x\" is not authorized"`:    "denied",
		"log_id:" + ids[1]:                                    "update",
		"date:[" + now + " TO *]":                             "",
		"date:[* TO " + now + "]":                             "login denied update dcr",
		"date:[2026-09-01T09:57:30Z TO 2026-09-01T09:58:30Z]": "update",
		"date:[2026-09-01T09:57:00.000Z TO 2026-09-01T09:58:00.000Z}": "dcr",
		"date:{2026-09-01T09:57:00.000Z TO 2026-09-01T09:58:00.000Z]": "update",
		"date:[2026-09-02 TO *]":            "",
		"date:[2026-09-01 TO *] AND type:f": "denied",
	} {
		var got []string
		for _, e := range a.search(q) {
			if n, ok := name[e["log_id"].(string)]; ok {
				got = append(got, n)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", q, s, want)
		}
	}
	for _, q := range []string{"(", "type:(sapi", `"open`, "type:", "AND", "date:[a TO", "date:[a b]", "a )", strings.Repeat("(", 100)} {
		a.refused(400, "invalid_query", "GET", "/api/v2/logs?q="+url.QueryEscape(q), nil)
	}
	a.want(414, "GET", "/api/v2/logs?q="+strings.Repeat("x", 5000), nil)
	if got := a.search("type:sapi", "sort=date:1"); got[0]["log_id"] != ids[0] {
		t.Error("not ascending by date")
	}
	if got := a.search("type:sapi", "fields=type,log_id"); len(got[0]) != 2 {
		t.Errorf("fields: %v", got[0])
	}
	a.refused(400, "invalid_query_string", "GET", "/api/v2/logs?sort=date", nil)
	if got := object(t, a.want(200, "GET", "/api/v2/logs?include_totals=true&per_page=2&q=type:sapi", nil)); got["length"] != 2.0 || got["limit"] != 2.0 || got["start"] != 0.0 {
		t.Errorf("totals: %v", got)
	}
	if got := object(t, a.want(200, "GET", "/api/v2/logs/"+ids[0], nil)); got["_id"] != ids[0] || got["isMobile"] != false {
		t.Errorf("one entry: %v", got)
	}
	a.want(404, "GET", "/api/v2/logs/900", nil)
}

func TestLogSearchPages(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	for range 1100 {
		a.tenant.AddLog(tenantsim.Log{Type: "w"})
	}
	seen := map[any]bool{}
	for page := range 10 {
		for _, e := range a.search("type:w", fmt.Sprintf("page=%d", page)) {
			seen[e["log_id"]] = true
		}
	}
	if len(seen) != 1000 {
		t.Errorf("%d entries in ten pages", len(seen))
	}
	a.refused(400, "invalid_paging", "GET", "/api/v2/logs?per_page=100&page=10", nil)
	a.refused(400, "invalid_query_string", "GET", "/api/v2/logs?per_page=101", nil)
}

// Entries turn up in searches late and out of order; by checkpoint they do not.
func TestLogVisibility(t *testing.T) {
	c := newClock()
	a := newAPI(t, tenantsim.Options{Now: c.now})
	a.tenant.SetSearchDelay(5*time.Second, 0)
	slow := a.tenant.AddLog(tenantsim.Log{Type: "x", Late: 10 * time.Second})[0]
	fast := a.tenant.AddLog(tenantsim.Log{Type: "x"})[0]
	visible := func() string {
		var out []string
		for _, e := range a.search("type:x") {
			out = append(out, e["log_id"].(string))
		}
		return strings.Join(out, " ")
	}
	if got := visible(); got != "" {
		t.Errorf("at once: %s", got)
	}
	if got := array(t, a.want(200, "GET", "/api/v2/logs?take=100", nil)); len(got) != 3 { // with the token's
		t.Errorf("by checkpoint: %d", len(got))
	}
	a.want(404, "GET", "/api/v2/logs/"+fast, nil)
	c.advance(5 * time.Second)
	if got := visible(); got != fast {
		t.Errorf("after 5 s: %s", got)
	}
	c.advance(10 * time.Second)
	if got := visible(); got != fast+" "+slow {
		t.Errorf("after 15 s: %s", got)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.CheckpointDelayed = true })
	a.tenant.AddLog(tenantsim.Log{Type: "x"})
	if got := array(t, a.want(200, "GET", "/api/v2/logs?take=100", nil)); len(got) != 3 {
		t.Errorf("by delayed checkpoint: %d", len(got))
	}
	// An entry that is late by date, and one whose id is smaller than served ones.
	late := a.tenant.AddLog(tenantsim.Log{Type: "late", Date: c.now().Add(-time.Hour)})[0]
	if late < fast {
		t.Error("the id follows the date, not the ingest")
	}
	a.tenant.AddLog(tenantsim.Log{Type: "late", ID: fast[:len(fast)-4] + "0000"})
	logs := a.tenant.Logs()
	if !slices.IsSortedFunc(logs, func(x, y json.RawMessage) int {
		return strings.Compare(text(t, x, "log_id"), text(t, y, "log_id"))
	}) {
		t.Error("entries are not in the order of their ids")
	}
}

func TestLogCheckpoint(t *testing.T) {
	c := newClock()
	a := newAPI(t, tenantsim.Options{Now: c.now, Plan: tenantsim.Free})
	ids := a.tenant.AddLog(tenantsim.Log{Type: "a"}, tenantsim.Log{Type: "b"}, tenantsim.Log{Type: "c"})
	next := "/api/v2/logs?take=2&q=type:nothing&from=900" + c.now().Format("20060102150405") + strings.Repeat("0", 39)
	var seen []string
	for range 4 {
		c.advance(time.Second) // for the limit
		res, body, err := a.do("GET", next, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v %s %v", res, body, err)
		}
		for _, e := range array(t, body) {
			seen = append(seen, e["log_id"].(string))
		}
		link, rel, _ := strings.Cut(res.Header.Get("Link"), ">")
		if rel != `; rel="next"` || !strings.HasPrefix(link, "<"+a.tenant.URL()+"/") {
			t.Fatalf("link %s", res.Header.Get("Link"))
		}
		was := next
		next = strings.TrimPrefix(link, "<"+a.tenant.URL())
		if len(array(t, body)) == 0 && next != was {
			t.Errorf("after an empty page the next is %s, want %s", next, was)
		}
	}
	if !slices.Equal(seen[1:], ids) { // the first is the token's
		t.Errorf("read %v, want %v", seen[1:], ids)
	}
	c.advance(25 * time.Hour)
	a.login()
	for _, refused := range []bool{false, true} {
		a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.StaleFromRefused = refused })
		status, body := a.send("GET", "/api/v2/logs?take=2&from="+ids[0], nil)
		if refused && status != 400 || !refused && len(array(t, body)) != 1 { // the new token's
			t.Errorf("a from older than retention, refused %v: %d %s", refused, status, body)
		}
		c.advance(time.Second)
	}
	if got := a.search(""); len(got) != 1 {
		t.Errorf("%d entries within retention, want 1", len(got))
	}
}

// Every write is logged as Auth0 logs it; reads and refusals are not.
func TestWritesAreLogged(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Domain: "acme.us.auth0.com"})
	c := a.tenant.AddClient(tenantsim.Client{Callbacks: []string{"https://a.test/cb"}})
	before := len(a.tenant.Logs())
	a.header.Set("X-Correlation-ID", strings.Repeat("c", 70))
	a.header.Set("Auth0-Client", "eyJuYW1lIjoiZ28tYXV0aDAifQ==")
	a.header.Set("User-Agent", "grantd/1")
	a.want(200, "GET", "/api/v2/clients/"+c.ID, nil)
	a.want(400, "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"foo": 1})
	a.want(200, "PATCH", "/api/v2/clients/"+c.ID+"?include_fields=true", map[string]any{"app_type": "spa"})
	logs := a.tenant.Logs()
	if len(logs) != before+1 {
		t.Fatalf("%d entries, want one", len(logs)-before)
	}
	got := object(t, logs[before])
	details := got["details"].(map[string]any)
	request, response := details["request"].(map[string]any), details["response"].(map[string]any)
	request["auth"].(map[string]any)["credentials"] = nil
	want := map[string]any{
		"method": "patch", "path": "/api/v2/clients/" + c.ID, "query": map[string]any{}, "userAgent": "grantd/1", "channel": "api",
		"ip": "127.0.0.1", "body": map[string]any{"app_type": "spa"},
		"auth": map[string]any{"user": map[string]any{}, "strategy": "jwt", "credentials": nil},
	}
	if diff := cmp.Diff(want, request); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	body := response["body"].(map[string]any)
	if response["statusCode"] != 200.0 || body["client_id"] != c.ID || body["tenant"] != nil || body["signing_keys"] != nil {
		t.Errorf("response %v", response)
	}
	for name, want := range map[string]any{
		"type": "sapi", "description": "Update a client", "client_id": m2m, "client_name": "", "user_id": nil, "connection": nil,
		"tenant_name": "acme", "environment_name": "prod-us-1", "$event_schema": map[string]any{"version": "1.0.0"},
		"references": map[string]any{"correlation_id": strings.Repeat("c", 64)}, "auth0_client": map[string]any{"name": "go-auth0"},
	} {
		if !cmp.Equal(got[name], want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if id := got["log_id"].(string); len(id) != 56 || !strings.HasPrefix(id, "90020") {
		t.Errorf("log id %s", id)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.OldLogs, q.FailuresLogged = true, true })
	a.want(204, "DELETE", "/api/v2/clients/"+c.ID, nil)
	deleted := object(t, a.tenant.Logs()[before+1])
	for _, name := range []string{"tenant_name", "environment_name", "$event_schema", "references"} {
		if deleted[name] != nil {
			t.Errorf("an old entry has %s", name)
		}
	}
	if b, _ := json.Marshal(deleted["details"].(map[string]any)["response"]); string(b) != `{"body":{},"statusCode":204}` {
		t.Errorf("response of a delete: %s", b)
	}
	a.want(404, "PATCH", "/api/v2/clients/"+c.ID, map[string]any{})
	if kind := text(t, a.tenant.Logs()[before+2], "type"); kind != "fapi" {
		t.Errorf("a failure is logged as %s", kind)
	}
}

// Who acts is the caller of the API, at the dashboard a user.
func TestActors(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	before := len(a.tenant.Logs())
	for _, actor := range []tenantsim.Actor{tenantsim.Admin(), tenantsim.App("other")} {
		if status, body := a.tenant.Do(actor, "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"name": "x"}); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	logs := a.tenant.Logs()[before:]
	if text(t, logs[0], "details", "request", "channel") != "https://manage.auth0.com/" || text(t, logs[0], "user_id") == "" ||
		text(t, logs[0], "client_id") != tenantsim.Admin().ClientID || text(t, logs[0], "details", "request", "auth", "user", "email") == "" {
		t.Errorf("dashboard: %s", logs[0])
	}
	if text(t, logs[1], "details", "request", "channel") != "api" || text(t, logs[1], "client_id") != "other" || text(t, logs[1], "user_id") != "" {
		t.Errorf("application: %s", logs[1])
	}
	if n := len(a.tenant.Calls()); n != 0 {
		t.Errorf("Do is counted: %d", n)
	}
	if status, _ := a.tenant.Do(tenantsim.Admin(), "GET", "/oauth/token", nil); status != 404 {
		t.Errorf("Do reaches beyond the Management API: %d", status)
	}
}

func TestRegistration(t *testing.T) {
	clk := newClock()
	a := newAPI(t, tenantsim.Options{Now: clk.now})
	a.token = ""
	before := len(a.tenant.Logs())
	res, body, err := a.do("POST", "/oidc/register", tenantsim.ChatGPT("abc"))
	if err != nil || res.StatusCode != 201 {
		t.Fatalf("%v %s %v", res, body, err)
	}
	got := object(t, body)
	id, _ := got["client_id"].(string)
	delete(got, "client_id")
	if diff := cmp.Diff(map[string]any{
		"client_name": "ChatGPT", "redirect_uris": []any{"https://chatgpt.com/connector/oauth/abc"},
		"grant_types": []any{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
	}, got); diff != "" || !strings.HasPrefix(id, "tpc_") {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	c, _ := a.tenant.Client(id)
	if c.FirstParty || c.AppType != "" || c.SecurityMode != tenantsim.Strict {
		t.Errorf("%+v", c)
	}
	entry := object(t, a.tenant.Logs()[before])
	if entry["type"] != "sapi" || entry["description"] != "Dynamic client registration" || entry["client_id"] != nil ||
		text(t, a.tenant.Logs()[before], "details", "request", "path") != "/oidc/register" ||
		text(t, a.tenant.Logs()[before], "details", "response", "body", "client_id") != id {
		t.Errorf("log %v", entry)
	}
	type m = map[string]any
	uris := []string{"https://a.test/cb"}
	secretive := object(t, a.want(201, "POST", "/oidc/register", m{"redirect_uris": uris, "software_id": "ignored"}))
	if secretive["client_secret"] == nil || secretive["client_name"] != "My App" || secretive["client_secret_expires_at"] != 0.0 ||
		!cmp.Equal(secretive["grant_types"], []any{"authorization_code"}) || secretive["registration_access_token"] != nil {
		t.Errorf("defaults: %v", secretive)
	}
	logged, _ := json.Marshal(a.tenant.Logs())
	if strings.Contains(string(logged), secretive["client_secret"].(string)) {
		t.Error("the log holds the secret")
	}
	for _, bad := range []m{{}, {"redirect_uris": []string{}}, {"redirect_uris": "x"}, {"redirect_uris": []string{"https://*.a.test"}}} {
		clk.advance(time.Second)
		a.refused(400, "invalid_body", "POST", "/oidc/register", bad)
	}
}

func TestRegistrationQuirks(t *testing.T) {
	a := newAPI(t, tenantsim.Options{DCR: tenantsim.DCRPermissive, Quirks: tenantsim.Quirks{RegisterStatus: 200, RegisterAppType: "native", RegisterLogStatus: 201}})
	id := text(t, a.want(200, "POST", "/oidc/register", tenantsim.ChatGPT("x")), "client_id")
	if c, _ := a.tenant.Client(id); c.AppType != "native" || c.SecurityMode != tenantsim.Permissive || len(id) != 32 {
		t.Errorf("%+v", c)
	}
	logs := a.tenant.Logs()
	if !strings.Contains(string(logs[len(logs)-1]), `"statusCode":201`) {
		t.Errorf("%s", logs[len(logs)-1])
	}
	off := newAPI(t, tenantsim.Options{DCR: tenantsim.DCROff})
	off.want(403, "POST", "/oidc/register", tenantsim.ChatGPT("x"))
	off.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.RegisterOffStatus = 404 })
	off.want(404, "POST", "/oidc/register", tenantsim.ChatGPT("x"))
	off.want(200, "GET", "/.well-known/openid-configuration", nil)
}

func TestRegistrationLimit(t *testing.T) {
	c := newClock()
	a := newAPI(t, tenantsim.Options{Now: c.now})
	for i := range 5 {
		a.want(201, "POST", "/oidc/register", tenantsim.ChatGPT(fmt.Sprint(i)))
	}
	a.want(429, "POST", "/oidc/register", tenantsim.ChatGPT("6"))
	c.advance(200 * time.Millisecond)
	a.want(201, "POST", "/oidc/register", tenantsim.ChatGPT("6"))
}

// No query makes the search fail in any other way than a refusal.
func FuzzLogQuery(f *testing.F) {
	for _, q := range []string{"", "type:sapi", `a AND (b OR NOT "c d") -e:f +g:[h TO *}`, `"`, `\`, "[", "date:{2026-09-01T10:00:00Z TO *]", "a:*?.", "::", "NOT NOT NOT", "\xc0*"} {
		f.Add(q)
	}
	tenant := tenantsim.New(tenantsim.Options{})
	f.Cleanup(tenant.Close)
	tenant.AddM2M(m2m, secret, "read:logs")
	tenant.AddLog(tenantsim.Log{Type: "sapi", Description: "Update a client", ClientID: "x"})
	f.Fuzz(func(t *testing.T, q string) {
		if status, body := tenant.Do(tenantsim.Admin(), http.MethodGet, "/api/v2/logs?q="+url.QueryEscape(q), nil); status != 200 && status != 400 && status != 414 || !json.Valid(body) {
			t.Errorf("%q: %d %s", q, status, body)
		}
	})
}

// A tenant serves without a socket too.
func TestServeHTTP(t *testing.T) {
	tenant := tenantsim.New(tenantsim.Options{})
	defer tenant.Close()
	w := httptest.NewRecorder()
	tenant.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/.well-known/jwks.json", nil))
	if w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}
