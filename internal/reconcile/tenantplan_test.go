package reconcile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/tenantsim"
)

// A plan shows what a sweep would change, and changes nothing.
func TestTenantPlan(t *testing.T) {
	w := newWorld(t, domainLevel())
	ids := w.fill(3, "notes:read")
	more := w.fill(1, "notes:read", "notes:write", "notes:delete")[0]
	w.tenant.ResetCalls()
	p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Drift() || p.Due != 3 || p.NotAdopted != 1 || len(p.Clients) != 4 {
		t.Errorf("%+v", p)
	}
	for _, c := range p.Clients {
		if c.ClientID == more && (len(c.Changes) != 0 || len(c.Remarks) != 1 || c.Remarks[0].Reason != dcr.NotAdopted) || c.ClientID == ids[0] && len(c.Changes) != 1 {
			t.Errorf("%+v", c)
		}
	}
	if n := len(w.tenant.Writes()); n > 0 {
		t.Errorf("%d writes", n)
	}
	if c, err := w.ledger.Counts(t.Context()); err != nil || c[dcr.Pending]+c[dcr.Ready] > 0 {
		t.Errorf("the ledger has %v, %v", c, err)
	}
	w.wantCounts(map[string]int{listClients: 1, listGrants: 1})
}

// What a plan says of a client is what holds now, not what the record says.
func TestTenantPlanRemarks(t *testing.T) {
	w := newWorld(t, setup{})
	id := w.fill(1, "notes:read", "notes:delete")[0]
	w.sweep()
	w.drain()
	if r := w.record(id); r.Phase != dcr.Blocked || r.Reason != dcr.ConnectionNotDomainLevel {
		t.Fatalf("%+v", r)
	}
	remarks := func() []dcr.Reason {
		t.Helper()
		w.TenantChanged()
		p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
		if err != nil {
			t.Fatal(err)
		}
		var got []dcr.Reason
		for _, c := range p.Clients {
			for _, r := range c.Remarks {
				got = append(got, r.Reason)
			}
		}
		return got
	}
	if diff := cmp.Diff([]dcr.Reason{dcr.ConnectionNotDomainLevel, dcr.NotAdopted}, remarks()); diff != "" {
		t.Error(diff)
	}
	w.tenant.SetDomainLevel(google, true)
	w.adopt()
	if got := remarks(); len(got) > 0 {
		t.Errorf("says %v of what was mended", got)
	}
}

// A grant of ours whose client is refused by now is left behind; one that was
// there before us is not ours to speak of.
func TestTenantPlanLeftBehindByRefused(t *testing.T) {
	w := newWorld(t, domainLevel())
	mine := w.tenant.AddClient(asDesired(0)).ID
	theirs := w.fill(1)[0]
	w.sweep()
	w.drain()
	w.SetSettings(desire(t, func(d *plan.Desired) { d.Allowed = []string{"claude"} }))
	p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
	if err != nil {
		t.Fatal(err)
	}
	want := []reconcile.LeftBehind{{
		ClientID: mine, GrantID: w.tenant.Grants(mine)[0].ID, Audience: audience,
		Scopes: []string{"notes:read", "notes:write"}, Reason: dcr.CallbackNotAllowed,
	}}
	if diff := cmp.Diff(want, p.LeftBehind); diff != "" || p.Refused != 2 || p.Drift() {
		t.Errorf("%s%+v of %s and %s", diff, p, mine, theirs)
	}
}

// Grants of other audiences are left behind where grantd made them and they are
// still there, and nobody else's is.
func TestTenantPlanLeftBehindByAudience(t *testing.T) {
	const former = "https://former.example.com/mcp"
	w := newWorld(t, domainLevel())
	w.tenant.AddAPI(former, "notes:read")
	var grants []tenantsim.Grant
	for i := range 4 {
		id := w.tenant.AddClient(asDesired(i)).ID
		grants = append(grants, w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: former, Scopes: []string{"notes:read"}}))
	}
	mine, edited, promoted, deleted := grants[0], grants[1], grants[2], w.tenant.AddClient(asDesired(4)).ID
	about := func(id string, step dcr.StepKind, before, after map[string]any) dcr.JournalEntry {
		return dcr.JournalEntry{ClientID: id, Change: dcr.Change{Step: step, Before: before, After: after, At: w.clock.now()}}
	}
	of := map[string]any{"audience": former}
	if err := w.ledger.AddJournal(t.Context(),
		about(mine.ClientID, dcr.StepGrant, nil, of),
		about(edited.ClientID, dcr.StepGrant, of, of),
		about(promoted.ClientID, dcr.StepPromote, nil, of),
		about(deleted, dcr.StepGrant, nil, of),
		about(mine.ClientID, dcr.StepGrant, nil, map[string]any{"audience": 7}),
		about(mine.ClientID, dcr.StepGrant, nil, map[string]any{"audience": audience}),
	); err != nil {
		t.Fatal(err)
	}
	p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
	if err != nil {
		t.Fatal(err)
	}
	want := []reconcile.LeftBehind{{
		ClientID: mine.ClientID, GrantID: mine.ID, Audience: former, Scopes: []string{"notes:read"}, Reason: dcr.OtherAudience,
	}}
	if diff := cmp.Diff(want, p.LeftBehind); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
	if n := counts(w.calls())[listGrants]; n != 2 {
		t.Errorf("grants were listed %d times, want once for each audience", n)
	}
}

// In a dry run a plan shows what would be changed all the same.
func TestTenantPlanDryRun(t *testing.T) {
	s := domainLevel()
	s.desired = func(d *plan.Desired) { d.DryRun = true }
	w := newWorld(t, s)
	w.fill(1, "notes:read")
	p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
	if err != nil || !p.Drift() || !p.DryRun || p.Due != 1 || p.Waiting != 0 || len(p.Clients) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}
