package reconcile_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

const deleteGrant = "DELETE /client-grants/{id}"

// entry is the newest journal entry of that step of a client.
func (w *world) entry(id string, step dcr.StepKind) dcr.JournalEntry {
	w.tb.Helper()
	page, _, err := w.ledger.Journal(w.tb.Context(), store.JournalQuery{ClientID: id})
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, e := range page {
		if e.Step == step {
			return e
		}
	}
	w.tb.Fatalf("no %s in the journal of %s", step, id)
	return dcr.JournalEntry{}
}

// revertSetup may delete grants.
func revertSetup(level bool) setup {
	s := setup{level: level, scopes: append(allScopes(), "delete:client_grants")}
	if !level {
		s.tenant.DCR = tenantsim.DCRPermissive
	}
	return s
}

// Each kind of change is undone, at the cost of few calls, and after it the
// tenant is as it was before.
func TestRevert(t *testing.T) {
	for name, tc := range map[string]struct {
		setup setup
		step  dcr.StepKind
		make  func(w *world) string // the client; its change is the newest of the step
		calls []string
		check func(w *world, id string) bool
		notes string
	}{
		"created grant": {
			setup: revertSetup(true), step: dcr.StepGrant, make: (*world).newReady,
			calls: []string{getClient, listGrants, deleteGrant},
			check: func(w *world, id string) bool { return len(w.tenant.Grants(id)) == 0 },
		},
		"updated grant": {
			setup: revertSetup(true), step: dcr.StepGrant, make: func(w *world) string {
				id := w.newReady()
				w.undo(id, dcr.Actor{})
				w.look(id)
				return id
			},
			calls: []string{getClient, listGrants, patchGrant},
			check: func(w *world, id string) bool {
				return slices.Equal(w.tenant.Grants(id)[0].Scopes, []string{"notes:read"})
			},
		},
		"grant of every scope": {
			setup: revertSetup(true), step: dcr.StepGrant, make: func(w *world) string {
				id := w.newReady()
				w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"allow_all_scopes": true})
				w.sight(id, dcr.Changed)
				w.look(id)
				return id
			},
			calls: []string{getClient, listGrants, patchGrant},
			check: func(w *world, id string) bool { return w.tenant.Grants(id)[0].AllowAllScopes },
		},
		"promotion": {
			setup: revertSetup(true), step: dcr.StepPromote, make: func(w *world) string {
				id := w.newReady()
				w.edit(id, map[string]any{"app_type": "spa", "grant_types": []string{"authorization_code"}})
				w.sight(id, dcr.Changed)
				w.look(id)
				return id
			},
			calls: []string{getClient, patchClient},
			check: func(w *world, id string) bool {
				c, _ := w.tenant.Client(id)
				return c.AppType == "spa" && slices.Equal(c.GrantTypes, []string{"authorization_code"})
			},
		},
		"promotion of a method that was not set": {
			setup: revertSetup(true), step: dcr.StepPromote, make: func(w *world) string {
				c := asDesired(1)
				c.TokenEndpointAuthMethod, c.AppType, c.SecurityMode = "", "", "strict"
				id := w.tenant.AddClient(c).ID
				w.sight(id, dcr.Registered)
				w.look(id)
				return id
			},
			calls: []string{getClient, patchClient}, notes: "it stays \"regular_web\"",
			check: func(w *world, id string) bool {
				c, _ := w.tenant.Client(id)
				return c.AppType == "regular_web" && c.TokenEndpointAuthMethod == ""
			},
		},
		"connection": {
			setup: revertSetup(false), step: dcr.StepConnect, make: (*world).newReady,
			calls: []string{getClient, listConnections, clientConnections, patchMembers},
			check: func(w *world, id string) bool { return !slices.Contains(w.tenant.ConnectionClients(google), id) },
		},
		"domain level": {
			setup: setup{desired: levelDomain}, step: dcr.StepDomainLevel, make: (*world).newReady,
			calls: []string{listConnections, patchConnection}, notes: "tenant-wide",
			check: func(w *world, _ string) bool { return !w.tenant.DomainLevel(google) },
		},
		"revocation": {
			setup: setup{level: true, desired: revoking}, step: dcr.StepRevoke, make: func(w *world) string {
				id := w.newReady()
				w.turnBad(id)
				w.sight(id, dcr.Changed)
				w.look(id)
				return id
			},
			calls: []string{getClient, listGrants, patchGrant},
			check: func(w *world, id string) bool {
				return slices.Equal(w.tenant.Grants(id)[0].Scopes, []string{"notes:read", "notes:write"})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := fightWorld(t, tc.setup)
			id := tc.make(w)
			e := w.entry(id, tc.step)
			w.tenant.ResetCalls()
			dry, err := w.Revert(t.Context(), w.client, e, true)
			if err != nil || len(w.tenant.Writes()) > 0 {
				t.Fatalf("dry: %+v, %v, %d writes", dry, err, len(w.tenant.Writes()))
			}
			w.tenant.ResetCalls()
			got, err := w.Revert(t.Context(), w.client, e, false)
			if err != nil {
				t.Fatal(err)
			}
			w.wantCalls(tc.calls...)
			c := got.Change
			if c.Reverts != e.Seq || c.Step != tc.step || !strings.HasPrefix(c.CorrelationID, w.ledger.Prefix()) || c.At.IsZero() || !cmp.Equal(c.Before, e.After) {
				t.Errorf("change %+v", c)
			}
			if !tc.check(w, id) {
				t.Error("it is not as it was before")
			}
			if !strings.Contains(strings.Join(got.Notes, " "), tc.notes) {
				t.Errorf("notes %q", got.Notes)
			}
			if _, err := w.Revert(t.Context(), w.client, e, false); err == nil || tc.notes != "it stays \"regular_web\"" && !strings.Contains(err.Error(), "changed since") {
				t.Errorf("a second time: %v", err)
			}
			h := reconcile.RevertHold(e)
			h.Since = w.clock.now()
			if err := w.ledger.SetHolds(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			w.tenant.ResetCalls()
			w.clock.advance(2 * time.Minute)
			w.TenantChanged()
			w.sweep()
			w.drain()
			if n := len(w.tenant.Writes()); n > 0 || !tc.check(w, id) {
				t.Errorf("%d writes though it is held", n)
			}
		})
	}
}

