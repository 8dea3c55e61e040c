package reconcile_test

import (
	"net/http"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/tenantsim"
)

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
			if got := counts(w.calls()); got[listClients] > 11 || got[getClient] != 300 || got[createGrant] > 0 {
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

// However many clients are known by their grants alone, so many a day are read.
func TestSweepBeyondTheEndOfTheListIsBounded(t *testing.T) {
	s := domainLevel()
	s.tenant.Quirks.ClientPaging = tenantsim.PagingRefused
	w := newWorld(t, s)
	w.fill(2100)
	for i, want := range []int{1000, 0} {
		if found := w.sweep(); found.Unlisted != want {
			t.Errorf("sweep %d: %+v", i, found)
		}
		w.clock.advance(time.Hour)
	}
	w.clock.advance(24 * time.Hour)
	if found := w.sweep(); found.Unlisted != 100 {
		t.Errorf("the next day: %+v", found)
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
