package e2e_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// Restart at any point loses nothing acknowledged: grantd is killed again and
// again while registrations arrive. Every moment of the kill is another one.
func TestRestartAtAnyPointLosesNothingAcknowledged(t *testing.T) {
	w := newWorld(t, setup{delivery: tenantsim.Delivery{Batch: 1}})
	w.tenant.SetLatency(5 * time.Millisecond)
	const clients = 30
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(1, seed))
	var ids []string
	for range 6 {
		ids = append(ids, w.registerMany(clients/6)...)
		// The moment is when so many entries were acknowledged since, or calls
		// made: anywhere in the way of an event.
		acked, calls := w.stream.Stats().Delivered, w.mark()
		wantAcked, wantCalls := acked+random.IntN(clients/6), calls+random.IntN(clients)
		w.eventually("the moment to kill", func() bool {
			return w.stream.Stats().Delivered >= wantAcked && (w.mark() >= wantCalls || w.due() == 0)
		})
		w.daemon.Kill()
		w.start()
	}
	for _, id := range ids {
		w.await(id, "ready")
	}
	w.idle()
	for _, id := range ids {
		w.usable(id, "notes:read", "notes:write")
	}
	if n := w.health().Clients["ready"]; n != clients {
		t.Errorf("%d clients are ready, want %d", n, clients)
	}
	if n := len(w.tenant.TokenRequests()); n != 1 {
		t.Errorf("%d token requests across all restarts, want 1", n)
	}
}

// What is acknowledged while the Management API is down is done once it is
// back, also when the power fails in between.
func TestAcknowledgedWhileTenantIsDownSurvivesKill(t *testing.T) {
	w := newWorld(t, setup{})
	w.tenant.Faults(managementDown)
	ids := w.registerMany(3)
	w.eventually("all is acknowledged", w.delivered)
	w.daemon.Kill()
	w.tenant.Faults(nil)
	w.start()
	for _, id := range ids {
		w.await(id, "ready")
		w.usable(id, "notes:read", "notes:write")
	}
}

// TOOL_SCOPES changed between two starts makes every recorded client due and
// repairs its grant, widening and narrowing, one write each.
func TestScopesChangedBetweenStartsRepairEveryGrant(t *testing.T) {
	w := newWorld(t, setup{})
	ids := w.registerMany(5)
	for _, id := range ids {
		w.await(id, "ready")
	}
	w.idle()
	for _, scopes := range []string{"notes:read notes:share notes:write", "notes:read"} {
		digest := w.await(ids[0], "ready").Digest
		w.stop()
		mark := w.mark()
		w.set("TOOL_SCOPES=" + scopes)
		w.start()
		for _, id := range ids {
			w.awaitFunc(id, func(c child.Client) bool { return c.Phase == "ready" && c.Digest != digest })
			w.usable(id, strings.Fields(scopes)...)
		}
		w.idle()
		n := 0
		for _, c := range w.tenant.Calls()[mark:] {
			if c.Write() {
				n++
			}
		}
		if n != len(ids) {
			t.Errorf("%q: %d writes, want one for each of %d clients: %q", scopes, n, len(ids), w.calls(mark))
		}
	}
	digest := w.await(ids[0], "ready").Digest
	w.stop()
	mark := w.mark()
	w.start()
	w.warm()
	w.idle()
	if got := w.await(ids[0], "ready").Digest; got != digest {
		t.Errorf("the digest changed without the configuration: %s, %s", digest, got)
	}
	for _, c := range w.tenant.Calls()[mark:] {
		if strings.Contains(c.Path, "/clients/") {
			t.Errorf("a start with the same configuration looked at a client: %s", c.Path)
		}
	}
}
