package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// fill puts n clients into the tenant that have all they need.
func (w *world) fill(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		c := tenantsim.Client{
			Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", i)},
			AppType: "regular_web", TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
		}
		if w.setup.permissive {
			c.SecurityMode = tenantsim.Permissive
		}
		ids[i] = w.tenant.AddClient(c).ID
		w.tenant.AddGrant(tenantsim.Grant{ClientID: ids[i], Audience: audience, Scopes: []string{"notes:read", "notes:write"}})
	}
	if w.setup.permissive {
		w.tenant.EnableConnection("google-oauth2", ids...)
	}
	return ids
}

// synced is what grantd sync --json prints.
type synced struct {
	Listed  int `json:"listed"`
	InSync  int `json:"in_sync"`
	Due     int `json:"due"`
	Pending int `json:"pending"`
}

// sync has the daemon sweep now, and waits until all is put right.
func (w *world) sync(args ...string) (synced, time.Duration) {
	w.tb.Helper()
	began := time.Now()
	out, err := exec.Command(build(w.tb), append([]string{"sync", "--json", "--socket", filepath.Join(w.state, "grantd.sock")}, args...)...).Output()
	took := time.Since(began)
	if err != nil {
		w.tb.Fatalf("grantd sync: %v\n%s\n%s", err, out, w.daemon.Tail(20))
	}
	var s synced
	if err := json.Unmarshal(out, &s); err != nil {
		w.tb.Fatalf("grantd sync: %v\n%s", err, out)
	}
	return s, took
}

// limited is how many calls were refused for the rate limit.
func (w *world) limited() int {
	n := 0
	for _, c := range w.tenant.Calls() {
		if c.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// peak samples the daemon's anonymous memory until it is stopped.
func (w *world) peak() (stop func() float64) {
	done, result := make(chan struct{}), make(chan float64)
	go func() {
		most := w.anonymous()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				result <- most
				return
			case <-tick.C:
				most = max(most, w.anonymous())
			}
		}
	}()
	return func() float64 { close(done); return <-result }
}

// BenchmarkVerify compares recorded clients that are as they should be with
// Auth0, without a limit and with the one of an enterprise plan, and starts
// grantd on such a ledger.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		name  string
		n     int
		setup setup
	}{
		{"1000", 1000, setup{domainLevel: true, plan: tenantsim.Enterprise}},
		{"1000-per-client-connection", 1000, setup{permissive: true, plan: tenantsim.Enterprise}},
		{"10000", 10_000, setup{domainLevel: true, plan: tenantsim.Enterprise}},
		{"100000", 100_000, setup{domainLevel: true, plan: tenantsim.Enterprise}},
		{"100000-no-limit", 100_000, setup{domainLevel: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, c.setup)
			w.fill(c.n)
			w.sync() // the first time they are recorded
			w.tenant.ResetCalls()
			stop := w.peak()
			s, took := w.sync()
			if s.InSync < c.n || s.Due > 0 {
				b.Fatalf("%+v", s)
			}
			b.ReportMetric(float64(len(w.tenant.Calls())), "calls")
			b.ReportMetric(float64(w.limited()), "429s")
			b.ReportMetric(took.Seconds(), "verify-s")
			b.ReportMetric(stop()/(1<<20), "RssAnon-MiB")
			began := time.Now()
			w.restart()
			b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "start-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRepair puts k of 1,000 clients right.
func BenchmarkRepair(b *testing.B) {
	for _, k := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("%d-of-1000", k), func(b *testing.B) {
			w := newWorld(b, setup{domainLevel: true})
			ids := w.fill(1000)
			w.sync()
			for _, id := range ids[:k] {
				w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"scope": []string{"notes:read"}})
			}
			w.tenant.ResetCalls()
			s, took := w.sync("--adopt")
			if s.Due != k || s.Pending > 0 {
				b.Fatalf("%+v", s)
			}
			b.ReportMetric(float64(len(w.tenant.Calls())), "calls")
			b.ReportMetric(took.Seconds(), "repair-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkScopesChange changes TOOL_SCOPES with many recorded clients, and has
// fresh ones register meanwhile.
func BenchmarkScopesChange(b *testing.B) {
	for _, c := range []struct {
		name        string
		plan        tenantsim.Plan
		clients     int
		newcomers   int
		every       time.Duration
		burst, rate float64
	}{
		{name: "enterprise-1000", plan: tenantsim.Enterprise, clients: 1000, newcomers: 20, every: 2500 * time.Millisecond, burst: 50, rate: 16},
		{name: "free-60", plan: tenantsim.Free, clients: 60, newcomers: 8, every: 4 * time.Second, burst: 2, rate: 2},
	} {
		for _, next := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/reset-is-next-token=%v", c.name, next), func(b *testing.B) {
				w := newWorld(b, setup{domainLevel: true})
				w.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.ResetNextToken = next })
				ids := w.fill(c.clients)
				w.sync("--adopt")
				w.tenant.SetPlan(c.plan)
				w.restart() // until now there were no limits
				w.sync()
				w.tenant.ResetCalls()
				began := time.Now()
				w.reload("TOOL_SCOPES=notes:read")
				var mu sync.Mutex
				var took times
				var group sync.WaitGroup
				for i := range c.newcomers {
					group.Go(func() {
						<-time.After(time.Duration(i)*c.every + time.Duration(rand.Int64N(int64(c.every))))
						d := w.ready(w.newcomer(i))
						mu.Lock()
						defer mu.Unlock()
						took = append(took, d)
					})
				}
				await(b, "the new scopes are everywhere", func() bool {
					for _, id := range slices.Backward(ids) { // the last are the latest
						if g, _ := w.tenant.UserGrant(id, audience); len(g.Scopes) != 1 {
							return false
						}
					}
					return true
				})
				all := time.Since(began)
				calls := 0
				for _, call := range w.tenant.Calls() {
					if call.At.Before(began.Add(all)) {
						calls++
					}
				}
				group.Wait()
				ideal := (float64(calls) - c.burst) / c.rate
				b.ReportMetric(float64(calls), "calls")
				b.ReportMetric(all.Seconds(), "all-s")
				b.ReportMetric(ideal, "ideal-s")
				b.ReportMetric(all.Seconds()/ideal, "of-ideal")
				b.ReportMetric(float64(w.limited()), "429s")
				took.report(b, "newcomer-ready", 50, 99, 100)
			})
		}
	}
}

