package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grantd/internal/dcr"
	"grantd/internal/health"
)

// Ledger is what metrics read of the ledger on each scrape.
type Ledger interface {
	// Counts are the numbers of records by phase.
	Counts(context.Context) (map[dcr.Phase]int, error)
	// DueCounts are the numbers of records due at a time, by class.
	DueCounts(context.Context, time.Time) (map[dcr.Class]int, error)
	// Feeds are the feeds' states.
	Feeds(context.Context) (map[dcr.Feed]dcr.FeedStatus, error)
}

// Entities are how many of one kind the tenant has, and may have.
type Entities struct {
	Kind  string // applications or client_grants
	Used  int
	Limit int // 0: not known
}

// Sources are read on each scrape. All may be nil.
type Sources struct {
	Ledger Ledger
	// RateLimit tells how many calls the tightest known rate limit has left and
	// allows, false while none is known.
	RateLimit func() (remaining, limit int, known bool)
	// Waiting are the calls that wait for the rate limit, by class.
	Waiting func() map[dcr.Class]int
	// TokenExpires is when the token does; zero while there is none.
	TokenExpires func() time.Time
	// CertificateExpires is when the listener's certificate does; zero while
	// there is none.
	CertificateExpires func() time.Time
	// Holds returns the brakes that are set; expired ones are not counted.
	Holds func(context.Context) ([]dcr.Hold, error)
	// Health returns the status and the checks behind it.
	Health func(context.Context) (health.Status, []health.Check)
	// LedgerSize is the size of the ledger's file in bytes.
	LedgerSize func() (int64, error)
	// Entities are those that were counted last; empty while none were.
	Entities func() []Entities
	// Version of grantd; empty leaves it out.
	Version string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// scrapeTimeout bounds the reading of the ledger and the holds.
const scrapeTimeout = 5 * time.Second

// sources turns Sources into gauges.
type sources struct {
	Sources
	clients, due, lastEvent, lastDelivery, lastSuccess, holds *prometheus.Desc
	remaining, limit, waiting, tokenExpires                   *prometheus.Desc
	status, failing, ledgerBytes, buildInfo                   *prometheus.Desc
	entities, entityLimit, certExpires                        *prometheus.Desc
}

// NewSources returns a collector of what the sources know.
func NewSources(s Sources) prometheus.Collector {
	if s.Now == nil {
		s.Now = time.Now
	}
	c := newCatalog()
	return &sources{
		Sources: s,
		clients: desc(c.clients), due: desc(c.due), holds: desc(c.holds),
		lastEvent: desc(c.lastEvent), lastDelivery: desc(c.lastDelivery), lastSuccess: desc(c.lastSuccess),
		remaining: desc(c.remaining), limit: desc(c.limit), waiting: desc(c.waiting), tokenExpires: desc(c.tokenExpires),
		status: desc(c.status), failing: desc(c.failing), ledgerBytes: desc(c.ledgerBytes), buildInfo: desc(c.buildInfo),
		entities: desc(c.entities), entityLimit: desc(c.entityLimit), certExpires: desc(c.certExpires),
	}
}

func desc(m Metric) *prometheus.Desc {
	return prometheus.NewDesc(m.Name, m.Help, m.labelNames(), nil)
}

// Describe implements prometheus.Collector.
func (s *sources) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.clients, s.due, s.lastEvent, s.lastDelivery, s.lastSuccess, s.holds, s.remaining, s.limit, s.waiting,
		s.tokenExpires, s.status, s.failing, s.ledgerBytes, s.buildInfo, s.entities, s.entityLimit, s.certExpires,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *sources) Collect(ch chan<- prometheus.Metric) {
	if s.Version != "" {
		ch <- gauge(s.buildInfo, 1, s.Version)
	}
	s.collectAuth0(ch)
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if s.Ledger != nil {
		s.collectLedger(ctx, ch)
	}
	if s.Holds != nil {
		s.collectHolds(ctx, ch)
	}
	if s.Health != nil {
		s.collectHealth(ctx, ch)
	}
	if s.LedgerSize != nil {
		if n, err := s.LedgerSize(); err != nil {
			ch <- prometheus.NewInvalidMetric(s.ledgerBytes, err)
		} else {
			ch <- gauge(s.ledgerBytes, float64(n))
		}
	}
}

