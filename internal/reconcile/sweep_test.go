package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

const (
	listClients = "GET /clients"
	listMembers = "GET /connections/{id}/clients"
)

// sweeper is a Sweeper over the world, and what it told.
func (w *world) sweeper(edit ...func(*reconcile.SweeperOptions)) *reconcile.Sweeper {
	o := reconcile.SweeperOptions{
		Ledger: w.ledger, Lister: w.client, Reconciler: w.Reconciler, Logger: slog.New(slog.DiscardHandler), Now: w.clock.now,
	}
	for _, e := range edit {
		e(&o)
	}
	return reconcile.NewSweeper(o)
}

// sweep sweeps once.
func (w *world) sweep() reconcile.Sweep {
	w.tb.Helper()
	s, err := w.sweeper().Sweep(w.tb.Context(), nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	return s
}

// running runs a Sweeper until stop is called, which waits for its end.
func (w *world) running(s *reconcile.Sweeper) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.tb.Context()))
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	return func() { cancel(); <-ended }
}

// runSweeper runs a Sweeper that is asked for a sweep, until it has made it.
func (w *world) runSweeper(ask func(*reconcile.Sweeper)) reconcile.Sweep {
	w.tb.Helper()
	swept := make(chan reconcile.Sweep, 1)
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.OnSwept = func(s reconcile.Sweep, err error) {
			if err != nil {
				w.tb.Error(err)
			}
			swept <- s
		}
	})
	ask(s)
	defer w.running(s)()
	return <-swept
}

// asDesired is a client that has all it needs.
func asDesired(n int) tenantsim.Client {
	return tenantsim.Client{
		Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", n)},
		AppType: "regular_web", TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	}
}

// fill puts n clients with a grant into the tenant, of which nobody hears.
func (w *world) fill(n int, scopes ...string) []string {
	w.tb.Helper()
	if scopes == nil {
		scopes = []string{"notes:read", "notes:write"}
	}
	ids := make([]string, n)
	for i := range ids {
		c := w.tenant.AddClient(asDesired(i))
		w.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, Scopes: scopes})
		ids[i] = c.ID
	}
	return ids
}

// recorded is fill, and a first sweep that recorded them all as ready.
func (w *world) recorded(n int) []string {
	w.tb.Helper()
	ids := w.fill(n)
	if s := w.sweep(); s.InSync != n {
		w.tb.Fatalf("first sweep: %+v", s)
	}
	if _, err := w.ledger.SetDigest(w.tb.Context(), desire(w.tb, nil).Desired.Digest()); err != nil {
		w.tb.Fatal(err)
	}
	w.adopt()
	w.clock.advance(2 * time.Minute)
	w.tenant.ResetCalls()
	return ids
}

// sweptBefore makes the ledger one of a tenant that was swept long ago.
func (w *world) sweptBefore() {
	w.tb.Helper()
	if err := w.ledger.SetFeed(w.tb.Context(), dcr.FeedSweep, dcr.FeedStatus{LastSuccessAt: w.clock.now().Add(-time.Hour)}); err != nil {
		w.tb.Fatal(err)
	}
}

// adopt gives grantd the grants that were there before it.
func (w *world) adopt() {
	w.tb.Helper()
	if _, err := w.ledger.Adopt(w.tb.Context()); err != nil {
		w.tb.Fatal(err)
	}
}

// drain does all that is due, whatever its class, and saves it.
func (w *world) drain() {
	w.tb.Helper()
	for {
		var ids []string
		for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
			due, _, err := w.ledger.Due(w.tb.Context(), class, w.clock.now(), 10_000)
			if err != nil {
				w.tb.Fatal(err)
			}
			for _, d := range due {
				ids = append(ids, d.ID)
			}
		}
		if len(ids) == 0 {
			return
		}
		for _, id := range ids {
			w.look(id)
		}
	}
}

// counts returns how often each operation was called.
func counts(ops []string) map[string]int {
	n := map[string]int{}
	for _, op := range ops {
		n[op]++
	}
	return n
}

func (w *world) wantCounts(want map[string]int) {
	w.tb.Helper()
	if diff := cmp.Diff(want, counts(w.calls())); diff != "" {
		w.tb.Errorf("calls (-want +got):\n%s", diff)
	}
}