// newcomer is a client as it registers itself, whatever number of applications
// the plan allows.
func (w *world) newcomer(n int) registered {
	c := w.tenant.AddClient(tenantsim.Client{
		Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/new%d", n)},
		TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	})
	return registered{c.ID, fmt.Appendf(nil, `{"log_id":"new-%s","type":"sapi","date":%q,"description":"Dynamic client registration","ip":"198.51.100.7",`+
		`"details":{"request":{"method":"post","path":"/oidc/register"},"response":{"statusCode":201,"body":{"client_id":%q,"redirect_uris":[%q]}}}}`,
		c.ID, time.Now().UTC().Format(time.RFC3339Nano), c.ID, c.Callbacks[0])}
}

// BenchmarkSharedTenant puts 300 clients right while another program uses half
// of what an enterprise tenant allows.
func BenchmarkSharedTenant(b *testing.B) {
	w := newWorld(b, setup{domainLevel: true})
	ids := w.fill(300)
	w.sync("--adopt")
	for _, id := range ids {
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"scope": []string{"notes:read"}})
	}
	w.tenant.SetPlan(tenantsim.Enterprise)
	w.tenant.ResetCalls()
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		tick := time.NewTicker(time.Second / 8)
		defer tick.Stop()
		taken := 0
		for {
			select {
			case <-done:
				ended <- taken
				return
			case <-tick.C:
				w.tenant.Drain(1)
				taken++
			}
		}
	}()
	_, took := w.sync()
	close(done)
	b.ReportMetric(float64(<-ended), "other-calls")
	b.ReportMetric(float64(len(w.tenant.Calls())), "calls")
	b.ReportMetric(float64(w.limited()), "429s")
	b.ReportMetric(took.Seconds(), "repair-s")
	b.ReportMetric(0, "ns/op")
}

// restart ends grantd and starts it on the same ledger.
func (w *world) restart() {
	w.tb.Helper()
	if err := w.daemon.Stop(); err != nil {
		w.tb.Fatal(err)
	}
	w.start()
}

// reload changes a variable of the env file and has grantd read it.
func (w *world) reload(env ...string) {
	w.tb.Helper()
	if err := os.WriteFile(w.envFile, fmt.Appendf(nil, "%s\n", env[0]), 0o600); err != nil {
		w.tb.Fatal(err)
	}
	if err := w.daemon.Reload(); err != nil {
		w.tb.Fatal(err)
	}
}

func (w *world) start() {
	w.tb.Helper()
	p, err := child.Start(w.tb.Context(), w.options)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.daemon = p
	w.tb.Cleanup(p.Kill)
}
