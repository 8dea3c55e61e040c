package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"grantd/internal/config"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
	"grantd/internal/tenantsim"
)

const (
	bubbleAudience = "https://mcp.example.com/mcp"
	bubbleApp      = "GrantdM2M00000000000000000000000"
)

// A start makes the sweep that was missed, and where there is no schedule, one
// after an hour without any.
func TestMissedSweep(t *testing.T) {
	for _, tt := range []struct {
		spec   string
		ago    time.Duration
		missed bool
	}{
		{"@every 1h", 59 * time.Minute, false},
		{"@every 1h", time.Hour, true},
		{"@every 24h", 23 * time.Hour, false},
		{config.Off, 59 * time.Minute, false},
		{config.Off, time.Hour, true},
	} {
		d := &Daemon{schedule: newSchedule(slog.New(slog.DiscardHandler))}
		if err := d.schedule.set(sweepJob, tt.spec, func(context.Context) {}); err != nil {
			t.Fatal(err)
		}
		if got := d.missedSweep(time.Now().Add(-tt.ago - time.Second)); got != tt.missed {
			t.Errorf("%s, last %v ago: missed %v", tt.spec, tt.ago, got)
		}
	}
}

// bubble is a daemon without listeners and its tenant, in simulated time.
type bubble struct {
	*testing.T
	*Daemon
	tenant *tenantsim.Tenant
	stop   func()
}

