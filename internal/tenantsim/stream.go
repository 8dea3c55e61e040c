package tenantsim

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Format is how a log stream frames its entries.
type Format string

// The formats of a custom webhook.
const (
	JSONLines  Format = "JSONLINES"
	JSONArray  Format = "JSONARRAY"
	JSONObject Format = "JSONOBJECT"
)

// Delivery is how a log stream delivers; Auth0 documents little of it. The
// zero value sends what has gathered at once, in order, once.
type Delivery struct {
	// Manual delivers only when Deliver or Flush is called.
	Manual bool
	// Batch is the most entries in one request; 0 means 100.
	Batch int
	// Wait gathers entries for so long before a delivery begins.
	Wait time.Duration
	// Retries are the pauses before the second and further attempts; nil means
	// 1 s and 2 s, three attempts in all.
	Retries []time.Duration
	// Cycle is the pause after the last attempt, before all begins anew; 0
	// means 30 s.
	Cycle time.Duration
	// Timeout of one request; 0 means 10 s.
	Timeout time.Duration
	// Copies are delivered beyond the first, each in a request of its own.
	Copies int
	// Shuffle delivers in any order.
	Shuffle bool
	// Lose is the share of deliveries, 0 to 1, that are lost for good.
	Lose float64
	// Gzip compresses bodies.
	Gzip bool
}

// LogStream is a custom webhook log stream to set up.
// https://auth0.com/docs/customize/log-streams/custom-log-streams
type LogStream struct {
	URL           string
	Authorization string // sent as it is
	Format        Format // "" means JSONLines
	ContentType   string // "" means application/json
	Headers       map[string]string
	Filters       []string // category names; none lets everything through
	StartFrom     time.Time
	Delivery      Delivery
}

// The states of a log stream.
const (
	streamActive    = "active"
	streamPaused    = "paused"
	streamSuspended = "suspended"
)

// Stream is a log stream of the tenant.
type Stream struct {
	t        *Tenant
	id, name string
	status   string
	sink     LogStream
	filters  []string
	pii      json.RawMessage
	started  time.Time
	wake     chan struct{}
	stop     context.CancelFunc

	// Under the tenant's lock.
	queue   []*Log
	holding bool // an outage of the stream: entries wait
	drop    int  // deliveries to lose
	stats   StreamStats
	failing time.Time // since when every delivery has failed
	removed bool
}

// StreamStats count what a stream did.
type StreamStats struct {
	Requests  int // sent, including failed ones
	Delivered int // entries acknowledged, copies not counted
	Dropped   int // entries lost by Drop
	Failures  int // requests that were not answered with 2xx
	Errors    []string
}

// AddLogStream sets up a log stream, without a log entry.
func (t *Tenant) AddLogStream(l LogStream) *Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.insertStream("webhook", l, nil)
}

