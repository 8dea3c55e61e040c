package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// A tenant in sync is verified by lists of a hundred, and by nothing else.
func TestSweepInSync(t *testing.T) {
	for _, n := range []int{1, 100, 101, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, domainLevel())
			w.recorded(n)
			s := w.sweep()
			if s.Listed != n || s.InSync != n || s.Due != 0 {
				t.Errorf("%+v", s)
			}
			pages := (n + 99) / 100
			// The facts that all clients share were read a minute ago.
			w.wantCounts(map[string]int{listClients: pages, listGrants: pages, listConnections: 1, getAPI: 1})
			c, err := w.ledger.Counts(t.Context())
			if err != nil || c[dcr.Ready] != n {
				t.Errorf("counts %v, %v", c, err)
			}
		})
	}
}

// Repair costs a sweep and one write for each thing that drifted: what the
// sweep saw is not read again.
func TestSweepRepairs(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(250)
	admin := tenantsim.Admin()
	do := func(method, path string, body any) {
		t.Helper()
		if status, answer := w.tenant.Do(admin, method, path, body); status > 299 {
			t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
	}
	grant := func(id string) string { return "/api/v2/client-grants/" + w.tenant.Grants(id)[0].ID }
	do("PATCH", grant(ids[3]), map[string]any{"scope": []string{"notes:read"}})
	do("PATCH", grant(ids[120]), map[string]any{"scope": []string{"notes:read", "notes:write", "notes:delete"}})
	do("PATCH", grant(ids[4]), map[string]any{"allow_all_scopes": true})
	do("DELETE", grant(ids[240]), nil)
	do("PATCH", "/api/v2/clients/"+ids[77], map[string]any{"app_type": "spa"})
	w.tenant.ResetCalls()
	if s := w.sweep(); s.Due != 5 || s.InSync != 245 {
		t.Errorf("%+v", s)
	}
	w.drain()
	w.wantCounts(map[string]int{
		listClients: 3, listGrants: 3, listConnections: 1, getAPI: 1,
		patchGrant: 3, createGrant: 1, patchClient: 1,
	})
	for _, id := range ids {
		w.wantGrant(id, "notes:read", "notes:write")
	}
	if !w.ready(ids...) {
		t.Error("not all are ready")
	}
	entries, _, err := w.ledger.Journal(t.Context(), journalOf(ids[3]))
	if err != nil || len(entries) != 1 || entries[0].Cause.Feed != dcr.FeedSweep {
		t.Errorf("journal: %+v, %v", entries, err)
	}
	w.clock.advance(2 * time.Minute)
	if s := w.sweep(); s.InSync != 250 {
		t.Errorf("again: %+v", s)
	}
}

// Connections are enabled by the fifty, and the next sweep looks at whether
// they were kept.
func TestSweepConnects(t *testing.T) {
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprintf("kept=%v", kept), func(t *testing.T) {
			s := permissive()
			if !kept {
				s.tenant.Quirks.PermissiveMembers = tenantsim.MemberDropped
			}
			// In simulated time, so that batches are as full as they can be.
			bubble(t, s, func(t *testing.T, w *world) { connects(t, w, kept) })
		})
	}
}

func connects(t *testing.T, w *world, kept bool) {
	const n = 120
	ids := make([]string, n)
	for i := range ids {
		c := asDesired(i)
		c.SecurityMode = tenantsim.Permissive
		ids[i] = w.tenant.AddClient(c).ID
		w.tenant.AddGrant(tenantsim.Grant{ClientID: ids[i], Audience: audience, Scopes: []string{"notes:read", "notes:write"}})
	}
	if got := w.sweep(); got.Due != n {
		t.Fatalf("%+v", got)
	}
	r := w.start(func(o *reconcile.LoopOptions) { o.Workers = 128 })
	r.Wake()
	await(t, "all are connected", func() bool { return w.ready(ids...) })
	got := counts(w.calls())
	if got[patchMembers] != 3 || got[clientConnections] != 0 || got[getClient] != 0 {
		t.Errorf("calls: %v", got)
	}
	time.Sleep(2 * time.Minute)
	again := w.sweep()
	if kept && again.InSync != n || !kept && again.Blocked != n {
		t.Errorf("%+v", again)
	}
	if want := (n + 99) / 100; kept && counts(w.calls())[listMembers] != want {
		t.Errorf("the connection's clients were not listed in %d pages", want)
	}
	if kept { // and one that was kept is enabled again when somebody disables it
		c, err := w.client.Connection(t.Context(), google)
		if err != nil {
			t.Fatal(err)
		}
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/connections/"+c.ID+"/clients", []map[string]any{{"client_id": ids[0], "status": false}})
		time.Sleep(2 * time.Minute)
		if again := w.sweep(); again.Due != 1 {
			t.Errorf("disabled: %+v", again)
		}
	}
	if !kept && w.record(ids[0]).Reason != dcr.ConnectionNotDomainLevel {
		t.Errorf("reason %q", w.record(ids[0]).Reason)
	}
}

