package tenantsim_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

func TestTokens(t *testing.T) {
	c := newClock()
	a := newAPI(t, tenantsim.Options{Now: c.now, TokenLifetime: time.Hour})
	body := func(change ...string) map[string]string {
		m := map[string]string{"grant_type": "client_credentials", "client_id": m2m, "client_secret": secret, "audience": a.tenant.Audience()}
		for i := 0; i < len(change); i += 2 {
			m[change[i]] = change[i+1]
		}
		return m
	}
	good := object(t, a.want(200, "POST", "/oauth/token", body()))
	if diff := cmp.Diff(strings.Join(allScopes(), " "), good["scope"]); diff != "" || good["expires_in"] != 3600.0 || good["token_type"] != "Bearer" {
		t.Errorf("%v %s", good, diff)
	}
	if got := object(t, a.want(200, "POST", "/oauth/token", body("scope", "read:logs other"))); got["scope"] != "read:logs" {
		t.Errorf("asked for one scope, got %v", got["scope"])
	}
	for _, tt := range []struct {
		change []string
		status int
		code   string
	}{
		{[]string{"client_secret", "wrong"}, 401, "access_denied"},
		{[]string{"client_secret", ""}, 401, "access_denied"},
		{[]string{"client_id", "nobody"}, 401, "access_denied"},
		{[]string{"audience", "https://nowhere"}, 403, "access_denied"},
		{[]string{"audience", audience}, 403, "access_denied"}, // no grant
		{[]string{"grant_type", "password"}, 403, "unauthorized_client"},
		{[]string{"grant_type", ""}, 403, "invalid_request"},
	} {
		if got := text(t, a.want(tt.status, "POST", "/oauth/token", body(tt.change...)), "error"); got != tt.code {
			t.Errorf("%v: %s, want %s", tt.change, got, tt.code)
		}
	}

	form := url.Values{"grant_type": {"client_credentials"}, "audience": {a.tenant.Audience()}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", a.tenant.URL()+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(m2m, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("a form with basic authentication: %d", res.StatusCode)
	}

	// A scope granted later needs a new token; one taken away stays in the old.
	a.tenant.SetScopes(m2m, "read:clients")
	a.want(200, "GET", "/api/v2/connections", nil)
	a.login()
	a.refused(403, "insufficient_scope", "GET", "/api/v2/connections", nil)

	c.advance(time.Hour)
	if got := object(t, a.want(401, "GET", "/api/v2/clients", nil)); got["message"] != "Expired token received for JSON Web Token validation" ||
		got["attributes"].(map[string]any)["error"] != got["message"] {
		t.Errorf("%v", got)
	}
	a.login()
	a.want(200, "GET", "/api/v2/clients", nil)
	a.tenant.RevokeTokens()
	a.want(401, "GET", "/api/v2/clients", nil)
	a.token = ""
	a.want(401, "GET", "/api/v2/clients", nil)
	a.tenant.SetSecret(m2m, "new")
	a.want(401, "POST", "/oauth/token", body())
	a.want(200, "POST", "/oauth/token", body("client_secret", "new"))
}

func TestTokenQuota(t *testing.T) {
	a := newAPI(t, tenantsim.Options{TokenQuota: 2}) // the helper takes the first
	a.login()
	res, body, err := a.do("POST", "/oauth/token", map[string]string{
		"grant_type": "client_credentials", "client_id": m2m, "client_secret": secret, "audience": a.tenant.Audience(),
	})
	if err != nil || res.StatusCode != 429 || text(t, body, "error") != "too_many_requests" || res.Header.Get("Retry-After") == "" {
		t.Errorf("%v %v %s", res, err, body)
	}
	a.tenant.SetTokenQuota(-1)
	a.login()
}

// limits are the three headers of an answer.
func limits(t *testing.T, h http.Header) (limit, remaining int, reset int64) {
	t.Helper()
	var err error
	if limit, err = strconv.Atoi(h.Get("X-Ratelimit-Limit")); err != nil {
		t.Fatalf("headers %v: %v", h, err)
	}
	if remaining, err = strconv.Atoi(h.Get("X-Ratelimit-Remaining")); err != nil {
		t.Fatal(err)
	}
	if reset, err = strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err != nil {
		t.Fatal(err)
	}
	return limit, remaining, reset
}

