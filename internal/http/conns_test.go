package http_test

import (
	"bufio"
	"context"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"grantd/internal/feed"
	"grantd/internal/http"
)

const alive = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

// answered reads one answer and leaves the connection open.
func (r raw) answered(status int) {
	r.t.Helper()
	resp, err := nethttp.ReadResponse(bufio.NewReader(r), nil)
	if err != nil {
		r.t.Fatalf("no answer: %v", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != status {
		r.t.Fatalf("got %s, %v, want %d", resp.Status, err, status)
	}
}

func places(n int) func(*http.ServerOptions) {
	return func(o *http.ServerOptions) { o.Conns = n }
}

// TestWaitingConnectionsMakeRoom: however a caller spends the time of a
// connection without showing the secret, somebody who comes with a delivery
// finds a place at once.
func TestWaitingConnectionsMakeRoom(t *testing.T) {
	for name, hold := range map[string]func(raw){
		"says nothing":         func(raw) {},
		"half a line":          func(c raw) { c.send("POST " + path) },
		"headers without end":  func(c raw) { c.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n") },
		"idle after a request": func(c raw) { c.send(alive); c.answered(200) },
		"slow body, no secret": func(c raw) { c.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[") },
		"slow body, wrong secret": func(c raw) {
			c.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: no\r\nContent-Length: 100\r\n\r\n[")
		},
		"requests without reading": func(c raw) { c.send(strings.Repeat(alive, 20)) },
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, http.Public(stubbed(drained)), places(4))
			for range 5 {
				for range 5 {
					hold(dial(t, url))
				}
				conn := dial(t, url)
				conn.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 2\r\n\r\n[]")
				conn.answered(200)
			}
		})
	}
}

// TestLongestWaitingGoesFirst: and a request counts as a new beginning.
func TestLongestWaitingGoesFirst(t *testing.T) {
	url := serve(t, http.Public(stubbed(drained)), places(2))
	first := dial(t, url)
	first.send(alive)
	first.answered(200)
	second := dial(t, url)
	second.send(alive)
	second.answered(200)
	first.send(alive)
	first.answered(200)
	third := dial(t, url)
	third.send(alive)
	third.answered(200)
	if got := second.rest(); got != "" {
		t.Errorf("the second got %q", got)
	}
	first.send(alive)
	first.answered(200)
}

// TestDeliveriesAreNeverCutForOthers: a delivery under way keeps its place
// however many come, and those wait when there is no other.
func TestDeliveriesAreNeverCutForOthers(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	url := serve(t, http.Public(stubbed(func(ctx context.Context, _ io.Reader) (feed.Receipt, error) {
		entered <- struct{}{}
		select {
		case <-leave:
		case <-ctx.Done():
			t.Error("a delivery was cut")
		}
		return feed.Receipt{}, nil
	})), places(2))
	var under [2]raw
	for i := range under {
		under[i] = dial(t, url)
		under[i].send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 2\r\n\r\n[]")
		<-entered
	}
	var others []raw
	for range 8 {
		c := dial(t, url)
		c.send(alive)
		others = append(others, c)
	}
	close(leave)
	for _, c := range under {
		c.answered(200)
	}
	// One after the other makes room for those behind it.
	others[len(others)-1].answered(200)
}

// TestKeptConnectionWaitsAgain: once a delivery is answered its connection makes
// room like any other.
func TestKeptConnectionWaitsAgain(t *testing.T) {
	url := serve(t, http.Public(stubbed(drained)), places(1))
	first := dial(t, url)
	first.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 2\r\n\r\n[]")
	first.answered(200)
	second := dial(t, url)
	second.send(alive)
	second.answered(200)
	if got := first.rest(); got != "" {
		t.Errorf("the first got %q", got)
	}
}

// TestAdminKeepsWhoMayReadIt: a stream of events is a request that goes on; it
// is not cut for others who may not.
func TestAdminKeepsWhoMayReadIt(t *testing.T) {
	o, _ := adminOptions(t)
	o.Token = http.NewSecrets("admin-token")
	url := serve(t, http.Admin(o), places(2), func(s *http.ServerOptions) { s.OnShutdown = o.API.Events.Close })
	stream := dial(t, url)
	stream.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n\r\n")
	lines := bufio.NewReader(stream)
	readUntil(t, lines, ": grantd")
	for range 8 {
		c := dial(t, url)
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.answered(401)
	}
	if err := o.API.Events.Publish(http.EventClient, "still here"); err != nil {
		t.Fatal(err)
	}
	readUntil(t, lines, "still here")
}

func readUntil(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("no %q: %v", want, err)
		}
		if strings.Contains(line, want) {
			return
		}
	}
}

// TestSlowBodiesHoldNoPlace: with the secret, a body that trickles in does not
// keep those out that are there.
func TestSlowBodiesHoldNoPlace(t *testing.T) {
	o := stubbed(drained)
	o.InFlight = 1
	url := serve(t, http.Public(o))
	slow := make([]raw, 20)
	for i := range slow {
		slow[i] = dial(t, url)
		slow[i].send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
		if line, err := bufio.NewReader(slow[i]).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("the body is not read: %q, %v", line, err)
		}
		slow[i].send("[")
	}
	for range 3 {
		if got := request(t, "POST", url+path, `[]`, bearer); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	for _, c := range slow {
		c.send(" ]")
		c.answered(200)
	}
}

// TestStopWhileNobodyMakesRoom: a newcomer who waits does not keep the server
// from stopping.
func TestStopWhileNobodyMakesRoom(t *testing.T) {
	entered := make(chan struct{})
	s, err := http.Listen(t.Context(), "127.0.0.1:0", http.ServerOptions{
		Handler: http.Public(stubbed(func(ctx context.Context, _ io.Reader) (feed.Receipt, error) {
			close(entered)
			<-ctx.Done()
			return feed.Receipt{}, ctx.Err()
		})),
		Logger: discard(), Conns: 1, Grace: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	url := "http://" + s.Addr().String()
	dial(t, url).send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 2\r\n\r\n[]")
	<-entered
	waits := dial(t, url)
	waits.send(alive)
	_ = stop() // its grace is over at once
	if got := waits.rest(); got != "" {
		t.Errorf("the one who waited got %q", got)
	}
}

// TestChunkedBodyEndsTheConnection: what follows it is not taken for a request.
func TestChunkedBodyEndsTheConnection(t *testing.T) {
	url := serve(t, http.Public(stubbed(drained)))
	conn := dial(t, url)
	conn.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + alive)
	if got := conn.rest(); strings.Count(got, "HTTP/1.1 ") != 1 {
		t.Errorf("got %q", got)
	}
}
