package daemon_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grantd/internal/daemon"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// reverting is an engine that has made one client ready, and the number of the
// entry of its grant.
func reverting(t *testing.T) (tenant *tenantsim.Tenant, e *daemon.Engine, id string, seq uint64) {
	t.Helper()
	tenant, o := setup(t)
	id = fill(tenant, 1)[0]
	e = engine(t, o)
	if _, err := e.Sync(t.Context(), false, nobody); err != nil {
		t.Fatal(err)
	}
	for seq = uint64(1); seq <= 2; seq++ {
		if r, err := e.Revert(t.Context(), seq, true); err == nil && r.Step == dcr.StepGrant {
			return tenant, e, id, seq
		}
	}
	t.Fatal("no entry of the grant")
	return
}

// A revert that cannot be made leaves the holds as they were: none, or the one
// that a person had set for a while.
func TestRevertPutsTheHoldBack(t *testing.T) {
	for _, before := range []time.Duration{0, time.Hour} {
		tenant, e, id, seq := reverting(t)
		if before > 0 {
			if _, err := e.Hold(t.Context(), api.HoldRequest{ClientID: id, For: before}); err != nil {
				t.Fatal(err)
			}
		}
		g, _ := tenant.UserGrant(id, "https://mcp.example.com/mcp")
		tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+g.ID, nil)
		if _, err := e.Revert(t.Context(), seq, false); err == nil || !strings.Contains(err.Error(), "changed since") {
			t.Errorf("error %v", err)
		}
		released, err := e.Release(t.Context(), store.HoldSelector{ClientID: id})
		switch {
		case before == 0 && err == nil:
			t.Errorf("held: %+v", released)
		case before > 0 && (err != nil || len(released.Holds) != 1 || released.Holds[0].Reason != dcr.Held || released.Holds[0].Until.IsZero()):
			t.Errorf("released %+v, %v", released, err)
		}
	}
}

// Where the write may have been made, the client stays held, and it is said so.
func TestRevertUnsureStaysHeld(t *testing.T) {
	tenant, e, id, seq := reverting(t)
	tenant.SetScopes("grantd", "read:clients", "update:clients", "read:connections", "update:connections", "read:client_grants",
		"create:client_grants", "update:client_grants", "read:logs", "read:resource_servers", "delete:client_grants")
	tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method == http.MethodDelete {
			return tenantsim.Fault{Kind: tenantsim.Reset, After: true}
		}
		return tenantsim.Fault{}
	})
	if _, err := e.Revert(t.Context(), seq, false); err == nil || !strings.Contains(err.Error(), "it stays held meanwhile") {
		t.Errorf("error %v", err)
	}
	released, err := e.Release(t.Context(), store.HoldSelector{ClientID: id})
	if err != nil || len(released.Holds) != 1 || released.Holds[0].Reason != dcr.Reverted {
		t.Errorf("released %+v, %v", released, err)
	}
}

// Of reverts at the same moment one is made, and those that are not leave its
// hold alone, so that it stays undone.
func TestRevertsAtOnceLeaveTheHold(t *testing.T) {
	tenant, e, id, seq := reverting(t)
	tenant.SetScopes("grantd", "read:clients", "update:clients", "read:connections", "update:connections", "read:client_grants",
		"create:client_grants", "update:client_grants", "read:logs", "read:resource_servers", "delete:client_grants")
	var all sync.WaitGroup
	var made atomic.Int32
	for range 8 {
		all.Go(func() {
			if _, err := e.Revert(t.Context(), seq, false); err == nil {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("%d were made, want 1", made.Load())
	}
	released, err := e.Release(t.Context(), store.HoldSelector{ClientID: id})
	if err != nil || len(released.Holds) != 1 || released.Holds[0].Reason != dcr.Reverted {
		t.Errorf("released %+v, %v", released, err)
	}
}
