package auth0_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// serve runs a tenant behind a real socket.
func serve(t *testing.T, api http.HandlerFunc) *auth0.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			respond(w, 200, `{"access_token":"eyJ","expires_in":86400}`)
			return
		}
		api(w, r)
	}))
	t.Cleanup(srv.Close)
	c, err := auth0.New(auth0.Options{Domain: domain, BaseURL: srv.URL, ClientID: "own", ClientSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func hijack(t *testing.T, w http.ResponseWriter, write string) {
	t.Helper()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && write == "" {
		_ = tcp.SetLinger(0) // a reset
	}
	_, _ = io.WriteString(conn, write)
	_ = conn.Close()
}

// What goes wrong on the way has a reason, too.
func TestBrokenAnswers(t *testing.T) {
	tests := map[string]struct {
		api  http.HandlerFunc
		want dcr.Reason
	}{
		"reset": {func(w http.ResponseWriter, _ *http.Request) { hijack(t, w, "") }, dcr.Unreachable},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"client_id\":")
		}, dcr.BadResponse},
		"short JSON":  {always(200, `{"client_id":"a`), dcr.BadResponse},
		"garbage":     {always(200, "\x00\x01"), dcr.BadResponse},
		"HTML":        {always(200, "<html></html>"), dcr.BadResponse},
		"wrong types": {always(200, `{"client_id":7,"callbacks":"x"}`), dcr.BadResponse},
		"no body":     {always(200, ""), dcr.BadResponse},
		"array":       {always(200, "[]"), dcr.BadResponse},
		"endless":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(" ", 17<<20)) }, dcr.BadResponse},
		"endless HTML": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}, dcr.ServerError},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := serve(t, tt.api).Client(t.Context(), clientID); reasonOf(err) != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		c, err := auth0.New(auth0.Options{Domain: domain, BaseURL: "http://127.0.0.1:1", ClientID: "own", ClientSecret: secret})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.JWKS(t.Context()); reasonOf(err) != dcr.Unreachable {
			t.Errorf("error %v", err)
		}
		if _, err := c.Client(t.Context(), clientID); reasonOf(err) != dcr.TokenUnavailable {
			t.Errorf("error %v", err)
		}
	})
}

// A call has a deadline of its own; a context ends it before.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty)}
		c := open(t, s)
		if _, err := c.Client(t.Context(), clientID); err != nil {
			t.Fatal(err)
		}
		s.Latency = time.Hour
		start := time.Now()
		_, err := c.Client(t.Context(), clientID)
		if reasonOf(err) != dcr.Timeout || time.Since(start) != 10*time.Second {
			t.Errorf("error %v after %v, want a timeout after 10 s", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start = time.Now()
		_, err = c.Client(ctx, clientID)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("error %v after %v, want the context's after 3 s", err, time.Since(start))
		}
	})
}

// A context ends the wait for the budget, and the wait for a token that is
// being fetched for others.
func TestContextEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			respond(w, 429, "{}")
		}}
		c := open(t, s)
		if _, err := c.Client(t.Context(), clientID); reasonOf(err) != dcr.RateLimited {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Client(ctx, clientID)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}

		s = &stub{API: always(200, thirdParty), Latency: 5 * time.Second}
		c = open(t, s)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := c.Client(ctx, clientID); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
		if _, err := c.Client(t.Context(), clientID); err != nil || s.tokenRequests() != 1 {
			t.Errorf("%v after %d token requests: the first one was not used", err, s.tokenRequests())
		}
	})
}

