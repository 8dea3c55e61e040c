package e2e_test

import (
	"encoding/json"
	"testing"
)

// GRANTD_DRY_RUN writes nothing and shows the plan; turned off, the plan is
// carried out.
func TestDryRunWritesNothingAndShowsThePlan(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_DRY_RUN=true"}})
	c := w.register("first")
	w.eventually("the dry run is done", func() bool {
		rec, err := w.daemon.Client(w.ctx(), c.ID)
		return err == nil && rec.Reason == "dry_run"
	})
	_, answer, _ := w.send("GET", "http://"+w.daemon.Admin+"/api/v1/clients/"+c.ID, nil)
	var rec struct {
		Phase, Reason string
		Plan          []struct{ Step string }
	}
	if err := json.Unmarshal(answer, &rec); err != nil {
		t.Fatal(err)
	}
	if rec.Phase != "pending" || len(rec.Plan) != 2 || rec.Plan[0].Step != "promote" || rec.Plan[1].Step != "grant" {
		t.Errorf("client: %s", answer)
	}
	w.idle()
	if writes := w.tenant.Writes(); len(writes) != 0 {
		t.Errorf("writes: %+v", writes)
	}
	if n := len(w.journal(c.ID)); n != 0 {
		t.Errorf("%d journal entries for what was not done", n)
	}
	w.reload("GRANTD_DRY_RUN=false")
	w.await(c.ID, "ready")
	w.usable(c.ID, "notes:read", "notes:write")
}
