package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

const (
	audience = "https://mcp.example.com/mcp"
	secret   = "bench-webhook-secret"
	daemonID = "GrantdBenchM2M000000000000000000"
)

// world is a tenant and a running grantd, warm: it has its token and knows the
// connection and the API.
type world struct {
	tb      testing.TB
	setup   setup
	tenant  *tenantsim.Tenant
	daemon  *child.Process
	options child.Options
	envFile string // holds TOOL_SCOPES
	state   string // the state directory
}

type setup struct {
	plan        tenantsim.Plan
	permissive  bool
	domainLevel bool
}

// binary is where build puts grantd.
func binary() string { return os.Getenv("GRANTD_BENCH_BINARY") }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "grantd-bench-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Setenv("GRANTD_BENCH_BINARY", filepath.Join(dir, "grantd"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds the binary on first use: without -bench nothing here needs it.
func build(tb testing.TB) string {
	tb.Helper()
	if _, err := os.Stat(binary()); err != nil {
		if out, err := exec.Command("go", "build", "-o", binary(), "grantd/cmd/grantd").CombinedOutput(); err != nil {
			tb.Fatalf("go build: %v\n%s", err, out)
		}
	}
	return binary()
}

func newWorld(tb testing.TB, s setup) *world {
	tb.Helper()
	o := tenantsim.Options{Domain: "bench.eu.auth0.com"}
	if s.permissive {
		o.DCR = tenantsim.DCRPermissive
	}
	tenant, err := tenantsim.Start(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(tenant.Close)
	tenant.AddM2M(daemonID, "bench-management-secret", "read:clients", "update:clients", "read:connections",
		"update:connections", "read:client_grants", "create:client_grants", "update:client_grants", "read:logs", "read:resource_servers")
	tenant.AddConnection("google-oauth2", s.domainLevel)
	tenant.AddAPI(audience, "notes:read", "notes:write")
	tenant.SetLatency(50 * time.Millisecond)
	dir := tb.TempDir()
	w := &world{tb: tb, setup: s, tenant: tenant, envFile: filepath.Join(dir, "grantd.env"), state: filepath.Join(dir, "state")}
	first := w.register(1)
	tenant.SetPlan(s.plan)
	if err := os.WriteFile(w.envFile, []byte("TOOL_SCOPES=notes:read notes:write\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	w.options = child.Options{Exe: build(tb), Args: []string{"serve", "--env-file", w.envFile}, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"MGMT_DOMAIN=" + tenant.Domain(), "MGMT_CLIENT_ID=" + daemonID, "MGMT_CLIENT_SECRET=bench-management-secret",
		"GRANTD_MGMT_URL=" + tenant.URL(), "LOG_WEBHOOK_SECRET=" + secret, "OAUTH_AUDIENCE=" + audience,
		"GRANTD_LISTEN=127.0.0.1:0", "GRANTD_ADMIN_LISTEN=127.0.0.1:0",
		"GRANTD_STATE_DIR=" + w.state, "GRANTD_POLL_SCHEDULE=off", "GRANTD_SWEEP_SCHEDULE=off",
	}}
	w.start()
	await(tb, "the connection and the API were read", func() bool {
		return tenant.Count("GET /connections") > 0 && tenant.Count("GET /resource-servers/{id}") > 0
	})
	await(tb, "the first sweep has ended", func() bool {
		var h struct {
			Sweep struct {
				LastSuccessAt *string `json:"last_success_at"`
			}
		}
		err := w.daemon.Get(tb.Context(), "http://"+w.daemon.Public+"/health/auth0", &h)
		return err == nil && h.Sweep.LastSuccessAt != nil
	})
	// The first client also opens HTTP connections and warms caches.
	w.ready(first...)
	tenant.ResetCalls()
	return w
}

// await asks until ok says so.
func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("wait until %s: %v", what, ctx.Err())
		}
	}
}

// registered is a client that registered, and its log entry.
type registered struct {
	id    string
	entry []byte
}

// register registers n clients and returns the entries that Auth0 logs. They
// are delivered by whoever measures.
func (w *world) register(n int) []registered {
	w.tb.Helper()
	var rs []registered
	for i := range n {
		before := len(w.tenant.Logs())
		c, err := w.tenant.Register(tenantsim.ChatGPT(fmt.Sprintf("bench%d", i)))
		if err != nil {
			w.tb.Fatal(err)
		}
		rs = append(rs, registered{c.ID, w.tenant.Logs()[before]})
	}
	return rs
}

// delivery is the entries as one delivery in JSON lines.
func delivery(rs ...registered) []byte {
	var b [][]byte
	for _, r := range rs {
		b = append(b, r.entry)
	}
	return bytes.Join(b, []byte("\n"))
}

func (w *world) post(body []byte) {
	w.tb.Helper()
	if err := w.try(http.DefaultClient, body); err != nil {
		w.tb.Error(err)
	}
}

func (w *world) try(c *http.Client, body []byte) error {
	req, err := http.NewRequestWithContext(w.tb.Context(), http.MethodPost, "http://"+w.daemon.Public+"/auth0-log-webhook", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", secret)
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("webhook: %s", resp.Status)
	}
	return nil
}

// ready delivers the clients and waits until all are.
func (w *world) ready(rs ...registered) time.Duration {
	w.tb.Helper()
	began := time.Now()
	w.post(delivery(rs...))
	w.awaitReady(rs)
	return time.Since(began)
}

func (w *world) awaitReady(rs []registered) {
	w.tb.Helper()
	for _, r := range rs {
		await(w.tb, r.id+" is ready", func() bool {
			c, err := w.daemon.Client(w.tb.Context(), r.id)
			return err == nil && c.Phase == "ready"
		})
	}
}

// anonymous is the anonymous memory of the daemon, in bytes: what is not the
// page cache's.
func (w *world) anonymous() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.daemon.PID()))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "RssAnon: %f kB", &kib); n == 1 {
			return kib * 1024
		}
	}
	return 0
}

// times collects durations and reports percentiles.
type times []time.Duration

func (t times) report(b *testing.B, name string, percents ...int) {
	slices.Sort(t)
	for _, p := range percents {
		b.ReportMetric(float64(t[(len(t)-1)*p/100].Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", name, p))
	}
	b.ReportMetric(0, "ns/op")
}

// newWorldUnwarmed starts grantd with a tenant that cannot be reached.
func newWorldUnwarmed(tb testing.TB) *child.Process {
	tb.Helper()
	p, err := child.Start(tb.Context(), child.Options{Exe: build(tb), Args: []string{"serve"}, Env: []string{
		"PATH=" + os.Getenv("PATH"), "MGMT_DOMAIN=bench.eu.auth0.com", "MGMT_CLIENT_ID=" + daemonID,
		"MGMT_CLIENT_SECRET=bench-management-secret", "GRANTD_MGMT_URL=http://127.0.0.1:1",
		"LOG_WEBHOOK_SECRET=" + secret, "OAUTH_AUDIENCE=" + audience, "TOOL_SCOPES=a", "GRANTD_LISTEN=127.0.0.1:0",
		"GRANTD_ADMIN_LISTEN=127.0.0.1:0", "GRANTD_STATE_DIR=" + filepath.Join(tb.TempDir(), "state"), "GRANTD_POLL_SCHEDULE=off",
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