// newBubble starts a daemon beside a tenant with n clients that have all they
// need.
func newBubble(t *testing.T, o tenantsim.Options, n int, environ ...string) *bubble {
	t.Helper()
	o.Domain = "acme.eu.auth0.com"
	plan := o.Plan
	o.Plan = tenantsim.Unlimited
	b := &bubble{T: t, tenant: tenantsim.New(o)}
	t.Cleanup(b.tenant.Close)
	b.tenant.AddM2M(bubbleApp, "management-secret", append(neededScopes(), "read:resource_servers")...)
	b.tenant.AddConnection("google-oauth2", true)
	b.tenant.AddAPI(bubbleAudience, "notes:read", "notes:write")
	for i := range n {
		c := b.tenant.AddClient(tenantsim.Client{
			Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", i)},
			AppType: "regular_web", TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
		})
		b.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: bubbleAudience, Scopes: []string{"notes:read", "notes:write"}})
	}
	b.tenant.SetPlan(plan)
	c, _, err := config.Load(config.Source{Environ: append([]string{
		"MGMT_DOMAIN=" + o.Domain, "MGMT_CLIENT_ID=" + bubbleApp, "MGMT_CLIENT_SECRET=management-secret",
		"LOG_WEBHOOK_SECRET=a-webhook-secret-of-the-tests", "OAUTH_AUDIENCE=" + bubbleAudience, "TOOL_SCOPES=notes:read notes:write",
		"GRANTD_STATE_DIR=" + filepath.Join(storetest.Dir(t), "state"),
	}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	out := io.Discard
	if testing.Verbose() {
		out = t.Output()
	}
	e, err := Open(t.Context(), Options{
		Config: c, Version: "test", transport: wire{b.tenant},
		Logger: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Daemon = &Daemon{Engine: e, schedule: newSchedule(e.log), reloaded: make(chan struct{}, 1)}
	b.feeds()
	if err := b.setSchedule(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	g, ctx := errgroup.WithContext(ctx)
	b.run(ctx, g)
	b.stop = func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		b.schedule.stop()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	return b
}

// calls are the Management API calls since it was last asked, by operation.
func (b *bubble) calls() map[string]int {
	n := map[string]int{}
	for _, c := range b.tenant.Calls() {
		n[c.Operation]++
	}
	b.tenant.ResetCalls()
	return n
}

func (b *bubble) phases() map[dcr.Phase]int {
	b.Helper()
	counts, err := b.ledger.Counts(context.WithoutCancel(b.Context()))
	if err != nil {
		b.Fatal(err)
	}
	return counts
}

func sum(n map[string]int) (total int) {
	for _, c := range n {
		total += c
	}
	return total
}

// A day in which nothing happens costs few calls, and no write.
func TestIdleDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		b := newBubble(t, tenantsim.Options{Plan: tenantsim.Enterprise}, n)
		time.Sleep(10 * time.Minute)
		if got := b.phases()[dcr.Ready]; got != n {
			t.Fatalf("%d ready", got)
		}
		b.calls()
		time.Sleep(24 * time.Hour)
		if w := b.tenant.Writes(); len(w) > 0 {
			t.Errorf("%d writes, such as %+v", len(w), w[0])
		}
		for _, c := range b.tenant.Calls() {
			if c.Status != http.StatusOK {
				t.Fatalf("%+v", c)
			}
		}
		got := b.calls()
		// A poll every 15 s, and a sweep of 22 calls an hour.
		if total := sum(got); total > 6500 || total < 5760 {
			t.Errorf("%d calls: %v", total, got)
		} else {
			t.Logf("%d calls: %v", total, got)
		}
		b.stop()
	})
}

// A tenant that fails for an hour is asked seldom meanwhile. Then everything
// comes right by itself, within the limits and without a burst.
func TestOutageOfAnHour(t *testing.T) {
	for _, plan := range []tenantsim.Plan{tenantsim.Enterprise, tenantsim.Free} {
		t.Run(fmt.Sprint(plan), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 200
				b := newBubble(t, tenantsim.Options{Plan: plan}, n)
				time.Sleep(10 * time.Minute)
				if _, err := b.ledger.Adopt(t.Context()); err != nil {
					t.Fatal(err)
				}
				b.calls()
				b.tenant.OutageBy(tenantsim.InternalError)
				c := *b.config.Load()
				c.ToolScopes = []string{"notes:read"}
				b.config.Store(&c)
				b.scopes.Set(t.Context(), scopeConfig(&c))
				if err := b.desire(t.Context()); err != nil {
					t.Fatal(err)
				}
				if p := b.phases(); p[dcr.Pending] != n {
					t.Errorf("%v", p)
				}
				time.Sleep(time.Hour)
				during := b.calls()
				if total := sum(during); total > 500 { // 240 of them are polls
					t.Errorf("%d calls in the outage: %v", total, during)
				}
				b.tenant.Outage(false)
				began := time.Now()
				for b.phases()[dcr.Ready] < n && time.Since(began) < 30*time.Minute {
					time.Sleep(time.Second)
				}
				limited := 0
				for _, c := range b.tenant.Calls() {
					if c.Status == http.StatusTooManyRequests {
						limited++
					}
				}
				after := b.calls()
				t.Logf("during %v; after, in %v: %v", during, time.Since(began), after)
				if b.phases()[dcr.Ready] < n || limited > 0 || after["PATCH /client-grants/{id}"] != n || after["GET /clients/{id}"] > 0 {
					t.Errorf("after the outage: %v, %d refused, calls %v", b.phases(), limited, after)
				}
				b.stop()
			})
		})
	}
}

// Repair that is interrupted by an outage goes on with what is left of it.
func TestOutageDuringRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		b := newBubble(t, tenantsim.Options{Plan: tenantsim.Enterprise}, n, "GRANTD_POLL_SCHEDULE=off")
		time.Sleep(10 * time.Minute)
		for _, c := range b.tenant.Clients() {
			if strings.HasPrefix(c.ID, "tpc_") {
				b.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+b.tenant.Grants(c.ID)[0].ID, map[string]any{"scope": []string{"notes:read"}})
			}
		}
		b.tenant.ResetCalls()
		b.sweeper.Request()
		time.Sleep(8 * time.Second)
		done := len(b.tenant.Writes())
		if done == 0 || done == n {
			t.Fatalf("%d writes", done)
		}
		b.tenant.OutageBy(tenantsim.InternalError)
		before := len(b.tenant.Calls())
		time.Sleep(20 * time.Minute)
		if n := len(b.tenant.Calls()) - before; n > 64+2*40 { // those under way, and a try a minute
			ops := map[string]int{}
			for _, c := range b.tenant.Calls()[before:] {
				ops[fmt.Sprint(c.Operation, c.Status)]++
			}
			t.Errorf("%d calls in the outage: %v", n, ops)
		}
		b.tenant.Outage(false)
		time.Sleep(10 * time.Minute)
		ok := 0
		for _, c := range b.tenant.Writes() {
			if c.Status == http.StatusOK {
				ok++
			}
		}
		if ok != n || b.phases()[dcr.Ready] != n {
			t.Errorf("%d grants written, want %d; phases %v", ok, n, b.phases())
		}
		b.stop()
	})
}

