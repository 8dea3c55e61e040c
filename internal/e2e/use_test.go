package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A login and a token set a client's last use, shown a few seconds later, at no
// call and for nobody that grantd does not know. It outlives a kill.
func TestLastUse(t *testing.T) {
	w := newWorld(t, setup{})
	id := w.register("first").ID
	w.await(id, "ready")
	w.idle()
	mark := w.mark()
	shown := func() *time.Time {
		t.Helper()
		var c struct {
			LastUsedAt *time.Time `json:"last_used_at"`
		}
		if err := json.Unmarshal([]byte(w.must(0, "clients", "show", id, "--json")), &c); err != nil {
			t.Fatal(err)
		}
		return c.LastUsedAt
	}
	if at := shown(); at != nil {
		t.Errorf("last used at %s before any use", at)
	}
	entry := func(logID, kind, client string, at time.Time) json.RawMessage {
		return fmt.Appendf(nil, `{"log_id":%q,"data":{"type":%q,"log_id":%[1]q,"client_id":%[3]q,"date":%[4]q}}`,
			logID, kind, client, at.UTC().Format(time.RFC3339))
	}
	login := time.Now().Add(-time.Hour).Truncate(time.Second)
	token := login.Add(30 * time.Minute)
	got := w.post(body([]json.RawMessage{
		entry("u1", "s", id, login), entry("u2", "seacft", id, token), entry("u3", "s", "tpc_nobody", token),
	}))
	if got != (receipt{Received: 3}) {
		t.Errorf("receipt %+v", got)
	}
	w.eventually("the last use is shown", func() bool { at := shown(); return at != nil && at.Equal(token) })
	if got := w.metric(`grantd_sightings_total{feed="webhook",kind="used"}`); got != "3" {
		t.Errorf("%s counted as used", got)
	}
	if text := w.must(0, "clients", "show", id); !strings.Contains(text, "\nlast used ") {
		t.Errorf("not shown in\n%s", text)
	}
	w.must(1, "clients", "show", "tpc_nobody")
	if calls := w.calls(mark); len(calls) > 0 {
		t.Errorf("calls %q", calls)
	}
	w.daemon.Kill()
	if at := shown(); at == nil || !at.Equal(token) {
		t.Errorf("last used at %v after a kill", at)
	}
}
