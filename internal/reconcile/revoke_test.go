package reconcile_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

const evil = "https://evil.example.com/cb"

// badWorld is a world in which clients turn bad.
func badWorld(t *testing.T, edit func(*plan.Desired)) (*world, map[reconcile.Alarm]int) {
	t.Helper()
	s := domainLevel()
	s.desired = edit
	return stormWorld(t, s, 1_000_000, false)
}

func revoking(d *plan.Desired) { d.Revoke = true }

// edit patches the client as an admin.
func (w *world) edit(id string, body map[string]any) {
	w.tb.Helper()
	if status, answer := w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, body); status != 200 {
		w.tb.Fatalf("status %d: %s", status, answer)
	}
	w.clock.advance(2 * time.Minute)
}

func (w *world) turnBad(id string) {
	w.tb.Helper()
	w.edit(id, map[string]any{"callbacks": []string{"https://chatgpt.com/connector/oauth/x", evil}})
}

// A client that was ready and no longer fits is refused with an alarm, found by
// a sweep or by its edit, and keeps what it has.
func TestTurnedBad(t *testing.T) {
	for _, by := range []string{"sweep", "edit"} {
		t.Run(by, func(t *testing.T) {
			w, alarms := badWorld(t, nil)
			id := w.onboard(1)
			w.look(id)
			w.turnBad(id)
			if p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {}); err != nil || p.Due != 0 || len(p.LeftBehind) != 1 || len(alarms) != 0 || w.log.has("refused client") {
				t.Errorf("plan %+v, %v; alarms %v", p, err, alarms)
			}
			w.tenant.ResetCalls()
			if by == "edit" {
				w.sight(id, dcr.Changed)
				w.look(id)
			}
			for range 3 {
				w.sweep()
				w.drain()
				w.clock.advance(2 * time.Minute)
			}
			w.sight(id, dcr.Changed)
			w.wantPhase(w.look(id), dcr.Refused, dcr.CallbackNotAllowed)
			if alarms[reconcile.AlarmTurnedBad] != 1 || !w.log.has(`level=ERROR msg="[dcr] refused client"`) || !w.log.has("was_ready=true") {
				t.Errorf("alarms %v", alarms)
			}
			if n := len(w.tenant.Writes()); n > 0 {
				t.Errorf("%d writes", n)
			}
			w.wantGrant(id, "notes:read", "notes:write")
		})
	}
}

// One that never was ready is no alarm.
func TestNeverGoodIsNoAlarm(t *testing.T) {
	w, alarms := badWorld(t, revoking)
	id := w.tenant.AddClient(tenantsim.Client{Callbacks: []string{evil}}).ID
	w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"notes:read"}})
	w.sight(id, dcr.Registered)
	w.wantPhase(w.look(id), dcr.Refused, dcr.CallbackNotAllowed)
	w.sweep()
	if len(alarms) != 0 || len(w.tenant.Writes()) != 0 {
		t.Errorf("alarms %v, writes %v", alarms, w.tenant.Writes())
	}
}

