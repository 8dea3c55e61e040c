package e2e_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// A hundred registrations in one delivery, and a hundred deliveries at once:
// all ready, all connected, none overwrites another.
func TestHundredRegistrations(t *testing.T) {
	t.Parallel()
	permissive := setup{tenant: tenantsim.Options{DCR: tenantsim.DCRPermissive}, perClient: true}
	for _, tt := range []struct {
		name string
		setup
		atOnce bool // a delivery each
	}{
		{"one delivery, strict", setup{}, false},
		{"one delivery, permissive", permissive, false},
		{"deliveries at once, strict", setup{}, true},
		{"deliveries at once, permissive", permissive, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.delivery = tenantsim.Delivery{Manual: true}
			w := newWorld(t, tt.setup)
			w.tenant.SetLatency(20 * time.Millisecond)
			ids := w.registerMany(100)
			entries := w.lines()
			mark := w.mark()
			if !tt.atOnce {
				if r := w.post(body(entries)); r.Registrations != 100 {
					t.Fatalf("receipt: %+v", r)
				}
			} else {
				var wg sync.WaitGroup
				for _, e := range entries {
					wg.Go(func() { w.post(e) })
				}
				wg.Wait()
			}
			for _, id := range ids {
				w.await(id, "ready")
			}
			w.eventually("nothing is due", func() bool { return w.due() == 0 })
			calls := w.tenant.Calls()[mark:]
			for _, id := range ids {
				if tt.perClient {
					continue // Login follows the documentation: domain-level only
				}
				w.usable(id, "notes:read", "notes:write")
			}
			checkCrowd(t, w, calls, ids, tt.perClient)
		})
	}
}

func checkCrowd(t *testing.T, w *world, calls []tenantsim.Call, ids []string, perClient bool) {
	t.Helper()
	count := map[string]int{}
	for _, c := range calls {
		count[c.Operation]++
		var members []struct{}
		if c.Operation == "PATCH /connections/{id}/clients" {
			if err := json.Unmarshal(c.Body, &members); err != nil || len(members) > 50 {
				t.Errorf("%d members in one call, %v", len(members), err)
			}
		}
	}
	for _, op := range []string{"GET /clients/{id}", "PATCH /clients/{id}", "POST /client-grants"} {
		if count[op] != len(ids) {
			t.Errorf("%d × %s, want one a client", count[op], op)
		}
	}
	if !perClient {
		if n := count["PATCH /connections/{id}/clients"]; n != 0 {
			t.Errorf("%d writes to a connection that is domain-level", n)
		}
		return
	}
	if n := count["PATCH /connections/{id}/clients"]; n < 2 || n > len(ids)/2 {
		t.Errorf("%d × PATCH /connections/{id}/clients for %d clients: not batched", n, len(ids))
	}
	got := w.tenant.ConnectionClients(google)
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("the connection is enabled for %d clients, want all %d", len(got), len(ids))
	}
}
