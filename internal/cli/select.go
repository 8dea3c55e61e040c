package cli

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/policy"
)

// selection says which clients are wanted, in which order and how many.
type selection struct {
	now                  time.Time
	phases               []dcr.Phase   // empty: every one
	presets              []string      // empty: every one
	newer, older, unused time.Duration // 0: whatever
	sorted, reverse      bool
	by                   order
	limit                int    // 0: all
	after                string // the client id where the list goes on; empty: from the start

	known map[string]policy.Policy // the presets, when any is asked for
}

// order compares two clients, without regard to which direction is wanted.
// What has no value, such as a client that was never used, stands last in
// either.
type order struct {
	compare func(a, b listed) int
	absent  func(l listed) bool // nil: never
}

func byTime(at func(listed) time.Time) order {
	return order{
		compare: func(a, b listed) int { return at(a).Compare(at(b)) },
		absent:  func(l listed) bool { return at(l).IsZero() },
	}
}

// orders are those a list can be in.
func orders() map[string]order {
	return map[string]order{
		"client":     {compare: func(listed, listed) int { return 0 }}, // which decides in the end
		"name":       {compare: func(a, b listed) int { return cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) }, absent: func(l listed) bool { return l.name == "" }},
		"phase":      {compare: func(a, b listed) int { return cmp.Compare(rank(a.phase), rank(b.phase)) }},
		"registered": byTime(func(l listed) time.Time { return l.since }),
		"ready":      byTime(func(l listed) time.Time { return l.ready }),
		"checked":    byTime(func(l listed) time.Time { return l.checked }),
		"used":       byTime(func(l listed) time.Time { return l.used }),
	}
}

func rank(p dcr.Phase) int { return slices.Index(dcr.Phases(), p) }

func sortNames() []string { return slices.Sorted(maps.Keys(orders())) }

// less is the order of the list.
func (s *selection) less(a, b listed) int {
	if s.by.absent != nil {
		if x, y := s.by.absent(a), s.by.absent(b); x != y {
			if x {
				return 1
			}
			return -1
		}
	}
	c := cmp.Or(s.by.compare(a, b), cmp.Compare(a.id, b.id))
	if s.reverse {
		return -c
	}
	return c
}

// all reports whether every client is wanted, or every one of one phase.
func (s *selection) all() bool {
	return len(s.phases) <= 1 && len(s.presets) == 0 && s.newer == 0 && s.older == 0 && s.unused == 0
}

// phase is the phase that the ledger is to be asked for, empty for every one.
func (s *selection) phase() dcr.Phase {
	if len(s.phases) == 1 {
		return s.phases[0]
	}
	return ""
}

// match reports whether a client is wanted.
func (s *selection) match(c api.Client) bool {
	age := s.now.Sub(since(c))
	idle := age
	if !c.LastUsedAt.IsZero() {
		idle = s.now.Sub(c.LastUsedAt.Time)
	}
	return (len(s.phases) == 0 || slices.Contains(s.phases, c.Phase)) &&
		(s.newer == 0 || age <= s.newer) && (s.older == 0 || age > s.older) && (s.unused == 0 || idle > s.unused) &&
		(len(s.presets) == 0 || slices.ContainsFunc(s.presets, func(name string) bool { return s.isOf(name, c.Callbacks) }))
}

// since is when a client's age begins.
func since(c api.Client) time.Time {
	if !c.RegisteredAt.IsZero() {
		return c.RegisteredAt.Time
	}
	return c.FirstSeenAt.Time
}

// knownPresets are the presets by name, each as an allow-list of its own.
func knownPresets() map[string]policy.Policy {
	known := map[string]policy.Policy{}
	for _, name := range policy.Presets() {
		if p, err := policy.Parse([]string{name}); err == nil { // a preset is always valid
			known[name] = p
		}
	}
	return known
}

// isOf reports whether a client is of a preset: all its callbacks match it.
func (s *selection) isOf(name string, callbacks []string) bool {
	if name == otherPreset {
		for known := range s.known {
			if s.isOf(known, callbacks) {
				return false
			}
		}
		return true
	}
	p := s.known[name]
	return len(callbacks) > 0 && !slices.ContainsFunc(callbacks, func(uri string) bool {
		_, ok := p.MatchURI(uri)
		return !ok
	})
}
