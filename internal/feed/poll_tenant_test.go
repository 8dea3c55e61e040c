package feed_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/tenantsim"
)

// tenantTest polls a simulated tenant over HTTP.
type tenantTest struct {
	*intakeTest
	*feed.Poller
	tenant *tenantsim.Tenant
	api    *auth0.Client
	polled []feed.Polled
}

func newTenantTest(t testing.TB, scopes ...string) *tenantTest {
	t.Helper()
	tt := &tenantTest{intakeTest: newIntakeTest(t)}
	var err error
	if tt.tenant, err = tenantsim.Start(tenantsim.Options{Domain: "acme.us.auth0.com", Now: tt.clock.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tt.tenant.Close)
	tt.tenant.AddM2M("m2m", "a secret", scopes...)
	tt.api = newAuth0(t, tt.tenant.URL(), nil)
	tt.poller()
	return tt
}

// poller makes a new Poller, as a restart does.
func (tt *tenantTest) poller() {
	tt.Poller = feed.NewPoller(feed.PollerOptions{
		Intake: tt.Intake, Logs: tt.api, Checkpoints: tt.ledger, Now: tt.clock.now, OwnClientID: func() string { return "m2m" },
		OnPolled: func(p feed.Polled) { tt.polled = append(tt.polled, p) },
	})
}

// register registers n clients, one each step.
func (tt *tenantTest) register(t testing.TB, n int, step time.Duration) {
	t.Helper()
	for range n {
		if _, err := tt.tenant.Register(tenantsim.ChatGPT("abc")); err != nil {
			t.Fatal(err)
		}
		tt.clock.advance(step)
	}
}

// searches polls once and returns how many searches it took.
func (tt *tenantTest) searches(t testing.TB) int {
	t.Helper()
	before := tt.tenant.Count("GET /logs")
	if err := tt.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tt.tenant.Count("GET /logs") - before
}

func (tt *tenantTest) newSightings() (n int) {
	for _, taken := range tt.taken {
		n += taken.Receipt.Sightings
	}
	return n
}

func TestTenantPages(t *testing.T) {
	tt := newTenantTest(t, "read:logs")
	tt.register(t, 250, 10*time.Millisecond)
	if got := tt.searches(t); got != 3 {
		t.Errorf("%d searches for 250 entries, want 3", got)
	}
	if got := tt.searches(t); got > 3 {
		t.Errorf("%d searches for nothing new", got)
	}
	tt.clock.advance(3 * time.Minute)
	tt.register(t, 1, time.Second)
	tt.searches(t) // brings the checkpoint to the newest
	if got := tt.searches(t); got != 1 {
		t.Errorf("%d searches in quiet times, want 1", got)
	}
	if got := len(tt.clients(t)); got != 251 || tt.newSightings() != 251 {
		t.Errorf("%d clients, %d sightings, want 251", got, tt.newSightings())
	}
}

func TestTenantBeyondTheEndOfSearch(t *testing.T) {
	tt := newTenantTest(t, "read:logs")
	tt.register(t, 1130, time.Millisecond)
	tt.searches(t)
	if got := len(tt.clients(t)); got != 1130 || tt.newSightings() != 1130 {
		t.Errorf("%d clients, %d sightings, want 1130", got, tt.newSightings())
	}
}

func TestTenantLateEntries(t *testing.T) {
	tt := newTenantTest(t, "read:logs")
	tt.tenant.SetSearchDelay(time.Second, 100*time.Second)
	for range 10 {
		tt.register(t, 5, 3*time.Second)
		tt.searches(t)
	}
	for range 8 {
		tt.clock.advance(15 * time.Second)
		tt.searches(t)
	}
	if got := len(tt.clients(t)); got != 50 || tt.newSightings() != 50 {
		t.Errorf("%d clients, %d sightings, want 50", got, tt.newSightings())
	}
}

// What grantd did itself comes back and is nothing new, also to the poll.
func TestTenantOwnWrites(t *testing.T) {
	tt := newTenantTest(t, "read:logs", "update:clients")
	tt.register(t, 1, time.Second)
	tt.searches(t)
	id := tt.clients(t)[0]
	appType := "regular_web"
	if _, err := tt.api.PatchClient(t.Context(), tt.ledger.Prefix()+"1", id, dcr.ClientPatch{AppType: &appType}); err != nil {
		t.Fatal(err)
	}
	calls := len(tt.calls)
	tt.clock.advance(15 * time.Second)
	tt.searches(t)
	if tt.newSightings() != 1 || len(tt.calls) != calls {
		t.Errorf("%d sightings, calls %v", tt.newSightings(), tt.calls[calls:])
	}
	if status, _ := tt.tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/clients/"+id, map[string]any{"app_type": "spa"}); status != http.StatusOK {
		t.Fatalf("edit by another: %d", status)
	}
	tt.clock.advance(15 * time.Second)
	tt.searches(t)
	if tt.newSightings() != 2 {
		t.Errorf("%d sightings after another's edit, want 2", tt.newSightings())
	}
}

