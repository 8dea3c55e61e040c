package http

import (
	"context"
	"crypto/tls"
	"encoding/binary"
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

// frame is one of HTTP/2 (RFC 9113, section 4.1), with less than 256 bytes in it.
func frame(kind, flags byte, stream uint32, payload string) []byte {
	b := []byte{0, 0, byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// TestRapidReset: of requests that are given up as fast as they are made
// (CVE-2023-44487) only so many are worked on, and few more wait for it: whoever
// makes them all the same loses his connection. What that costs us is less than
// requests do that are answered, and a handshake costs more than either.
func TestRapidReset(t *testing.T) {
	const headers, reset, goAway, enhanceYourCalm = 1, 3, 7, 11
	synctest.Test(t, func(t *testing.T) {
		var working atomic.Int64
		leave := make(chan struct{})
		p, _, trust := twoServer(t, func(nethttp.ResponseWriter, *nethttp.Request) {
			working.Add(1)
			<-leave
		})
		plain, _ := p.dial(t.Context(), "", "")
		c := tls.Client(plain, trust)
		defer func() { _ = plain.Close() }()
		ended := make(chan uint32, 1) // the code of a GOAWAY
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(ended)
			for head := make([]byte, 9); ; {
				if _, err := io.ReadFull(c, head); err != nil {
					return
				}
				payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
				if _, err := io.ReadFull(c, payload); err != nil {
					return
				}
				if head[3] == goAway {
					ended <- binary.BigEndian.Uint32(payload[4:])
					return
				}
			}
		}()
		_, _ = c.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, "")...))
		sent := 0
		for id := uint32(1); sent < 20*maxStreams; id += 2 {
			// GET https://localhost/ as HPACK has it, which is all of it.
			one := append(frame(headers, 5, id, "\x82\x87\x84\x41\x09localhost"), frame(reset, 0, id, "\x00\x00\x00\x08")...)
			if _, err := c.Write(one); err != nil {
				break
			}
			sent++
		}
		if code, ok := <-ended; !ok || code != enhanceYourCalm {
			t.Errorf("after %d requests it ended with %d, %v", sent, code, ok)
		}
		if n := working.Load(); n != maxStreams {
			t.Errorf("%d were worked on at a time", n)
		}
		close(leave)
	})
}
