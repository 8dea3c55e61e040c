package reconcile

import (
	"context"
	"sync"
)

// claims are the clients that somebody works on: a worker, or a command that
// must have the client to itself.
type claims struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when it is let go
}

// take waits until nobody else has the client.
func (c *claims) take(ctx context.Context, id string) (release func(), err error) {
	for {
		c.mu.Lock()
		other, busy := c.held[id]
		if !busy {
			mine := make(chan struct{})
			if c.held == nil {
				c.held = map[string]chan struct{}{}
			}
			c.held[id] = mine
			c.mu.Unlock()
			return sync.OnceFunc(func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				delete(c.held, id)
				close(mine)
			}), nil
		}
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Claim waits until no worker has the client, and keeps it from them until
// release is called.
func (l *Loop) Claim(ctx context.Context, id string) (release func(), err error) {
	return l.claims.take(ctx, id)
}
