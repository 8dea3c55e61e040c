package scope

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Set puts another configuration in force, as a whole. Before, it reads file and
// URL as they are configured now, for at most 10 s each and without looking back:
// what they no longer name goes at once. A source at another place inherits
// nothing from the one before. Should ctx end first, it is in force all the same.
func (s *Sources) Set(ctx context.Context, c Config) {
	s.setting <- struct{}{}
	defer func() { <-s.setting }()
	s.set(ctx, c, true)
}

// Adjust is Set where no person asked for it: what a file or URL no longer names
// goes when it has read the same for a while, as ever.
func (s *Sources) Adjust(ctx context.Context, c Config) {
	s.setting <- struct{}{}
	defer func() { <-s.setting }()
	s.set(ctx, c, false)
}

// Refresh reads file and URL at once, and puts what they say in force at once,
// as Set does.
func (s *Sources) Refresh(ctx context.Context) {
	s.setting <- struct{}{}
	defer func() { <-s.setting }()
	s.mu.Lock()
	c := s.config
	s.mu.Unlock()
	s.set(ctx, c, true)
}

// set takes in everything in one step. One after the other would take away, for
// a moment, a scope that moves from one source to another.
func (s *Sources) set(ctx context.Context, c Config, atOnce bool) {
	sources, err := s.prepare(ctx, c)
	if err != nil {
		s.o.Logger.Error("restore scopes", "error", err)
	}
	readings := make([]reading, len(sources))
	taken, read := make([]bool, len(sources)), make([]bool, len(sources))
	var all sync.WaitGroup
	for i, src := range sources {
		all.Go(func() {
			if taken[i] = src.take(ctx); taken[i] {
				readings[i], read[i] = s.look(ctx, src, c.Resource)
			}
		})
	}
	all.Wait()
	s.swap(c, sources, readings, read, atOnce)
	for i, src := range sources {
		if taken[i] {
			src.give()
		}
	}
	for _, src := range sources {
		s.keep(ctx, src)
	}
	s.signal()
}

func (s *Sources) swap(c Config, sources []*source, readings []reading, read []bool, atOnce bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.sources
	s.config, s.sources = c, sources
	for i, src := range sources {
		before := src.newest
		if old := find(was, src.kind); old != nil {
			before = old.newest
		}
		src.limit(c.Ceiling)
		s.note(src.kind, before, src.newest)
		if read[i] {
			s.apply(src, readings[i], atOnce)
		}
	}
	for _, old := range was {
		if slices.Contains(sources, old) {
			continue
		}
		if old.stop != nil {
			old.stop()
		}
		if find(sources, old.kind) == nil {
			s.note(old.kind, old.newest, nil)
		}
	}
}

func find(sources []*source, kind Kind) *source {
	i := slices.IndexFunc(sources, func(src *source) bool { return src.kind == kind })
	if i < 0 {
		return nil
	}
	return sources[i]
}

// prepare returns the sources of a configuration: those there are, and new ones
// with what an earlier run kept of them.
func (s *Sources) prepare(ctx context.Context, c Config) (all []*source, err error) {
	s.mu.Lock()
	was := s.sources
	s.mu.Unlock()
	for _, kind := range kinds() {
		from := map[Kind]string{File: c.File, URL: c.URL}[kind]
		if from == "" {
			continue
		}
		src := find(was, kind)
		if src == nil || src.from != from {
			src = newSource(kind, from)
			if e := s.restore(ctx, src, c); e != nil && err == nil {
				err = e
			}
		}
		all = append(all, src)
	}
	return all, err
}

// look reads a source. The caller has its turn. ok is false if ctx ended in
// between, which says nothing of the source.
func (s *Sources) look(ctx context.Context, src *source, resource string) (r reading, ok bool) {
	err := contain(s.o.Logger, "read scope source", func() {
		switch src.kind {
		case File:
			r.scopes, r.err = readFile(src.from)
		case URL:
			var a answer
			a, r.err = fetch(ctx, s.client, src.from, resource, src.last)
			r.scopes = a.scopes
			if r.err == nil {
				src.last = a
			}
		}
	})
	if err != nil {
		r = reading{err: err}
	}
	r.at = time.Now()
	return r, r.err == nil || ctx.Err() == nil
}
