package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"time"
)

// ServerOptions of a Server. Handler and Logger are required; zero values are
// replaced by the defaults named.
type ServerOptions struct {
	Handler nethttp.Handler
	Logger  *slog.Logger
	// TLS, when set, is how connections are encrypted; it has a certificate. A
	// handshake may take no longer than a header, and until it ends and a
	// request came the connection waits for its caller like any other.
	TLS *tls.Config
	// OnShutdown, when set, is called once stopping begins: it ends what would
	// go on by itself, such as streams of events.
	OnShutdown func()
	// Grace is how long requests may go on after that; 5 s.
	Grace time.Duration
	// Conns is how many connections there may be; 1024. For one more the one
	// is closed that has waited longest for its caller.
	Conns int
	// HeaderTimeout is how long a request's header may take, 5 s, and
	// RequestTimeout all of it with its body, 60 s: whoever sends slowly holds
	// a connection no longer. IdleTimeout, 120 s, is the time between requests.
	HeaderTimeout, RequestTimeout, IdleTimeout time.Duration
	// Linger is how long a caller who was turned away may still send, 1 s.
	Linger time.Duration
}

// maxHeader is the size of a request's header, in bytes. net/http allows 4 kB
// beyond.
const maxHeader = 16 << 10

// maxStreams is how many requests one HTTP/2 connection may have at a time.
const maxStreams = 32

// Server serves a handler at an address that is bound when the Server is made,
// so that whoever reads "started" can connect.
type Server struct {
	http     *nethttp.Server
	listener net.Listener
	grace    time.Duration
}

// Listen binds a TCP address such as 127.0.0.1:8080; Serve serves it.
func Listen(ctx context.Context, address string, o ServerOptions) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return newServer(l, o), nil
}

// ListenUnix binds a unix socket at the path, for its owner and root alone;
// Serve serves it and removes it in the end. A socket that is left over from a
// process that ended is replaced; ErrSocketInUse if one answers, ErrNotSocket
// if something else is there.
func ListenUnix(ctx context.Context, path string, o ServerOptions) (*Server, error) {
	l, err := listenUnix(ctx, path, o.Logger)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return newServer(l, o), nil
}

func newServer(l net.Listener, o ServerOptions) *Server {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.Grace, 5*time.Second)
	set(&o.HeaderTimeout, 5*time.Second)
	set(&o.RequestTimeout, time.Minute)
	set(&o.IdleTimeout, 2*time.Minute)
	set(&o.Linger, linger)
	if o.Conns <= 0 {
		o.Conns = 1024
	}
	limited := limitConns(l, o.Conns)
	s := &Server{
		listener: limited, grace: o.Grace,
		http: &nethttp.Server{
			Handler:           limited.handle(o.Handler, o.Linger),
			ConnContext:       withConn,
			ConnState:         connState,
			ReadHeaderTimeout: o.HeaderTimeout,
			ReadTimeout:       o.RequestTimeout,
			WriteTimeout:      2 * o.RequestTimeout, // from the header's end, so with the body
			IdleTimeout:       o.IdleTimeout,
			MaxHeaderBytes:    maxHeader,
			TLSConfig:         o.TLS,
			HTTP2: &nethttp.HTTP2Config{
				MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 256 << 10,
				WriteByteTimeout: o.RequestTimeout, // what WriteTimeout bounds is a request, and not a caller who reads nothing
			},
			// What callers do wrong is no concern of ours.
			ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		},
	}
	if o.OnShutdown != nil {
		s.http.RegisterOnShutdown(o.OnShutdown)
	}
	return s
}

// Addr is the address that is bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until ctx ends. It then takes no more, lets those
// under way finish within the grace, and ends the others.
func (s *Server) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() {
		if s.http.TLSConfig != nil {
			served <- s.http.ServeTLS(s.listener, "", "")
			return
		}
		served <- s.http.Serve(s.listener)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer cancel()
	err := s.http.Shutdown(grace)
	if err != nil {
		err = fmt.Errorf("stop serving %s: %w", s.Addr(), errors.Join(err, s.http.Close()))
	}
	if e := <-served; !errors.Is(e, nethttp.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve %s: %w", s.Addr(), e))
	}
	return err
}

// Close lets the address go without serving it. After Serve it does nothing.
func (s *Server) Close() error {
	if err := s.http.Close(); err != nil {
		return err
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