// Every request is told of, and none carries the body of another try.
func TestOnCall(t *testing.T) {
	s := &stub{API: always(200, thirdParty)}
	var mu sync.Mutex
	var ops []string
	c := open(t, s, func(o *auth0.Options) {
		o.OnCall = func(i auth0.CallInfo) {
			mu.Lock()
			defer mu.Unlock()
			ops = append(ops, i.Op)
			if (i.Err == nil) != (i.Status == 200) {
				t.Errorf("%+v", i)
			}
		}
	})
	if _, err := c.Client(t.Context(), clientID); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.revoked = map[string]bool{"eyJ-token-1": true} })
	patch := dcr.ClientPatch{AppType: new("regular_web")}
	if _, err := c.PatchClient(t.Context(), "corr", clientID, patch); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(ops, " "), "get_token get_client update_client get_token update_client"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	seen := s.seen()
	first, second := seen[1], seen[2]
	if first.body != second.body || second.body == "" || first.correlation != second.correlation || first.token == second.token {
		t.Errorf("the second try differs: %+v, %+v", first, second)
	}
	for _, op := range ops {
		if !strings.Contains(" "+strings.Join(auth0.Operations(), " ")+" ", " "+op+" ") {
			t.Errorf("%s is not among Operations", op)
		}
	}
}

// Calls are accounted to the class and source in the context, and to the group
// that the plan counts them in.
func TestCallsUseTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		s := &stub{API: func(w http.ResponseWriter, r *http.Request) {
			limit := "10"
			if strings.HasSuffix(r.URL.Path, "/connections") {
				limit = "5"
			}
			w.Header().Set("X-RateLimit-Limit", limit)
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", "946684830") // in 30 s
			respond(w, 200, `{"connections":[{"id":"con_1","name":"n"}],"client_id":"`+clientID+`"}`)
		}}
		c := open(t, s, func(o *auth0.Options) { o.Budget = b })
		if _, err := c.Client(t.Context(), clientID); err != nil {
			t.Fatal(err)
		}
		if snap := b.Snapshot(); snap.Tightest == nil || snap.Tightest.Limit != 10 {
			t.Fatalf("budget %+v", snap)
		}
		go func() { _, _ = c.Client(auth0.WithCall(t.Context(), dcr.Background, ""), clientID) }()
		go func() { _, _ = c.Client(auth0.WithCall(t.Context(), dcr.Urgent, "192.0.2.1"), clientID) }()
		synctest.Wait()
		if snap := b.Snapshot(); snap.Urgent != 1 || snap.Background != 1 {
			t.Errorf("budget %+v", snap)
		}
		if err := c.JWKS(t.Context()); reasonOf(err) != dcr.BadResponse { // not held up
			t.Errorf("jwks: %v", err)
		}
		time.Sleep(2 * time.Minute)
	})
}

func TestJWKS(t *testing.T) {
	s := &stub{status: 500, API: always(200, `{"keys":[{"kty":"RSA"}]}`)}
	if err := open(t, s).JWKS(t.Context()); err != nil || s.tokenRequests() != 0 {
		t.Errorf("%v, %d token requests", err, s.tokenRequests())
	}
	if err := open(t, &stub{API: always(500, "<html>")}).JWKS(t.Context()); reasonOf(err) != dcr.ServerError {
		t.Errorf("error %v", err)
	}
}

func TestNewRefusesBadOptions(t *testing.T) {
	good := auth0.Options{Domain: domain, ClientID: "own", ClientSecret: secret}
	for name, change := range map[string]func(*auth0.Options){
		"no domain":  func(o *auth0.Options) { o.Domain = "" },
		"no id":      func(o *auth0.Options) { o.ClientID = "" },
		"no secret":  func(o *auth0.Options) { o.ClientSecret = "" },
		"odd URL":    func(o *auth0.Options) { o.BaseURL = "ftp://x" },
		"user info":  func(o *auth0.Options) { o.BaseURL = "https://a:b@x" },
		"no host":    func(o *auth0.Options) { o.BaseURL = "https://" },
		"not a URL":  func(o *auth0.Options) { o.BaseURL = "http://[" },
		"other text": func(o *auth0.Options) { o.BaseURL = "acme" },
	} {
		o := good
		change(&o)
		if _, err := auth0.New(o); err == nil {
			t.Errorf("%s was taken", name)
		} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