// stream makes the tenant deliver to Intake by a log stream.
func (tt *tenantTest) stream(t testing.TB, l tenantsim.LogStream) *tenantsim.Stream {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := tt.Take(r.Context(), dcr.FeedWebhook, r.Body); err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(srv.Close)
	l.URL, l.Delivery.Manual = srv.URL, true
	return tt.tenant.AddLogStream(l)
}

// Both feeds bring every entry, the stream more than once and in any order and
// form; each is taken once, and what the stream lost the poll finds.
func TestTenantByWebhookAndPoll(t *testing.T) {
	for name, l := range map[string]tenantsim.LogStream{
		"lines":   {Format: tenantsim.JSONLines, Delivery: tenantsim.Delivery{Batch: 4, Copies: 1, Shuffle: true}},
		"array":   {Format: tenantsim.JSONArray, Delivery: tenantsim.Delivery{Batch: 4, Gzip: true}},
		"objects": {Format: tenantsim.JSONObject, Delivery: tenantsim.Delivery{Copies: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			tt := newTenantTest(t, "read:logs")
			stream := tt.stream(t, l)
			for round := range 3 {
				tt.register(t, 10, time.Second)
				if round == 1 {
					stream.Drop(1)
				}
				if round < 2 {
					if _, err := stream.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				tt.searches(t)
			}
			if _, err := stream.Flush(t.Context()); err != nil { // after the poll
				t.Fatal(err)
			}
			if got := len(tt.clients(t)); got != 30 || tt.newSightings() != 30 {
				t.Errorf("%d clients, %d sightings, want 30", got, tt.newSightings())
			}
			for _, taken := range tt.taken {
				if taken.Receipt.Malformed > 0 {
					t.Errorf("malformed: %+v", taken)
				}
			}
			if lost := stream.Stats().Dropped; lost == 0 {
				t.Error("the stream lost nothing")
			}
		})
	}
}

// A poll that fails changes nothing, and the next one makes up for it.
func TestTenantFaults(t *testing.T) {
	for name, kind := range map[string]tenantsim.Kind{
		"502": tenantsim.BadGateway, "truncated": tenantsim.TruncatedJSON, "garbage": tenantsim.GarbageJSON, "cut short": tenantsim.CutShort,
	} {
		t.Run(name, func(t *testing.T) {
			tt := newTenantTest(t, "read:logs")
			tt.register(t, 3, time.Second)
			tt.tenant.FailNext(1, kind, tt.tenant.On("GET /logs"))
			if err := tt.Tick(t.Context()); err == nil {
				t.Fatal("the poll ended well")
			}
			if got := tt.status(t, dcr.FeedPoll); got != (dcr.FeedStatus{}) || len(tt.clients(t)) > 0 {
				t.Errorf("status %+v, clients %v", got, tt.clients(t))
			}
			if got := tt.polled; len(got) != 1 || got[0].Reason != dcr.PollFailing {
				t.Errorf("told of %+v", got)
			}
			tt.searches(t)
			if got := len(tt.clients(t)); got != 3 {
				t.Errorf("%d clients, want 3", got)
			}
		})
	}
}

func TestTenantWithoutReadLogs(t *testing.T) {
	tt := newTenantTest(t, "read:clients")
	var failed *auth0.Error
	if err := tt.Tick(t.Context()); !errors.As(err, &failed) || !strings.Contains(failed.Scope, "read:logs") {
		t.Errorf("error = %v", err)
	}
	if got := tt.polled; len(got) != 1 || got[0].Reason != dcr.PollUnauthorized {
		t.Errorf("told of %+v", got)
	}
}

// An interrupted poll is not a failure to report.
func TestTenantInterrupted(t *testing.T) {
	tt := newTenantTest(t, "read:logs")
	ctx, cancel := context.WithCancel(t.Context())
	tt.tenant.Faults(func(*http.Request) tenantsim.Fault {
		cancel()
		return tenantsim.Fault{Kind: tenantsim.Timeout}
	})
	if err := tt.Tick(ctx); err == nil {
		t.Error("the poll ended well")
	}
	if len(tt.polled) > 0 {
		t.Errorf("told of %+v", tt.polled)
	}
}
