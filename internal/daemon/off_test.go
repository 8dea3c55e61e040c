package daemon

import (
	"encoding/json"
	"sync"
	"time"

	"grantd/internal/tenantsim"
)

// switchedOff is since when clients have grantd=off in their metadata.
type switchedOff struct {
	mu    sync.Mutex
	since map[string]time.Time
}

func (s *switchedOff) note(id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since == nil {
		s.since = map[string]time.Time{}
	}
	s.since[id] = at
}

// brake leaves alone whoever is switched off. What a sweep saw before may still
// be acted on, as it is of clients that turn ineligible.
func (s *switchedOff) brake() brake {
	return brake{name: "grantd=off", reason: "held", since: func(raw json.RawMessage) (time.Time, bool) {
		c := read[struct {
			ID       string            `json:"client_id"`
			Metadata map[string]string `json:"client_metadata"`
		}](raw)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.since[c.ID].Add(sweptFor - inFlight), c.Metadata["grantd"] == "off"
	}}
}

// switchOff has an admin keep grantd from a client by its metadata, or no more.
func (m *model) switchOff() string {
	c, ok := m.pick(anyClient)
	if !ok {
		return "none"
	}
	metadata := map[string]any{"grantd": "off"}
	if m.rand.IntN(2) == 0 {
		metadata = map[string]any{"team": "b"}
		if m.rand.IntN(2) == 0 {
			metadata["grantd"] = nil
		}
	}
	m.off.note(c.ID, time.Now())
	return m.as(tenantsim.Admin(), "PATCH", "/clients/"+c.ID, map[string]any{"client_metadata": metadata})
}
