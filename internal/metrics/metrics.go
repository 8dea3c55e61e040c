package metrics

import (
	"log/slog"
	"net/http"
	"slices"
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
	entries     *prometheus.CounterVec
	deliveries  *prometheus.CounterVec
	timeToReady *prometheus.HistogramVec // without labels
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	repaired    *prometheus.CounterVec
	alarms      *prometheus.CounterVec
	sweeps      *prometheus.CounterVec
	notified    *prometheus.CounterVec
	sweepTook   *prometheus.GaugeVec // without labels: absent before the first
}

// New returns metrics in a registry of their own. The
// metrics of a source that is nil are left out.
func New(s Sources) *Metrics {
	c := newCatalog()
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		sightings:   counters(c.sightings),
		malformed:   counters(c.malformed),
		entries:     counters(c.entries),
		deliveries:  counters(c.deliveries),
		timeToReady: histograms(c.timeToReady, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
		requests:    counters(c.requests),
		duration:    histograms(c.duration, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
		repaired:    counters(c.repaired),
		alarms:      counters(c.alarms),
		sweeps:      counters(c.sweeps),
		notified:    counters(c.notified),
		sweepTook:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: c.sweepTook.Name, Help: c.sweepTook.Help}, nil),
	}
	m.registry.MustRegister(
		m.sightings, m.malformed, m.entries, m.deliveries, m.timeToReady, m.requests, m.duration, m.repaired, m.alarms,
		m.sweeps, m.sweepTook, m.notified,
		NewSources(s),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.zero(c)
	return m
}

func counters(m Metric) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.labelNames())
}

func histograms(m Metric, buckets ...float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: buckets}, m.labelNames())
}

// zero makes the counters whose labels are known appear at once, so that a
// rate over the first increment is right.
func (m *Metrics) zero(c catalog) {
	for vec, of := range map[*prometheus.CounterVec]Metric{
		m.sightings: c.sightings, m.malformed: c.malformed, m.entries: c.entries, m.deliveries: c.deliveries,
		m.repaired: c.repaired, m.alarms: c.alarms, m.sweeps: c.sweeps, m.notified: c.notified,
	} {
		zero(vec, nil, of.Labels)
	}
	m.timeToReady.WithLabelValues()
}

// zero makes every series of a counter.
func zero(vec *prometheus.CounterVec, values []string, labels []Label) {
	if len(labels) == 0 {
		vec.WithLabelValues(values...)
		return
	}
	for _, v := range labels[0].Values {
		zero(vec, append(slices.Clone(values), v), labels[1:])
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

// LogEntries counts n entries that were read, malformed ones included.
func (m *Metrics) LogEntries(feed dcr.Feed, n int) {
	m.entries.WithLabelValues(string(feed)).Add(float64(max(n, 0)))
}

// Delivery counts a request to the webhook that was answered with a status.
func (m *Metrics) Delivery(status int) {
	code := strconv.Itoa(status)
	if !slices.Contains(deliveryCodes(), code) {
		code = "other"
	}
	m.deliveries.WithLabelValues(code).Inc()
}

// TimeToReady observes how long a client took to become ready.
func (m *Metrics) TimeToReady(d time.Duration) {
	m.timeToReady.WithLabelValues().Observe(max(d, 0).Seconds())
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

// Notified counts n events that were told, or were not, by result: sent, failed
// or dropped.
func (m *Metrics) Notified(result string, n int) {
	m.notified.WithLabelValues(result).Add(float64(max(n, 0)))
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
