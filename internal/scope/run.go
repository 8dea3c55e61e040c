package scope

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Run watches the file, fetches the URL at once and then every interval, and
// tells OnChange, until ctx ends. When it returns, nothing it began is left, and
// what was found has been told.
func (s *Sources) Run(ctx context.Context) {
	var all sync.WaitGroup
	s.followAll(ctx, &all)
	s.tell(ctx)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.news:
			s.followAll(ctx, &all)
			s.tell(ctx)
		}
	}
	all.Wait()
	// What is in the keeper by now is not found again by the next start.
	s.tell(context.WithoutCancel(ctx))
}

// followAll begins to follow the sources that nobody follows yet.
func (s *Sources) followAll(ctx context.Context, all *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.sources {
		if src.stop == nil {
			var followed context.Context
			followed, src.stop = context.WithCancel(ctx)
			all.Go(func() { s.follow(followed, src) })
		}
	}
}

// follow reads a source whenever there is a reason to, until ctx ends.
func (s *Sources) follow(ctx context.Context, src *source) {
	changed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	if src.kind == File {
		watching.Go(func() {
			// Without a watch the file is read every interval.
			_ = contain(s.o.Logger, "watch scope source", func() {
				s.o.Watch(ctx, src.from, func() {
					select {
					case changed <- struct{}{}:
					default:
					}
				})
			})
		})
	}
	defer watching.Wait()
	timer := time.NewTimer(s.wait(src))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-changed:
		}
		s.read(ctx, src)
		timer.Reset(s.wait(src))
	}
}

// wait is for how long nothing need be looked at.
func (s *Sources) wait(src *source) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !src.tried:
		return 0
	case !src.told:
		// Nothing can be granted until it answers, so ask again soon.
		return min(s.o.Interval, time.Second<<min(max(src.attempts-1, 0), 10))
	case !src.missing.IsZero():
		// Two equal answers half a minute apart are not enough: behind them may
		// be two servers of which one is newer.
		return min(s.o.Interval, s.o.Settle/3, max(0, s.o.Settle-time.Since(src.missing)))
	}
	return s.o.Interval
}

// read looks at a source and takes in what it says.
func (s *Sources) read(ctx context.Context, src *source) {
	if !src.take(ctx) {
		return
	}
	defer src.give()
	s.mu.Lock()
	resource := s.config.Resource
	s.mu.Unlock()
	r, ok := s.look(ctx, src, resource)
	if !ok {
		return
	}
	s.mu.Lock()
	if slices.Contains(s.sources, src) {
		s.apply(src, r, false)
	}
	s.mu.Unlock()
	s.keep(ctx, src)
	s.signal()
}

// errDefect stands for a panic.
var errDefect = errors.New("a defect in grantd; see the log")

// contain keeps a defect in what f does from ending the process: a panic is
// logged and returned as errDefect.
func contain(log *slog.Logger, what string, f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error(what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errDefect
		}
	}()
	f()
	return nil
}