// With Revoke the scopes are taken away, by sweep or edit, once, and come back
// when the client fits again.
func TestRevoke(t *testing.T) {
	for _, by := range []string{"sweep", "edit"} {
		t.Run(by, func(t *testing.T) {
			w, alarms := badWorld(t, revoking)
			id := w.onboard(1)
			w.look(id)
			w.turnBad(id)
			p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
			if err != nil || p.Due != 1 || len(p.Clients) != 1 || p.Clients[0].Changes[0].Step != dcr.StepRevoke || len(alarms) != 0 {
				t.Errorf("plan %+v, %v", p, err)
			}
			if by == "edit" {
				w.sight(id, dcr.Changed)
			} else {
				if s := w.sweep(); s.Due != 1 || s.Refused != 0 {
					t.Errorf("sweep %+v", s)
				}
				if r := w.record(id); r.Phase != dcr.Refused || r.NextAttemptAt.IsZero() {
					t.Errorf("record %+v", r)
				}
			}
			w.tenant.ResetCalls()
			o := w.look(id)
			w.wantPhase(o, dcr.Refused, dcr.CallbackNotAllowed)
			w.wantCalls(getClient, listGrants, patchGrant)
			w.wantGrant(id)
			c := o.Changes[0]
			if len(o.Changes) != 1 || c.Step != dcr.StepRevoke || c.Before["id"] != o.Record.GrantID || len(c.Before["scope"].([]string)) != 2 || len(c.After["scope"].([]string)) != 0 {
				t.Errorf("changes %+v", o.Changes)
			}
			for range 2 {
				if s := w.sweep(); s.Due != 0 || s.Refused != 1 {
					t.Errorf("sweep %+v", s)
				}
				w.clock.advance(2 * time.Minute)
			}
			w.sight(id, dcr.Changed)
			w.wantPhase(w.look(id), dcr.Refused, dcr.CallbackNotAllowed)
			if r := w.record(id); strings.Count(told(r), "grantd revert") != 1 || alarms[reconcile.AlarmTurnedBad] != 1 || len(w.tenant.Writes()) != 0 {
				t.Errorf("message %q, alarms %v, writes %v", r.Message, alarms, w.tenant.Writes())
			}
			w.edit(id, map[string]any{"callbacks": []string{"https://chatgpt.com/connector/oauth/x"}})
			w.sweep()
			if r := w.record(id); r.Phase != dcr.Pending || r.Reason != dcr.Drifted {
				t.Errorf("it fits again: %s %s", r.Phase, r.Reason)
			}
			w.drain()
			w.wantGrant(id, "notes:read", "notes:write")
			if r := w.record(id); r.Phase != dcr.Ready || r.Message != "" {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// A grant of every scope holds scopes too.
func TestRevokeAllScopes(t *testing.T) {
	w, _ := badWorld(t, func(d *plan.Desired) { d.Revoke, d.ScopeMode = true, plan.Additive })
	id := w.onboard(1)
	w.look(id)
	w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"allow_all_scopes": true})
	w.turnBad(id)
	w.sweep()
	w.drain()
	if g, _ := w.tenant.UserGrant(id, audience); g.AllowAllScopes || len(g.Scopes) > 0 {
		t.Errorf("grant %+v", g)
	}
}

// What is not grantd's to take is left: of a client that is not to be touched at
// all, a grant that was there before or that somebody else made since, under a
// hold, switched off, in a dry run.
func TestNotRevoked(t *testing.T) {
	for name, tc := range map[string]struct {
		desired func(*plan.Desired)
		before  func(w *world, id string)
		bad     func(w *world, id string)
		phase   dcr.Phase
	}{
		"off by default": {desired: func(*plan.Desired) {}},
		"dry run":        {desired: func(d *plan.Desired) { d.Revoke, d.DryRun = true, true }},
		"held":           {before: func(w *world, id string) { w.hold(id, held(id, dcr.Reverted)) }, phase: dcr.Blocked},
		"step held": {before: func(w *world, id string) {
			w.hold(id, dcr.Hold{Scope: dcr.HoldField, ClientID: id, Field: dcr.StepRevoke, Reason: dcr.Held})
		}},
		"switched off": {before: func(w *world, id string) {
			w.edit(id, map[string]any{"client_metadata": map[string]any{"grantd": "off"}})
		}},
		"machine-to-machine": {bad: func(w *world, id string) {
			w.edit(id, map[string]any{"app_type": "non_interactive", "callbacks": []string{evil}})
		}},
		"somebody else's grant": {before: func(w *world, id string) {
			w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
			w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"notes:read", "notes:write"}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := badWorld(t, nil)
			id := w.onboard(1)
			w.look(id)
			desired := tc.desired
			if desired == nil {
				desired = revoking
			}
			w.SetSettings(desire(t, desired))
			if tc.before != nil {
				tc.before(w, id)
			}
			if tc.bad == nil {
				tc.bad = (*world).turnBad
			}
			tc.bad(w, id)
			w.tenant.ResetCalls()
			if s := w.sweep(); s.Due != 0 {
				t.Errorf("sweep %+v", s)
			}
			w.drain()
			w.sight(id, dcr.Changed)
			o := w.look(id)
			if want := tc.phase; want != "" && o.Record.Phase != want || want == "" && o.Record.Phase != dcr.Refused {
				t.Errorf("%s %s", o.Record.Phase, o.Record.Message)
			}
			if n := len(w.tenant.Writes()); n > 0 {
				t.Errorf("%d writes", n)
			}
			if name == "dry run" && (len(o.Record.Plan) != 1 || o.Record.Plan[0].Step != dcr.StepRevoke) {
				t.Errorf("plan %+v", o.Record.Plan)
			}
			w.wantGrant(id, "notes:read", "notes:write")
		})
	}
	t.Run("never ready", func(t *testing.T) {
		w := newWorld(t, setup{desired: revoking}) // the connection is not domain-level
		w.sweptBefore()
		id := w.onboard(1)
		w.wantPhase(w.look(id), dcr.Blocked, dcr.ConnectionNotDomainLevel)
		w.turnBad(id)
		w.sight(id, dcr.Changed)
		w.wantPhase(w.look(id), dcr.Refused, dcr.CallbackNotAllowed)
		w.wantGrant(id, "notes:read", "notes:write")
	})
	t.Run("there before grantd", func(t *testing.T) {
		w := newWorld(t, setup{level: true, desired: revoking})
		id := w.fill(1)[0]
		w.sweep()
		w.turnBad(id)
		w.sweep()
		w.drain()
		r := w.record(id)
		if n := len(w.tenant.Writes()); n > 0 || r.Phase != dcr.Refused || r.ReadyAt.IsZero() || !strings.Contains(r.Message, "there before grantd") {
			t.Errorf("%d writes, record %+v", n, r)
		}
		w.adopt()
		w.clock.advance(2 * time.Minute)
		w.sweep()
		w.drain()
		w.wantGrant(id)
	})
}

// A look decides, not what a sweep saw a while ago.
func TestRevokeLooksAgain(t *testing.T) {
	w, _ := badWorld(t, revoking)
	id := w.onboard(1)
	w.look(id)
	w.turnBad(id)
	w.sweep()
	w.edit(id, map[string]any{"callbacks": []string{"https://chatgpt.com/connector/oauth/x"}})
	w.tenant.ResetCalls()
	w.drain()
	if n := len(w.tenant.Writes()); n > 0 || w.record(id).Phase != dcr.Ready {
		t.Errorf("%d writes, %+v", n, w.record(id))
	}
}

// What fails is tried again, and the client stays refused.
func TestRevokeFails(t *testing.T) {
	w, _ := badWorld(t, revoking)
	id := w.onboard(1)
	w.look(id)
	w.turnBad(id)
	failing := true
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if failing && r.Method == http.MethodPatch {
			return tenantsim.Fault{Kind: tenantsim.Unavailable}
		}
		return tenantsim.Fault{}
	})
	w.sight(id, dcr.Changed)
	for i := range 2 {
		w.wantPhase(w.look(id), dcr.Refused, dcr.CallbackNotAllowed)
		r := w.record(id)
		if r.Attempts != i+1 || r.LastError != dcr.ServerError || !r.NextAttemptAt.After(w.clock.now()) || !strings.Contains(r.Message, "could not be taken away") {
			t.Errorf("record %+v", r)
		}
		w.clock.advance(time.Minute)
	}
	failing = false
	w.drain()
	w.wantGrant(id)
	page, _, err := w.ledger.Journal(t.Context(), store.JournalQuery{ClientID: id})
	if r := w.record(id); err != nil || page[0].Step != dcr.StepRevoke || r.Attempts != 0 || !r.NextAttemptAt.IsZero() {
		t.Errorf("journal %+v, %v, record %+v", page[0], err, r)
	}
}

