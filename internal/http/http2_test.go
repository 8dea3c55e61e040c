package http

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/certs"
	"grantd/internal/certs/certstest"
)

// pipes is a listener within the process.
type pipes struct {
	next   chan net.Conn
	closed chan struct{}
	slow   atomic.Bool // what the server writes takes 10 ms
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.next <- slowly{there, p}
	return here, nil
}

type slowly struct {
	net.Conn
	all *pipes
}

func (s slowly) Write(b []byte) (int, error) {
	if s.all.slow.Load() {
		<-time.After(10 * time.Millisecond)
	}
	return s.Conn.Write(b)
}

// twoServer serves the handler over HTTP/2, with one place, within a bubble.
func twoServer(t *testing.T, h nethttp.HandlerFunc) (*pipes, *Server, *tls.Config) {
	t.Helper()
	ca := certstest.New(t)
	cert, key := ca.Issue(time.Hour, "localhost")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	p := &pipes{next: make(chan net.Conn, 1), closed: make(chan struct{})}
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	s := newServer(p, ServerOptions{Handler: h, Logger: slog.New(slog.DiscardHandler), Conns: 1, TLS: certs.ServerConfig(get, "h2")})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		<-time.After(time.Second) // what was being written is
	})
	trust := ca.Trust("localhost")
	trust.NextProtos = []string{"h2"}
	return p, s, trust
}

func deliver(ctx context.Context, w *nethttp.Transport) (string, error) {
	r, err := nethttp.NewRequestWithContext(ctx, "POST", "https://localhost/", strings.NewReader("[]"))
	if err != nil {
		return "", err
	}
	resp, err := w.RoundTrip(r)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return string(b), err
}

// TestAnswerIsSentBeforeRoomIsMade: over HTTP/2 the answer of a delivery is in a
// buffer still when its connection is called idle, and a newcomer waits. Then the
// newcomer has its place.
func TestAnswerIsSentBeforeRoomIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		p, _, trust := twoServer(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			keep(r.Context())
			close(entered)
			<-leave
			_, _ = io.WriteString(w, "kept")
		})
		wire := &nethttp.Transport{DialContext: p.dial, TLSClientConfig: trust, ForceAttemptHTTP2: true}
		defer wire.CloseIdleConnections()
		answer := make(chan string, 1)
		go func() {
			got, err := deliver(t.Context(), wire)
			if err != nil {
				t.Errorf("the delivery: %v", err)
			}
			answer <- got
		}()
		<-entered
		plain, _ := p.dial(t.Context(), "", "")
		newcomer := tls.Client(plain, trust)
		defer func() { _ = plain.Close() }()
		synctest.Wait()
		p.slow.Store(true)
		close(leave)
		if got := <-answer; got != "kept" {
			t.Errorf("got %q", got)
		}
		if err := newcomer.HandshakeContext(t.Context()); err != nil {
			t.Errorf("the newcomer: %v", err)
		}
	})
}

// TestGivenUpStreamsFreeTheirConnection: a caller who gives a delivery up while
// it is worked on keeps his connection no longer than the work does.
func TestGivenUpStreamsFreeTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		p, s, trust := twoServer(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
			keep(r.Context())
			close(entered)
			<-r.Context().Done()
			<-leave
		})
		wire := &nethttp.Transport{DialContext: p.dial, TLSClientConfig: trust, ForceAttemptHTTP2: true}
		defer wire.CloseIdleConnections()
		ctx, giveUp := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := deliver(ctx, wire)
			gone <- err
		}()
		<-entered
		giveUp()
		if err := <-gone; err == nil {
			t.Error("it was answered")
		}
		<-time.After(time.Second)
		all := s.listener.(*conns) //nolint:forcetypeassert // newServer makes it one
		waiting := func() int {
			all.mu.Lock()
			defer all.mu.Unlock()
			return all.waiting.Len()
		}
		if waiting() != 0 {
			t.Error("it makes room while the delivery is worked on")
		}
		close(leave)
		synctest.Wait()
		if waiting() != 1 {
			t.Error("nothing keeps it, and it makes no room")
		}
	})
}

// TestNextRequestKeepsItsConnection: a request that comes while the answer of the
// one before is being sent keeps the connection until its own is.
func TestNextRequestKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := limitConns(nil, 1)
		here, there := net.Pipe()
		defer func() { _ = there.Close() }()
		c := &conn{Conn: here, all: all}
		all.admit(c)
		serve := func() {
			c.state(nethttp.StateActive, flushing)
			r := &request{conn: c}
			keep(context.WithValue(t.Context(), requestKey{}, r))
			c.wait(r)
		}
		waits := func(want int) {
			t.Helper()
			if all.waiting.Len() != want {
				t.Errorf("%d wait, want %d", all.waiting.Len(), want)
			}
		}
		serve()
		c.state(nethttp.StateIdle, flushing)
		<-time.After(flushing / 2)
		serve()
		<-time.After(flushing)
		synctest.Wait()
		waits(0)
		c.state(nethttp.StateIdle, flushing)
		<-time.After(flushing)
		synctest.Wait()
		waits(1)
	})
}

// TestDeafCallerIsClosed: one who asks and reads nothing does not stay.
func TestDeafCallerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, trust := twoServer(t, func(nethttp.ResponseWriter, *nethttp.Request) {})
		plain, _ := p.dial(t.Context(), "", "")
		defer func() { _ = plain.Close() }()
		c := tls.Client(plain, trust)
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		// No settings and no requests; a ping asks for an answer.
		const settings, ping = "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"
		if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+settings+ping); err != nil {
			t.Fatal(err)
		}
		<-time.After(2*time.Minute + 10*time.Second)
		all := s.listener.(*conns) //nolint:forcetypeassert // newServer makes it one
		all.mu.Lock()
		defer all.mu.Unlock()
		if all.open != 0 {
			t.Error("it is still there")
		}
	})
}