func TestRateLimits(t *testing.T) {
	tests := []struct {
		plan   tenantsim.Plan
		paths  []string // share one bucket
		burst  int
		perSec float64
	}{
		{tenantsim.Free, []string{"/api/v2/clients", "/api/v2/logs", "/api/v2/client-grants"}, 2, 2},
		{tenantsim.Essentials, []string{"/api/v2/clients"}, 5, 100.0 / 60},
		{tenantsim.Professional, []string{"/api/v2/clients?q=x"}, 5, 150.0 / 60},
		{tenantsim.Essentials, []string{"/api/v2/connections"}, 5, 50.0 / 60},
		{tenantsim.Professional, []string{"/api/v2/logs"}, 10, 100.0 / 60},
		{tenantsim.Essentials, []string{"/api/v2/client-grants", "/api/v2/clients/x", "/api/v2/tenants/settings"}, 10, 150.0 / 60},
		{tenantsim.Enterprise, []string{"/api/v2/clients", "/api/v2/logs", "/api/v2/connections"}, 50, 16},
		{tenantsim.EnterpriseNonProduction, []string{"/api/v2/clients", "/api/v2/client-grants"}, 10, 2},
	}
	for _, tt := range tests {
		for _, next := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.plan, tt.paths, next), func(t *testing.T) {
				c := newClock()
				a := newAPI(t, tenantsim.Options{Now: c.now, Plan: tt.plan, Quirks: tenantsim.Quirks{ResetNextToken: next}})
				call := func(i int) *http.Response {
					res, _, err := a.do("GET", tt.paths[i%len(tt.paths)], nil)
					if err != nil {
						t.Fatal(err)
					}
					return res
				}
				for i := range tt.burst {
					res := call(i)
					limit, remaining, reset := limits(t, res.Header)
					if res.StatusCode == 429 || limit != tt.burst || remaining != tt.burst-1-i {
						t.Fatalf("call %d: %d, limit %d, remaining %d", i, res.StatusCode, limit, remaining)
					}
					missing := float64(i + 1)
					if next {
						missing = 1
					}
					at := c.now().Add(time.Duration(missing / tt.perSec * float64(time.Second)))
					if want := at.Add(time.Second - 1).Truncate(time.Second).Unix(); reset != want {
						t.Errorf("call %d: reset %d, want %d", i, reset, want)
					}
				}
				if res := call(0); res.StatusCode != 429 {
					t.Fatalf("behind the burst: %d", res.StatusCode)
				}
				c.advance(time.Duration(float64(time.Second)/tt.perSec) - time.Millisecond)
				if res := call(0); res.StatusCode != 429 {
					t.Errorf("before the refill: %d", res.StatusCode)
				}
				c.advance(time.Millisecond + 1)
				if res := call(0); res.StatusCode == 429 {
					t.Error("refused after the refill")
				}
				a.tenant.SetPlan(tenantsim.Unlimited)
				if res := call(0); res.StatusCode == 429 || res.Header.Get("X-Ratelimit-Limit") != "" {
					t.Errorf("without limits: %d %v", res.StatusCode, res.Header)
				}
			})
		}
	}
}

func TestRateLimitRefusal(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Plan: tenantsim.Enterprise, Now: newClock().now})
	a.tenant.Drain(50)
	if m := a.refused(429, "too_many_requests", "GET", "/api/v2/clients", nil); m != "Global limit has been reached" {
		t.Error(m)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.NoLimitHeaders, q.LimitMessage = true, "Too many requests." })
	res, body, err := a.do("GET", "/api/v2/clients", nil)
	if err != nil || res.Header.Get("X-Ratelimit-Limit") != "" || text(t, body, "message") != "Too many requests." {
		t.Errorf("%v %v %s", res.Header, err, body)
	}
	limited := 0
	for _, l := range a.tenant.Logs() {
		if text(t, l, "type") == "api_limit" {
			limited++
		}
	}
	if limited != 1 {
		t.Errorf("%d api_limit entries, want one a minute", limited)
	}
}

