package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// connector counts calls; answer says what comes of each.
type connector struct {
	mu     sync.Mutex
	sent   [][]string
	answer func(ctx context.Context, clientIDs []string) error
}

func (c *connector) EnableConnection(ctx context.Context, _, _ string, clientIDs []string) error {
	c.mu.Lock()
	c.sent = append(c.sent, slices.Clone(clientIDs))
	c.mu.Unlock()
	if c.answer == nil {
		return nil
	}
	return c.answer(ctx, clientIDs)
}

func (c *connector) PromoteConnection(context.Context, string, string) error { return nil }

func (c *connector) sizes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n []int
	for _, ids := range c.sent {
		n = append(n, len(ids))
	}
	return n
}

func enablerOf(c *connector) *enabler {
	var mu sync.Mutex
	n := 0
	return newEnabler(c, slog.New(slog.DiscardHandler), func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprint("corr-", n)
	}, time.Now)
}

func mayAlways(context.Context) error { return nil }

// one enables a single connection.
func (e *enabler) one(ctx context.Context, connectionID, clientID string, pass func()) enabled {
	return e.enable(ctx, []string{connectionID}, clientID, dcr.Urgent, pass, mayAlways)[0]
}

// crowd lets n clients want the connection at once and returns their errors.
func (e *enabler) crowd(ctx context.Context, n int) map[string]error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := map[string]error{}
	passes := make([]func(), n)
	for i := range passes {
		passes[i] = e.expect()
	}
	for i, pass := range passes {
		wg.Go(func() {
			id := fmt.Sprint("c", i)
			err := e.one(ctx, "con", id, pass).err
			mu.Lock()
			defer mu.Unlock()
			errs[id] = err
		})
	}
	wg.Wait()
	return errs
}

func TestEnableAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &connector{}
		e := enablerOf(c)
		start := time.Now()
		got := e.one(t.Context(), "con", "c1", e.expect())
		if got != (enabled{"corr-1", start, nil}) || time.Since(start) != 0 {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
	})
}

func TestEnableCrowd(t *testing.T) {
	for n, want := range map[int][]int{2: {2}, 50: {50}, 51: {50, 1}, 120: {50, 50, 20}} {
		synctest.Test(t, func(t *testing.T) {
			c := &connector{}
			e := enablerOf(c)
			start := time.Now()
			for id, err := range e.crowd(t.Context(), n) {
				if err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
			got := c.sizes()
			slices.SortFunc(got, func(a, b int) int { return b - a })
			if !slices.Equal(got, want) || time.Since(start) != 0 {
				t.Errorf("%d clients made calls of %v, want %v, after %v", n, got, want, time.Since(start))
			}
			if len(e.open) != 0 || e.coming != 0 {
				t.Errorf("%d batches stay open, %d clients expected", len(e.open), e.coming)
			}
		})
	}
}

// Others are on their way: they are waited for, but not for long; and not at
// all once they need nothing.
func TestEnableWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &connector{}
		e := enablerOf(c)
		slow := e.expect()
		start := time.Now()
		if err := e.one(t.Context(), "con", "c1", e.expect()).err; err != nil || time.Since(start) != linger {
			t.Errorf("%v after %v, want after %v", err, time.Since(start), linger)
		}

		time.AfterFunc(linger/2, slow)
		time.AfterFunc(linger/2, slow) // again: it counts once
		start = time.Now()
		if err := e.one(t.Context(), "con", "c2", e.expect()).err; err != nil || time.Since(start) != linger/2 {
			t.Errorf("%v after %v, want after %v", err, time.Since(start), linger/2)
		}
		if e.coming != 0 {
			t.Errorf("%d clients expected", e.coming)
		}
	})
}

// A client that Auth0 refuses is found by halving; the others get theirs.
func TestEnableBisects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := &auth0.Error{Status: 404, Code: "inexistent_client", Reason: dcr.RejectedByAuth0}
		var mu sync.Mutex
		enabled := map[string]int{}
		c := &connector{}
		c.answer = func(_ context.Context, ids []string) error {
			if slices.Contains(ids, "c7") || slices.Contains(ids, "c31") {
				return gone
			}
			mu.Lock()
			defer mu.Unlock()
			for _, id := range ids {
				enabled[id]++
			}
			return nil
		}
		for id, err := range enablerOf(c).crowd(t.Context(), 50) {
			bad := id == "c7" || id == "c31"
			if errors.Is(err, auth0.ErrNotFound) != bad || (enabled[id] == 1) == bad {
				t.Errorf("%s: %v, enabled %d times", id, err, enabled[id])
			}
		}
		if n := len(c.sent); n > 25 {
			t.Errorf("%d calls", n)
		}
	})
}

