package health_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/health"
)

func TestReportJSON(t *testing.T) {
	t.Run("before anything happened", func(t *testing.T) {
		_, h := newWorld()
		compareJSON(t, h.Report(t.Context()), `{"status":"degraded","reasons":["starting"],"last_event_at":null,
			"jwks":{"reachable":false,"checked_at":null},
			"management_api":{"ok":false,"last_success_at":null,"last_error":"","last_error_at":null,"rate_limit":null},
			"webhook":{"last_event_at":null,"last_delivery_at":null,"events":0},
			"poll":{"last_success_at":null,"last_event_at":null,"checkpoint":null},
			"sweep":{"last_success_at":null},
			"clients":{"ready":0,"pending":0,"blocked":0,"refused":0,"gone":0}}`)
	})
	t.Run("with everything", func(t *testing.T) {
		w, h := newWorld()
		at := func(minutes int) time.Time { return start().Add(time.Duration(minutes) * time.Minute) }
		w.feeds = map[dcr.Feed]dcr.FeedStatus{
			dcr.FeedWebhook: {LastEventAt: at(1), LastDeliveryAt: at(2), Events: 12},
			dcr.FeedPoll:    {LastEventAt: at(3), LastSuccessAt: at(4), Checkpoint: at(2), LastDeliveryAt: at(9)},
			dcr.FeedSweep:   {LastSuccessAt: at(5)},
		}
		w.counts = map[dcr.Phase]int{dcr.Ready: 1, dcr.Pending: 2, dcr.Refused: 4, dcr.Gone: 5}
		w.limit = &health.RateLimit{Limit: 10, Remaining: 9, ResetAt: dcr.Timestamp{Time: at(6)}}
		call(h, 500, dcr.ServerError)
		w.pass(time.Second)
		call(h, 200, "")
		h.Called(health.Call{Op: health.OpJWKS, Status: 200})
		compareJSON(t, h.Report(t.Context()), `{"status":"ok","reasons":[],"last_event_at":"2026-11-23T07:03:00.000Z",
			"jwks":{"reachable":true,"checked_at":"2026-11-23T07:00:01.000Z"},
			"management_api":{"ok":true,"last_success_at":"2026-11-23T07:00:01.000Z","last_error":"server_error","last_error_at":"2026-11-23T07:00:00.000Z",
				"rate_limit":{"limit":10,"remaining":9,"reset_at":"2026-11-23T07:06:00.000Z"}},
			"webhook":{"last_event_at":"2026-11-23T07:01:00.000Z","last_delivery_at":"2026-11-23T07:02:00.000Z","events":12},
			"poll":{"last_success_at":"2026-11-23T07:04:00.000Z","last_event_at":"2026-11-23T07:03:00.000Z","checkpoint":"2026-11-23T07:02:00.000Z"},
			"sweep":{"last_success_at":"2026-11-23T07:05:00.000Z"},
			"clients":{"ready":1,"pending":2,"blocked":0,"refused":4,"gone":5}}`)
	})
}

// compareJSON compares byte by byte, but for white space.
func compareJSON(t *testing.T, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.NewReplacer("\n", "", "\t", "").Replace(want)
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestTimesSurviveARestart: and nothing but the times.
func TestTimesSurviveARestart(t *testing.T) {
	_, before := newWorld()
	call(before, 200, "")
	before.Called(health.Call{Op: health.OpJWKS, Status: 200})
	call(before, 0, dcr.TokenRefused)

	w, after := newWorld()
	w.pass(time.Hour)
	if err := after.Restore(before.Snapshot()); err != nil {
		t.Fatal(err)
	}
	r := after.Report(t.Context())
	at := dcr.Timestamp{Time: start()}
	want := health.ManagementAPI{LastSuccessAt: at, LastError: dcr.TokenRefused, LastErrorAt: at}
	if diff := cmp.Diff(want, r.ManagementAPI); diff != "" {
		t.Errorf("management_api (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(health.JWKS{CheckedAt: at}, r.JWKS); diff != "" {
		t.Errorf("jwks (-want +got)\n%s", diff)
	}
	if r.Status == health.StatusDown {
		t.Error("down before the first try")
	}
}

func TestRestore(t *testing.T) {
	w, h := newWorld()
	old := h.Snapshot()
	w.pass(time.Minute)
	call(h, 200, "")
	for _, fine := range [][]byte{nil, old} {
		if err := h.Restore(fine); err != nil {
			t.Errorf("restore %q: %v", fine, err)
		}
	}
	if got := h.Report(t.Context()).ManagementAPI.LastSuccessAt; !got.Equal(dcr.Timestamp{Time: w.now}) {
		t.Errorf("an older snapshot overtook what happened since: %v", got)
	}
	if err := h.Restore([]byte("{")); err == nil {
		t.Error("a broken snapshot was taken")
	}
}
