package http_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"grantd/internal/dcr"
	"grantd/internal/health"
	"grantd/internal/http"
)

// slowHealth answers when it is let.
type slowHealth struct {
	asked atomic.Int32
	let   chan struct{}
}

func (h *slowHealth) Ready(context.Context) []dcr.Reason {
	h.asked.Add(1)
	<-h.let
	return nil
}

func (h *slowHealth) Report(ctx context.Context) health.Report {
	h.Ready(ctx)
	return health.Report{Status: health.StatusOK}
}

// TestHealthIsAskedInTurn: however many ask at once, few are answered at a time,
// and nobody waits for ever.
func TestHealthIsAskedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowHealth{let: make(chan struct{})}
		o := stubbed(drained)
		o.Health = slow
		h := http.Public(o)
		answers := make(chan int, 40)
		for i := range 40 {
			go func() { answers <- record(t, h, "GET", []string{"/readyz", "/health/auth0"}[i%2]).Code }()
		}
		synctest.Wait()
		if got := slow.asked.Load(); got != 16 {
			t.Errorf("%d are answered at once", got)
		}
		for range 24 {
			if got := <-answers; got != 503 {
				t.Errorf("one who waits gets %d", got)
			}
		}
		close(slow.let)
		for range 16 {
			if got := <-answers; got != 200 {
				t.Errorf("got %d", got)
			}
		}
	})
}
