package e2e_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"grantd/internal/tenantsim"
)

// A write may wait for the rate limit for a long time after it was decided on.
// What a person says meanwhile still stops it.
func TestBrakesStopWritesThatWait(t *testing.T) {
	for name, tt := range map[string]struct {
		brake func(w *world, id string)
		phase string
	}{
		"hold":               {func(w *world, id string) { w.must(0, "hold", "add", id) }, "blocked"},
		"shorter allow-list": {func(w *world, _ string) { w.reload("GRANTD_ALLOWED_CLIENTS=claude") }, "refused"},
		"dry run":            {func(w *world, _ string) { w.reload("GRANTD_DRY_RUN=true") }, "pending"},
	} {
		t.Run(name, func(t *testing.T) {
			// A second is between two calls; a client needs two writes.
			w := newWorld(t, setup{env: []string{"GRANTD_MGMT_RPS=1", "GRANTD_SWEEP_SCHEDULE=off"}})
			var writes atomic.Int32
			written := make(chan struct{}, 10)
			w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
				if r.Method != http.MethodGet && r.URL.Path != "/oauth/token" && r.URL.Path != "/oidc/register" {
					writes.Add(1)
					written <- struct{}{}
				}
				return tenantsim.Fault{}
			})
			id := w.register("waits").ID
			<-written
			tt.brake(w, id)
			w.await(id, tt.phase)
			w.idle()
			if n := writes.Load(); n != 1 {
				t.Errorf("%d writes, want the one of before", n)
			}
		})
	}
}

// Of clients whose connection is enabled by one call, one that is held while the
// call waits is left out.
func TestHoldLeavesAWaitingBatch(t *testing.T) {
	w := newWorld(t, setup{tenant: tenantsim.Options{DCR: tenantsim.DCRPermissive}, perClient: true, env: []string{"GRANTD_MGMT_RPS=1"}})
	w.idle()
	seen := make(chan struct{}, 10)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		seen <- struct{}{}
		return tenantsim.Fault{}
	})
	held, free := w.register("held").ID, w.register("free").ID
	<-seen // the first of the two looks
	<-seen // and the second: what follows are writes, a second each
	w.must(0, "hold", "add", held)
	w.awaitHeld(held)
	w.await(free, "ready")
	if got := w.tenant.ConnectionClients(google); len(got) != 1 || got[0] != free {
		t.Errorf("enabled for %v, want %s alone", got, free)
	}
}
