package feed_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/budget"
	"grantd/internal/dcr"
	"grantd/internal/feed"
)

// newAuth0 is the real client of whoever answers at url.
func newAuth0(t testing.TB, url string, b *budget.Budget) *auth0.Client {
	t.Helper()
	c, err := auth0.New(auth0.Options{Domain: "acme.us.auth0.com", BaseURL: url, ClientID: "m2m", ClientSecret: "a secret", Budget: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A poll that is behind by a page leaves what is left of the rate limit to
// those for whom somebody waits.
func TestPollFollowsUpInBackground(t *testing.T) {
	it := newIntakeTest(t)
	page := &memoryLog{t: t, clock: it.clock}
	page.add("a", 150, noon().Add(-time.Hour), time.Second)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t","scope":"read:logs","expires_in":86400,"token_type":"Bearer"}`)
	})
	mux.HandleFunc("GET /api/v2/logs", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		body, err := page.SearchLogs(r.Context(), auth0.LogQuery{Q: q.Get("q"), Sort: q.Get("sort"), PerPage: 100})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-RateLimit-Limit", "10")
		w.Header().Set("X-RateLimit-Remaining", "1")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
		if _, err := w.Write(body); err != nil {
			t.Error(err)
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	b := budget.New(budget.Options{})
	p := feed.NewPoller(feed.PollerOptions{Intake: it.Intake, Logs: newAuth0(t, srv.URL, b), Checkpoints: it.ledger, Now: it.clock.now})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Tick(ctx) }()
	deadline := time.Now().Add(5 * time.Minute)
	for b.Snapshot().Background == 0 {
		select {
		case err := <-ended:
			t.Fatalf("the poll took what was left: %v", err)
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("no call waits in the background")
		}
	}
	if got := len(it.clients(t)); got != 100 {
		t.Errorf("%d clients taken before the wait, want 100", got)
	}
	if got := b.Snapshot().Urgent; got != 0 {
		t.Errorf("%d urgent calls wait", got)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("the poll ended well")
	}
	if got := it.status(t, dcr.FeedPoll); got.Checkpoint.IsZero() || !got.LastSuccessAt.IsZero() {
		t.Errorf("status %+v", got)
	}
}
