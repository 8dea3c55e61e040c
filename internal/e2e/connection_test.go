package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

func connectionWrites(w *world) (writes []tenantsim.Call) {
	for _, c := range w.tenant.Writes() {
		if strings.Contains(c.Operation, "/connections") {
			writes = append(writes, c)
		}
	}
	return writes
}

// promote is an admin who follows the fix in words.
func (w *world) promote() {
	w.Helper()
	_, answer := w.tenant.Do(tenantsim.Admin(), "GET", "/api/v2/connections?name="+google, nil)
	var found []struct{ ID string }
	if err := json.Unmarshal(answer, &found); err != nil || len(found) != 1 {
		w.Fatalf("look up connection: %v: %s", err, answer)
	}
	status, answer := w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/connections/"+found[0].ID, map[string]any{"is_domain_connection": true})
	if status != 200 {
		w.Fatalf("promote connection: %d %s", status, answer)
	}
}

// A new tenant with default settings ends blocked with the fix in words, and
// becomes ready by itself once the connection is domain-level, whichever feed
// brings the news.
func TestNewTenantIsBlockedUntilConnectionIsDomainLevel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		feed string
		setup
	}{
		{"webhook", setup{perClient: true}},
		{"poll", setup{perClient: true, noStream: true, env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}}},
	} {
		t.Run(tt.feed, func(t *testing.T) {
			w := newWorld(t, tt.setup)
			c := w.register("first")
			rec := w.await(c.ID, "blocked")
			if rec.Reason != "connection_not_domain_level" ||
				!strings.Contains(rec.Message, google) || !strings.Contains(rec.Message, "Promote Connection to Domain Level") {
				t.Errorf("blocked for %q: %q; want the fix in words", rec.Reason, rec.Message)
			}
			if !rec.Conditions["promoted"].Status || !rec.Conditions["granted"].Status || rec.Conditions["connected"].Status {
				t.Errorf("all but the connection should be done: %+v", rec.Conditions)
			}
			if n := len(connectionWrites(w)); n != 0 {
				t.Errorf("%d writes to connections, want none: that decision is its owner's", n)
			}
			w.promote()
			w.await(c.ID, "ready")
			w.usable(c.ID, "notes:read", "notes:write")
		})
	}
}

// GRANTD_CONNECTION_LEVEL=domain promotes the connection once for all clients,
// with is_domain_connection alone.
func TestConnectionLevelDomainPromotesOnce(t *testing.T) {
	w := newWorld(t, setup{perClient: true, env: []string{"GRANTD_CONNECTION_LEVEL=domain"}})
	ids := w.registerMany(10)
	for _, id := range ids {
		w.await(id, "ready")
		w.usable(id, "notes:read", "notes:write")
	}
	w.idle()
	writes := connectionWrites(w)
	if len(writes) != 1 || writes[0].Operation != "PATCH /connections/{id}" || string(writes[0].Body) != `{"is_domain_connection":true}` {
		t.Errorf("writes to connections: %+v", writes)
	}
}

// Of a permissive client the connection is enabled for it alone and read back:
// kept is ready and said to be unproven, dropped is blocked.
func TestPermissiveClientIsConnectedAndReadBack(t *testing.T) {
	t.Parallel()
	t.Run("kept", func(t *testing.T) {
		w := newWorld(t, setup{perClient: true, tenant: tenantsim.Options{
			DCR: tenantsim.DCRPermissive, Quirks: tenantsim.Quirks{PerClientLogin: true}}})
		mark := w.mark()
		c := w.register("first")
		rec := w.await(c.ID, "ready")
		if got := rec.Conditions["connected"]; !got.Status || got.Reason != "per_client_unproven" {
			t.Errorf("connected: %+v", got)
		}
		w.idle()
		if got := len(w.calls(mark)); got != 5 {
			t.Errorf("%d calls, want 5: %q", got, w.calls(mark))
		}
		w.usable(c.ID, "notes:read", "notes:write")
	})
	t.Run("dropped", func(t *testing.T) {
		w := newWorld(t, setup{perClient: true, tenant: tenantsim.Options{
			DCR: tenantsim.DCRPermissive, Quirks: tenantsim.Quirks{PermissiveMembers: tenantsim.MemberDropped}}})
		c := w.register("first")
		if rec := w.await(c.ID, "blocked"); rec.Reason != "connection_not_domain_level" {
			t.Errorf("blocked for %q", rec.Reason)
		}
		w.promote()
		w.await(c.ID, "ready")
		w.usable(c.ID, "notes:read", "notes:write")
	})
	t.Run("refused", func(t *testing.T) {
		w := newWorld(t, setup{perClient: true, tenant: tenantsim.Options{
			DCR: tenantsim.DCRPermissive, Quirks: tenantsim.Quirks{PermissiveMembers: tenantsim.MemberRefused}}})
		c := w.register("first")
		w.await(c.ID, "blocked")
		w.promote()
		w.await(c.ID, "ready")
	})
}

// A connection or an API that is not there is named, and the client becomes
// ready once it is there.
func TestMissingConnectionOrAPIIsNamed(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GOOGLE_CONNECTION_NAME=" + google + ",okta", "OAUTH_AUDIENCE=https://other.example.com/mcp"}})
	c := w.register("first")
	rec := w.await(c.ID, "blocked")
	if got := rec.Conditions["connected"]; got.Reason != "connection_not_found" || !strings.Contains(got.Message, "okta") {
		t.Errorf("connected: %+v", got)
	}
	if got := rec.Conditions["granted"]; got.Reason != "api_not_found" || !strings.Contains(got.Message, "https://other.example.com/mcp") {
		t.Errorf("granted: %+v", got)
	}
	w.tenant.AddAPI("https://other.example.com/mcp", "notes:read", "notes:write")
	w.reload("GOOGLE_CONNECTION_NAME=" + google)
	w.awaitFunc(c.ID, func(c child.Client) bool { return c.Phase == "ready" })
}
