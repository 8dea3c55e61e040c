package reconcile

import (
	"sync"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

const (
	// observationAge is how old what a sweep saw may be to be acted on without
	// reading it again.
	observationAge = 15 * time.Minute
	// maxObservations bounds how many are kept. No plan of Auth0's allows to act
	// on more within observationAge.
	maxObservations = 20_000
)

// observation is what a sweep, or the worker that put it off, saw of a client
// that is not as desired.
type observation struct {
	seq    uint64 // of the record, when it was seen
	at     time.Time
	digest string // of the desired state it was held against
	seen   plan.Observed
	own    bool // a worker's, not a sweep's
}

// observations are kept until they are used, once, or too old.
type observations struct {
	// saving is held by a sweep from before it makes clients due until it has
	// put what it saw, so that no worker looks for it in between.
	saving sync.RWMutex

	mu   sync.Mutex
	byID map[string]observation
}

func (o *observations) put(id string, seen observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byID == nil {
		o.byID = map[string]observation{}
	}
	if _, known := o.byID[id]; known || len(o.byID) < maxObservations {
		o.byID[id] = seen
	}
}

// take returns what was seen of the record's client, if it still holds.
func (o *observations) take(rec dcr.Record, digest string, now time.Time) (observation, bool) {
	o.saving.RLock()
	defer o.saving.RUnlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	seen, ok := o.byID[rec.ClientID]
	if !ok {
		return observation{}, false
	}
	delete(o.byID, rec.ClientID)
	overtaken := seen.seq != rec.Seq || rec.LastCheckedAt.After(seen.at) // by a worker that was at it meanwhile
	if overtaken || seen.digest != digest || !seen.fresh(now) {
		return observation{}, false
	}
	return seen, true
}

// fresh reports whether it is neither too old nor, the clock having been set
// back, of the future.
func (o observation) fresh(now time.Time) bool {
	age := now.Sub(o.at)
	return 0 <= age && age <= observationAge
}

// prune drops what cannot be used any more, so that there is room for new ones.
func (o *observations) prune(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, seen := range o.byID {
		if !seen.fresh(now) {
			delete(o.byID, id)
		}
	}
}
