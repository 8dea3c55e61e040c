package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grantd/internal/dcr"
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

// Sources are read on each scrape. All may be nil.
type Sources struct {
	Ledger Ledger
	// RateLimitRemaining tells how many calls the tightest known rate limit
	// has left, false while none is known.
	RateLimitRemaining func() (n int, known bool)
	// Holds returns the brakes that are set; expired ones are not counted.
	Holds func(context.Context) ([]dcr.Hold, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// scrapeTimeout bounds the reading of the ledger and the holds.
const scrapeTimeout = 5 * time.Second

// sources turns Sources into gauges.
type sources struct {
	Sources
	clients, due, lastEvent, remaining, holds *prometheus.Desc
}

// NewSources returns a collector of what the sources know.
func NewSources(s Sources) prometheus.Collector {
	if s.Now == nil {
		s.Now = time.Now
	}
	return &sources{
		Sources: s,
		clients: prometheus.NewDesc("grantd_clients",
			"Clients in the ledger, by phase.", []string{"phase"}, nil),
		due: prometheus.NewDesc("grantd_due_clients",
			"Clients whose turn it is, by class.", []string{"class"}, nil),
		lastEvent: prometheus.NewDesc("grantd_last_event_timestamp_seconds",
			"Date of the newest log entry, by feed, in seconds since 1970.", []string{"feed"}, nil),
		remaining: prometheus.NewDesc("grantd_management_rate_limit_remaining",
			"Calls left in Auth0's tightest known rate limit.", nil, nil),
		holds: prometheus.NewDesc("grantd_holds",
			"Active holds, which keep grantd from writing, by reason.", []string{"reason"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (s *sources) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.clients, s.due, s.lastEvent, s.remaining, s.holds} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *sources) Collect(ch chan<- prometheus.Metric) {
	if s.RateLimitRemaining != nil {
		if n, known := s.RateLimitRemaining(); known {
			ch <- gauge(s.remaining, float64(n))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if s.Ledger != nil {
		s.collectLedger(ctx, ch)
	}
	if s.Holds != nil {
		s.collectHolds(ctx, ch)
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
	if feeds, err := s.Ledger.Feeds(ctx); err != nil {
		ch <- prometheus.NewInvalidMetric(s.lastEvent, err)
	} else {
		for f, status := range feeds {
			if at := status.LastEventAt; !at.IsZero() {
				ch <- gauge(s.lastEvent, float64(at.UnixMilli())/1000, string(f))
			}
		}
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
