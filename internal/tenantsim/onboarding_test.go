package tenantsim_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// A registration is delivered; promoted, connected and granted as grantd would,
// the client can log its users in. Each step missing, it cannot.
func TestOnboarding(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	var mu sync.Mutex
	var got []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		b := new(strings.Builder)
		_ = r.Write(b)
		got = append(got, b.String())
	}))
	defer hook.Close()
	a.tenant.AddLogStream(tenantsim.LogStream{URL: hook.URL, Authorization: "s3cret", Filters: []string{"management.success"}})

	c, err := a.tenant.Register(tenantsim.ChatGPT("abc123"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.ID, "tpc_") || c.SecurityMode != tenantsim.Strict {
		t.Fatalf("not a strict client: %+v", c)
	}
	eventually(t, "the registration is delivered", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == 1 && strings.Contains(got[0], `"client_id":"`+c.ID+`"`) && strings.Contains(got[0], "Authorization: s3cret\r\n")
	})

	login := func() error {
		_, err := a.tenant.Login(tenantsim.Login{ClientID: c.ID, Audience: audience, Scopes: []string{"mcp:read", "openid"}, Connection: google})
		return err
	}
	var denied *tenantsim.LoginError
	if err := login(); !errors.As(err, &denied) || !strings.Contains(denied.Description, "is not authorized to access resource server") {
		t.Fatalf("without a grant: %v", err)
	}
	a.want(200, "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"app_type": "regular_web"})
	a.want(201, "POST", "/api/v2/client-grants", map[string]any{
		"client_id": c.ID, "audience": audience, "scope": []string{"mcp:read"}, "subject_type": "user",
	})
	if err := login(); err == nil {
		t.Fatal("logged in through a connection that is not domain-level")
	}
	id := array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string)
	a.want(200, "PATCH", "/api/v2/connections/"+id, map[string]any{"is_domain_connection": true})
	scopes, err := a.tenant.Login(tenantsim.Login{ClientID: c.ID, Audience: audience, Scopes: []string{"mcp:read", "mcp:write", "openid"}, Connection: google})
	if err != nil || len(scopes) != 1 || scopes[0] != "mcp:read" {
		t.Fatalf("scopes %v, %v", scopes, err)
	}
	if n := len(a.tenant.Calls()); n != 4 {
		t.Errorf("%d calls, want 4", n)
	}
	if n := len(a.tenant.Writes()); n != 3 {
		t.Errorf("%d writes, want 3", n)
	}
	if n := len(a.tenant.TokenRequests()); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
}

// Close ends hanging requests and waiting deliveries.
func TestCloseEndsEverything(t *testing.T) {
	tenant, err := tenantsim.Start(tenantsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	hanging := make(chan struct{})
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the caller left
		close(hanging)
		<-r.Context().Done()
	}))
	defer hook.Close()
	tenant.AddLogStream(tenantsim.LogStream{URL: hook.URL})
	tenant.AddLog(tenantsim.Log{Type: "s"})
	<-hanging
	tenant.FailNext(1, tenantsim.Timeout, nil)
	arrived := make(chan struct{})
	tenant.Faults(func(*http.Request) tenantsim.Fault {
		close(arrived)
		return tenantsim.Fault{Kind: tenantsim.Timeout}
	})
	gone := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tenant.URL()+"/.well-known/jwks.json", nil)
		if err == nil {
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}
		gone <- err
	}()
	<-arrived
	closed := make(chan struct{})
	go func() { tenant.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(5 * time.Minute):
		t.Fatal("Close hangs")
	}
	if <-gone == nil {
		t.Error("the hanging request was answered")
	}
}
