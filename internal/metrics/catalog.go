package metrics

import "grantd/internal/dcr"

// Kind is the type of a metric, as Prometheus names it.
type Kind string

// The kinds of metric.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one metric, as it is exposed and documented.
type Metric struct {
	Name   string
	Kind   Kind
	Labels []Label
	Help   string // what it is; exposed too
	Use    string // what an operator does with it
	// Absent is when it is not exposed; empty: it always is.
	Absent string
}

// Label is one label of a metric.
type Label struct {
	Name   string
	Values []string // all there are; nil: an open list
	Of     string   // what the values are where they are not listed
}

// labelNames are the names of the labels, in their order.
func (m Metric) labelNames() []string {
	names := make([]string, len(m.Labels))
	for i, l := range m.Labels {
		names[i] = l.Name
	}
	return names
}

// catalog is every metric there is.
type catalog struct {
	sightings, malformed, entries, deliveries, lastEvent, lastDelivery, lastSuccess Metric
	clients, due, timeToReady, repaired, alarms, holds, sweeps, sweepTook, notified Metric
	requests, duration, remaining, limit, waiting, tokenExpires                     Metric
	status, failing, ledgerBytes, buildInfo, entities, entityLimit, certExpires     Metric
}

// Catalog returns every metric of grantd's own, in the order in which to read
// of them.
func Catalog() []Metric {
	c := newCatalog()
	return []Metric{
		c.status, c.failing, c.buildInfo,
		c.clients, c.timeToReady, c.due, c.repaired, c.holds, c.alarms, c.notified,
		c.sightings, c.entries, c.malformed, c.deliveries, c.lastEvent, c.lastDelivery, c.lastSuccess,
		c.sweeps, c.sweepTook,
		c.requests, c.duration, c.remaining, c.limit, c.waiting, c.tokenExpires,
		c.entities, c.entityLimit, c.certExpires, c.ledgerBytes,
	}
}

func newCatalog() catalog {
	var c catalog
	c.ofFeeds()
	c.ofClients()
	c.ofAuth0()
	c.ofItself()
	return c
}

func (c *catalog) ofFeeds() {
	feed := label("feed", dcr.FeedWebhook, dcr.FeedPoll, dcr.FeedSweep)
	logFeed := label("feed", dcr.FeedWebhook, dcr.FeedPoll)
	c.sightings = Metric{
		"grantd_sightings_total", Counter, []Label{feed, label("kind", sightingKinds()...)},
		"Reasons to look at a client that were new, by feed and kind; of kind used: log entries that show a client at work.",
		"Registrations and edits as they come. A webhook that brings none while the poll does is misconfigured.", "",
	}
	c.entries = Metric{
		"grantd_log_entries_total", Counter, []Label{logFeed},
		"Log entries that were read, malformed ones included, by feed.",
		"How much the log stream brings. Far more than sightings: narrow the stream's filter.", "",
	}
	c.malformed = Metric{
		"grantd_malformed_entries_total", Counter, []Label{feed},
		"Log entries that could not be read, by feed.",
		"Should stay at 0. Otherwise the log names the flaw, or somebody who has the webhook's secret makes entries up.", "",
	}
	c.deliveries = Metric{
		"grantd_webhook_requests_total", Counter, []Label{label("code", deliveryCodes()...)},
		"Requests to the webhook, by HTTP status.",
		"401 and 403: the log stream's secret is not grantd's, or somebody guesses. 503: the ledger cannot be written.", "",
	}
	c.lastEvent = Metric{
		"grantd_last_event_timestamp_seconds", Gauge, []Label{logFeed},
		"Date of the newest log entry, by feed, in seconds since 1970.",
		"Webhook far behind poll: the log stream is stopped or filtered wrongly.", "of a feed that never brought one",
	}
	c.lastDelivery = Metric{
		"grantd_last_delivery_timestamp_seconds", Gauge, []Label{logFeed},
		"When a feed last brought anything, in seconds since 1970.",
		"As above; this is grantd's clock and not the entry's date.", "of a feed that never brought anything",
	}
	c.lastSuccess = Metric{
		"grantd_last_success_timestamp_seconds", Gauge, []Label{label("feed", dcr.FeedPoll, dcr.FeedSweep)},
		"When a poll or a sweep last ended well, in seconds since 1970.",
		"Older than a few of its schedule: see the log, and the reason in grantd_check_failing.", "of a feed that never did",
	}
}

