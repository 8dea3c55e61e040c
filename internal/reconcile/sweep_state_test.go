package reconcile_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/tenantsim"
)

// The desired state changes under a sweep: it begins anew, and keeps nothing by
// the old one.
func TestSweepWhileTheDesiredStateChanges(t *testing.T) {
	w := newWorld(t, domainLevel())
	w.recorded(250)
	next := desire(t, func(d *plan.Desired) { d.Scopes = []string{"notes:read"} })
	pages := 0
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(listClients)(r) {
			if pages++; pages == 2 {
				w.SetSettings(next)
				if _, err := w.ledger.SetDigest(context.WithoutCancel(t.Context()), next.Desired.Digest()); err != nil {
					t.Error(err)
				}
			}
		}
		return tenantsim.Fault{}
	})
	if s := w.sweep(); s.Due != 250 || s.Resumed || pages != 2+3 {
		t.Errorf("%d pages, %+v", pages, s)
	}
}

// A dry run plans for the sweep's findings without looking at any client again.
func TestSweepInADryRun(t *testing.T) {
	s := domainLevel()
	s.desired = func(d *plan.Desired) { d.DryRun = true }
	w := newWorld(t, s)
	id := w.fill(1, "notes:delete")[0]
	if s := w.sweep(); s.Waiting != 1 || s.Due != 0 {
		t.Errorf("%+v", s)
	}
	w.drain()
	w.wantCounts(map[string]int{listClients: 1, listGrants: 1})
	if r := w.record(id); r.Phase != dcr.Pending || r.Reason != dcr.DryRun || len(r.Plan) != 1 {
		t.Errorf("%+v", r)
	}
	// The first sweep that may write is no less careful for that.
	w.SetSettings(desire(t, nil))
	w.clock.advance(2 * time.Minute)
	w.sweep()
	w.drain()
	w.wantGrant(id, "notes:delete", "notes:read", "notes:write")
}