// The clock is set while grantd runs: it is noticed, whichever way.
func TestClockJumps(t *testing.T) {
	start := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name       string
		wall, mono time.Duration // since the last look
		want       time.Duration
	}{
		{"as usual", 10 * time.Second, 10 * time.Second, 0},
		{"a little late", 12 * time.Second, 10 * time.Second, 0},
		{"set back", -time.Hour, 10 * time.Second, -time.Hour - 10*time.Second},
		{"set forward", time.Hour, 10 * time.Second, time.Hour - 10*time.Second},
		{"a long wait", time.Hour, time.Hour, 0},
	}
	for _, tt := range tests {
		c := clock{}
		if got := c.jumped(start, time.Minute); got != 0 {
			t.Errorf("%s: jumped by %v at first", tt.name, got)
		}
		if got := c.jumped(start.Add(tt.wall), time.Minute+tt.mono); got != tt.want {
			t.Errorf("%s: jumped by %v, want %v", tt.name, got, tt.want)
		}
		if got := c.jumped(start.Add(tt.wall+time.Second), time.Minute+tt.mono+time.Second); got != 0 {
			t.Errorf("%s: jumped by %v afterwards", tt.name, got)
		}
	}
}

// A sync ends although strangers register without end, faster than Auth0's rate
// limit allows to look at them; they are no concern of whoever asked for it.
func TestSyncEndsAlthoughStrangersRegister(t *testing.T) {
	for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, tenantsim.Options{Plan: tenantsim.Free}, 3, "GRANTD_POLL_SCHEDULE=off")
				b.serving = true
				time.Sleep(10 * time.Minute)
				for _, c := range b.tenant.Clients() {
					for _, g := range b.tenant.Grants(c.ID) {
						b.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+g.ID, nil)
					}
				}
				strangers := 0
				register := func() {
					var s []dcr.Sighting
					for range 20 {
						strangers++
						id := fmt.Sprintf("tpc_stranger%d", strangers)
						s = append(s, dcr.Sighting{Kind: dcr.Registered, Class: class, ClientID: id, LogID: id, At: time.Now(), SourceIP: "192.0.2.1"})
					}
					if _, err := b.ledger.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: s}); err != nil {
						t.Error(err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				s, err := b.Sync(ctx, false, func(p api.Progress) {
					if p.Due > 0 {
						register()
					}
				})
				if err != nil || s.Due != 3 || s.Clients[dcr.Ready] != 3 || len(s.Left) > 0 || strangers < 40 {
					t.Errorf("%+v, %v; %d strangers", s, err, strangers)
				}
				b.stop()
			})
		})
	}
}

// Clients that fail again and again have one turn each in a sync, however long
// it takes to try them.
func TestSyncGivesEachClientOneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		b := newBubble(t, tenantsim.Options{Plan: tenantsim.Free}, n, "GRANTD_POLL_SCHEDULE=off")
		b.serving = true
		time.Sleep(10 * time.Minute)
		for _, c := range b.tenant.Clients() {
			for _, g := range b.tenant.Grants(c.ID) {
				b.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+g.ID, map[string]any{"scope": []string{"notes:read"}})
			}
		}
		b.tenant.Faults(func(r *http.Request) tenantsim.Fault {
			if r.Method == http.MethodPatch {
				return tenantsim.Fault{Kind: tenantsim.InternalError}
			}
			return tenantsim.Fault{}
		})
		began := time.Now()
		s, err := b.Sync(t.Context(), false, func(api.Progress) {})
		if took := time.Since(began); err != nil || s.Pending != n || took > 3*time.Minute {
			t.Errorf("%d failed, in %v, %v", s.Pending, took, err)
		}
		b.stop()
	})
}
