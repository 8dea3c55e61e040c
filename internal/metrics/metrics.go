package metrics

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"grantd/internal/dcr"
)

// Condition is the value of the label condition: one of the three things a
// client needs.
type Condition string

// The conditions.
const (
	Promoted  Condition = "promoted"
	Connected Condition = "connected"
	Granted   Condition = "granted"
)

// ConditionOf is the condition that a kind of write repairs.
func ConditionOf(step dcr.StepKind) Condition {
	switch step {
	case dcr.StepPromote:
		return Promoted
	case dcr.StepGrant:
		return Granted
	default:
		return Connected
	}
}

// Metrics are grantd's metrics. The methods may be called concurrently.
type Metrics struct {
	registry    *prometheus.Registry
	sightings   *prometheus.CounterVec
	malformed   *prometheus.CounterVec
	timeToReady prometheus.Histogram
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	repaired    *prometheus.CounterVec
	alarms      *prometheus.CounterVec
	sweeps      *prometheus.CounterVec
	sweepTook   *prometheus.GaugeVec // without labels: absent before the first
}

// New returns metrics in a registry of their own. The
// metrics of a source that is nil are left out.
func New(s Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		sightings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grantd_sightings_total",
			Help: "Reasons to look at a client that were new, by feed and kind.",
		}, []string{"feed", "kind"}),
		malformed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grantd_malformed_entries_total",
			Help: "Log entries that could not be read, by feed.",
		}, []string{"feed"}),
		timeToReady: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "grantd_time_to_ready_seconds",
			Help:    "From a client's registration to its being ready, first time only.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600},
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grantd_management_requests_total",
			Help: "Requests to Auth0, by operation and HTTP status, or reason without one.",
		}, []string{"operation", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "grantd_management_request_duration_seconds",
			Help:    "How long requests to Auth0 took, without waiting for the rate limit.",
			Buckets: []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}, []string{"operation"}),
		repaired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grantd_drift_repaired_total",
			Help: "Clients that were ready, then changed in Auth0, and were put right, by condition.",
		}, []string{"condition"}),
		alarms: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grantd_alarms_total",
			Help: "What a person should look at, by alarm: client_turned_bad (a client that was ready is refused), registration_storm (one began), fighting (somebody else undoes the same change again and again).",
		}, []string{"alarm"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grantd_sweeps_total",
			Help: "Sweeps of the tenant that ended, by result: ok or failed.",
		}, []string{"result"}),
		sweepTook: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "grantd_sweep_duration_seconds",
			Help: "How long the newest sweep took, with its waiting for the rate limit.",
		}, nil),
	}
	m.registry.MustRegister(
		m.sightings, m.malformed, m.timeToReady, m.requests, m.duration, m.repaired, m.alarms, m.sweeps, m.sweepTook,
		NewSources(s),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.zero()
	return m
}

// zero makes the counters whose labels are known appear at once, so that a
// rate over the first increment is right.
func (m *Metrics) zero() {
	for _, f := range []dcr.Feed{dcr.FeedWebhook, dcr.FeedPoll, dcr.FeedSweep} {
		m.malformed.WithLabelValues(string(f))
		for _, k := range []dcr.SightingKind{dcr.Registered, dcr.Changed, dcr.Deleted, dcr.Denied} {
			m.sightings.WithLabelValues(string(f), string(k))
		}
	}
	for _, c := range []Condition{Promoted, Connected, Granted} {
		m.repaired.WithLabelValues(string(c))
	}
	for _, alarm := range []string{"client_turned_bad", "registration_storm", "fighting"} {
		m.alarms.WithLabelValues(alarm)
	}
	for _, ok := range []bool{true, false} {
		m.sweeps.WithLabelValues(result(ok))
	}
}

// Sightings counts n new sightings.
func (m *Metrics) Sightings(feed dcr.Feed, kind dcr.SightingKind, n int) {
	m.sightings.WithLabelValues(string(feed), string(kind)).Add(float64(max(n, 0)))
}

// Malformed counts n entries that could not be read.
func (m *Metrics) Malformed(feed dcr.Feed, n int) {
	m.malformed.WithLabelValues(string(feed)).Add(float64(max(n, 0)))
}

// TimeToReady observes how long a client took to become ready.
func (m *Metrics) TimeToReady(d time.Duration) {
	m.timeToReady.Observe(max(d, 0).Seconds())
}

// ManagementRequest counts a request to Auth0 that has ended and how long it
// took. The reason stands for the status where there was no answer (0).
func (m *Metrics) ManagementRequest(operation string, status int, reason dcr.Reason, took time.Duration) {
	code := strconv.Itoa(status)
	if status == 0 {
		code = string(reason)
	}
	m.requests.WithLabelValues(operation, code).Inc()
	m.duration.WithLabelValues(operation).Observe(took.Seconds())
}

// DriftRepaired counts a condition put right of a client that had been ready.
func (m *Metrics) DriftRepaired(c Condition) {
	m.repaired.WithLabelValues(string(c)).Inc()
}

// Alarm counts what a person should look at.
func (m *Metrics) Alarm(alarm string) { m.alarms.WithLabelValues(alarm).Inc() }

// Swept counts a sweep that ended, well or not, and keeps how long it took.
func (m *Metrics) Swept(ok bool, took time.Duration) {
	m.sweeps.WithLabelValues(result(ok)).Inc()
	m.sweepTook.WithLabelValues().Set(max(took, 0).Seconds())
}

// result is the value of the label result.
func result(ok bool) string {
	if ok {
		return "ok"
	}
	return "failed"
}

// Gatherer gives the metrics to whoever exposes them.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Handler answers GET /metrics. A source that fails leaves its metrics out and
// is logged; the others are answered.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError,
	})
}
