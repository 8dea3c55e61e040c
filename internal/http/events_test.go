package http_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/http"
)

// stream reads server-sent events.
type stream struct {
	t testing.TB
	r *bufio.Reader
}

// frame is what comes up to the next empty line; empty at the end.
func (s stream) frame() string {
	s.t.Helper()
	var b strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		switch {
		case errors.Is(err, io.EOF):
			return ""
		case err != nil:
			s.t.Fatal(err)
		case line == "\n":
			return b.String()
		}
		b.WriteString(line)
	}
}

// subscribe opens a stream and reads its greeting.
func subscribe(t testing.TB, url string) (s stream, leave func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := nethttp.NewRequestWithContext(ctx, "GET", url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := nethttp.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("got %d %s", resp.StatusCode, ct)
	}
	s = stream{t, bufio.NewReader(resp.Body)}
	if got := s.frame(); got != ": grantd\nretry: 2000\n" {
		t.Fatalf("greeted with %q", got)
	}
	return s, cancel
}

func publish(t testing.TB, b *http.Broker, event string, data any) {
	t.Helper()
	if err := b.Publish(event, data); err != nil {
		t.Fatal(err)
	}
}

func TestEvents(t *testing.T) {
	o, _ := adminOptions(t)
	events := o.API.Events
	publish(t, events, http.EventClient, "nobody listens yet")
	url := serve(t, http.Admin(o), func(s *http.ServerOptions) { s.OnShutdown = events.Close })
	first, _ := subscribe(t, url)
	second, _ := subscribe(t, url)
	publish(t, events, http.EventClient, map[string]string{"client_id": "tpc_1\nevent: forged"})
	for _, s := range []stream{first, second} {
		if got, want := s.frame(), "event: client\ndata: {\"client_id\":\"tpc_1\\nevent: forged\"}\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	events.Close()
	if got := first.frame(); got != "" {
		t.Errorf("got %q after the end", got)
	}
	if got := request(t, "GET", url+"/api/v1/events", ""); got.status != 503 {
		t.Errorf("got %d while stopping", got.status)
	}
}

// TestEventsOutliveTheTimeouts of ordinary requests, and show that they live.
func TestEventsOutliveTheTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := adminOptions(t)
		s := subscribeWithin(t, o)
		for began := time.Now(); time.Since(began) < time.Hour; {
			if got := s.frame(); got != ":\n" {
				t.Fatalf("got %q after %v", got, time.Since(began))
			}
		}
	})
}

// subscribeWithin opens a stream in a bubble and reads its greeting.
func subscribeWithin(t testing.TB, o http.AdminOptions) stream {
	t.Helper()
	_, client := within(t, http.Admin(o))
	resp, err := client.Get("http://localhost/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	s := stream{t, bufio.NewReader(resp.Body)}
	s.frame()
	return s
}

// TestEventsEndWithTheServer: stopping does not wait for readers.
func TestEventsEndWithTheServer(t *testing.T) {
	o, _ := adminOptions(t)
	server, err := http.Listen(t.Context(), "127.0.0.1:0", http.ServerOptions{
		Handler: http.Admin(o), Logger: discard(), OnShutdown: o.API.Events.Close, Grace: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, server)
	s, _ := subscribe(t, "http://"+server.Addr().String())
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := s.frame(); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestSlowReaderIsDropped: publishing never waits for one.
func TestSlowReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := adminOptions(t)
		s := subscribeWithin(t, o)
		published := 0
		for ; o.API.Events.Wanted(); published++ {
			if published == 2000 { // more than its backlog and the buffers hold
				t.Fatal("it is not dropped")
			}
			publish(t, o.API.Events, http.EventClient, strings.Repeat("x", 1<<10))
		}
		n := 0
		for s.frame() != "" {
			n++
		}
		if n == 0 || n >= published {
			t.Errorf("got %d of %d", n, published)
		}
	})
}

// TestReadersAreBounded, and who leaves makes room.
func TestReadersAreBounded(t *testing.T) {
	o, _ := adminOptions(t)
	url := serve(t, http.Admin(o), func(s *http.ServerOptions) { s.OnShutdown = o.API.Events.Close })
	var leave func()
	for range 64 {
		_, leave = subscribe(t, url)
	}
	if got := request(t, "GET", url+"/api/v1/events", ""); got.status != 503 {
		t.Errorf("one more got %d", got.status)
	}
	leave()
	eventually(t, func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := nethttp.NewRequestWithContext(ctx, "GET", url+"/api/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := nethttp.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == 200
	})
}

func TestPublishWhatIsNoJSON(t *testing.T) {
	o, _ := adminOptions(t)
	url := serve(t, http.Admin(o), func(s *http.ServerOptions) { s.OnShutdown = o.API.Events.Close })
	subscribe(t, url)
	if err := o.API.Events.Publish(http.EventClient, func() {}); err == nil {
		t.Error("a function was published")
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it never came to be")
		}
	}
}
