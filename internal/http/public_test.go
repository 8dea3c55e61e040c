package http_test

import (
	"strings"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/health"
	"grantd/internal/http"
)

func TestHealthEndpoints(t *testing.T) {
	down := health.Report{Status: health.StatusDown, Reasons: []dcr.Reason{dcr.TokenRefused}}
	for name, tc := range map[string]struct {
		health fixedHealth
		path   string
		status int
		want   string // a part of the body
	}{
		"alive":               {fixedHealth{reasons: []dcr.Reason{dcr.LedgerUnavailable}, report: down}, "/healthz", 200, "ok"},
		"ready":               {fixedHealth{}, "/readyz", 200, `{"ready":true,"reasons":[]}`},
		"not ready":           {fixedHealth{reasons: []dcr.Reason{dcr.LedgerUnavailable}}, "/readyz", 503, `{"ready":false,"reasons":["ledger_unavailable"]}`},
		"auth0 ok":            {fixedHealth{report: health.Report{Status: health.StatusOK}}, "/health/auth0", 200, `{"status":"ok",`},
		"auth0 degraded":      {fixedHealth{report: health.Report{Status: health.StatusDegraded}}, "/health/auth0", 200, `{"status":"degraded",`},
		"auth0 down":          {fixedHealth{report: down}, "/health/auth0", 503, `{"status":"down","reasons":["token_refused"],`},
		"down is still ready": {fixedHealth{report: down}, "/readyz", 200, `"ready":true`},
	} {
		t.Run(name, func(t *testing.T) {
			o := stubbed(drained)
			o.Health = tc.health
			url := serve(t, http.Public(o))
			got := request(t, "GET", url+tc.path, "")
			if got.status != tc.status || !strings.HasPrefix(got.body, tc.want) && !strings.Contains(got.body, tc.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tc.status, tc.want)
			}
			if head := request(t, "HEAD", url+tc.path, ""); head.status != tc.status || head.body != "" {
				t.Errorf("HEAD: got %d %q", head.status, head.body)
			}
		})
	}
}

// TestRoutes: every path takes its own methods, and there is nothing else.
func TestRoutes(t *testing.T) {
	o, _ := publicOptions(t)
	public := serve(t, http.Public(o))
	admin, _ := serveAdmin(t)
	for _, tc := range []struct {
		method, url string
		status      int
		allow       string
	}{
		{"GET", public + path, 405, "POST"},
		{"PUT", public + path, 405, "POST"},
		{"DELETE", public + path, 405, "POST"},
		{"OPTIONS", public + path, 405, "POST"},
		{"BREW", public + path, 405, "POST"},
		{"POST", public + "/healthz", 405, "GET, HEAD"},
		{"POST", public + "/readyz", 405, "GET, HEAD"},
		{"POST", public + "/health/auth0", 405, "GET, HEAD"},
		{"GET", public + "/", 404, ""},
		{"POST", public + "/", 404, ""},
		{"POST", public + path + "/", 404, ""},
		{"POST", public + path + "/more", 404, ""},
		{"POST", public + "/" + path, 404, ""},
		{"GET", public + "/health", 404, ""},
		{"GET", public + "/metrics", 404, ""},
		{"GET", public + "/api/v1/clients", 404, ""},
		{"GET", public + "/health/../api/v1/clients", 404, ""},
		{"POST", admin + "/api/v1/clients", 405, "GET, HEAD"},
		{"DELETE", admin + "/api/v1/clients/x", 405, "GET, HEAD"},
		{"POST", admin + "/metrics", 405, "GET, HEAD"},
		{"GET", admin + "/api/v1", 404, ""},
		{"GET", admin + "/api/v1/clients/", 404, ""},
		{"GET", admin + "/api/v1/clients/a/b", 404, ""},
		{"POST", admin + path, 404, ""},
		{"GET", admin + "/debug/pprof/", 404, ""},
	} {
		t.Run(tc.method+" "+tc.url[strings.LastIndex(tc.url, ":")+6:], func(t *testing.T) {
			got := request(t, tc.method, tc.url, "")
			if got.status != tc.status || got.header.Get("Allow") != tc.allow {
				t.Errorf("got %d, Allow %q, want %d %q", got.status, got.header.Get("Allow"), tc.status, tc.allow)
			}
			if !strings.HasPrefix(got.body, `{"error":"`) {
				t.Errorf("body %s", got.body)
			}
		})
	}
}

// TestHeaders: every answer, errors too, is safe in a browser.
func TestHeaders(t *testing.T) {
	o, _ := publicOptions(t)
	public := serve(t, http.Public(o))
	admin, _ := serveAdmin(t)
	for _, got := range []answer{
		request(t, "GET", public+"/healthz", ""),
		request(t, "POST", public+path, ""),
		request(t, "GET", public+"/nowhere", ""),
		request(t, "GET", admin+"/", ""),
		request(t, "GET", admin+"/api/v1/clients", ""),
		request(t, "GET", admin+"/", "", "Host: evil.example"),
	} {
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Cache-Control":           "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if v := got.header.Get(name); v != want {
				t.Errorf("%d %.40s: %s is %q", got.status, got.body, name, v)
			}
		}
	}
}

// TestWebhookPath: characters that mean something to the router mean
// themselves.
func TestWebhookPath(t *testing.T) {
	for _, configured := range []string{"/hook:one", "/hook/:id", "/a/*"} {
		o := stubbed(drained)
		o.WebhookPath = configured
		url := serve(t, http.Public(o))
		if got := request(t, "POST", url+configured, `[]`, bearer); got.status != 200 {
			t.Errorf("%s: got %d", configured, got.status)
		}
		other := strings.NewReplacer(":one", "x", ":id", "x", "*", "x").Replace(configured)
		if got := request(t, "POST", url+other, `[]`, bearer); got.status != 404 {
			t.Errorf("%s: got %d at %s", configured, got.status, other)
		}
	}
}