// newReady onboards a client.
func (w *world) newReady() string {
	w.tb.Helper()
	id := w.onboard(1)
	w.wantPhase(w.look(id), dcr.Ready, "")
	return id
}

// What somebody changed since is not undone, and it is said what differs.
func TestRevertChangedSince(t *testing.T) {
	for name, tc := range map[string]struct {
		setup  setup
		step   dcr.StepKind
		change func(w *world, id string)
		says   string
	}{
		"scopes": {revertSetup(true), dcr.StepGrant, func(w *world, id string) { w.undo(id, dcr.Actor{}) }, `scope is "notes:read" now`},
		"all scopes": {revertSetup(true), dcr.StepGrant, func(w *world, id string) {
			w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, map[string]any{"allow_all_scopes": true})
		}, "allow_all_scopes"},
		"grant deleted": {revertSetup(true), dcr.StepGrant, func(w *world, id string) {
			w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
		}, "no grant"},
		"another grant": {revertSetup(true), dcr.StepGrant, func(w *world, id string) {
			w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
			w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"notes:read", "notes:write"}})
		}, "id is"},
		"client":             {revertSetup(true), dcr.StepPromote, func(w *world, id string) { w.edit(id, map[string]any{"app_type": "spa"}) }, `app_type is "spa" now`},
		"client deleted":     {revertSetup(true), dcr.StepPromote, func(w *world, id string) { w.tenant.DeleteClient(id) }, "does not exist"},
		"machine-to-machine": {revertSetup(true), dcr.StepGrant, func(w *world, id string) { w.edit(id, map[string]any{"app_type": "non_interactive"}) }, "never writes"},
		"domain-level since": {revertSetup(false), dcr.StepConnect, func(w *world, _ string) { w.tenant.SetDomainLevel(google, true) }, "domain-level by now"},
		"demoted since":      {setup{desired: levelDomain}, dcr.StepDomainLevel, func(w *world, _ string) { w.tenant.SetDomainLevel(google, false) }, "is_domain_connection is"},
		"dry run": {revertSetup(true), dcr.StepGrant, func(w *world, _ string) {
			w.SetSettings(desire(w.tb, func(d *plan.Desired) { d.DryRun = true }))
		}, "GRANTD_DRY_RUN"},
		"no leave to delete": {domainLevel(), dcr.StepGrant, func(*world, string) {}, "delete:client_grants"},
		"another audience": {revertSetup(true), dcr.StepGrant, func(w *world, _ string) {
			w.SetSettings(desire(w.tb, func(d *plan.Desired) { d.Audience += "/2" }))
		}, "is of the audience"},
	} {
		t.Run(name, func(t *testing.T) {
			w := fightWorld(t, tc.setup)
			id := w.newReady()
			e := w.entry(id, tc.step)
			tc.change(w, id)
			w.tenant.ResetCalls()
			_, err := w.Revert(t.Context(), w.client, e, false)
			if err == nil || !strings.Contains(err.Error(), tc.says) || errors.Is(err, reconcile.ErrUnsure) {
				t.Errorf("error %v, want one that says %q", err, tc.says)
			}
			if n := len(w.tenant.Writes()); n > 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

// Where a write may have been made, that is not taken for a failure.
func TestRevertUnsure(t *testing.T) {
	for _, kind := range []tenantsim.Kind{
		tenantsim.Reset, tenantsim.CutShort, tenantsim.TruncatedJSON, tenantsim.GarbageJSON, tenantsim.Unavailable,
	} {
		w := fightWorld(t, revertSetup(true))
		id := w.newReady()
		w.undo(id, dcr.Actor{})
		w.look(id)
		e := w.entry(id, dcr.StepGrant)
		w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
			if r.Method == http.MethodPatch {
				return tenantsim.Fault{Kind: kind, After: true}
			}
			return tenantsim.Fault{}
		})
		if _, err := w.Revert(t.Context(), w.client, e, false); !errors.Is(err, reconcile.ErrUnsure) {
			t.Errorf("kind %v: error %v", kind, err)
		}
	}
}

// A revocation that was undone is no longer told of, whichever version told of it.
func TestRestored(t *testing.T) {
	for _, more := range []string{"", "; grantd history shows the entry, and grantd revert gives them back"} {
		got := reconcile.Restored(dcr.Record{
			Reason: dcr.CallbackNotAllowed, Message: "it is not on the list; the scopes of its grant were taken away (GRANTD_REVOKE)" + more, Fix: "revert it",
			Conditions: dcr.Conditions{Granted: dcr.Condition{Reason: dcr.CallbackNotAllowed, Message: "taken", Fix: "revert it"}},
		})
		want := dcr.Record{Reason: dcr.CallbackNotAllowed, Message: "it is not on the list", Conditions: dcr.Conditions{Granted: dcr.Condition{Status: true}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// What is no write, or undoes one, is not undone.
func TestNotRevertible(t *testing.T) {
	for says, e := range map[string]dcr.JournalEntry{
		"no write":      {Seq: 1, Change: dcr.Change{Step: dcr.StepScopes}},
		"revert itself": {Seq: 1, ClientID: "tpc_a", Change: dcr.Change{Step: dcr.StepGrant, Reverts: 2}},
		"no client":     {Seq: 1, ClientID: "../a", Change: dcr.Change{Step: dcr.StepGrant}},
	} {
		if err := reconcile.Revertible(e); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// While somebody has a client to himself, no worker has it, and the other way
// round.
func TestClaim(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	l := w.start(nil)
	await(t, "it is ready", func() bool { return w.record(id).Phase == dcr.Ready })
	release, err := l.Claim(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Second)
	w.sight(id, dcr.Changed)
	l.Wake()
	other := w.onboard(2)
	l.Wake()
	await(t, "another is ready", func() bool { return w.record(other).Phase == dcr.Ready })
	if w.record(id).Phase == dcr.Ready {
		t.Error("a worker had it")
	}
	release()
	await(t, "it is ready again", func() bool { return w.record(id).Phase == dcr.Ready })
}

// Who wants a client to himself waits for the worker that has it.
func TestClaimWaitsForTheWorker(t *testing.T) {
	w := newWorld(t, domainLevel())
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method == http.MethodPatch {
			close(arrived)
			<-goOn
		}
		return tenantsim.Fault{}
	})
	id := w.onboard(1)
	l := w.start(nil)
	<-arrived
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Claim(ended, id); !errors.Is(err, context.Canceled) {
		t.Errorf("claimed while a worker has it: %v", err)
	}
	close(goOn)
	release, err := l.Claim(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if r := w.record(id); r.Phase != dcr.Ready {
		t.Errorf("phase %s", r.Phase)
	}
}
