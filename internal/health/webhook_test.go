package health_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
)

func TestWebhookSilence(t *testing.T) {
	for name, tc := range map[string]struct {
		poll, webhook time.Duration // newest entry, after the start
		passed        time.Duration
		silent        bool
	}{
		"the webhook brought it":            {time.Minute, time.Minute, time.Hour, false},
		"the webhook may still bring it":    {time.Minute, 0, 6*time.Minute - 1, false},
		"the webhook had its time":          {time.Minute, 0, 6 * time.Minute, true},
		"logged before we were there":       {-time.Minute, -time.Hour, time.Hour, false},
		"the webhook is ahead":              {time.Minute, time.Hour, 2 * time.Hour, false},
		"silent although it once delivered": {time.Hour, 30 * time.Minute, 2 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := newWorld()
			call(h, 200, "")
			status := func(newest time.Duration) dcr.FeedStatus {
				at := start().Add(newest)
				return dcr.FeedStatus{LastEventAt: at, LastManagementAt: at}
			}
			w.feeds[dcr.FeedPoll] = status(tc.poll)
			w.feeds[dcr.FeedWebhook] = status(tc.webhook)
			w.pass(tc.passed)
			want := []dcr.Reason{}
			if tc.silent {
				want = append(want, dcr.WebhookSilent)
			}
			if got := h.Report(t.Context()).Reasons; !cmp.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestWebhookSilenceByKind: only what every stream has to bring counts.
func TestWebhookSilenceByKind(t *testing.T) {
	at := func(m time.Duration) time.Time { return start().Add(m * time.Minute) }
	for name, tc := range map[string]struct {
		poll, webhook dcr.FeedStatus
		silent        bool
	}{
		"a failed login, which the stream is filtered from": {
			dcr.FeedStatus{LastEventAt: at(9), LastManagementAt: at(1)},
			dcr.FeedStatus{LastEventAt: at(1), LastManagementAt: at(1)}, false,
		},
		"a login by the webhook does not stand for a call": {
			dcr.FeedStatus{LastEventAt: at(5), LastManagementAt: at(5)},
			dcr.FeedStatus{LastEventAt: at(9), LastManagementAt: at(1)}, true,
		},
		"an own call, which the poll leaves out": {
			dcr.FeedStatus{LastEventAt: at(5), LastManagementAt: at(5)},
			dcr.FeedStatus{LastEventAt: at(6), LastManagementAt: at(6)}, false,
		},
		"no webhook at all": {
			dcr.FeedStatus{LastEventAt: at(5), LastManagementAt: at(5)}, dcr.FeedStatus{}, true,
		},
		"no webhook, and nothing to bring": {
			dcr.FeedStatus{LastEventAt: at(5)}, dcr.FeedStatus{}, false,
		},
		"no poll": {dcr.FeedStatus{}, dcr.FeedStatus{LastManagementAt: at(5)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := newWorld()
			call(h, 200, "")
			w.feeds[dcr.FeedPoll], w.feeds[dcr.FeedWebhook] = tc.poll, tc.webhook
			w.pass(time.Hour)
			if got := slices.Contains(h.Report(t.Context()).Reasons, dcr.WebhookSilent); got != tc.silent {
				t.Errorf("silent: %v, want %v", got, tc.silent)
			}
		})
	}
}
