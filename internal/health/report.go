package health

import (
	"context"

	"grantd/internal/dcr"
)

// Status is the sum of the checks.
type Status string

// The states of the whole.
const (
	StatusOK       Status = "ok"
	StatusDegraded Status = "degraded"
	StatusDown     Status = "down"
)

// Report is the body of GET /health/auth0. It names no tenant, audience, scope
// or client: anybody may read it.
type Report struct {
	Status        Status        `json:"status"`
	Reasons       []dcr.Reason  `json:"reasons"`       // codes of the failing checks
	LastEventAt   dcr.Timestamp `json:"last_event_at"` // newest entry of any type and feed
	JWKS          JWKS          `json:"jwks"`
	ManagementAPI ManagementAPI `json:"management_api"`
	Webhook       Webhook       `json:"webhook"`
	Poll          Poll          `json:"poll"`
	Sweep         Sweep         `json:"sweep"`
	Clients       Clients       `json:"clients"`
}

// Clients are the numbers of records by phase.
type Clients struct {
	Ready   int `json:"ready"`
	Pending int `json:"pending"`
	Blocked int `json:"blocked"`
	Refused int `json:"refused"`
	Gone    int `json:"gone"`
}

// JWKS is whether the tenant's signing keys could be fetched.
type JWKS struct {
	Reachable bool          `json:"reachable"`
	CheckedAt dcr.Timestamp `json:"checked_at"`
}

// ManagementAPI is how the calls go. OK tells of the newest one, and is false
// before the first.
type ManagementAPI struct {
	OK            bool          `json:"ok"`
	LastSuccessAt dcr.Timestamp `json:"last_success_at"`
	LastError     dcr.Reason    `json:"last_error"`
	LastErrorAt   dcr.Timestamp `json:"last_error_at"`
	RateLimit     *RateLimit    `json:"rate_limit"`
}

// Webhook is what the log stream brought.
type Webhook struct {
	LastEventAt    dcr.Timestamp `json:"last_event_at"`
	LastDeliveryAt dcr.Timestamp `json:"last_delivery_at"`
	Events         uint64        `json:"events"` // entries ever
}

// Poll is how the polls of the tenant log go.
type Poll struct {
	LastSuccessAt dcr.Timestamp `json:"last_success_at"`
	LastEventAt   dcr.Timestamp `json:"last_event_at"`
	Checkpoint    dcr.Timestamp `json:"checkpoint"`
}

// Sweep is when one last ended.
type Sweep struct {
	LastSuccessAt dcr.Timestamp `json:"last_success_at"`
}

// Report returns how things stand.
func (t *Tracker) Report(ctx context.Context) Report {
	s := t.state(ctx)
	r := Report{
		Status: StatusOK, Reasons: []dcr.Reason{},
		JWKS: JWKS{Reachable: s.jwks.reachable, CheckedAt: dcr.Timestamp{Time: s.jwks.checkedAt}},
		ManagementAPI: ManagementAPI{
			OK:            s.mgmt.ok,
			LastSuccessAt: dcr.Timestamp{Time: s.mgmt.lastSuccess},
			LastError:     s.mgmt.lastError,
			LastErrorAt:   dcr.Timestamp{Time: s.mgmt.lastErrorAt},
			RateLimit:     t.o.RateLimit(),
		},
		Clients: Clients{
			Ready: s.counts[dcr.Ready], Pending: s.counts[dcr.Pending], Blocked: s.counts[dcr.Blocked],
			Refused: s.counts[dcr.Refused], Gone: s.counts[dcr.Gone],
		},
	}
	r.addFeeds(s.feeds)
	for _, c := range s.checks() {
		if !c.Failing {
			continue
		}
		r.Reasons = append(r.Reasons, c.Code)
		switch {
		case c.Severity == Down:
			r.Status = StatusDown
		case r.Status == StatusOK:
			r.Status = StatusDegraded
		}
	}
	return r
}

func (r *Report) addFeeds(feeds map[dcr.Feed]dcr.FeedStatus) {
	for _, f := range feeds {
		if f.LastEventAt.After(r.LastEventAt.Time) {
			r.LastEventAt = dcr.Timestamp{Time: f.LastEventAt}
		}
	}
	w, p := feeds[dcr.FeedWebhook], feeds[dcr.FeedPoll]
	r.Webhook = Webhook{
		LastEventAt:    dcr.Timestamp{Time: w.LastEventAt},
		LastDeliveryAt: dcr.Timestamp{Time: w.LastDeliveryAt},
		Events:         w.Events,
	}
	r.Poll = Poll{
		LastSuccessAt: dcr.Timestamp{Time: p.LastSuccessAt},
		LastEventAt:   dcr.Timestamp{Time: p.LastEventAt},
		Checkpoint:    dcr.Timestamp{Time: p.Checkpoint},
	}
	r.Sweep = Sweep{LastSuccessAt: dcr.Timestamp{Time: feeds[dcr.FeedSweep].LastSuccessAt}}
}

// Ready returns why nothing can be acknowledged now; empty when all is well.
func (t *Tracker) Ready(ctx context.Context) []dcr.Reason {
	reasons := []dcr.Reason{}
	for _, c := range t.Checks(ctx) {
		if c.Failing && c.Unready {
			reasons = append(reasons, c.Code)
		}
	}
	return reasons
}
