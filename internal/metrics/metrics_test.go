package metrics_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"grantd/internal/dcr"
	"grantd/internal/doctest"
	"grantd/internal/health"
	"grantd/internal/metrics"
)

// Write the page by go test ./internal/metrics -update.
var update = flag.Bool("update", false, "write docs/metrics.md")

type ledger struct{ err error }

func (l ledger) Counts(context.Context) (map[dcr.Phase]int, error) {
	return map[dcr.Phase]int{dcr.Ready: 3, dcr.Blocked: 1}, l.err
}

func (l ledger) DueCounts(context.Context, time.Time) (map[dcr.Class]int, error) {
	return map[dcr.Class]int{dcr.Urgent: 2}, nil
}

func (l ledger) Feeds(context.Context) (map[dcr.Feed]dcr.FeedStatus, error) {
	return map[dcr.Feed]dcr.FeedStatus{
		dcr.FeedWebhook: {LastEventAt: time.UnixMilli(1_700_000_000_500), LastDeliveryAt: now()},
		dcr.FeedSweep:   {LastSuccessAt: now()},
		dcr.FeedPoll:    {},
	}, nil
}

func now() time.Time { return time.UnixMilli(1_700_000_001_000) }

func holds(context.Context) ([]dcr.Hold, error) {
	return []dcr.Hold{
		{Scope: dcr.HoldField, Field: dcr.StepGrant, ClientID: "a", Reason: dcr.Fighting, Until: now().Add(time.Second)},
		{Scope: dcr.HoldField, Field: dcr.StepGrant, ClientID: "b", Reason: dcr.Fighting, Until: now()},
		{Scope: dcr.HoldAll, Reason: dcr.Held},
		{Scope: dcr.HoldClient, ClientID: "c", Reason: dcr.Held},
	}, nil
}

func sources() metrics.Sources {
	return metrics.Sources{
		Now: now, Holds: holds,
		Ledger: ledger{}, Version: "v1",
		RateLimit:    func() (int, int, bool) { return 9, 10, true },
		Waiting:      func() map[dcr.Class]int { return map[dcr.Class]int{dcr.Urgent: 1} },
		TokenExpires: now, CertificateExpires: func() time.Time { return now().Add(time.Hour) },
		LedgerSize: func() (int64, error) { return 65536, nil },
		Health: func(context.Context) (health.Status, []health.Check) {
			return health.StatusDegraded, []health.Check{{Code: dcr.PollFailing, Failing: true}, {Code: dcr.JWKSUnreachable}}
		},
		Entities: func() []metrics.Entities {
			return []metrics.Entities{{Kind: "applications", Used: 8, Limit: 10}, {Kind: "client_grants", Used: 5}}
		},
	}
}

// used has something in every metric.
func used() *metrics.Metrics {
	m := metrics.New(sources())
	m.Sightings(dcr.FeedWebhook, dcr.Registered, 2)
	m.Malformed(dcr.FeedPoll, 1)
	m.TimeToReady(131 * time.Millisecond)
	m.ManagementRequest("get_client", 200, "", 50*time.Millisecond)
	m.ManagementRequest("get_client", 0, dcr.Timeout, 10*time.Second)
	m.DriftRepaired(metrics.ConditionOf(dcr.StepGrant))
	m.Alarm("client_turned_bad")
	m.LogEntries(dcr.FeedWebhook, 3)
	m.Delivery(200)
	m.Delivery(418)
	m.Swept(false, time.Minute)
	m.Swept(true, 2500*time.Millisecond)
	return m
}

// own drops the collectors that are not ours.
func own(t *testing.T, g prometheus.Gatherer) []string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "grantd_") {
			var labels []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, l.GetName())
			}
			names = append(names, f.GetName()+"{"+strings.Join(labels, ",")+"} "+strings.ToLower(f.GetType().String()))
		}
	}
	return names
}

