package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
)

const (
	// The categories of log entries that grantd needs, and of those that it can
	// use.
	// https://auth0.com/docs/deploy-monitor/logs/log-event-filters
	registrations, denials = "management.success", "auth.login.fail"
	// soon is how long before its end a certificate is to be renewed.
	soon = 14 * 24 * time.Hour
	// lately is how long ago a delivery shows that others reach the public address.
	lately = time.Hour
)

func (x *examination) stream() {
	f := x.f
	if !f.Streams.ok() {
		return
	}
	s, ours := f.stream()
	x.looks(StreamMissing)
	if !ours {
		x.found(StreamMissing, "", "")
		return
	}
	name := s.Name
	if name == "" {
		name = s.ID
	}
	found := func(c Code, message string, args ...any) {
		filters := s.Filters
		for _, name := range []string{registrations, denials} {
			if !slices.Contains(filters, name) {
				filters = append(slices.Clip(filters), name)
			}
		}
		x.found(c, s.ID, fmt.Sprintf(message, args...), "{stream}", name, "{stream_id}", s.ID, "{filters}", quoteFilters(filters))
	}
	x.looks(StreamStopped, StreamURL, StreamFormat, StreamCredential, StreamFilters, StreamNoDenials)
	if s.Status != "active" {
		found(StreamStopped, "The log stream %s is %s.", name, s.Status)
	}
	if !f.here(s) {
		found(StreamURL, "The log stream %s has grantd's secret and delivers to %s, and not to %s.", name, s.Endpoint, f.endpoint())
	}
	if s.ContentFormat != "" && s.ContentFormat != "JSONLINES" && s.ContentFormat != "JSONARRAY" {
		found(StreamFormat, "The content format of the log stream %s is %s.", name, s.ContentFormat)
	}
	if !f.trusted(s) {
		how := "sends another secret than LOG_WEBHOOK_SECRET"
		if len(s.Credentials) == 0 {
			how = "sends no secret"
		}
		found(StreamCredential, "The log stream %s %s.", name, how)
	}
	if len(s.Filters) == 0 {
		return // everything passes
	}
	if !slices.Contains(s.Filters, registrations) {
		found(StreamFilters, "The filters of the log stream %s leave out %s.", name, registrations)
	}
	if !slices.Contains(s.Filters, denials) {
		found(StreamNoDenials, "The filters of the log stream %s leave out %s.", name, denials)
	}
}

// stream is the log stream that is to deliver here: one with our address, else
// one with our secret, an active one first.
func (f Facts) stream() (best dcr.LogStream, ok bool) {
	rank := 0
	for _, s := range f.Streams.Value {
		r := 0
		switch {
		case s.Type != "http":
			continue
		case f.here(s):
			r = 4
		case f.trusted(s):
			r = 2
		default:
			continue
		}
		if s.Status == "active" {
			r++
		}
		if r > rank || r == rank && f.trusted(s) && !f.trusted(best) {
			best, rank = s, r
		}
	}
	return best, rank > 0
}

// here reports whether a stream delivers here, as far as can be told.
func (f Facts) here(s dcr.LogStream) bool { return s.DeliversTo(f.PublicURL, f.WebhookPath) }

// trusted reports whether a stream sends a secret that the webhook takes.
func (f Facts) trusted(s dcr.LogStream) bool {
	return slices.ContainsFunc(s.Credentials, func(c [32]byte) bool { return slices.Contains(f.Secrets, c) })
}

func (x *examination) webhook() {
	f, w := x.f, x.f.Webhook
	if !w.Asked {
		return
	}
	if w.Certificate != "" {
		x.found(WebhookCert, "", fmt.Sprintf("The certificate at %s is not good: %s.", f.PublicURL, stripped(w.Certificate)))
		return
	}
	if strings.HasPrefix(f.PublicURL, "https://") && !w.Expires.IsZero() {
		x.looks(WebhookCert, WebhookCertExpiry)
		if left := w.Expires.Sub(f.CheckedAt); left < soon {
			x.found(WebhookCertExpiry, "", fmt.Sprintf("The certificate at %s expires on %s.", f.PublicURL, w.Expires.UTC().Format("2006-01-02 15:04 UTC")))
		}
	}
	if at := f.DeliveredAt; w.Unreached != "" && !at.IsZero() && f.CheckedAt.Sub(at) < lately {
		x.unknown("the public address", fmt.Sprintf("%s cannot be reached from here: %s. Auth0 can: its last delivery came %s.",
			f.PublicURL, stripped(w.Unreached), at.UTC().Format("2006-01-02 15:04 UTC")), nil)
		return
	}
	if w.Unreached != "" {
		x.found(WebhookUnreached, "", fmt.Sprintf("%s cannot be reached from here: %s.", f.PublicURL, stripped(w.Unreached)))
		return
	}
	x.looks(WebhookUnreached, WebhookNotGrantd)
	if w.NotGrantd != "" {
		x.found(WebhookNotGrantd, "", fmt.Sprintf("What answers at %s is not grantd: %s.", f.PublicURL, w.NotGrantd))
	}
}
