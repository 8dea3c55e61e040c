package notify

import (
	"encoding/json"
	"fmt"
	"time"
)

// Standing knows what was told of things that are so for a while: when one
// begins that is told once, when it ends once more, and what changes to and fro
// only now and then. Its methods are not to be called concurrently.
type Standing struct {
	told map[string]standing
}

type standing struct {
	On bool      `json:"on"`
	At time.Time `json:"at"` // when it was told
}

// calm is how long after it was told of a thing that changed back it is not
// told again.
const calm = 10 * time.Minute

// Look reports whether it is to be told that a thing is so, or that it is so no
// more, and takes it for told. The things are few.
func (s *Standing) Look(thing string, on bool, now time.Time) bool {
	was := s.told[thing]
	recent := !was.At.IsZero() && now.Sub(was.At).Abs() < calm
	if was.On == on || recent {
		return false
	}
	if s.told == nil {
		s.told = map[string]standing{}
	}
	s.told[thing] = standing{on, now}
	return true
}

// Snapshot is what Restore takes, so that a restart tells nothing twice.
func (s *Standing) Snapshot() []byte {
	b, err := json.Marshal(s.told)
	if err != nil { // a year beyond 9999: a broken clock
		return nil
	}
	return b
}

// Restore takes over a Snapshot. An empty one is fine.
func (s *Standing) Restore(snapshot []byte) error {
	if len(snapshot) == 0 {
		return nil
	}
	var told map[string]standing
	if err := json.Unmarshal(snapshot, &told); err != nil {
		return fmt.Errorf("restore what was told: %w", err)
	}
	s.told = told
	return nil
}