// What a person edited after the sweep counts, not what the sweep saw.
func TestSweepSeesAndSomethingLands(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(2)
	for _, id := range ids {
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"scope": []string{"notes:read"}})
	}
	w.sweep()
	w.clock.advance(time.Second)
	w.sight(ids[0], dcr.Changed)
	w.tenant.ResetCalls()
	w.drain()
	w.wantCounts(map[string]int{getClient: 1, listGrants: 1, patchGrant: 2})
	if !w.ready(ids...) {
		t.Error("not ready")
	}
}

// What was seen long ago, or against another configuration, is read again; and
// so are scopes that are to be kept.
func TestSweepReadsAgain(t *testing.T) {
	narrow := func(w *world, id string) {
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"scope": []string{"notes:read"}})
	}
	tests := []struct {
		name    string
		desired func(*plan.Desired)
		between func(w *world)
		want    map[string]int
	}{
		{"at once", nil, func(*world) {}, map[string]int{patchGrant: 1}},
		{"after 15 minutes", nil, func(w *world) { w.clock.advance(15*time.Minute + time.Second) }, map[string]int{getClient: 1, listGrants: 1, listConnections: 1, getAPI: 1, patchGrant: 1}},
		{"another configuration", nil, func(w *world) {
			w.SetSettings(desire(w.tb, func(d *plan.Desired) { d.Scopes = []string{"notes:write"} }))
		}, map[string]int{getClient: 1, listGrants: 1, patchGrant: 1}},
		{"additive", func(d *plan.Desired) { d.ScopeMode = plan.Additive }, func(*world) {}, map[string]int{listGrants: 1, patchGrant: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := domainLevel()
			s.desired = tt.desired
			w := newWorld(t, s)
			id := w.fill(1)[0]
			w.sweep()
			w.adopt()
			w.clock.advance(2 * time.Minute)
			narrow(w, id)
			w.sweep()
			w.tenant.ResetCalls()
			tt.between(w)
			w.drain()
			w.wantCounts(tt.want)
			if !w.ready(id) {
				t.Errorf("%+v", w.record(id))
			}
		})
	}
}

// The clients of a connection are listed where that matters, and only there.
func TestSweepListsMembersWhereTheyMatter(t *testing.T) {
	tests := []struct {
		name   string
		mode   string
		level  plan.ConnectionLevel
		domain bool
		evil   bool
		want   int
	}{
		{name: "permissive", mode: tenantsim.Permissive, want: 1},
		{name: "strict", mode: tenantsim.Strict},
		{name: "to be promoted", mode: tenantsim.Permissive, level: plan.DomainLevel},
		{name: "domain-level", mode: tenantsim.Permissive, domain: true},
		{name: "refused", mode: tenantsim.Permissive, evil: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, setup{level: tt.domain, desired: func(d *plan.Desired) {
				if tt.level != "" {
					d.ConnectionLevel = tt.level
				}
			}})
			for i := range 2 {
				c := asDesired(i)
				c.SecurityMode = tt.mode
				if tt.evil {
					c.Callbacks = []string{"https://evil.example/"}
				}
				w.tenant.AddClient(c)
			}
			w.sweep()
			if got := counts(w.calls())[listMembers]; got != tt.want {
				t.Errorf("listed %d times, want %d", got, tt.want)
			}
		})
	}
}

// The ledger learns of another grant when the sweep sees it, not when it is put
// right: the log tells of edits by the grant's id alone.
func TestSweepNotesAnotherGrant(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.recorded(1)[0]
	w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
	other := w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"notes:read"}})
	if s := w.sweep(); s.Due != 1 {
		t.Errorf("%+v", s)
	}
	if r := w.record(id); r.GrantID != other.ID {
		t.Errorf("grant %q, want %q", r.GrantID, other.ID)
	}
}

// The loop is woken after each page, and in the end for what no list showed.
func TestSweepWakesTheLoop(t *testing.T) {
	w := newWorld(t, domainLevel())
	w.fill(150)
	wakes := 0
	s := w.sweeper(func(o *reconcile.SweeperOptions) { o.Wake = func() { wakes++ } })
	if _, err := s.Sweep(t.Context(), func(s reconcile.Sweep) {
		if want := (s.Listed + 99) / 100; wakes != want {
			t.Errorf("woken %d times when %d were listed", wakes, s.Listed)
		}
	}); err != nil || wakes != 3 {
		t.Errorf("woken %d times, %v", wakes, err)
	}
}

