package daemon

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"grantd/internal/tenantsim"
)

// everyFault is every way in which the tenant can fail a call.
func everyFault() []tenantsim.Kind {
	return []tenantsim.Kind{
		tenantsim.RateLimited, tenantsim.RateLimitedBare, tenantsim.InternalError, tenantsim.BadGateway,
		tenantsim.Unavailable, tenantsim.Timeout, tenantsim.Reset, tenantsim.CutShort, tenantsim.TruncatedJSON,
		tenantsim.GarbageJSON, tenantsim.ExpiredToken, tenantsim.ScopeRemoved, tenantsim.NotFound, tenantsim.Conflict,
	}
}

// weather makes a share of all calls fail, for the token too, each in one of all
// ways, half of them after they took effect. It counts what it did.
type weather struct {
	mu    sync.Mutex
	rand  *rand.Rand
	share float64
	hit   map[tenantsim.Kind]int
	after int
	calls int
}

func newWeather(seed uint64) *weather {
	return &weather{rand: rand.New(rand.NewPCG(seed, 2)), hit: map[tenantsim.Kind]int{}}
}

func (b *weather) set(share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share = share
}

// strike is the tenant's hook.
func (b *weather) strike(r *http.Request) tenantsim.Fault {
	if !strings.HasPrefix(r.URL.Path, "/api/v2/") && r.URL.Path != "/oauth/token" {
		return tenantsim.Fault{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.rand.Float64() >= b.share {
		return tenantsim.Fault{}
	}
	all := everyFault()
	f := tenantsim.Fault{Kind: all[b.rand.IntN(len(all))], After: b.rand.IntN(2) == 0}
	if b.rand.IntN(4) == 0 {
		f.Delay = time.Duration(b.rand.Int64N(int64(3 * time.Second)))
	}
	b.hit[f.Kind]++
	if f.After {
		b.after++
	}
	return f
}