// Whoever gives the scopes back every time is not fought without end.
func TestRevokeIsNoFight(t *testing.T) {
	w, alarms := badWorld(t, revoking)
	id := w.onboard(1)
	w.look(id)
	w.edit(id, map[string]any{"callbacks": []string{evil}})
	for range 10 {
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"scope": []string{"notes:read"}})
		w.sight(id, dcr.Changed)
		w.wantPhase(w.look(id), dcr.Refused, dcr.CallbackNotAllowed)
		w.clock.advance(time.Second)
	}
	w.wantGrant(id, "notes:read")
	holds, err := w.ledger.Holds(t.Context())
	if err != nil || len(holds) != 1 || holds[0].Field != dcr.StepRevoke || holds[0].Reason != dcr.Fighting || alarms[reconcile.AlarmFighting] != 1 {
		t.Errorf("holds %+v, %v; alarms %v", holds, err, alarms)
	}
}

// A revocation that was made although its answer was lost is journalled once it
// is seen, by an edit or by a sweep, so that it can be undone.
func TestRevokeAnswerLost(t *testing.T) {
	for _, by := range []string{"retry", "sweep", "read that fails"} {
		t.Run(by, func(t *testing.T) {
			w, _ := badWorld(t, revoking)
			id := w.onboard(1)
			w.look(id)
			w.turnBad(id)
			losing := true
			w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
				if losing && r.Method == http.MethodPatch {
					return tenantsim.Fault{Kind: tenantsim.Reset, After: true}
				}
				return tenantsim.Fault{}
			})
			w.sight(id, dcr.Changed)
			w.wantPhase(w.look(id), dcr.Refused, dcr.CallbackNotAllowed)
			w.wantGrant(id)
			losing = false
			w.clock.advance(time.Minute)
			switch by {
			case "sweep":
				w.sweep()
			case "read that fails":
				w.tenant.Faults(func(*http.Request) tenantsim.Fault { return tenantsim.Fault{Kind: tenantsim.Unavailable} })
				w.look(id)
				w.tenant.Faults(nil)
				w.clock.advance(time.Minute)
			}
			w.drain()
			e := w.entry(id, dcr.StepRevoke)
			if had, ok := dcr.Texts(e.Before["scope"]); !ok || len(had) != 2 || e.CorrelationID == "" {
				t.Errorf("entry %+v", e)
			}
			if r := w.record(id); strings.Count(told(r), "grantd revert") != 1 || len(r.Plan) > 0 || !r.NextAttemptAt.IsZero() {
				t.Errorf("record %+v", r)
			}
			w.sweep()
			w.sight(id, dcr.Changed)
			if o := w.look(id); len(o.Changes) > 0 {
				t.Errorf("again %+v", o.Changes)
			}
		})
	}
}
