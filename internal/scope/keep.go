package scope

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// fact is what is kept of a source.
type fact struct {
	From     string   `json:"from"`               // the path or URL that said it
	Resource string   `json:"resource,omitempty"` // what a URL said it of
	Scopes   []string `json:"scopes"`
}

func (k Kind) factKey() string { return "scopes/" + string(k) }

// restore gives src what it said in an earlier run, if it was the same place and
// of the same API. A value that cannot be read counts as none.
func (s *Sources) restore(ctx context.Context, src *source, c Config) error {
	data, err := s.o.Keeper.Fact(ctx, src.kind.factKey())
	if err != nil {
		return fmt.Errorf("read what %s said last: %w", src.kind.variable(), err)
	}
	var f fact
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(data, &f); err != nil {
		s.o.Logger.Error("restore scopes: what the source said last is unreadable", "source", src.kind, "error", err)
		return nil
	}
	valid := slices.DeleteFunc(union(f.Scopes), func(s string) bool { return !Valid(s) })
	if f.From == src.from && f.Resource == src.about(c) && len(valid) > 0 {
		src.restore(valid)
		src.limit(c.Ceiling)
	}
	return nil
}

// about is the API that src tells the scopes of, empty if it does not say.
func (src *source) about(c Config) string {
	if src.kind == URL {
		return c.Resource
	}
	return ""
}

// keep hands what src has in force to the keeper, if that has something else.
func (s *Sources) keep(ctx context.Context, src *source) {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	s.mu.Lock()
	scopes, about := src.inForce(), src.about(s.config)
	// A source that was replaced must not overwrite its successor's.
	due := slices.Contains(s.sources, src) && src.told && !slices.Equal(scopes, src.kept)
	s.mu.Unlock()
	if !due {
		return
	}
	data, err := json.Marshal(fact{src.from, about, scopes})
	if err == nil {
		// It is in force by now, so it is kept also when ctx just ended.
		err = s.o.Keeper.SetFact(context.WithoutCancel(ctx), src.kind.factKey(), data)
	}
	if err != nil {
		s.o.Logger.Error("keep scopes for the next start", "source", src.kind, "error", err)
		return // and again after the next reading
	}
	s.mu.Lock()
	src.kept = scopes
	s.mu.Unlock()
}
