package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// managementDown is an outage of the Management API alone.
func managementDown(r *http.Request) tenantsim.Fault {
	if strings.HasPrefix(r.URL.Path, "/api/v2/") {
		return tenantsim.Fault{Kind: tenantsim.Unavailable}
	}
	return tenantsim.Fault{}
}

// One bad client never delays another: neither one that was deleted meanwhile,
// nor one that Auth0 refuses, nor an id that is none, nor one whose calls hang.
func TestBadClientNeverDelaysAnother(t *testing.T) {
	w := newWorld(t, setup{
		perClient: true, delivery: tenantsim.Delivery{Manual: true},
		tenant: tenantsim.Options{DCR: tenantsim.DCRPermissive},
	})
	first := w.registerMany(5)
	deleted, refused, hanging := w.register("deleted").ID, w.register("refused").ID, w.register("hanging").ID
	last := w.registerMany(5)
	entries := w.lines()
	entries = append(entries[:5:5], append([]json.RawMessage{registration("log-odd", "../../clients/x", ownApp)}, entries[5:]...)...)
	w.tenant.DeleteClient(deleted)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		switch {
		case strings.Contains(r.URL.Path, hanging):
			return tenantsim.Fault{Kind: tenantsim.Timeout}
		case r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/clients/"+refused), refusedMember(r, refused):
			return tenantsim.Fault{Kind: tenantsim.Conflict}
		}
		return tenantsim.Fault{}
	})
	if r := w.post(body(entries)); r.Malformed != 1 || r.Registrations != 13 {
		t.Errorf("receipt: %+v", r)
	}
	for _, id := range append(first, last...) {
		w.await(id, "ready")
		if n := w.looks(id); n != 1 {
			t.Errorf("%s was ready at the look no. %d, want the first", id, n)
		}
	}
	w.await(deleted, "gone")
	w.awaitFunc(refused, func(c child.Client) bool { return c.Phase != "ready" && c.LastCheckedAt != nil })
	if c := w.awaitFunc(hanging, func(child.Client) bool { return true }); c.Phase != "pending" {
		t.Errorf("hanging client: %+v", c)
	}
	w.tenant.Faults(nil)
}

// looks is how often the client was looked at.
func (w *world) looks(id string) (n int) {
	for _, c := range w.tenant.Calls() {
		if c.Operation == "GET /clients/{id}" && strings.HasSuffix(c.Path, "/"+id) {
			n++
		}
	}
	return n
}

// refusedMember reports whether a call enables the connection for the client.
func refusedMember(r *http.Request, id string) bool {
	if r.Method != http.MethodPatch || !strings.HasSuffix(r.URL.Path, "/clients") {
		return false
	}
	b, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	return err == nil && bytes.Contains(b, []byte(id))
}

// In bad weather, a third of all calls failing in every way there is, all
// that goes wrong goes right later, and nothing is done twice.
func TestEverythingConvergesInBadWeather(t *testing.T) {
	w := newWorld(t, setup{tenant: tenantsim.Options{Plan: tenantsim.Enterprise}})
	mark := w.mark()
	w.tenant.FailRate(0.3, 7,
		tenantsim.RateLimited, tenantsim.RateLimitedBare, tenantsim.InternalError, tenantsim.BadGateway,
		tenantsim.Unavailable, tenantsim.Reset, tenantsim.CutShort, tenantsim.TruncatedJSON, tenantsim.GarbageJSON)
	ids := w.registerMany(12)
	// It lasts for forty calls. A client could be unlucky for longer, but each
	// time doubles its wait, and this test is not to take minutes.
	w.eventually("forty calls in bad weather", func() bool {
		return w.mark()-mark >= 40 || w.health().Clients["ready"] == len(ids)
	})
	w.tenant.FailRate(0, 0)
	for _, id := range ids {
		w.await(id, "ready")
		w.usable(id, "notes:read", "notes:write")
	}
}
