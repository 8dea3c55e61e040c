package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
)

const (
	// factsTTL bounds how long an edit of a connection or the API that no feed
	// reported can go unnoticed.
	factsTTL = 15 * time.Minute
	// factsRecheck is how old a fact may be before it is blamed for a client
	// that cannot become ready.
	factsRecheck = 5 * time.Second
)

// facts caches what all clients share: the desired connections and the API.
// One caller fetches at a time; the others wait and use what it found.
type facts struct {
	catalog Catalog
	now     func() time.Time
	sem     chan struct{} // held while fetching; a channel so that a wait ends with its context

	mu      sync.Mutex
	conns   map[string]fact[plan.Connection]
	apis    map[string]fact[plan.API]
	changes int // that were noticed; what was read across one is stale
}

type fact[T any] struct {
	value T
	at    time.Time
}

func newFacts(c Catalog, now func() time.Time) *facts {
	return &facts{
		catalog: c, now: now, sem: make(chan struct{}, 1),
		conns: map[string]fact[plan.Connection]{}, apis: map[string]fact[plan.API]{},
	}
}

// invalidate makes the next get fetch anew.
func (f *facts) invalidate() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes++
	clear(f.conns)
	clear(f.apis)
}

// concerns reports whether the connection or API with that id can be one of the
// desired ones: it is, or not all of them are known by id.
func (f *facts) concerns(d plan.Desired, connectionID, apiID string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if connectionID != "" {
		return slices.ContainsFunc(d.Connections, func(name string) bool {
			c := f.conns[name].value.Connection
			return c == nil || c.ID == connectionID
		})
	}
	a := f.apis[d.Audience].value.API
	return a == nil || a.ID == apiID || a.Identifier == apiID
}

// get returns the facts, each at most maxAge old, and the age of the oldest.
func (f *facts) get(ctx context.Context, d plan.Desired, maxAge time.Duration) ([]plan.Connection, plan.API, time.Duration, error) {
	var oldest time.Duration
	conns := make([]plan.Connection, 0, len(d.Connections))
	for _, name := range d.Connections {
		c, age, err := cached(ctx, f, f.conns, name, maxAge, f.fetchConnection)
		if err != nil {
			return nil, plan.API{}, 0, err
		}
		conns, oldest = append(conns, c), max(oldest, age)
	}
	api, age, err := cached(ctx, f, f.apis, d.Audience, maxAge, f.fetchAPI)
	return conns, api, max(oldest, age), err
}

func cached[T any](ctx context.Context, f *facts, m map[string]fact[T], key string, maxAge time.Duration, fetch func(context.Context, string) (T, error)) (T, time.Duration, error) {
	var changes int
	look := func() (fact[T], time.Duration, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		changes = f.changes
		e, ok := m[key]
		age := f.now().Sub(e.at)
		return e, age, ok && 0 <= age && age <= maxAge // not of the future, after a jump of the clock
	}
	if e, age, ok := look(); ok {
		return e.value, age, nil
	}
	select {
	case f.sem <- struct{}{}:
		defer func() { <-f.sem }()
	case <-ctx.Done():
		var zero T
		return zero, 0, ctx.Err()
	}
	e, age, ok := look() // the one before may have fetched it
	if ok {
		return e.value, age, nil
	}
	started := f.now()
	// Others wait for it who may be in more of a hurry.
	v, err := fetch(auth0.WithCall(ctx, dcr.Urgent, ""), key)
	if err != nil {
		return v, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changes != changes {
		return v, 0, nil // edited while it was read: use it once, keep it not
	}
	m[key] = fact[T]{value: v, at: started}
	return v, 0, nil
}

func (f *facts) fetchConnection(ctx context.Context, name string) (plan.Connection, error) {
	c, err := f.catalog.Connection(ctx, name)
	switch {
	case errors.Is(err, auth0.ErrNotFound):
		return plan.Connection{Name: name}, nil
	case err != nil:
		return plan.Connection{}, err
	}
	return plan.Connection{Name: name, Connection: &c}, nil
}

func (f *facts) fetchAPI(ctx context.Context, identifier string) (plan.API, error) {
	a, err := f.catalog.API(ctx, identifier)
	switch {
	case errors.Is(err, auth0.ErrNotFound):
		return plan.API{Known: true}, nil
	case reasonOf(err) == dcr.MissingScope:
		return plan.API{}, nil // may not look: the scopes are not checked then
	case err != nil:
		return plan.API{}, err
	}
	return plan.API{Known: true, API: &a}, nil
}

// promoted reports whether the connection is known to be domain-level by now.
func (f *facts) promoted(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.conns[name].value.Connection
	return c != nil && c.DomainLevel
}

// setPromoted notes that the connection was just promoted.
func (f *facts) setPromoted(c dcr.Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.DomainLevel = true
	f.changes++
	f.conns[c.Name] = fact[plan.Connection]{value: plan.Connection{Name: c.Name, Connection: &c}, at: f.now()}
}
