package tenantsim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"

	"grantd/internal/tenantsim"
)

// Everything at once, for the race detector; nothing is lost.
func TestConcurrentUse(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	hook := newReceiver(t)
	s := a.tenant.AddLogStream(tenantsim.LogStream{URL: hook.URL, Filters: []string{"management.success"}})
	conn := array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string)
	const workers, each = 8, 10
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				c, err := a.tenant.Register(tenantsim.ChatGPT(fmt.Sprintf("%d-%d", w, i)))
				if err != nil {
					t.Error(err)
					return
				}
				for _, call := range []struct {
					method, path string
					body         any
				}{
					{"GET", "/api/v2/clients/" + c.ID, nil},
					{"PATCH", "/api/v2/clients/" + c.ID, map[string]any{"app_type": "regular_web"}},
					{"PATCH", "/api/v2/connections/" + conn + "/clients", []member{{c.ID, true}}},
					{"POST", "/api/v2/client-grants", map[string]any{"client_id": c.ID, "audience": audience, "scope": []string{"mcp:read"}, "subject_type": "user"}},
					{"GET", "/api/v2/clients?take=10", nil},
					{"GET", "/api/v2/logs?q=type:sapi", nil},
				} {
					if res, body, err := a.do(call.method, call.path, call.body); err != nil || res.StatusCode > 299 {
						t.Errorf("%s %s: %v %s", call.method, call.path, err, body)
					}
				}
			}
		})
	}
	group.Wait()
	const n = workers * each
	if got := len(a.tenant.ConnectionClients(google)); got != n {
		t.Errorf("%d clients on the connection, want %d", got, n)
	}
	if got := a.tenant.Count("POST /client-grants"); got != n {
		t.Errorf("%d grants, want %d", got, n)
	}
	eventually(t, "every write is delivered", func() bool { return s.Stats().Delivered == 4*n })
}

// fill makes a tenant with n clients, each with a grant and the connection.
func fill(tb testing.TB, n int) (tenant *tenantsim.Tenant, token string) {
	tb.Helper()
	tenant = tenantsim.New(tenantsim.Options{})
	tb.Cleanup(tenant.Close)
	tenant.AddM2M(m2m, secret, allScopes()...)
	tenant.AddAPI(audience, "mcp:read")
	tenant.AddConnection(google, true)
	ids := make([]string, n)
	for i := range ids {
		c := tenant.AddClient(tenantsim.Client{
			Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", i)},
			TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
		})
		tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, Scopes: []string{"mcp:read"}})
		ids[i] = c.ID
	}
	tenant.EnableConnection(google, ids...)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {m2m}, "client_secret": {secret}, "audience": {tenant.Audience()}}
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	w := httptest.NewRecorder()
	tenant.ServeHTTP(w, r)
	_, rest, _ := strings.Cut(w.Body.String(), `"access_token":"`)
	token, _, _ = strings.Cut(rest, `"`)
	return tenant, token
}

func get(tb testing.TB, tenant *tenantsim.Tenant, token, path string) string {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	tenant.ServeHTTP(w, r)
	if w.Code != 200 {
		tb.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func BenchmarkGetClient(b *testing.B) {
	tenant, token := fill(b, 1000)
	id := tenant.Clients()[500].ID
	for b.Loop() {
		get(b, tenant, token, "/api/v2/clients/"+id)
	}
}

// BenchmarkSweep reads all clients and all user grants of a hundred thousand
// clients in pages of 100, and reports the memory the tenant takes for each.
func BenchmarkSweep(b *testing.B) {
	const n = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tenant, token := fill(b, n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	lists := []string{clientList, grantList()}
	for b.Loop() {
		for _, list := range lists {
			next := ""
			for {
				body := get(b, tenant, token, list+"&from="+url.QueryEscape(next))
				_, rest, more := strings.Cut(body, `"next":"`)
				if !more {
					break
				}
				next, _, _ = strings.Cut(rest, `"`)
			}
		}
		tenant.ResetCalls()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/client")
}

const clientList = "/api/v2/clients?is_first_party=false&take=100&include_fields=true&fields=" +
	"client_id,name,is_first_party,global,app_type,token_endpoint_auth_method,grant_types,callbacks,third_party_security_mode,external_client_id,client_metadata"

func grantList() string {
	return "/api/v2/client-grants?subject_type=user&take=100&audience=" + url.QueryEscape(audience)
}

// BenchmarkPage reads the last page of 100. It must cost the same at any size:
// a cursor goes straight to its row.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		tenant, token := fill(b, n)
		conn := get(b, tenant, token, "/api/v2/connections?fields=id&name="+google)
		_, rest, _ := strings.Cut(conn, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		for name, list := range map[string]string{
			"clients": clientList, "grants": grantList(), "members": "/api/v2/connections/" + id + "/clients?take=100",
		} {
			last := list
			for {
				_, rest, more := strings.Cut(get(b, tenant, token, last), `"next":"`)
				if !more {
					break
				}
				next, _, _ := strings.Cut(rest, `"`)
				last = list + "&from=" + url.QueryEscape(next)
			}
			tenant.ResetCalls()
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					get(b, tenant, token, last)
				}
			})
		}
	}
}

// BenchmarkFill adds a hundred thousand clients, each with a grant and the
// connection.
func BenchmarkFill(b *testing.B) {
	for b.Loop() {
		fill(b, 100_000)
	}
}

func BenchmarkRegister(b *testing.B) {
	tenant := tenantsim.New(tenantsim.Options{})
	defer tenant.Close()
	for b.Loop() {
		if _, err := tenant.Register(tenantsim.ChatGPT("abc")); err != nil {
			b.Fatal(err)
		}
	}
}
