package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// A write may wait for the rate limit for a long time after it was decided on.
// What a person says meanwhile still stops it.
func TestBrakesStopWritesThatWait(t *testing.T) {
	reload := func(env string) func(*world, string) {
		return func(w *world, _ string) { w.reloadAndWait(env) }
	}
	for name, tt := range map[string]struct {
		brake, release func(w *world, id string)
		phase          string
	}{
		"hold": {func(w *world, id string) { w.must(0, "hold", "add", id) },
			func(w *world, id string) { w.must(0, "hold", "release", id) }, "blocked"},
		"shorter allow-list": {reload("GRANTD_ALLOWED_CLIENTS=claude"), reload("GRANTD_ALLOWED_CLIENTS=chatgpt"), "refused"},
		"dry run":            {reload("GRANTD_DRY_RUN=true"), reload("GRANTD_DRY_RUN=false"), "pending"},
	} {
		t.Run(name, func(t *testing.T) {
			// A second is between two calls; a client needs two writes.
			w := newWorld(t, setup{env: []string{"GRANTD_MGMT_RPS=1", "GRANTD_SWEEP_SCHEDULE=off"}})
			id := w.inTime(func(id string) func() {
				w.eventually("the first write", func() bool { return w.writesTo(id) > 0 })
				tt.brake(w, id)
				if w.writesTo(id) == 1 {
					return nil
				}
				return func() { tt.release(w, id) }
			})
			w.await(id, tt.phase)
			w.idle()
			if n := w.writesTo(id); n != 1 {
				t.Errorf("%d writes, want the one of before", n)
			}
		})
	}
}

// inTime registers clients until one is braked before its next write, and
// returns that one. Of another, what brake returns takes the brake off.
func (w *world) inTime(brake func(id string) (release func())) string {
	w.Helper()
	for i := range 10 {
		id := w.register(fmt.Sprintf("waits%d", i)).ID
		release := brake(id)
		if release == nil {
			return id
		}
		release()
		w.await(id, "ready")
		w.idle()
	}
	w.Fatal("no brake was in time")
	return ""
}

// writesTo is how many writes have named the client.
func (w *world) writesTo(id string) (n int) {
	for _, c := range w.tenant.Writes() {
		if strings.Contains(c.Path+string(c.Body), id) {
			n++
		}
	}
	return n
}

// Of clients whose connection is enabled by one call, one that is held while the
// call waits is left out.
func TestHoldLeavesAWaitingBatch(t *testing.T) {
	w := newWorld(t, setup{tenant: tenantsim.Options{DCR: tenantsim.DCRPermissive}, perClient: true, env: []string{"GRANTD_MGMT_RPS=1"}})
	w.idle()
	var free string
	held := w.inTime(func(id string) func() {
		free = w.register("free" + id).ID
		w.eventually("both are looked at", func() bool { return w.looks(id)+w.looks(free) == 2 }) // what follows are writes, a second each
		w.must(0, "hold", "add", id)
		if !w.enabled(id) {
			return nil
		}
		return func() { w.must(0, "hold", "release", id) }
	})
	w.awaitHeld(held)
	w.await(free, "ready")
	if !w.enabled(free) || w.enabled(held) {
		t.Errorf("enabled for %v, want %s and not %s", w.tenant.ConnectionClients(google), free, held)
	}
}

// enabled reports whether the connection is enabled for the client.
func (w *world) enabled(id string) bool {
	return slices.Contains(w.tenant.ConnectionClients(google), id)
}