func TestFaults(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	path := "/api/v2/clients/" + c.ID
	for kind, status := range map[tenantsim.Kind]int{
		tenantsim.RateLimited: 429, tenantsim.RateLimitedBare: 429, tenantsim.InternalError: 500, tenantsim.BadGateway: 502,
		tenantsim.Unavailable: 503, tenantsim.TruncatedJSON: 200, tenantsim.GarbageJSON: 200, tenantsim.ExpiredToken: 401,
		tenantsim.ScopeRemoved: 403, tenantsim.NotFound: 404, tenantsim.Conflict: 409,
	} {
		a.tenant.FailNext(1, kind, nil)
		res, body, err := a.do("GET", path, nil)
		if err != nil || res.StatusCode != status {
			t.Fatalf("%d: %v %v", kind, res, err)
		}
		if html := strings.HasPrefix(res.Header.Get("Content-Type"), "text/html"); html != (status >= 500) {
			t.Errorf("%d: content type %s", status, res.Header.Get("Content-Type"))
		}
		if headers := res.Header.Get("X-Ratelimit-Reset") != ""; headers != (kind == tenantsim.RateLimited) {
			t.Errorf("%d: rate headers %v", kind, res.Header)
		}
		if kind == tenantsim.TruncatedJSON && strings.HasSuffix(string(body), "}") {
			t.Errorf("not truncated: %s", body)
		}
		a.want(200, "GET", path, nil) // one only
	}
	for _, kind := range []tenantsim.Kind{tenantsim.Reset, tenantsim.CutShort} {
		a.tenant.FailNext(1, kind, a.tenant.On("GET /clients/{id}"))
		a.want(200, "GET", "/api/v2/connections", nil)
		if _, body, err := a.do("PATCH", path, map[string]string{"name": "still"}); err != nil {
			t.Errorf("another operation: %v %s", err, body)
		}
		http.DefaultClient.CloseIdleConnections() // else the client tries again by itself
		if _, _, err := a.do("GET", path, nil); err == nil {
			t.Errorf("%d: no error", kind)
		}
	}
	// After: the write happened, its answer is lost.
	a.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method != http.MethodPatch {
			return tenantsim.Fault{}
		}
		return tenantsim.Fault{Kind: tenantsim.BadGateway, After: true}
	})
	a.want(502, "PATCH", path, map[string]string{"name": "changed"})
	a.tenant.Faults(nil)
	if c, _ := a.tenant.Client(c.ID); c.Name != "changed" {
		t.Errorf("the write was lost: %s", c.Name)
	}
	a.tenant.OutageBy(tenantsim.Unavailable)
	a.want(503, "GET", "/.well-known/jwks.json", nil)
	a.tenant.Outage(true)
	if _, _, err := a.do("POST", "/oauth/token", "{}"); err == nil {
		t.Error("answered while down")
	}
	a.tenant.Outage(false)
	a.want(200, "GET", path, nil)
	a.tenant.FailRate(1, 7, tenantsim.BadGateway)
	a.want(502, "GET", path, nil)
	a.want(200, "GET", "/.well-known/jwks.json", nil)
	a.tenant.FailRate(0, 0)
	a.want(200, "GET", path, nil)
}

