package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"
)

// After a defect it is tried again: the first time after restartMin, then after
// waits that double to restartMax. A log says so each time.
const restartMin, restartMax = time.Second, time.Minute

// contain keeps a defect in f from ending the process: a panic is logged, and
// reported as false.
func (e *Engine) contain(what string, f func()) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("a defect in grantd", "while", what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			ok = false
		}
	}()
	f()
	return true
}

// last runs f until it returns, and again after a defect in it.
func (e *Engine) last(ctx context.Context, what string, f func(context.Context)) {
	for wait := restartMin; !e.contain(what, func() { f(ctx) }); wait = min(2*wait, restartMax) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// lasting runs f so beside the others of the group.
func (e *Engine) lasting(ctx context.Context, g *errgroup.Group, what string, f func(context.Context)) {
	g.Go(func() error { e.last(ctx, what, f); return nil })
}
