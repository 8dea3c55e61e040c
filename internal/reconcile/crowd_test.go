package reconcile_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/tenantsim"
)

// lookAt reconciles clients at the same time, and saves the outcomes.
func (w *world) lookAt(ids []string) []dcr.Outcome {
	w.tb.Helper()
	outcomes := make([]dcr.Outcome, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		rec := w.record(id)
		wg.Go(func() {
			outcomes[i] = w.Reconcile(w.tb.Context(), rec)
			if _, err := w.ledger.Save(w.tb.Context(), outcomes[i]); err != nil {
				w.tb.Error(err)
			}
		})
	}
	wg.Wait()
	return outcomes
}

func (w *world) onboardMany(n int) []string {
	w.tb.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = w.onboard(i)
	}
	return ids
}

// A crowd of permissive clients: every one keeps its connection.
func TestCrowd(t *testing.T) {
	w := newWorld(t, permissive())
	ids := w.onboardMany(60)
	w.tenant.Faults(together(len(ids), w.tenant.On(getClient)))
	corr := map[string]string{}
	for _, o := range w.lookAt(ids) {
		w.wantPhase(o, dcr.Ready, "")
		for _, c := range o.Changes {
			if c.Step == dcr.StepConnect {
				corr[o.Record.ClientID] = c.CorrelationID
			}
		}
	}
	if n := len(w.tenant.ConnectionClients(google)); n != len(ids) {
		t.Errorf("%d of %d clients have the connection", n, len(ids))
	}
	sent := 0
	for _, c := range w.tenant.Calls() {
		if c.Operation != patchMembers {
			continue
		}
		var items []struct {
			ClientID string `json:"client_id"`
		}
		if err := json.Unmarshal(c.Body, &items); err != nil || len(items) > 50 {
			t.Errorf("%d clients in a call, %v", len(items), err)
		}
		for _, item := range items {
			sent++
			if corr[item.ClientID] != c.CorrelationID {
				t.Errorf("the journal has %q for %s, the call had %q", corr[item.ClientID], item.ClientID, c.CorrelationID)
			}
		}
	}
	if sent != len(ids) {
		t.Errorf("%d clients were sent", sent)
	}
}

// One of a crowd was deleted between its read and the shared call.
func TestCrowdWithOneDeleted(t *testing.T) {
	w := newWorld(t, permissive())
	ids := w.onboardMany(10)
	var once sync.Once
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if isWrite(r) {
			once.Do(func() { w.tenant.DeleteClient(ids[3]) })
		}
		return tenantsim.Fault{}
	})
	for i, o := range w.lookAt(ids) {
		switch {
		case i != 3:
			w.wantPhase(o, dcr.Ready, "")
		case o.Record.Reason == dcr.NotFoundYet: // it was deleted before it was read
		default:
			w.wantPhase(o, dcr.Pending, dcr.ChangedMeanwhile)
		}
	}
}

// The connection is promoted once for all who wait for it.
func TestPromotedOnce(t *testing.T) {
	w := newWorld(t, setup{desired: func(d *plan.Desired) { d.ConnectionLevel = plan.DomainLevel }})
	ids := w.onboardMany(20)
	w.tenant.Faults(together(len(ids), w.tenant.On(getClient)))
	steps := 0
	for _, o := range w.lookAt(ids) {
		w.wantPhase(o, dcr.Ready, "")
		for _, c := range o.Changes {
			if c.Step == dcr.StepDomainLevel {
				steps++
			}
		}
	}
	if n := w.tenant.Count(patchConnection); n != 1 || steps != 1 || !w.tenant.DomainLevel(google) {
		t.Errorf("%d promotions, %d in the journal", n, steps)
	}
	for _, c := range w.tenant.Writes() {
		if c.Operation == patchConnection && string(c.Body) != `{"is_domain_connection":true}` {
			t.Errorf("it was sent %s", c.Body)
		}
	}
	w.wantLogin(ids[7], "notes:read", "notes:write")
}

// Who waits for a promotion that fails does not take it for done.
func TestPromotionFails(t *testing.T) {
	w := newWorld(t, setup{desired: func(d *plan.Desired) { d.ConnectionLevel = plan.DomainLevel }})
	ids := w.onboardMany(3)
	w.tenant.FailNext(1, tenantsim.BadGateway, w.tenant.On(patchConnection))
	failed := 0
	for _, o := range w.lookAt(ids) {
		if o.Record.Phase != dcr.Ready {
			failed++
			w.wantPhase(o, dcr.Pending, dcr.ServerError)
		}
	}
	if failed != 1 || w.tenant.Count(patchConnection) != 2 {
		t.Errorf("%d clients failed, with %d promotions", failed, w.tenant.Count(patchConnection))
	}
}

// The facts are read once for all who want them at the same time.
func TestFactsSingleFlight(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.onboardMany(20)
	w.TenantChanged()
	w.tenant.Faults(together(len(ids), w.tenant.On(getClient)))
	for _, o := range w.lookAt(ids) {
		w.wantPhase(o, dcr.Ready, "")
	}
	if c, a := w.tenant.Count(listConnections), w.tenant.Count(getAPI); c != 1 || a != 1 {
		t.Errorf("the connection was read %d times, the API %d times", c, a)
	}
}

// A fact that changed while it was read is not kept.
func TestFactsChangedWhileRead(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	w.look(id)
	w.calls()
	w.TenantChanged()
	var once sync.Once
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(listConnections)(r) {
			once.Do(w.TenantChanged)
		}
		return tenantsim.Fault{}
	})
	if err := w.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantCalls(listConnections, getAPI)
	w.look(id)
	w.wantCalls(getClient, listGrants, listConnections)
	w.look(id)
	w.wantCalls(getClient, listGrants)
}