// TestCatalog: what is exposed is what is documented, and the other way round.
func TestCatalog(t *testing.T) {
	var want []string
	for _, m := range metrics.Catalog() {
		var labels []string
		for _, l := range m.Labels {
			labels = append(labels, l.Name)
			if (l.Values == nil) == (l.Of == "") {
				t.Errorf("%s{%s}: either its values are listed or what they are", m.Name, l.Name)
			}
		}
		slices.Sort(labels)
		want = append(want, m.Name+"{"+strings.Join(labels, ",")+"} "+string(m.Kind))
		if m.Help == "" || m.Use == "" || strings.ContainsAny(m.Help+m.Use+m.Absent, "|\n") {
			t.Errorf("%s is not documented, or breaks the table", m.Name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, own(t, used().Gatherer())); diff != "" {
		t.Errorf("(-documented +exposed)\n%s", diff)
	}
}

// TestContract: nobody renames what is scraped out there.
func TestContract(t *testing.T) {
	exposed := own(t, used().Gatherer())
	for _, want := range []string{
		"grantd_sightings_total{feed,kind} counter",
		"grantd_malformed_entries_total{feed} counter",
		"grantd_clients{phase} gauge",
		"grantd_time_to_ready_seconds{} histogram",
		"grantd_management_requests_total{code,operation} counter",
		"grantd_management_request_duration_seconds{operation} histogram",
		"grantd_management_rate_limit_remaining{} gauge",
		"grantd_drift_repaired_total{condition} counter",
		"grantd_last_event_timestamp_seconds{feed} gauge",
		"grantd_due_clients{class} gauge",
		"grantd_alarms_total{alarm} counter", "grantd_holds{reason} gauge",
		"grantd_sweeps_total{result} counter", "grantd_sweep_duration_seconds{} gauge",
	} {
		if !slices.Contains(exposed, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestPageUpToDate(t *testing.T) {
	doctest.UpToDate(t, "docs/metrics.md", *update, metrics.WriteMarkdown)
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(used().Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "grantd_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestValues(t *testing.T) {
	const want = `
# HELP grantd_clients Clients in the ledger, by phase.
# TYPE grantd_clients gauge
grantd_clients{phase="blocked"} 1
grantd_clients{phase="gone"} 0
grantd_clients{phase="pending"} 0
grantd_clients{phase="ready"} 3
grantd_clients{phase="refused"} 0
# HELP grantd_alarms_total What a person should look at, by alarm: client_turned_bad (a client that was ready is refused), registration_storm (one began), fighting (somebody else undoes the same change again and again).
# TYPE grantd_alarms_total counter
grantd_alarms_total{alarm="client_turned_bad"} 1
grantd_alarms_total{alarm="fighting"} 0
grantd_alarms_total{alarm="registration_storm"} 0
# HELP grantd_drift_repaired_total Clients that were ready, then changed in Auth0, and were put right, by condition.
# TYPE grantd_drift_repaired_total counter
grantd_drift_repaired_total{condition="connected"} 0
grantd_drift_repaired_total{condition="granted"} 1
grantd_drift_repaired_total{condition="promoted"} 0
# HELP grantd_due_clients Clients whose turn it is, by class.
# TYPE grantd_due_clients gauge
grantd_due_clients{class="background"} 0
grantd_due_clients{class="urgent"} 2
# HELP grantd_holds Active holds, which keep grantd from writing, by reason.
# TYPE grantd_holds gauge
grantd_holds{reason="fighting"} 1
grantd_holds{reason="held"} 2
grantd_holds{reason="registration_storm"} 0
# HELP grantd_last_event_timestamp_seconds Date of the newest log entry, by feed, in seconds since 1970.
# TYPE grantd_last_event_timestamp_seconds gauge
grantd_last_event_timestamp_seconds{feed="webhook"} 1.7000000005e+09
# HELP grantd_last_success_timestamp_seconds When a poll or a sweep last ended well, in seconds since 1970.
# TYPE grantd_last_success_timestamp_seconds gauge
grantd_last_success_timestamp_seconds{feed="sweep"} 1.700000001e+09
# HELP grantd_status 1 for the status of GET /health/auth0, 0 for the others.
# TYPE grantd_status gauge
grantd_status{status="degraded"} 1
grantd_status{status="down"} 0
grantd_status{status="ok"} 0
# HELP grantd_check_failing 1 for a check of health that fails, 0 for the others, by reason.
# TYPE grantd_check_failing gauge
grantd_check_failing{reason="jwks_unreachable"} 0
grantd_check_failing{reason="poll_failing"} 1
# HELP grantd_tenant_entity_limit How many of these entities the tenant's plan allows.
# TYPE grantd_tenant_entity_limit gauge
grantd_tenant_entity_limit{kind="applications"} 10
# HELP grantd_webhook_requests_total Requests to the webhook, by HTTP status.
# TYPE grantd_webhook_requests_total counter
grantd_webhook_requests_total{code="200"} 1
grantd_webhook_requests_total{code="400"} 0
grantd_webhook_requests_total{code="401"} 0
grantd_webhook_requests_total{code="403"} 0
grantd_webhook_requests_total{code="413"} 0
grantd_webhook_requests_total{code="503"} 0
grantd_webhook_requests_total{code="other"} 1
# HELP grantd_management_rate_limit_remaining Calls left in Auth0's tightest known rate limit.
# TYPE grantd_management_rate_limit_remaining gauge
grantd_management_rate_limit_remaining 9
# HELP grantd_management_requests_total Requests to Auth0, by operation and HTTP status, or reason without one.
# TYPE grantd_management_requests_total counter
grantd_management_requests_total{code="200",operation="get_client"} 1
grantd_management_requests_total{code="timeout",operation="get_client"} 1
# HELP grantd_sweep_duration_seconds How long the newest sweep took, with its waiting for the rate limit.
# TYPE grantd_sweep_duration_seconds gauge
grantd_sweep_duration_seconds 2.5
# HELP grantd_sweeps_total Sweeps of the tenant that ended, by result: ok or failed.
# TYPE grantd_sweeps_total counter
grantd_sweeps_total{result="failed"} 1
grantd_sweeps_total{result="ok"} 1
`
	if err := testutil.GatherAndCompare(used().Gatherer(), strings.NewReader(want),
		"grantd_alarms_total", "grantd_clients", "grantd_drift_repaired_total", "grantd_due_clients", "grantd_holds", "grantd_sweeps_total", "grantd_sweep_duration_seconds", "grantd_last_event_timestamp_seconds",
		"grantd_last_success_timestamp_seconds", "grantd_status", "grantd_check_failing", "grantd_tenant_entity_limit", "grantd_webhook_requests_total",
		"grantd_management_rate_limit_remaining", "grantd_management_requests_total"); err != nil {
		t.Error(err)
	}
}

// TestPedantic registers everything once more where inconsistency is an error.
func TestPedantic(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.NewSources(sources()))
	if _, err := registry.Gather(); err != nil {
		t.Error(err)
	}
}

func TestNothingKnownYet(t *testing.T) {
	m := metrics.New(metrics.Sources{RateLimit: func() (int, int, bool) { return 0, 0, false }})
	for _, name := range own(t, m.Gatherer()) {
		for _, absent := range []string{"grantd_management_rate_limit", "grantd_clients", "grantd_holds", "grantd_sweep_duration"} {
			if strings.HasPrefix(name, absent) {
				t.Errorf("%s is told though nothing is known", name)
			}
		}
	}
}

// TestSightingsStartAtZero, so that the first one counts in a rate.
func TestSightingsStartAtZero(t *testing.T) {
	m := metrics.New(metrics.Sources{})
	n, err := testutil.GatherAndCount(m.Gatherer(), "grantd_sightings_total", "grantd_malformed_entries_total")
	if err != nil || n != 18 {
		t.Errorf("got %d series (%v), want 15 and 3", n, err)
	}
}

// TestHoldsUnreadable: the other metrics are answered.
func TestHoldsUnreadable(t *testing.T) {
	m := metrics.New(metrics.Sources{Holds: func(context.Context) ([]dcr.Hold, error) { return nil, errors.New("closed") }})
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if body := w.Body.String(); w.Code != http.StatusOK || strings.Contains(body, "grantd_holds") || !strings.Contains(body, `grantd_sweeps_total{result="ok"} 0`) {
		t.Errorf("status %d, %s", w.Code, body)
	}
}

func TestHandler(t *testing.T) {
	for name, l := range map[string]ledger{"well": {}, "ledger failing": {errors.New("closed")}} {
		t.Run(name, func(t *testing.T) {
			m := metrics.New(metrics.Sources{Ledger: l})
			w := httptest.NewRecorder()
			m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
			if w.Code != http.StatusOK {
				t.Fatalf("status %d", w.Code)
			}
			body := w.Body.String()
			for _, want := range []string{"go_goroutines", "process_start_time_seconds", "grantd_due_clients", "grantd_last_event"} {
				if !strings.Contains(body, want) {
					t.Errorf("no %s", want)
				}
			}
			if got := strings.Contains(body, "grantd_clients{"); got != (l.err == nil) {
				t.Errorf("grantd_clients told: %v", got)
			}
		})
	}
}

func BenchmarkManagementRequest(b *testing.B) {
	m := metrics.New(metrics.Sources{})
	for b.Loop() {
		m.ManagementRequest("get_client", 200, "", 50*time.Millisecond)
	}
}
