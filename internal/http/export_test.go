package http

import (
	"context"
	"net"
)

// Within returns a Server whose connections stay within the process, and how to
// connect to it: such a one can stand in a bubble of simulated time.
func Within(o ServerOptions) (*Server, func(ctx context.Context, network, address string) (net.Conn, error)) {
	p := &pipes{next: make(chan net.Conn, 1), closed: make(chan struct{})}
	return newServer(p, o), p.dial
}
