package e2e_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

// A client that registers becomes ready by itself, at the cost the README
// promises.
func TestRegisteredClientBecomesReady(t *testing.T) {
	t.Parallel()
	fresh := []string{"GET /clients/{id}", "PATCH /clients/{id}", "POST /client-grants"}
	t.Run("strict", func(t *testing.T) {
		w := newWorld(t, setup{})
		mark := w.mark()
		c := w.register("first")
		rec := w.await(c.ID, "ready")
		w.idle()
		if diff := cmp.Diff(fresh, w.calls(mark)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		w.usable(c.ID, "notes:read", "notes:write")
		if rec.Registration != "dcr" || rec.SecurityMode != "strict" || rec.FirstSeenFeed != "webhook" || rec.TimeToReadyMS == nil {
			t.Errorf("record: %+v", rec)
		}
	})
	t.Run("permissive", func(t *testing.T) {
		w := newWorld(t, setup{tenant: tenantsim.Options{DCR: tenantsim.DCRPermissive}})
		mark := w.mark()
		c := w.register("first")
		w.await(c.ID, "ready")
		w.idle()
		if diff := cmp.Diff(fresh, w.calls(mark)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		w.usable(c.ID, "notes:read", "notes:write")
	})
}
