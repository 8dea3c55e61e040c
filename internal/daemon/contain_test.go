package daemon

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
)

// A defect in what goes on for as long as the daemon does is logged and costs
// waits that double to a minute; it ends with the context even while it waits.
func TestLasting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out record
		e := &Engine{log: slog.New(slog.NewTextHandler(&out, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		g, ctx := errgroup.WithContext(ctx)
		begun := time.Now()
		var at []time.Duration
		e.lasting(ctx, g, "work", func(context.Context) {
			at = append(at, time.Since(begun).Round(time.Second))
			panic("lost its head")
		})
		time.Sleep(5 * time.Minute)
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}
		if len(at) != len(want) {
			t.Fatalf("it ran at %v", at)
		}
		for i := range want {
			if at[i] != want[i]*time.Second {
				t.Errorf("it ran at %v, want %d s", at, want)
			}
		}
		if n := out.count("lost its head"); n != len(want) {
			t.Errorf("%d lines", n)
		}
	})
}

// What returns is not begun again.
func TestLastingEnds(t *testing.T) {
	e := &Engine{log: slog.New(slog.DiscardHandler)}
	runs := 0
	e.last(t.Context(), "work", func(context.Context) { runs++ })
	if runs != 1 {
		t.Errorf("%d runs", runs)
	}
}