func (w *world) wantGrant(id string, scopes ...string) {
	w.tb.Helper()
	g, ok := w.tenant.UserGrant(id, audience)
	slices.Sort(g.Scopes)
	if !ok || !slices.Equal(g.Scopes, scopes) {
		w.tb.Errorf("grant of %s: %v, %v; want %v", id, g.Scopes, ok, scopes)
	}
}

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
			w := newWorld(t, s)
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
			r := w.start(func(o *reconcile.LoopOptions) { o.Workers = 100 })
			r.Wake()
			await(t, "all are connected", func() bool { return w.ready(ids...) })
			got := counts(w.calls())
			if got[patchMembers] < 3 || got[patchMembers] > 6 || got[clientConnections] != 0 || got[getClient] != 0 {
				t.Errorf("calls: %v", got)
			}
			w.clock.advance(2 * time.Minute)
			again := w.sweep()
			if kept && again.InSync != n || !kept && again.Blocked != n {
				t.Errorf("%+v", again)
			}
			if want := (n + 99) / 100; kept && counts(w.calls())[listMembers] != want {
				t.Errorf("the connection's clients were not listed in %d pages", want)
			}
			if !kept && w.record(ids[0]).Reason != dcr.ConnectionNotDomainLevel {
				t.Errorf("reason %q", w.record(ids[0]).Reason)
			}
		})
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
	if s := w.sweep(); s.Refused != 1 {
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

// Where Auth0 lists the first 1,000 clients only, no page beyond is asked for,
// and the clients beyond are read one by one, so many a day.
func TestSweepBeyondTheEndOfTheList(t *testing.T) {
	for name, mode := range map[string]tenantsim.CheckpointPaging{"refused": tenantsim.PagingRefused, "ignored": tenantsim.PagingIgnored} {
		t.Run(name, func(t *testing.T) {
			s := domainLevel()
			s.tenant.Quirks.ClientPaging = mode
			w := newWorld(t, s)
			ids := w.fill(1300)
			found := w.sweep()
			if !found.Capped || found.Listed != 1000 || found.Unlisted != 300 {
				t.Errorf("%+v", found)
			}
			w.drain()
			if !w.ready(ids...) {
				t.Error("those beyond the end are not ready")
			}
			for _, c := range w.tenant.Calls() {
				if c.Status == http.StatusBadRequest && mode == tenantsim.PagingIgnored {
					t.Errorf("a page beyond the end was asked for: %+v", c)
				}
			}
			if got := counts(w.calls()); got[listClients] > 11 || got[getClient] != 300 {
				t.Errorf("calls %v", got)
			}
			// They are read again so many times a day: 300 were, as strangers.
			for i, want := range []int{300, 300, 100, 0} {
				w.clock.advance(time.Hour)
				again := w.sweep()
				w.drain()
				if got := counts(w.calls()); again.Unlisted != want || got[listClients] != 10 || got[getClient] != want {
					t.Errorf("sweep %d: %d unlisted, calls %v; want %d", i, again.Unlisted, got, want)
				}
			}
			w.clock.advance(24 * time.Hour)
			if again := w.sweep(); again.Unlisted != 300 {
				t.Errorf("the next day: %+v", again)
			}
		})
	}
}

// A new desired state is applied to every client by one sweep, a write each.
func TestSweepAppliesNewScopes(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(300)
	next := desire(t, func(d *plan.Desired) { d.Scopes = []string{"notes:read", "notes:delete"} })
	w.SetSettings(next)
	pending, err := w.ledger.SetDigest(t.Context(), next.Desired.Digest())
	if err != nil || pending != 300 {
		t.Fatalf("%d pending, %v", pending, err)
	}
	w.drain() // nothing is due one by one
	w.wantCounts(map[string]int{})
	if s := w.sweep(); s.Due != 300 {
		t.Errorf("%+v", s)
	}
	w.drain()
	w.wantCounts(map[string]int{listClients: 3, listGrants: 3, listConnections: 1, getAPI: 1, patchGrant: 300})
	for _, id := range ids {
		w.wantGrant(id, "notes:delete", "notes:read")
	}
	e, _, err := w.ledger.Journal(t.Context(), journalOf(ids[0]))
	if err != nil || len(e) != 1 || e[0].Cause.Feed != dcr.FeedConfig {
		t.Errorf("journal %+v, %v", e, err)
	}
}

// A first sweep on an empty ledger widens, and narrows only what a person gave.
func TestSweepAdopts(t *testing.T) {
	w := newWorld(t, domainLevel())
	more := w.fill(1, "notes:delete", "notes:read")[0]
	all := w.tenant.AddClient(asDesired(9)).ID
	w.tenant.AddGrant(tenantsim.Grant{ClientID: all, Audience: audience, AllowAllScopes: true})
	less := w.fill(1, "notes:read")[0]
	fresh := w.register(5)
	if s := w.sweep(); s.Due != 3 || s.NotAdopted != 2 {
		t.Errorf("%+v", s)
	}
	w.drain()
	w.wantGrant(more, "notes:delete", "notes:read", "notes:write")
	w.wantGrant(less, "notes:read", "notes:write")
	w.wantGrant(fresh, "notes:read", "notes:write")
	if g, _ := w.tenant.UserGrant(all, audience); !g.AllowAllScopes {
		t.Errorf("narrowed: %+v", g)
	}
	if r := w.record(more); r.Phase != dcr.Ready || r.Conditions.Granted.Reason != dcr.NotAdopted {
		t.Errorf("%+v", r)
	}
	w.clock.advance(2 * time.Minute)
	if s := w.sweep(); s.Due != 0 || s.NotAdopted != 2 {
		t.Errorf("again: %+v", s)
	}
	// An edit of such a client does not change whose grant it is.
	w.sight(more, dcr.Changed)
	w.drain()
	w.wantGrant(more, "notes:delete", "notes:read", "notes:write")

	if n, err := w.ledger.Adopt(t.Context()); err != nil || n < 2 {
		t.Errorf("adopted %d, %v", n, err)
	}
	w.clock.advance(2 * time.Minute)
	w.sweep()
	w.drain()
	w.wantGrant(more, "notes:read", "notes:write")
	w.wantGrant(all, "notes:read", "notes:write")

	// What turns up after the first sweep is not protected.
	late := w.fill(1, "notes:delete")[0]
	w.clock.advance(2 * time.Minute)
	w.sweep()
	w.drain()
	w.wantGrant(late, "notes:read", "notes:write")
}

// A sweep that is interrupted goes on where it was.
func TestSweepResumes(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(500)
	w.tenant.DeleteClient(ids[10])
	w.tenant.ResetCalls()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := w.sweeper().Sweep(ctx, func(s reconcile.Sweep) {
		if s.Listed >= 200 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) && err == nil {
		t.Fatalf("sweep ended with %v", err)
	}
	if due, err := w.sweeper().Due(t.Context(), func(time.Time) bool { return false }); !due || err != nil {
		t.Errorf("due %v, %v", due, err)
	}
	w.tenant.ResetCalls()
	w.clock.advance(time.Second)
	s := w.runSweeper((*reconcile.Sweeper).Resume)        // another Sweeper, as after a restart
	if !s.Resumed || s.Listed != 399 || s.Unlisted != 1 { // all but the first page
		t.Errorf("%+v", s)
	}
	if got := counts(w.calls()); got[listClients] != 4 {
		t.Errorf("calls %v", got)
	}
	w.drain()
	if w.record(ids[10]).Phase != dcr.Gone || !w.ready(ids[11:]...) {
		t.Error("not settled")
	}
	if due, err := w.sweeper().Due(t.Context(), func(time.Time) bool { return false }); due || err != nil {
		t.Errorf("due %v, %v", due, err)
	}
}

// What was asked for since a sweep began is to be seen by a whole one: its first
// pages may have been listed before somebody edited something.
func TestSweepBeginsAnewWhenAskedSince(t *testing.T) {
	for name, ask := range map[string]func(*reconcile.Sweeper){
		"requested": (*reconcile.Sweeper).Request, "a connection was edited": (*reconcile.Sweeper).Follow, "by a person": nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domainLevel())
			ids := w.recorded(300)
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := w.sweeper().Sweep(ctx, func(reconcile.Sweep) { cancel() }); err == nil {
				t.Fatal("not interrupted")
			}
			w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(ids[0])[0].ID, nil)
			w.clock.advance(time.Minute)
			var s reconcile.Sweep
			if ask == nil {
				s = w.sweep()
			} else {
				s = w.runSweeper(ask)
			}
			if s.Resumed || s.Listed != 300 || s.Due != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A sweep that failed is gone on with when it is tried again.
func TestSweepRetryGoesOn(t *testing.T) {
	w := newWorld(t, domainLevel())
	w.recorded(300)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if strings.HasSuffix(r.URL.Path, "/api/v2/clients") && r.URL.Query().Has("from") {
			w.tenant.Faults(nil)
			return tenantsim.Fault{Kind: tenantsim.InternalError}
		}
		return tenantsim.Fault{}
	})
	swept := make(chan reconcile.Sweep, 2)
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.OnSwept = func(s reconcile.Sweep, _ error) { swept <- s }
	})
	s.Request()
	stop := w.running(s)
	defer stop()
	if first := <-swept; first.Listed != 100 {
		t.Errorf("%+v", first)
	}
	w.clock.advance(time.Second)
	await(t, "it is tried again", func() bool {
		s.Retry()
		return len(swept) > 0
	})
	if again := <-swept; !again.Resumed || again.Listed != 200 {
		t.Errorf("%+v", again)
	}
}

// Those used most recently are put right first.
func TestSweepMostRecentlyUsedFirst(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.recorded(3)
	w.clock.advance(300 * time.Hour) // their discovery is long ago
	for i, used := range []time.Duration{48 * time.Hour, time.Hour, 200 * time.Hour} {
		r := w.record(ids[i])
		r.LastUsedAt = w.clock.now().Add(-used)
		if _, err := w.ledger.Save(t.Context(), dcr.Outcome{Record: r}); err != nil {
			t.Fatal(err)
		}
		w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(ids[i])[0].ID, nil)
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
