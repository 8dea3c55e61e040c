package tenantsim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

const (
	m2m      = "m2mapp"
	secret   = "m2m-secret"
	audience = "https://mcp.example.com/mcp"
	google   = "google-oauth2"
)

// allScopes are those of every endpoint but the ones that read secrets.
func allScopes() []string {
	var out []string
	for _, kind := range []string{"clients", "client_grants", "connections", "resource_servers", "log_streams"} {
		for _, verb := range []string{"read", "create", "update", "delete"} {
			out = append(out, verb+":"+kind)
		}
	}
	return append(out, "read:logs", "read:tenant_settings", "update:tenant_settings")
}

// api calls a tenant as the machine-to-machine application does.
type api struct {
	t      *testing.T
	tenant *tenantsim.Tenant
	token  string
	header http.Header
}

func newAPI(t *testing.T, o tenantsim.Options) *api {
	t.Helper()
	tenant := tenantsim.ForTest(t, o)
	tenant.AddM2M(m2m, secret, allScopes()...)
	tenant.AddAPI(audience, "mcp:read", "mcp:write")
	tenant.AddConnection(google, false)
	a := &api{t: t, tenant: tenant, header: http.Header{}}
	a.login()
	return a
}

// login fetches a new token.
func (a *api) login() {
	a.t.Helper()
	status, body := a.send("POST", "/oauth/token", map[string]string{
		"grant_type": "client_credentials", "client_id": m2m, "client_secret": secret, "audience": a.tenant.Audience(),
	})
	if status != http.StatusOK {
		a.t.Fatalf("token: %d %s", status, body)
	}
	a.token = text(a.t, body, "access_token")
}

func (a *api) do(method, path string, body any) (*http.Response, []byte, error) {
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, nil, err
		}
		sent = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.tenant.URL()+path, sent)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(req.Header, a.header)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	if sent != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res, answer, err
}

// send is do for calls that must be answered.
func (a *api) send(method, path string, body any) (int, []byte) {
	a.t.Helper()
	res, answer, err := a.do(method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, answer
}

// want is send, and holds the status to status.
func (a *api) want(status int, method, path string, body any) []byte {
	a.t.Helper()
	got, answer := a.send(method, path, body)
	if got != status {
		a.t.Fatalf("%s %s: %d, want %d: %s", method, path, got, status, answer)
	}
	return answer
}

func object(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("not an object: %v: %s", err, body)
	}
	return m
}

func array(t *testing.T, body []byte) []map[string]any {
	t.Helper()
	var m []map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("not an array: %v: %s", err, body)
	}
	return m
}

// text is the string at a path of members.
func text(t *testing.T, body []byte, path ...string) string {
	t.Helper()
	var v any = object(t, body)
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no %v in %s", path, body)
		}
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(5 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// clock is a clock that tests move.
type clock struct{ at chan time.Time }

func newClock() *clock {
	c := &clock{at: make(chan time.Time, 1)}
	c.at <- time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)
	return c
}

func (c *clock) now() time.Time {
	at := <-c.at
	c.at <- at
	return at
}

func (c *clock) advance(d time.Duration) { c.at <- (<-c.at).Add(d) }
