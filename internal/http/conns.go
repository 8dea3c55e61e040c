package http

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"sync"
	"time"
)

// conns is a listener that has at most max connections open at a time. When
// one more comes, the connection makes room that has waited longest for its
// caller: that is idle, or whose request is not complete yet, or whose caller
// did not show a right credential. Those that did are never closed for it (see
// keep), and while there are no others the newcomer waits.
//
// So whoever opens connections and says nothing, or says it slowly, closes his
// own, and somebody who comes with a request is served at once: of 1024 places
// he could lose his only to 1024 who came after him, within the time that a
// header takes: a burst of thousands can do that, and Auth0 then delivers again.
// Each place costs some 20 kB: a goroutine and its buffers; over HTTP/2, while it
// is asked all it may be asked at a time, ten times that. Nothing beyond the
// places is kept.
type conns struct {
	net.Listener
	max    int
	closed chan struct{}
	once   sync.Once
	room   chan struct{} // told when a place is free or may be taken

	mu      sync.Mutex
	open    int
	waiting list.List // of *conn, for their callers, the longest first
}

// limitConns returns a listener that has at most n connections open.
func limitConns(l net.Listener, n int) *conns {
	return &conns{Listener: l, max: n, closed: make(chan struct{}), room: make(chan struct{}, 1)}
}

// conn is one of them. Its fields are guarded by all.mu.
type conn struct {
	net.Conn
	all   *conns
	place *list.Element // among those that wait; nil: it is kept, or gone
	kept  int           // requests under way that keep it; HTTP/2 has several at a time
	busy  bool          // an answer may still have to be sent
	turns int           // how often that changed
	gone  bool          // its place is free again
}

// flushing is how long HTTP/2 may take to send what it has in its buffer: it
// calls a connection idle before that.
const flushing = 100 * time.Millisecond

// Accept implements net.Listener.
func (l *conns) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, all: l}
	for !l.admit(c) {
		select {
		case <-l.room:
		case <-l.closed:
			_ = nc.Close()
			return nil, net.ErrClosed
		}
	}
	return c, nil
}

// admit gives the connection a place, if there is one or one can be made.
func (l *conns) admit(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.max {
		first := l.waiting.Front()
		if first == nil {
			return false
		}
		longest := first.Value.(*conn) //nolint:forcetypeassert // nothing else is put there
		longest.leave()
		_ = longest.Conn.Close() // does not block: what the kernel has is still sent
	}
	l.open++
	c.place = l.waiting.PushBack(c)
	return true
}

// Close implements net.Listener.
func (l *conns) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// tell wakes an Accept that waits for a place.
func (l *conns) tell() {
	select {
	case l.room <- struct{}{}:
	default:
	}
}

// leave frees the place. The caller holds all.mu.
func (c *conn) leave() {
	if c.gone {
		return
	}
	c.gone = true
	c.all.open--
	if c.place != nil {
		c.all.waiting.Remove(c.place)
		c.place = nil
	}
	c.all.tell()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.leave()
	return err
}

// wait puts the connection behind all others that wait for their callers: its
// request is answered. A request that kept it does so no more, but until the
// answer is sent it keeps its place: see state.
func (c *conn) wait(answered *request) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if answered.kept {
		c.kept--
	}
	if c.place != nil {
		c.all.waiting.MoveToBack(c.place)
	}
	c.settle()
}

// settle puts the connection among those that wait, if nothing keeps it any
// more. The caller holds all.mu.
func (c *conn) settle() {
	if c.gone || c.busy || c.kept > 0 || c.place != nil {
		return
	}
	c.place = c.all.waiting.PushBack(c)
	c.all.tell()
}

// state is told by net/http when a first request begins and when every answer is
// sent. When the handler returns it is not yet: whoever closed the connection
// then to make room would take from its caller that a delivery was kept. Over
// HTTP/2 a caller may also give up, so that it is idle while the handler runs.
func (c *conn) state(is nethttp.ConnState, sends time.Duration) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.turns++
	switch {
	case is == nethttp.StateActive:
		c.busy = true
	case is == nethttp.StateIdle && c.place == nil && sends > 0:
		turn := c.turns
		time.AfterFunc(sends, func() { c.sent(turn) })
	case is == nethttp.StateIdle:
		c.busy = false
		c.settle()
	}
}

// sent ends a turn, unless there is another one by now.
func (c *conn) sent(turn int) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if c.turns == turn {
		c.busy = false
		c.settle()
	}
}

// connState is for http.Server.
func connState(nc net.Conn, is nethttp.ConnState) {
	c, ok := plainConn(nc).(*conn)
	if !ok {
		return
	}
	if nc == net.Conn(c) {
		c.state(is, 0)
		return
	}
	c.state(is, flushing) // it may be HTTP/2
}

// plainConn is the connection beneath TLS.
func plainConn(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

type connKey struct{}

// withConn makes the connection known to the handler.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, plainConn(c))
}

type requestKey struct{}

// request is one of a connection's.
type request struct {
	conn *conn
	kept bool // guarded by conn.all.mu
}

// keep keeps the request's connection from being closed to make room for
// others, until its handler returns. It is for callers who showed a right
// credential.
func keep(ctx context.Context) {
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return // not served by a Server
	}
	c := r.conn
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if r.kept {
		return
	}
	r.kept = true
	c.kept++
	if c.place != nil {
		c.all.waiting.Remove(c.place)
		c.place = nil
	}
}

// handle lets the handler keep connections for as long as it runs. After a
// chunked body the connection is closed: net/http hides whether there was a
// Content-Length as well, by which somebody on the way may have read another
// request out of it (RFC 9112, section 6.1: the server must close then).
func (l *conns) handle(next nethttp.Handler, linger time.Duration) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			here := &request{conn: c}
			r = r.WithContext(context.WithValue(r.Context(), requestKey{}, here))
			defer c.wait(here)
		}
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
		if r.ProtoMajor == 1 && w.Header().Get("Connection") == "close" {
			drain(w, r, linger)
		}
	})
}

// drain sends the answer and reads what its caller still sends so long. A
// connection that is closed with something unread is reset, and the answer may
// be lost with it (RFC 9112, section 9.6): a proxy then tells of a bad gateway
// instead of a wrong secret. net/http waits too, but reads at most 256 kB, and
// nothing of HTTP/1.0, which nginx speaks to us.
func drain(w nethttp.ResponseWriter, r *nethttp.Request, linger time.Duration) {
	c := nethttp.NewResponseController(w)
	if errors.Join(c.Flush(), c.SetReadDeadline(time.Now().Add(linger))) == nil {
		_, _ = io.CopyN(io.Discard, r.Body, 2*maxBody)
	}
}

// kept keeps the connections of all who get as far as this handler.
func kept(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		keep(r.Context())
		next.ServeHTTP(w, r)
	})
}