func (t *Tenant) insertStream(name string, l LogStream, pii json.RawMessage) *Stream {
	if l.Format == "" {
		l.Format = JSONLines
	}
	if l.ContentType == "" {
		l.ContentType = "application/json"
	}
	s := &Stream{
		t: t, id: "lst_" + t.random(16, "0123456789"), name: name, status: streamActive, sink: l, filters: l.Filters,
		pii: pii, started: t.now(), wake: make(chan struct{}, 1),
	}
	t.streams.add(s.id, s)
	if !l.StartFrom.IsZero() {
		for _, e := range t.logs {
			if !e.Date.Before(l.StartFrom) {
				s.offer(e)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.ctx)
	s.stop = cancel
	if !l.Delivery.Manual && !t.closed {
		t.work.Go(func() { s.run(ctx) })
	}
	return s
}

// offer queues an entry that the filters let through. A paused stream queues
// too: it goes on where it stopped.
func (s *Stream) offer(l *Log) {
	if len(s.filters) > 0 && !slices.Contains(s.filters, Category(l.Type)) {
		return
	}
	s.queue = append(s.queue, l)
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Streams returns the log streams, those made over the API too.
func (t *Tenant) Streams() []*Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(t.streams.all())
}

// ID is the stream's id.
func (s *Stream) ID() string { return s.id }

// Hold keeps deliveries back, as an outage of log streams does; Release sends
// what has gathered.
func (s *Stream) Hold() { s.set(func() { s.holding = true }) }

// Release ends Hold.
func (s *Stream) Release() { s.set(func() { s.holding = false }) }

// Drop loses the next n deliveries: they are never sent, nor tried again.
func (s *Stream) Drop(n int) { s.set(func() { s.drop = n }) }

// SetDelivery changes how the stream delivers, but for Manual.
func (s *Stream) SetDelivery(d Delivery) {
	s.set(func() {
		d.Manual = s.sink.Delivery.Manual
		s.sink.Delivery = d
	})
}

func (s *Stream) set(change func()) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	change()
	s.signal()
}

// Stats are the counts so far.
func (s *Stream) Stats() StreamStats {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	out := s.stats
	out.Errors = slices.Clone(out.Errors)
	return out
}

// Pending is how many entries wait for delivery.
func (s *Stream) Pending() int {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return len(s.queue)
}

// Pause stops the stream as a dashboard user does, without a log entry. Entries
// gather.
func (s *Stream) Pause() { s.set(func() { s.status = streamPaused }) }

// Suspend stops the stream as Auth0 does, without a log entry. Entries gather.
func (s *Stream) Suspend() { s.set(func() { s.status = streamSuspended }) }

// Resume ends Pause and Suspend, and sends what has gathered.
func (s *Stream) Resume() {
	s.set(func() { s.status, s.failing = streamActive, time.Time{} })
}

// Status is active, paused or suspended.
func (s *Stream) Status() string {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.status
}

// Category is the filter category that a log type belongs to.
// https://auth0.com/docs/deploy-monitor/logs/log-event-filters
func Category(logType string) string {
	switch logType {
	case "sapi", "mgmt_api_read":
		return "management.success"
	case "fapi":
		return "management.fail"
	case "s", "si", "sens":
		return "auth.login.success"
	case "f", "fu", "fp", "fc", "fco", "fcoa", "fens":
		return "auth.login.fail"
	case "w":
		return "auth.login.notification"
	case "seacft", "seccft", "sertft", "sepft", "sede", "seoobft", "seotpft", "sercft", "sete", "scoa":
		return "auth.token_exchange.success"
	case "feacft", "feccft", "fertft", "fepft", "fede", "feoobft", "feotpft", "fercft", "fete", "ferrt":
		return "auth.token_exchange.fail"
	case "ss":
		return "auth.signup.success"
	case "fs":
		return "auth.signup.fail"
	case "slo":
		return "auth.logout.success"
	case "flo":
		return "auth.logout.fail"
	case "ssa":
		return "auth.silent_auth.success"
	case "fsa":
		return "auth.silent_auth.fail"
	case "api_limit", "api_limit_warning", "admin_update_launch", "sys_os_update_start", "sys_os_update_end", "limit_wc", "limit_mu", "limit_sul":
		return "system.notification"
	case "fn", "fui", "fdu", "fcp", "fce", "fcu", "fvr":
		return "user.fail"
	case "scp", "sce", "scu", "sdu", "sui", "sv", "svr", "sud":
		return "user.success"
	case "cs", "cls", "pla":
		return "user.notification"
	}
	if strings.HasPrefix(logType, "actions_") {
		return "actions"
	}
	if strings.HasPrefix(logType, "scim_") {
		return "scim.event"
	}
	return "other"
}

func knownCategory(name string) bool {
	for _, group := range []string{"auth.login", "auth.logout", "auth.signup", "auth.silent_auth", "auth.token_exchange", "auth.ancillary", "management", "user"} {
		if name == group+".success" || name == group+".fail" || (group == "auth.login" || group == "user") && name == group+".notification" {
			return true
		}
	}
	return name == "system.notification" || name == "scim.event" || name == "actions" || name == "other"
}

func noStream() *Error {
	return &Error{http.StatusNotFound, "", "The log stream does not exist."}
}
