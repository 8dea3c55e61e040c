package budget_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/budget"
	"grantd/internal/tenantsim"
)

// rig is a budget and the simulated tenant it governs the calls to, in one
// process and in virtual time.
type rig struct {
	tb      testing.TB
	tenant  *tenantsim.Tenant
	budget  *budget.Budget
	latency time.Duration // of a call there and back
	bearer  string
	start   time.Time

	mu      sync.Mutex
	refused []time.Time // when a 429 came back
}

func newRig(tb testing.TB, plan tenantsim.Plan, nextToken bool, latency time.Duration) *rig {
	tb.Helper()
	r := &rig{tb: tb, latency: latency, start: time.Now(), budget: budget.New(budget.Options{})}
	r.tenant = tenantsim.New(tenantsim.Options{Plan: plan, Quirks: tenantsim.Quirks{ResetNextToken: nextToken}})
	r.tenant.AddM2M("m2m", "secret", "read:clients", "read:connections", "read:logs", "read:tenant_settings")
	form := "grant_type=client_credentials&client_id=m2m&client_secret=secret&audience=" + r.tenant.Audience()
	req := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	r.tenant.ServeHTTP(w, req)
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &token); err != nil || token.AccessToken == "" {
		tb.Fatalf("token: %d %s", w.Code, w.Body)
	}
	r.bearer = "Bearer " + token.AccessToken
	return r
}

func pathOf(g budget.Group) string {
	switch g {
	case budget.ListClients:
		return "/api/v2/clients?per_page=1"
	case budget.ListConnections:
		return "/api/v2/connections?take=1"
	case budget.ReadLogs:
		return "/api/v2/logs?take=1"
	default:
		return "/api/v2/tenants/settings"
	}
}

// serve is one exchange without the budget, as another program makes it.
func (r *rig) serve(g budget.Group) (int, http.Header) {
	time.Sleep(r.latency / 2)
	req := httptest.NewRequest(http.MethodGet, pathOf(g), nil)
	req.Header.Set("Authorization", r.bearer)
	w := httptest.NewRecorder()
	r.tenant.ServeHTTP(w, req)
	time.Sleep(r.latency - r.latency/2)
	return w.Code, w.Header()
}

// call makes one call through the budget, again until it is not refused.
func (r *rig) call(c budget.Call) {
	for {
		ticket, err := r.budget.Acquire(r.tb.Context(), c)
		if err != nil {
			r.tb.Errorf("acquire: %v", err)
			return
		}
		status, h := r.serve(c.Group)
		if status == http.StatusTooManyRequests {
			r.mu.Lock()
			r.refused = append(r.refused, time.Now())
			r.mu.Unlock()
		}
		ticket.Done(status, h)
		if status != http.StatusTooManyRequests {
			if status != http.StatusOK {
				r.tb.Errorf("status %d", status)
			}
			return
		}
	}
}

func (r *rig) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.refused)
}

// run makes n calls by so many callers and returns how long they took.
func (r *rig) run(n, callers int, c budget.Call) time.Duration {
	start := time.Now()
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	close(left)
	var wg sync.WaitGroup
	for range min(callers, n) {
		wg.Go(func() {
			for range left {
				r.call(c)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// job is what onboarding a client takes: a call, then two at once.
func (r *rig) job(c budget.Call) time.Duration {
	start := time.Now()
	r.call(c)
	var wg sync.WaitGroup
	wg.Go(func() { r.call(c) })
	wg.Go(func() { r.call(c) })
	wg.Wait()
	return time.Since(start)
}

// subscription is a plan, with the bucket that most calls count against.
type subscription struct {
	name  string
	plan  tenantsim.Plan
	burst int
	rate  float64 // a second
	calls int     // of a run that takes a minute or two
}

func subscriptions() []subscription {
	return []subscription{
		{"free", tenantsim.Free, 2, 2, 200},
		{"essentials", tenantsim.Essentials, 10, 2.5, 200},
		{"enterprise", tenantsim.Enterprise, 50, 16, 1000},
		{"non-production", tenantsim.EnterpriseNonProduction, 10, 2, 200},
	}
}

// allowed is how long n background calls take at best: what may be taken at
// once leaves the third that is kept for urgent ones.
func (s subscription) allowed(n int) time.Duration {
	atOnce := s.burst - (s.burst+2)/3
	return time.Duration(float64(n-atOnce) / s.rate * float64(time.Second))
}

// each runs a test for every plan and both meanings of x-ratelimit-reset.
func each(t *testing.T, fn func(t *testing.T, s subscription, nextToken bool)) {
	t.Helper()
	for _, s := range subscriptions() {
		for _, nextToken := range []bool{false, true} {
			t.Run(s.name+"/"+meaning(nextToken), func(t *testing.T) { fn(t, s, nextToken) })
		}
	}
}

// meaning is of x-ratelimit-reset.
func meaning(nextToken bool) string {
	if nextToken {
		return "reset=token"
	}
	return "reset=full"
}
