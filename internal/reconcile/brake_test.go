package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/tenantsim"
)

// fightWorld is a world whose holds are kept in the ledger.
func fightWorld(t *testing.T, s setup) *world {
	t.Helper()
	w := newWorld(t, s)
	w.sweptBefore()
	w.rebuild(func(o *reconcile.Options) { o.Brakes = w.ledger })
	if err := w.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.tenant.ResetCalls()
	return w
}

// undo narrows the client's grant as somebody else, and lets grantd hear of it.
func (w *world) undo(id string, by dcr.Actor) {
	w.tb.Helper()
	w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"scope": []string{"notes:read"}})
	w.clock.advance(time.Second)
	w.sightBy(id, dcr.Changed, by)
}

// Two managers that undo each other's changes: after five times in ten minutes
// grantd lets the field be, says who it is, and looks again later. Each time it
// waits longer.
func TestFight(t *testing.T) {
	w := fightWorld(t, domainLevel())
	by := dcr.Actor{Kind: dcr.ActorApplication, ID: "TerraformM2M"}
	id, other := w.onboard(1), w.onboard(2)
	w.look(id)
	w.look(other)
	for round, wait := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
		for i := range 5 {
			w.undo(id, by)
			o := w.look(id)
			w.wantPhase(o, dcr.Ready, "")
			if held := len(o.Holds) > 0; held != (i == 4) {
				t.Fatalf("round %d, repair %d: holds %+v", round, i+1, o.Holds)
			}
		}
		if !w.log.has("two managers fight over a field") || !w.log.has("TerraformM2M") {
			t.Error("it is not said in the log")
		}
		w.undo(id, by)
		w.tenant.ResetCalls()
		o := w.look(id)
		w.wantPhase(o, dcr.Blocked, dcr.Fighting)
		w.wantCalls(getClient, listGrants)
		if !strings.Contains(o.Record.Message, "application TerraformM2M") {
			t.Errorf("message %q", o.Record.Message)
		}
		holds, err := w.ledger.Holds(t.Context())
		if err != nil || len(holds) != 1 || holds[0].Times != round+1 || holds[0].Field != dcr.StepGrant || holds[0].ClientID != id {
			t.Fatalf("holds %+v, %v", holds, err)
		}
		if got := holds[0].Until.Sub(holds[0].Since); got != wait {
			t.Errorf("round %d: held for %v, want %v", round, got, wait)
		}
		if !o.Record.NextAttemptAt.Equal(holds[0].Until) {
			t.Errorf("looks again at %v, the hold ends at %v", o.Record.NextAttemptAt, holds[0].Until)
		}
		// Another field of the same client, and the same field of another.
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, map[string]any{"app_type": "spa"})
		w.undo(other, by)
		w.tenant.ResetCalls()
		w.wantPhase(w.look(id), dcr.Blocked, dcr.Fighting)
		w.wantPhase(w.look(other), dcr.Ready, "")
		w.wantCalls(getClient, listGrants, patchClient, getClient, listGrants, patchGrant)

		w.clock.advance(holds[0].Until.Sub(w.clock.now()) + time.Second)
		w.wantPhase(w.look(id), dcr.Ready, "")
	}
}

// Now and then is no fight, and what configuration changed is none either.
func TestNoFight(t *testing.T) {
	w := fightWorld(t, domainLevel())
	by := dcr.Actor{Kind: dcr.ActorUser, ID: "auth0|1"}
	id := w.onboard(1)
	w.look(id)
	for range 12 {
		w.undo(id, by)
		w.clock.advance(3 * time.Minute) // four in ten minutes
		if o := w.look(id); len(o.Holds) > 0 {
			t.Fatalf("holds %+v", o.Holds)
		}
	}
	for i := range 12 {
		scopes := [][]string{{"notes:read"}, {"notes:write"}}[i%2]
		w.SetSettings(desire(t, func(d *plan.Desired) { d.Scopes = scopes }))
		w.clock.advance(time.Second)
		w.sight(id, dcr.Changed)
		if o := w.look(id); len(o.Holds) > 0 || len(o.Changes) != 1 {
			t.Fatalf("%d: holds %+v, changes %+v", i, o.Holds, o.Changes)
		}
	}
}