func TestCallsAreCounted(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	a.header.Set("X-Correlation-ID", "corr-1")
	a.want(404, "PATCH", "/api/v2/clients/none", map[string]string{"name": "x"})
	a.want(404, "GET", "/api/v2/nothing", nil)
	a.want(200, "GET", "/api/v2/logs?per_page=1", nil)
	calls := a.tenant.Calls()
	if len(calls) != 3 || len(a.tenant.Writes()) != 1 || len(a.tenant.AllCalls()) != 4 || a.tenant.Count("GET /logs") != 1 || a.tenant.Peak() != 1 {
		t.Fatalf("%+v", calls)
	}
	first := calls[0]
	first.At = time.Time{}
	want := tenantsim.Call{
		Operation: "PATCH /clients/{id}", Method: "PATCH", Path: "/api/v2/clients/none", Status: 404, Bucket: "management",
		Caller: m2m, CorrelationID: "corr-1", Body: []byte(`{"name":"x"}`), Management: true,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if calls[1].Operation != "" || calls[2].Bucket != "read_logs" || calls[2].Query != "per_page=1" {
		t.Errorf("%+v", calls[1:])
	}
	a.tenant.ResetCalls()
	if len(a.tenant.AllCalls()) != 0 {
		t.Error("not forgotten")
	}
}

func TestLogin(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	tenant := a.tenant
	const cb = "https://chatgpt.com/x"
	strict := tenant.AddClient(tenantsim.Client{Callbacks: []string{cb}})
	permissive := tenant.AddClient(tenantsim.Client{SecurityMode: tenantsim.Permissive, Callbacks: []string{cb}, TokenEndpointAuthMethod: "none"})
	first := tenant.AddClient(tenantsim.Client{FirstParty: true, Callbacks: []string{cb}})
	tenant.AddConnection("enterprise", true)
	login := func(l tenantsim.Login) string {
		t.Helper()
		if l.Connection == "" {
			l.Connection = "enterprise"
		}
		if l.Audience == "" {
			l.Audience = audience
		}
		if l.Scopes == nil {
			l.Scopes = []string{"openid", "mcp:read", "mcp:write", "unheard:of", "offline_access"}
		}
		scopes, err := tenant.Login(l)
		if refused, ok := errors.AsType[*tenantsim.LoginError](err); ok {
			return refused.Code
		}
		return strings.Join(scopes, " ")
	}
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("unknown client", login(tenantsim.Login{ClientID: "nobody"}), "invalid_request")
	check("strict without a grant, though the API allows all", login(tenantsim.Login{ClientID: strict.ID}), "invalid_request")
	check("permissive without a grant", login(tenantsim.Login{ClientID: permissive.ID}), "mcp:read mcp:write offline_access openid")
	check("unknown API", login(tenantsim.Login{ClientID: permissive.ID, Audience: "https://none"}), "access_denied")

	tenant.AddGrant(tenantsim.Grant{ClientID: strict.ID, Audience: audience, SubjectType: tenantsim.SubjectClient, Scopes: []string{"mcp:read"}})
	check("a machine-to-machine grant", login(tenantsim.Login{ClientID: strict.ID}), "invalid_request")
	tenant.AddGrant(tenantsim.Grant{DefaultFor: tenantsim.DefaultThirdParty, Audience: audience, AllowAllScopes: true})
	check("the default grant", login(tenantsim.Login{ClientID: strict.ID}), "mcp:read mcp:write")
	tenant.AddGrant(tenantsim.Grant{ClientID: strict.ID, Audience: audience, Scopes: []string{"mcp:read", "unheard:of"}})
	check("its own grant takes precedence", login(tenantsim.Login{ClientID: strict.ID}), "mcp:read")
	tenant.SetQuirks(func(q *tenantsim.Quirks) { q.UndefinedScopes = true })
	check("undefined scopes are issued", login(tenantsim.Login{ClientID: strict.ID}), "mcp:read unheard:of")

	check("without PKCE", login(tenantsim.Login{ClientID: strict.ID, NoPKCE: true}), "invalid_request")
	check("another callback", login(tenantsim.Login{ClientID: strict.ID, RedirectURI: "https://evil.test"}), "invalid_request")
	check("a connection that is not domain-level", login(tenantsim.Login{ClientID: strict.ID, Connection: google}), "invalid_request")
	tenant.EnableConnection(google, strict.ID, permissive.ID)
	check("enabled for a strict client", login(tenantsim.Login{ClientID: strict.ID, Connection: google}), "invalid_request")
	check("enabled for a permissive client", login(tenantsim.Login{ClientID: permissive.ID, Connection: google}), "invalid_request")
	tenant.SetQuirks(func(q *tenantsim.Quirks) { q.PerClientLogin = true })
	check("enabled, where that is enough", login(tenantsim.Login{ClientID: permissive.ID, Connection: google, Scopes: []string{"mcp:read"}}), "mcp:read")
	check("enabled for a strict client even so", login(tenantsim.Login{ClientID: strict.ID, Connection: google}), "invalid_request")
	tenant.SetDomainLevel(google, true)
	check("domain-level", login(tenantsim.Login{ClientID: strict.ID, Connection: google, Scopes: []string{"mcp:read"}}), "mcp:read")

	check("first-party through a domain-level connection", login(tenantsim.Login{ClientID: first.ID}), "invalid_request")
	tenant.EnableConnection("enterprise", first.ID)
	check("first-party, enabled", login(tenantsim.Login{ClientID: first.ID, Scopes: []string{"mcp:read"}}), "mcp:read")

	tenant.SetPolicy(audience, tenantsim.SubjectUser, tenantsim.DenyAll)
	check("an API that denies all", login(tenantsim.Login{ClientID: strict.ID}), "invalid_request")
	tenant.SetPolicy(audience, tenantsim.SubjectUser, tenantsim.RequireClientGrant)
	check("first-party without the grant required", login(tenantsim.Login{ClientID: first.ID}), "invalid_request")

	a.want(200, "PATCH", "/api/v2/clients/"+permissive.ID, map[string]any{"grant_types": []string{"refresh_token"}})
	check("without the authorization code grant", login(tenantsim.Login{ClientID: permissive.ID}), "unauthorized_client")

	var types []string
	for _, l := range tenant.Logs() {
		switch kind := text(t, l, "type"); kind {
		case "f":
			if !strings.Contains(text(t, l, "description"), " ") {
				t.Errorf("a denial without a description: %s", l)
			}
			types = append(types, kind)
		case "s", "seacft":
			types = append(types, kind)
		}
	}
	if got := strings.Join(types[:6], " "); got != "f f s seacft f f" {
		t.Errorf("logged %s", got)
	}
}
