package auth0

import (
	"net/http"
	"sync"
	"time"
)

// Noticed is what the answers told besides their bodies.
type Noticed struct {
	// Skew is by how much the tenant's clock is ahead of ours, to the second,
	// by the newest answer; SkewKnown is false before any.
	Skew      time.Duration
	SkewKnown bool
}

// noticed gathers it.
type noticed struct {
	mu    sync.Mutex
	skew  time.Duration
	known bool
}

// note reads the headers of an answer that came now.
func (n *noticed) note(h http.Header, now time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	// The header is cut to the second, which is half a second on the average.
	n.skew, n.known = date.Add(time.Second/2).Sub(now).Round(time.Second), true
}

// Noticed returns what the answers so far told, without any call.
func (c *Client) Noticed() Noticed {
	n := &c.transport.noticed
	n.mu.Lock()
	defer n.mu.Unlock()
	return Noticed{Skew: n.skew, SkewKnown: n.known}
}
