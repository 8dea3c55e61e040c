package auth0

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"grantd/internal/budget"
)

// Noticed is what the answers told besides their bodies.
type Noticed struct {
	// Skew is by how much the tenant's clock is ahead of ours, to the second,
	// by the newest answer; SkewKnown is false before any.
	Skew      time.Duration
	SkewKnown bool
	// Limits are the sizes of the rate limit's buckets by group of endpoints,
	// those that an answer told.
	Limits map[budget.Group]int
}

// noticed gathers it.
type noticed struct {
	mu     sync.Mutex
	skew   time.Duration
	known  bool
	limits map[budget.Group]int
}

// note reads the headers of an answer that came now.
func (n *noticed) note(group budget.Group, op string, h http.Header, now time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	limit, _ := strconv.Atoi(h.Get("X-RateLimit-Limit")) // 0 where there is none
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		// The header is cut to the second, which is half a second on the average.
		n.skew, n.known = date.Add(time.Second/2).Sub(now).Round(time.Second), true
	}
	if limit > 0 && op != opGetToken && op != opGetJWKS {
		if n.limits == nil {
			n.limits = map[budget.Group]int{}
		}
		n.limits[group] = limit
	}
}

// Noticed returns what the answers so far told, without any call.
func (c *Client) Noticed() Noticed {
	n := &c.transport.noticed
	n.mu.Lock()
	defer n.mu.Unlock()
	return Noticed{Skew: n.skew, SkewKnown: n.known, Limits: maps.Clone(n.limits)}
}