// Clients never sighted are found, whoever made them; those that are none of
// ours are recorded as refused and not touched.
func TestSweepFindsStrangers(t *testing.T) {
	w := newWorld(t, domainLevel())
	dcrID := w.register(1)
	const document = "https://chatgpt.com/oauth/client.json"
	w.tenant.SetDocument(document, tenantsim.Document{ClientName: "ChatGPT", RedirectURIs: []string{"https://chatgpt.com/connector_platform_oauth_redirect"}})
	if status, answer := w.tenant.Do(tenantsim.Admin(), "POST", "/api/v2/clients/cimd/register", map[string]any{"external_client_id": document}); status > 299 {
		t.Fatalf("%d %s", status, answer)
	}
	evil := asDesired(2)
	evil.Callbacks = []string{"https://evil.example/"}
	evilID := w.tenant.AddClient(evil).ID
	m2m := asDesired(3)
	m2m.AppType, m2m.GrantTypes = "non_interactive", []string{"client_credentials"}
	m2mID := w.tenant.AddClient(m2m).ID
	firstParty := w.tenant.AddClient(tenantsim.Client{Name: "Dashboard", FirstParty: true, Callbacks: []string{"https://chatgpt.com/connector/oauth/x"}})
	w.tenant.AddGrant(tenantsim.Grant{ClientID: firstParty.ID, Audience: audience, Scopes: []string{"notes:read"}})
	w.tenant.ResetCalls()

	s := w.sweep()
	if s.Listed != 4 || s.New != 4 || s.Due != 2 || s.Refused != 2 {
		t.Errorf("%+v", s)
	}
	if r := w.record(evilID); r.Phase != dcr.Refused || r.Reason != dcr.CallbackNotAllowed || r.FirstSeenFeed != dcr.FeedSweep {
		t.Errorf("%+v", r)
	}
	if w.log.has("refused client") {
		t.Error("strangers are told of one by one")
	}
	if r := w.record(m2mID); r.Phase != dcr.Refused || r.Reason != dcr.MachineToMachine {
		t.Errorf("%+v", r)
	}
	if _, err := w.ledger.Client(t.Context(), firstParty.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a first-party client was recorded: %v", err)
	}
	w.drain()
	if !w.ready(dcrID) {
		t.Errorf("%+v", w.record(dcrID))
	}
	got := counts(w.calls())
	if want := map[string]int{listClients: 1, listGrants: 1, createGrant: 2, patchClient: 2}; !maps.Equal(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
	w.wantGrant(firstParty.ID, "notes:read")
}

// A ready client whose callbacks no longer fit is refused, and not a call made.
func TestSweepRefusesWhatTurnedBad(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.recorded(1)[0]
	w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, map[string]any{"callbacks": []string{"https://evil.example/"}})
	w.tenant.ResetCalls()
	if s := w.sweep(); s.Refused != 1 || !w.log.has("refused client") {
		t.Errorf("%+v", s)
	}
	if r := w.record(id); r.Phase != dcr.Refused || r.Reason != dcr.CallbackNotAllowed {
		t.Errorf("%+v", r)
	}
	w.drain()
	w.wantCounts(map[string]int{listClients: 1, listGrants: 1, listConnections: 1, getAPI: 1})
}

// Deleted clients are gone, by Auth0's own 404, at a call each.
func TestSweepFindsDeleted(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(20)
	for _, id := range ids[:3] {
		w.tenant.DeleteClient(id)
	}
	w.tenant.ResetCalls()
	if s := w.sweep(); s.Unlisted != 3 || s.InSync != 17 {
		t.Errorf("%+v", s)
	}
	w.drain()
	for i, id := range ids {
		if gone := w.record(id).Phase == dcr.Gone; gone != (i < 3) {
			t.Errorf("%d: %s", i, w.record(id).Phase)
		}
	}
	if got := counts(w.calls()); got[getClient] != 3 {
		t.Errorf("calls %v", got)
	}
	w.clock.advance(2 * time.Minute)
	if s := w.sweep(); s.Unlisted != 0 {
		t.Errorf("again: %+v", s)
	}
}

// Those used most recently are put right first.
func TestSweepMostRecentlyUsedFirst(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(3)
	w.clock.advance(300 * time.Hour) // their discovery is long ago
	for i, used := range []time.Duration{48 * time.Hour, time.Hour, 200 * time.Hour} {
		uses := []dcr.Use{{ClientID: ids[i], At: w.clock.now().Add(-used)}}
		if _, err := w.ledger.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Uses: uses}); err != nil {
			t.Fatal(err)
		}
		w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(ids[i])[0].ID, nil)
	}
	if err := w.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	due, _, err := w.ledger.Due(t.Context(), dcr.Background, w.clock.now(), 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range due {
		got = append(got, d.ID)
	}
	if want := []string{ids[1], ids[0], ids[2]}; !slices.Equal(got, want) {
		t.Errorf("due %v, want %v", got, want)
	}
}