// A connection belongs to all clients: who is just promoting it again does not
// matter, and the hold is for all.
func TestFightOverAConnection(t *testing.T) {
	s := setup{desired: func(d *plan.Desired) { d.ConnectionLevel = plan.DomainLevel }}
	w := fightWorld(t, s)
	by := dcr.Actor{Kind: dcr.ActorUser, ID: "auth0|2"}
	ids := []string{w.onboard(1), w.onboard(2)}
	for _, id := range ids {
		w.look(id)
	}
	for i := range 5 {
		w.tenant.SetDomainLevel(google, false)
		w.TenantChanged()
		w.clock.advance(time.Second)
		w.sightBy(ids[i%2], dcr.Changed, by)
		if o := w.look(ids[i%2]); len(o.Holds) > 0 != (i == 4) {
			t.Fatalf("repair %d: %+v", i+1, o.Holds)
		}
	}
	w.tenant.SetDomainLevel(google, false)
	w.TenantChanged()
	for _, id := range ids {
		w.clock.advance(time.Second)
		w.sightBy(id, dcr.Changed, by)
		w.wantPhase(w.look(id), dcr.Blocked, dcr.Fighting)
	}
	if w.tenant.DomainLevel(google) {
		t.Error("it was promoted in spite of the hold")
	}
}

// A hold of a client, or of everything, keeps grantd from any write, in a sweep
// too, and nothing else is affected.
func TestHolds(t *testing.T) {
	for _, scope := range []dcr.HoldScope{dcr.HoldClient, dcr.HoldAll} {
		t.Run(string(scope), func(t *testing.T) {
			w := fightWorld(t, domainLevel())
			id, other := w.onboard(1), w.onboard(2)
			w.look(other)
			w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(other)[0].ID, map[string]any{"scope": []string{"notes:read"}})
			h := dcr.Hold{Scope: scope, Reason: dcr.Held, Since: w.clock.now()}
			if scope == dcr.HoldClient {
				h.ClientID = id
			}
			if _, err := w.ledger.Save(t.Context(), dcr.Outcome{Record: w.record(other), Holds: []dcr.Hold{h}}); err != nil {
				t.Fatal(err)
			}
			w.tenant.ResetCalls()
			o := w.look(id)
			w.wantPhase(o, dcr.Blocked, dcr.Held)
			w.clock.advance(2 * time.Minute)
			writes := 0
			if scope == dcr.HoldClient {
				writes = 1 // the other client's
			}
			if s := w.sweep(); s.Due != writes || s.Blocked != 2-writes {
				t.Errorf("%+v", s)
			}
			w.drain()
			if got := w.tenant.Writes(); len(got) != writes {
				t.Errorf("%d writes, want %d: %+v", len(got), writes, got)
			}
			if r := w.record(id); r.Phase != dcr.Blocked || r.Reason != dcr.Held {
				t.Errorf("%s %s", r.Phase, r.Reason)
			}
		})
	}
}

// What Auth0 takes and does not keep is let be, too: where its log does not tell
// grantd's own writes from others', each would be the reason for the next.
func TestUnkeptWritesComeToAnEnd(t *testing.T) {
	s := permissive()
	s.tenant.Quirks.PermissiveMembers = tenantsim.MemberDropped
	w := fightWorld(t, s)
	by := dcr.Actor{Kind: dcr.ActorApplication, ID: ownID}
	id := w.onboard(1)
	w.wantPhase(w.look(id), dcr.Blocked, dcr.ConnectionNotDomainLevel)
	for range 20 {
		w.clock.advance(time.Second)
		w.sightBy(id, dcr.Changed, by)
		w.look(id)
	}
	if n := w.tenant.Count(patchMembers); n != 5 {
		t.Errorf("enabled %d times", n)
	}
	w.wantPhase(w.look(id), dcr.Blocked, dcr.Fighting)
	// By itself it is looked at so seldom that nothing is held.
	w.clock.advance(10 * time.Minute)
	w.tenant.ResetCalls()
	for range 6 {
		o := w.look(id)
		w.wantPhase(o, dcr.Blocked, dcr.ConnectionNotDomainLevel)
		w.clock.advance(o.Record.NextAttemptAt.Sub(w.clock.now()))
	}
	if n := w.tenant.Count(patchMembers); n != 6 {
		t.Errorf("enabled %d times in six looks", n)
	}
}
