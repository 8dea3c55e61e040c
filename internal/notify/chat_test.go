package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/notify"
)

const address = "http://chat.example.com/services/T0SECRET/B0SECRET/s3cr3tpath"

// chat is what takes posts, over HTTP on pipes, so that it can stand in a bubble
// of simulated time.
type chat struct {
	*testing.T
	*notify.Notifier
	conns chan net.Conn

	mu     sync.Mutex
	answer http.HandlerFunc // nil: 200
	url    string
	posts  []posted
	log    bytes.Buffer
	counts map[notify.Result]int

	closed func()
	stop   func() // ends Run and waits for it
}

type posted struct {
	at   time.Time
	path string
	text string
}

func newChat(t *testing.T) *chat {
	t.Helper()
	c := &chat{T: t, conns: make(chan net.Conn), url: address, counts: map[notify.Result]int{}}
	c.closed = sync.OnceFunc(func() { close(c.conns) })
	server := &http.Server{Handler: http.HandlerFunc(c.serve), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)} //nolint:gosec // it lives for a test
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(c) })
	c.Notifier = notify.New(notify.Options{
		URL: c.where, From: "grantd, acme.eu.auth0.com", OnResult: c.count,
		Logger: slog.New(slog.NewTextHandler(&locked{c: c}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case c.conns <- there:
				return here, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}},
	})
	done := make(chan struct{})
	go func() { defer close(done); c.Notifier.Run(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		_ = server.Close()
		running.Wait()
	})
	t.Cleanup(c.stop)
	return c
}

// locked writes the log.
type locked struct{ c *chat }

func (l *locked) Write(p []byte) (int, error) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.c.log.Write(p)
}

// Accept, Close and Addr are a listener's.
func (c *chat) Accept() (net.Conn, error) {
	conn, ok := <-c.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (c *chat) Close() error   { c.closed(); return nil }
func (c *chat) Addr() net.Addr { return &net.UnixAddr{} }

func (c *chat) where() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

func (c *chat) move(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = url
}

func (c *chat) answers(h http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = h
}

func (c *chat) count(r notify.Result, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[r] += n
}

func (c *chat) counted(r notify.Result) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[r]
}

func (c *chat) logged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

func (c *chat) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m map[string]string
	if err != nil || json.Unmarshal(body, &m) != nil || len(m) != 1 || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		c.Errorf("%s with %s", r.Method, body)
	}
	c.mu.Lock()
	c.posts = append(c.posts, posted{time.Now(), r.URL.Path, m["text"]})
	answer := c.answer
	c.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

// got are the posts since it was last asked.
func (c *chat) got() []posted {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.posts
	c.posts = nil
	return all
}

// texts are those of posts.
func texts(posts []posted) string {
	var all []string
	for _, p := range posts {
		all = append(all, p.text)
	}
	return strings.Join(all, "\n---\n")
}