func (c *catalog) ofClients() {
	c.clients = Metric{
		"grantd_clients", Gauge, []Label{label("phase", dcr.Phases()...)},
		"Clients in the ledger, by phase.",
		"Blocked ones wait for a person: grantd clients list --phase blocked.", "when the ledger cannot be read",
	}
	c.due = Metric{
		"grantd_due_clients", Gauge, []Label{label("class", dcr.Urgent, dcr.Background)},
		"Clients whose turn it is, by class.",
		"Urgent ones that do not go down: Auth0 fails or the rate limit is used up.", "when the ledger cannot be read",
	}
	c.timeToReady = Metric{
		"grantd_time_to_ready_seconds", Histogram, nil,
		"From a client's registration to its being ready, first time only.",
		"The one number to promise: a person waits that long.", "",
	}
	c.repaired = Metric{
		"grantd_drift_repaired_total", Counter, []Label{label("condition", Promoted, Connected, Granted)},
		"Clients that were ready, then changed in Auth0, and were put right, by condition.",
		"More than a few: somebody, or something, edits what grantd manages. grantd history says who.", "",
	}
	c.holds = Metric{
		"grantd_holds", Gauge, []Label{{Name: "reason", Of: "a reason of holds in [reasons.md](reasons.md)"}},
		"Active holds, which keep grantd from writing, by reason.",
		"grantd hold list; a hold that was forgotten keeps clients from being put right.", "when the ledger cannot be read",
	}
	c.alarms = Metric{
		"grantd_alarms_total", Counter, []Label{label("alarm", alarms()...)},
		"What a person should look at, by alarm: client_turned_bad (a client that was ready is refused), registration_storm (one began), fighting (somebody else undoes the same change again and again).",
		"Each is one line in the log, with the client.", "",
	}
	c.notified = Metric{
		"grantd_notifications_total", Counter, []Label{label("result", "sent", "failed", "dropped")},
		"What was to be told at GRANTD_NOTIFY_URL, by result: sent, failed (it did not arrive) or dropped (too much waited).",
		"Failed: try grantd notify --test, and see the log.", "",
	}
	c.sweeps = Metric{
		"grantd_sweeps_total", Counter, []Label{label("result", "ok", "failed")},
		"Sweeps of the tenant that ended, by result: ok or failed.",
		"Failed ones are tried again; many in a row are a reason in grantd_check_failing.", "",
	}
	c.sweepTook = Metric{
		"grantd_sweep_duration_seconds", Gauge, nil,
		"How long the newest sweep took, with its waiting for the rate limit.",
		"Near to its schedule: sweep less often, or raise GRANTD_MGMT_RPS if it is set.", "before the first sweep has ended",
	}
}

// label is a label with a closed list of values.
func label[T ~string](name string, values ...T) Label {
	l := Label{Name: name}
	for _, v := range values {
		l.Values = append(l.Values, string(v))
	}
	return l
}

func sightingKinds() []dcr.SightingKind {
	return []dcr.SightingKind{dcr.Registered, dcr.Changed, dcr.Deleted, dcr.Denied, dcr.Used}
}

// deliveryCodes are the statuses of the webhook that are told apart.
func deliveryCodes() []string { return []string{"200", "400", "401", "403", "413", "503", "other"} }

func alarms() []string { return []string{"client_turned_bad", "registration_storm", "fighting"} }