// collectAuth0 tells of the rate limit, the token and the tenant's entities.
func (s *sources) collectAuth0(ch chan<- prometheus.Metric) {
	if s.RateLimit != nil {
		if remaining, limit, known := s.RateLimit(); known {
			ch <- gauge(s.remaining, float64(remaining))
			ch <- gauge(s.limit, float64(limit))
		}
	}
	if s.Waiting != nil {
		waiting := s.Waiting()
		for _, c := range []dcr.Class{dcr.Urgent, dcr.Background} {
			ch <- gauge(s.waiting, float64(waiting[c]), string(c))
		}
	}
	if s.TokenExpires != nil {
		when(ch, s.tokenExpires, s.TokenExpires())
	}
	if s.CertificateExpires != nil {
		when(ch, s.certExpires, s.CertificateExpires())
	}
	if s.Entities == nil {
		return
	}
	for _, e := range s.Entities() {
		ch <- gauge(s.entities, float64(e.Used), e.Kind)
		if e.Limit > 0 {
			ch <- gauge(s.entityLimit, float64(e.Limit), e.Kind)
		}
	}
}

// collectHealth tells of every status and check, so that none has to be missed
// to be known as good.
func (s *sources) collectHealth(ctx context.Context, ch chan<- prometheus.Metric) {
	is, checks := s.Health(ctx)
	for _, status := range []health.Status{health.StatusOK, health.StatusDegraded, health.StatusDown} {
		ch <- gauge(s.status, truth(status == is), string(status))
	}
	for _, c := range checks {
		ch <- gauge(s.failing, truth(c.Failing), string(c.Code))
	}
}

// collectHolds tells of the usual reasons also when there is no hold.
func (s *sources) collectHolds(ctx context.Context, ch chan<- prometheus.Metric) {
	holds, err := s.Holds(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(s.holds, err)
		return
	}
	active := map[dcr.Reason]int{dcr.Fighting: 0, dcr.Held: 0, dcr.RegistrationStorm: 0}
	for _, h := range holds {
		if h.Active(s.Now()) {
			active[h.Reason]++
		}
	}
	for reason, n := range active {
		ch <- gauge(s.holds, float64(n), string(reason))
	}
}

func (s *sources) collectLedger(ctx context.Context, ch chan<- prometheus.Metric) {
	if counts, err := s.Ledger.Counts(ctx); err != nil {
		ch <- prometheus.NewInvalidMetric(s.clients, err)
	} else {
		for _, p := range dcr.Phases() {
			ch <- gauge(s.clients, float64(counts[p]), string(p))
		}
	}
	if due, err := s.Ledger.DueCounts(ctx, s.Now()); err != nil {
		ch <- prometheus.NewInvalidMetric(s.due, err)
	} else {
		for _, c := range []dcr.Class{dcr.Urgent, dcr.Background} {
			ch <- gauge(s.due, float64(due[c]), string(c))
		}
	}
	feeds, err := s.Ledger.Feeds(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(s.lastEvent, err)
		return
	}
	for f, status := range feeds {
		when(ch, s.lastEvent, status.LastEventAt, string(f))
		when(ch, s.lastDelivery, status.LastDeliveryAt, string(f))
		when(ch, s.lastSuccess, status.LastSuccessAt, string(f))
	}
}

// when is a time as a gauge; none where it never happened.
func when(ch chan<- prometheus.Metric, d *prometheus.Desc, at time.Time, labels ...string) {
	if !at.IsZero() {
		ch <- gauge(d, float64(at.UnixMilli())/1000, labels...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
