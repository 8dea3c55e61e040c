package http_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/http"
)

func TestClientView(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 11, 23, 7, 0, s, 5_999_999, time.UTC) }
	ok := dcr.Condition{Status: true, Since: at(2)}
	for name, tc := range map[string]struct {
		record dcr.Record
		want   string
	}{
		"just seen": {
			dcr.Record{ClientID: "tpc_1", Phase: dcr.Pending, Reason: dcr.Unchecked, FirstSeenAt: at(0), FirstSeenFeed: dcr.FeedPoll, NextAttemptAt: at(0), Seq: 4},
			`{"client_id":"tpc_1","name":"","phase":"pending","reason":"unchecked","message":"",
			"registration":"unknown","security_mode":"","callbacks":[],
			"first_seen_at":"2026-11-23T07:00:00.005Z","first_seen_feed":"poll","registered_at":null,"ready_at":null,"time_to_ready_ms":null,
			"last_checked_at":null,"last_used_at":null,"next_attempt_at":"2026-11-23T07:00:00.005Z","attempts":0,"last_error":"","digest":"",
			"conditions":{"promoted":{"status":false,"reason":"","message":"","since":null},
			"connected":{"status":false,"reason":"","message":"","since":null},
			"granted":{"status":false,"reason":"","message":"","since":null}}}`,
		},
		"ready, and nobody knows since when it is registered": {
			dcr.Record{ClientID: "tpc_1", Phase: dcr.Ready, FirstSeenAt: at(0), FirstSeenFeed: dcr.FeedPoll, ReadyAt: at(2)},
			`{"client_id":"tpc_1","name":"","phase":"ready","reason":"","message":"",
			"registration":"unknown","security_mode":"","callbacks":[],
			"first_seen_at":"2026-11-23T07:00:00.005Z","first_seen_feed":"poll","registered_at":null,"ready_at":"2026-11-23T07:00:02.005Z","time_to_ready_ms":null,
			"last_checked_at":null,"last_used_at":null,"next_attempt_at":null,"attempts":0,"last_error":"","digest":"",
			"conditions":{"promoted":{"status":false,"reason":"","message":"","since":null},
			"connected":{"status":false,"reason":"","message":"","since":null},
			"granted":{"status":false,"reason":"","message":"","since":null}}}`,
		},
		"ready": {
			dcr.Record{
				ClientID: "tpc_1", Name: "ChatGPT", Phase: dcr.Ready, Registration: dcr.RegistrationDCR, SecurityMode: dcr.Strict,
				Callbacks: []string{"https://chatgpt.com/a"}, FirstSeenAt: at(1), FirstSeenFeed: dcr.FeedWebhook, RegisteredAt: at(0),
				ReadyAt: at(2), TimeToReady: 131_900 * time.Microsecond, LastCheckedAt: at(3), LastUsedAt: at(4), Digest: "d1",
				Conditions: dcr.Conditions{Promoted: ok, Connected: ok, Granted: dcr.Condition{Status: true, Reason: dcr.ScopesUndefined, Message: "x", Since: at(2)}},
				GrantID:    "cgr_1", GrantMade: true, Class: dcr.Urgent,
			},
			`{"client_id":"tpc_1","name":"ChatGPT","phase":"ready","reason":"","message":"",
			"registration":"dcr","security_mode":"strict","callbacks":["https://chatgpt.com/a"],
			"first_seen_at":"2026-11-23T07:00:01.005Z","first_seen_feed":"webhook","registered_at":"2026-11-23T07:00:00.005Z","ready_at":"2026-11-23T07:00:02.005Z","time_to_ready_ms":131,
			"last_checked_at":"2026-11-23T07:00:03.005Z","last_used_at":"2026-11-23T07:00:04.005Z","next_attempt_at":null,"attempts":0,"last_error":"","digest":"d1",
			"conditions":{"promoted":{"status":true,"reason":"","message":"","since":"2026-11-23T07:00:02.005Z"},
			"connected":{"status":true,"reason":"","message":"","since":"2026-11-23T07:00:02.005Z"},
			"granted":{"status":true,"reason":"scopes_undefined","message":"x. Define them under Applications → APIs → your API → Permissions.","since":"2026-11-23T07:00:02.005Z"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(http.ClientView(tc.record))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(squeeze(tc.want), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			var back http.Client
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(back)
			if err != nil || string(again) != string(got) {
				t.Errorf("read back and written again: %v\n%s", err, again)
			}
		})
	}
}

// TestClientViewPlan: a dry run shows what it would do.
func TestClientViewPlan(t *testing.T) {
	got, err := json.Marshal(http.ClientView(dcr.Record{Plan: []dcr.Change{{Step: dcr.StepGrant, After: map[string]any{"scope": "x"}}}}))
	if err != nil || !strings.HasSuffix(string(got), `,"plan":[{"step":"grant","after":{"scope":"x"}}]}`) {
		t.Errorf("%v %s", err, got)
	}
}

func TestJournalView(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	got, err := json.Marshal(http.JournalView(dcr.JournalEntry{
		Seq: 7, ClientID: "tpc_1",
		Change: dcr.Change{Step: dcr.StepPromote, Before: map[string]any{"app_type": "native"}, After: map[string]any{"app_type": "regular_web"}, CorrelationID: "grantd-1-2", At: at},
		Cause:  dcr.Cause{Feed: dcr.FeedWebhook, LogID: "log1", Digest: "d1", Actor: &dcr.Actor{Kind: dcr.ActorUser, ID: "auth0|1"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := squeeze(`{"seq":7,"at":"2026-11-23T07:00:00.000Z","client_id":"tpc_1","step":"promote",
		"before":{"app_type":"native"},"after":{"app_type":"regular_web"},"correlation_id":"grantd-1-2",
		"cause":{"feed":"webhook","log_id":"log1","digest":"d1","actor":{"kind":"user","id":"auth0|1"}}}`)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func squeeze(s string) string { return strings.NewReplacer("\n", "", "\t", "").Replace(s) }