// What is not about the clients is not asked again for each half.
func TestEnableDoesNotBisect(t *testing.T) {
	for name, err := range map[string]error{
		"rate limit":    &auth0.Error{Status: 429, Reason: dcr.RateLimited},
		"server error":  &auth0.Error{Status: 500, Reason: dcr.ServerError},
		"scope":         &auth0.Error{Status: 403, Reason: dcr.MissingScope},
		"no connection": &auth0.Error{Status: 404, Code: "inexistent_connection", Reason: dcr.RejectedByAuth0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &connector{answer: func(context.Context, []string) error { return err }}
				for id, got := range enablerOf(c).crowd(t.Context(), 10) {
					if !errors.Is(got, err) {
						t.Errorf("%s: %v", id, got)
					}
				}
				if n := c.sizes(); len(n) != 1 {
					t.Errorf("calls of %v", n)
				}
			})
		})
	}
}

// One that gives up before the call is left out of it; during the call it hurts
// nobody; and when all have given up the call ends.
func TestEnableCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		ended := make(chan error, 1)
		c := &connector{answer: func(ctx context.Context, _ []string) error {
			select {
			case <-answer:
				return nil
			case <-ctx.Done():
				ended <- ctx.Err()
				return ctx.Err()
			}
		}}
		e := enablerOf(c)
		errs := make([]error, 3)
		var cancels [3]context.CancelFunc
		var wg sync.WaitGroup
		begin := func() {
			e.expect() // somebody is always on the way: the batch stays open until linger
			for i := range errs {
				var ctx context.Context
				ctx, cancels[i] = context.WithCancel(t.Context())
				wg.Go(func() { errs[i] = e.one(ctx, "con", fmt.Sprint("c", i), e.expect()).err })
			}
			synctest.Wait()
		}

		begin()
		cancels[0]()
		time.Sleep(linger)
		synctest.Wait()
		if len(c.sent) != 1 || len(c.sent[0]) != 2 || slices.Contains(c.sent[0], "c0") {
			t.Fatalf("sent %v, want c1 and c2", c.sent)
		}
		cancels[1]()
		synctest.Wait()
		close(answer)
		wg.Wait()
		if !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
			t.Errorf("errors %v", errs)
		}
		cancels[2]()

		answer = make(chan struct{})
		begin()
		time.Sleep(linger)
		for _, cancel := range cancels {
			cancel()
		}
		wg.Wait()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}

		before := len(c.sent)
		begin()
		for _, cancel := range cancels {
			cancel()
		}
		wg.Wait()
		time.Sleep(2 * linger)
		if len(c.sent) != before || len(e.open) != 0 {
			t.Errorf("nobody wants it, and it is sent: %v; %d batches open", c.sent[before:], len(e.open))
		}
	})
}

// Whoever comes after all others have given up is not given up with them.
func TestEnableAfterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &connector{answer: func(ctx context.Context, _ []string) error { return ctx.Err() }}
		e := enablerOf(c)
		e.expect()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.one(ctx, "con", "c1", e.expect()).err; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if err := e.one(t.Context(), "con", "c2", e.expect()).err; err != nil {
			t.Errorf("error %v", err)
		}
	})
}

// Different connections do not share a call; a client's own are made at the
// same time, so that a crowd's share calls for each of them.
func TestEnableTwoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := make(chan struct{})
		c := &connector{answer: func(context.Context, []string) error { <-both; return nil }}
		e := enablerOf(c)
		passes := []func(){e.expect(), e.expect(), e.expect()}
		var wg sync.WaitGroup
		for i, pass := range passes {
			wg.Go(func() {
				for _, r := range e.enable(t.Context(), []string{"con_a", "con_b"}, fmt.Sprint("c", i), dcr.Urgent, pass, mayAlways) {
					if r.err != nil || r.correlationID == "" {
						t.Errorf("%+v", r)
					}
				}
			})
		}
		synctest.Wait()
		if n := c.sizes(); !slices.Equal(n, []int{3, 3}) {
			t.Errorf("calls of %v", n)
		}
		close(both)
		wg.Wait()
	})
}

// A panic in the shared call is everybody's failure, and nobody's success.
func TestEnablePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &connector{answer: func(context.Context, []string) error { panic("lost its head") }}
		for id, err := range enablerOf(c).crowd(t.Context(), 3) {
			if !errors.Is(err, errDefect) {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}
