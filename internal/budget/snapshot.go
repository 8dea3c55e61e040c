package budget

import (
	"math"
	"time"
)

// Bucket is how a rate limit stands, as health shows it.
type Bucket struct {
	Limit     int
	Remaining int
	ResetAt   time.Time // zero when not told
}

// Snapshot is the state of a Budget at one moment.
type Snapshot struct {
	// Tightest is the bucket with the smallest part left; nil before any
	// answer told one.
	Tightest *Bucket
	// Burst is the largest limit that any answer told; 0 before that.
	Burst int
	// Urgent and Background are how many calls wait.
	Urgent, Background int
}

// Snapshot returns the present state.
func (b *Budget) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s Snapshot
	s.Urgent, s.Background = b.queue.counts()
	least := math.Inf(1)
	for i := range b.own {
		k := &b.own[i]
		if !k.known {
			continue
		}
		s.Burst = max(s.Burst, k.limit)
		if part := float64(k.remaining) / float64(k.limit); part < least {
			least = part
			s.Tightest = &Bucket{Limit: k.limit, Remaining: k.remaining, ResetAt: k.resetAt}
		}
	}
	return s
}
