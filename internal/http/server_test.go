package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/feed"
	"grantd/internal/http"
)

// TestSlowSenders: who sends slowly, or nothing, is hung up on.
func TestSlowSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		dial, client := within(t, http.Public(stubbed(func(_ context.Context, r io.Reader) (feed.Receipt, error) {
			_, err := io.Copy(io.Discard, r)
			failed <- err
			return feed.Receipt{}, err
		})))
		for name, tt := range map[string]struct {
			sent, answer string
			after        time.Duration
		}{
			"nothing":                   {"", "", 5 * time.Second},
			"half a line":               {"POST " + path, "HTTP/1.1 400 ", 5 * time.Second},
			"headers without end":       {"POST " + path + " HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n", "", 5 * time.Second},
			"a body that does not come": {"POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 100\r\n\r\n[", "HTTP/1.1 400 ", time.Minute},
			"an idle connection":        {alive, "HTTP/1.1 200 ", 2 * time.Minute},
		} {
			began, conn := time.Now(), dial()
			conn.send(tt.sent)
			if got := conn.rest(); !strings.HasPrefix(got, tt.answer) || (tt.answer == "") != (got == "") {
				t.Errorf("%s: got %q", name, got)
			}
			if took := time.Since(began).Round(time.Second); took != tt.after {
				t.Errorf("%s: hung up on after %v, want %v", name, took, tt.after)
			}
		}
		if err := <-failed; err == nil {
			t.Error("the body ended well")
		}
		for range 20 {
			dial().send("POST " + path + " HTTP/1.1\r\n")
		}
		resp, err := client.Get("http://grantd/healthz") // others are served meanwhile
		if err != nil || resp.StatusCode != nethttp.StatusOK {
			t.Fatalf("%v, %v", resp, err)
		}
		_ = resp.Body.Close()
	})
}

// TestRefusedCallersHearWhy: one who sends much of a body before he looks at the
// answer gets it whole, and is not cut off while he sends.
func TestRefusedCallersHearWhy(t *testing.T) {
	url := serve(t, http.Public(stubbed(drained)), patient)
	for name, tt := range map[string]struct {
		header, status string
		size           int
	}{
		"no secret":    {"X: y", "401", 1 << 20},
		"wrong secret": {"Authorization: no", "403", 1 << 20},
		"too large":    {bearer, "413", 10<<20 + 1},
	} {
		for _, version := range []string{"1.0", "1.1"} {
			conn := dial(t, url)
			conn.send(fmt.Sprintf("POST %s HTTP/%s\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n", path, version, tt.header, tt.size))
			conn.send(strings.Repeat(" ", min(tt.size, 1<<20)))
			if err := conn.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got := conn.rest(); !strings.HasPrefix(got, "HTTP/1.1 "+tt.status+" ") && !strings.HasPrefix(got, "HTTP/1.0 "+tt.status+" ") || !strings.HasSuffix(got, "}\n") {
				t.Errorf("%s by HTTP/%s: %q", name, version, got)
			}
		}
	}
}

func TestHugeHeader(t *testing.T) {
	url := serve(t, http.Public(stubbed(drained)))
	conn := dial(t, url)
	conn.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 32<<10) + "\r\n\r\n")
	if got := conn.rest(); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("got %.60q", got)
	}
}

// TestGracefulStop: a request under way is answered, a new one is not taken.
func TestGracefulStop(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	stopping := make(chan struct{})
	s, err := http.Listen(t.Context(), "127.0.0.1:0", http.ServerOptions{
		Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			entered <- struct{}{}
			<-leave
			_, _ = io.WriteString(w, "done")
		}),
		Logger: discard(), OnShutdown: func() { close(stopping) },
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	url := "http://" + s.Addr().String()
	got := make(chan answer, 1)
	go func() { got <- request(t, "GET", url, "") }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	<-stopping
	close(leave)
	if a := <-got; a.body != "done" {
		t.Errorf("got %+v", a)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	rebound(t, s.Addr().String())
}

// TestStopHasADeadline: a request that does not end is ended.
func TestStopHasADeadline(t *testing.T) {
	entered := make(chan struct{})
	s, err := http.Listen(t.Context(), "127.0.0.1:0", http.ServerOptions{
		Handler: nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
			close(entered)
			<-r.Context().Done()
		}),
		Logger: discard(), Grace: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	conn := dial(t, "http://"+s.Addr().String())
	conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	if err := stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	conn.rest()
}

func TestListenErrors(t *testing.T) {
	url := serve(t, http.Public(stubbed(drained)))
	o := http.ServerOptions{Handler: nethttp.NotFoundHandler(), Logger: discard()}
	if _, err := http.Listen(t.Context(), strings.TrimPrefix(url, "http://"), o); err == nil || !strings.HasPrefix(err.Error(), "listen on 127.0.0.1:") {
		t.Errorf("got %v for an address in use", err)
	}
	if _, err := http.Listen(t.Context(), "nonsense", o); err == nil {
		t.Error("nonsense was bound")
	}
}

// TestCloseWithoutServing lets the address go.
func TestCloseWithoutServing(t *testing.T) {
	o := http.ServerOptions{Handler: nethttp.NotFoundHandler(), Logger: discard()}
	s, err := http.Listen(t.Context(), "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	rebound(t, s.Addr().String())
}
