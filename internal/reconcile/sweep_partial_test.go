package reconcile_test

import (
	"errors"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// Where Auth0 lists the first 1,000 grants only, the others are read one by one,
// so many a day, and what is not known of them is no drift.
func TestSweepBeyondTheEndOfTheGrants(t *testing.T) {
	s := domainLevel()
	s.tenant.Quirks.GrantPaging = tenantsim.PagingRefused
	w := newWorld(t, s)
	first := w.tenant.AddClient(tenantsim.Client{Name: "Dashboard", FirstParty: true})
	w.tenant.AddGrant(tenantsim.Grant{ClientID: first.ID, Audience: audience, Scopes: []string{"notes:read"}})
	ids := w.fill(1299)
	if found := w.sweep(); !found.Capped || found.Listed != 1299 || found.Due != 300 {
		t.Errorf("%+v", found)
	}
	w.drain()
	w.adopt()
	if !w.ready(ids...) {
		for _, id := range ids {
			if r := w.record(id); r.Phase != dcr.Ready {
				t.Fatalf("%+v", r)
			}
		}
	}
	if n := len(w.tenant.Writes()); n > 300 { // the attempts to create what is there
		t.Errorf("%d writes", n)
	}
	for i, want := range []int{300, 300, 300, 100, 0} {
		w.clock.advance(time.Hour)
		w.calls()
		again := w.sweep()
		w.drain()
		if got := counts(w.calls()); again.Due != 0 || again.Unlisted != want || got[getClient] != want || got[createGrant] != 0 {
			t.Errorf("sweep %d: %+v, calls %v; want %d read", i, again, got, want)
		}
	}
	if _, err := w.ledger.Client(t.Context(), first.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a first-party client was recorded: %v", err)
	}
	p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
	if err != nil || p.Drift() || len(p.Clients) > 0 {
		t.Errorf("plan: %d due, %d clients, %v", p.Due, len(p.Clients), err)
	}

	// What else is seen to have drifted is put right, and a new desired state
	// holds for all.
	w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+ids[1298], map[string]any{"app_type": "spa"})
	w.clock.advance(time.Hour)
	if again := w.sweep(); again.Due != 1 {
		t.Errorf("%+v", again)
	}
	w.calls()
	w.drain()
	w.wantCounts(map[string]int{getClient: 1, listGrants: 1, patchClient: 1})
	w.SetSettings(desire(t, func(d *plan.Desired) { d.Scopes = []string{"notes:read"} }))
	w.clock.advance(time.Hour)
	w.sweep()
	w.drain()
	for _, id := range ids {
		w.wantGrant(id, "notes:read")
	}
	if w.record(ids[1298]).Phase != dcr.Ready {
		t.Errorf("%+v", w.record(ids[1298]))
	}
}
