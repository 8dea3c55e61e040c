package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/feed"
	"grantd/internal/http"
)

// TestSlowSenders: who sends slowly, or nothing, is hung up on.
func TestSlowSenders(t *testing.T) {
	quick := func(o *http.ServerOptions) {
		o.HeaderTimeout, o.RequestTimeout, o.IdleTimeout = 50*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond
	}
	got := make(chan error, 1)
	url := serve(t, http.Public(stubbed(func(_ context.Context, r io.Reader) (feed.Receipt, error) {
		_, err := io.Copy(io.Discard, r)
		got <- err
		return feed.Receipt{}, err
	})), quick)
	for name, sent := range map[string]string{
		"nothing":             "",
		"half a line":         "POST " + path,
		"headers without end": "POST " + path + " HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, url)
			conn.send(sent)
			conn.rest()
		})
	}
	t.Run("a body that does not come", func(t *testing.T) {
		conn := dial(t, url)
		conn.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 100\r\n\r\n[")
		if answer := conn.rest(); !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
			t.Errorf("got %q", answer)
		}
		if err := <-got; err == nil {
			t.Error("the body ended well")
		}
	})
	t.Run("an idle connection", func(t *testing.T) {
		conn := dial(t, url)
		conn.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if answer := conn.rest(); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("got %q", answer)
		}
	})
	t.Run("others are served meanwhile", func(t *testing.T) {
		for range 20 {
			dial(t, url).send("POST " + path + " HTTP/1.1\r\n")
		}
		if got := request(t, "GET", url+"/healthz", ""); got.status != 200 {
			t.Errorf("got %d", got.status)
		}
	})
}

// TestRefusedCallersHearWhy: one who sends much of a body before he looks at the
// answer gets it whole, and is not cut off while he sends.
func TestRefusedCallersHearWhy(t *testing.T) {
	url := serve(t, http.Public(stubbed(drained)))
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
			conn.send(strings.Repeat(" ", min(tt.size, 1<<20))) // all in less than the second there is
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
	again, err := http.Listen(t.Context(), s.Addr().String(), http.ServerOptions{Handler: nethttp.NotFoundHandler(), Logger: discard()})
	if err != nil {
		t.Fatalf("still listening: %v", err)
	}
	_ = again.Close()
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
	again, err := http.Listen(t.Context(), s.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}
