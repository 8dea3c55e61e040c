package reconcile_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// hold sets holds by way of some client's outcome, as fights do.
func (w *world) hold(by string, holds ...dcr.Hold) {
	w.tb.Helper()
	if _, err := w.ledger.Save(w.tb.Context(), dcr.Outcome{Record: w.record(by), Holds: holds}); err != nil {
		w.tb.Error(err)
	}
}

func held(id string, why dcr.Reason) dcr.Hold {
	return dcr.Hold{Scope: dcr.HoldClient, ClientID: id, Reason: why}
}

// A held client costs no call, keeps what was last known of it, and is looked
// at again when the hold ends.
func TestHeldCostsNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		hold func(id string) dcr.Hold
		says []string
	}{
		"client": {func(id string) dcr.Hold { return held(id, dcr.Held) }, []string{"a person", "until it is released", "grantd hold release tpc_"}},
		"all":    {func(string) dcr.Hold { return dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held} }, []string{"every client", "grantd hold release"}},
		"storm":  {func(id string) dcr.Hold { return held(id, dcr.RegistrationStorm) }, []string{"registration storm", "grantd hold release tpc_"}},
		"revert": {func(id string) dcr.Hold { return held(id, dcr.Reverted) }, []string{"grantd revert", "grantd hold release tpc_"}},
		"a while": {func(id string) dcr.Hold {
			return dcr.Hold{Scope: dcr.HoldClient, ClientID: id, Reason: dcr.Held, Until: time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)}
		}, []string{"until 13:00:00 UTC on 1 Mar"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := fightWorld(t, domainLevel())
			id := w.onboard(1)
			w.wantPhase(w.look(id), dcr.Ready, "")
			was := w.record(id)
			h := tc.hold(id)
			w.hold(id, h)
			w.clock.advance(time.Minute)
			w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
			w.sight(id, dcr.Changed)
			w.tenant.ResetCalls()
			o := w.look(id)
			w.wantPhase(o, dcr.Blocked, dcr.Held)
			w.wantCalls()
			for _, says := range tc.says {
				if got := told(o.Record); !strings.Contains(got, says) {
					t.Errorf("what is told, %q, lacks %q", got, says)
				}
			}
			if r := w.record(id); !r.NextAttemptAt.Equal(h.Until) || !r.LastCheckedAt.Equal(was.LastCheckedAt) || !cmp.Equal(r.Conditions, was.Conditions) {
				t.Errorf("record %+v, was %+v", r, was)
			}
			w.clock.advance(time.Minute)
			if s := w.sweep(); s.Due != 0 || s.Blocked != 1 {
				t.Errorf("sweep: %+v", s)
			}
			p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
			if err != nil || p.Due != 0 || len(p.Clients) != 1 || len(p.Clients[0].Changes) != 0 || p.Clients[0].Remarks[0].Reason != dcr.Held {
				t.Errorf("plan: %+v, %v", p, err)
			}
			if r := w.record(id); !r.NextAttemptAt.Equal(h.Until) || r.Phase != dcr.Blocked || !r.Conditions.Granted.Status || r.Digest == "" {
				t.Errorf("after a sweep: %+v", r)
			}
			if n := len(w.tenant.Writes()); n > 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

// Policy comes first: a client that is not to be touched anyway is refused.
func TestRefusedThoughHeld(t *testing.T) {
	w := fightWorld(t, domainLevel())
	id := w.onboard(1)
	w.look(id)
	w.hold(id, held(id, dcr.Held))
	w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, map[string]any{"callbacks": []string{"https://evil.example.com/"}})
	w.clock.advance(time.Minute)
	if s := w.sweep(); s.Refused != 1 || s.Due != 0 {
		t.Errorf("%+v", s)
	}
}

// A hold that is set while a client is worked on stops the next write.
func TestHoldMeanwhile(t *testing.T) {
	for name, tc := range map[string]struct {
		setup  setup
		writes int
	}{"strict": {domainLevel(), 0}, "permissive": {permissive(), 0}, "domain level": {setup{desired: levelDomain}, 0}} {
		t.Run(name, func(t *testing.T) {
			w := fightWorld(t, tc.setup)
			id := w.onboard(1)
			w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
				if r.URL.Path == "/api/v2/clients/"+id && r.Method == http.MethodGet {
					w.hold(id, held(id, dcr.Held))
				}
				return tenantsim.Fault{}
			})
			o := w.look(id)
			w.wantPhase(o, dcr.Blocked, dcr.Held)
			w.wantCalls(getClient)
			if r := o.Record; !r.NextAttemptAt.IsZero() || r.Conditions.Promoted.Reason != "" || r.Attempts != 0 {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// The clients of a batch are asked about when it is sent.
func TestHoldBeforeABatch(t *testing.T) {
	w := fightWorld(t, permissive())
	ids := []string{w.onboard(1), w.onboard(2)}
	gets := 0
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method == http.MethodPatch && r.URL.Path == "/api/v2/clients/"+ids[0] {
			w.hold(ids[0], dcr.Hold{Scope: dcr.HoldField, ClientID: ids[1], Field: dcr.StepConnect, Reason: dcr.Fighting, Until: w.clock.now().Add(time.Hour)})
			gets++
		}
		return tenantsim.Fault{}
	})
	w.wantPhase(w.look(ids[0]), dcr.Ready, "")
	w.tenant.ResetCalls()
	o := w.look(ids[1])
	w.wantPhase(o, dcr.Blocked, dcr.Fighting)
	w.wantCalls(getClient, patchClient, createGrant)
	if gets == 0 {
		t.Error("no hold was set")
	}
}

// grantd=off in a client's metadata keeps grantd from it, until it is taken out.
func TestSwitchedOff(t *testing.T) {
	w := fightWorld(t, domainLevel())
	id := w.onboard(1)
	w.look(id)
	metadata := func(v any) {
		t.Helper()
		if status, _ := w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, map[string]any{"client_metadata": map[string]any{"grantd": v}}); status != 200 {
			t.Fatalf("status %d", status)
		}
		w.clock.advance(time.Minute)
	}
	metadata("Off ")
	w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
	w.tenant.ResetCalls()
	if s := w.sweep(); s.Blocked != 1 || s.Due != 0 {
		t.Errorf("sweep: %+v", s)
	}
	w.sight(id, dcr.Changed)
	for range 2 {
		o := w.look(id)
		w.wantPhase(o, dcr.Blocked, dcr.Held)
		if r := w.record(id); !r.Off || !strings.Contains(r.Message, "grantd=off") || !r.Conditions.Granted.Status || r.NextAttemptAt.IsZero() {
			t.Errorf("record %+v", r)
		}
		w.clock.advance(time.Hour)
	}
	p, err := w.Plan(t.Context(), w.client, w.ledger, func(reconcile.Sweep) {})
	if err != nil || p.Due != 0 || len(p.Clients) != 1 || !strings.Contains(fmt.Sprint(p.Clients[0].Remarks), "grantd=off") {
		t.Errorf("plan: %+v, %v", p, err)
	}
	if n := len(w.tenant.Writes()); n > 0 {
		t.Errorf("%d writes", n)
	}
	metadata(nil)
	if s := w.sweep(); s.Due != 1 {
		t.Errorf("sweep: %+v", s)
	}
	w.wantPhase(w.look(id), dcr.Ready, "")
	if r := w.record(id); r.Off {
		t.Error("still off")
	}
	w.wantGrant(id, "notes:read", "notes:write")
}

// meanwhile is a Lister that does something before it lists clients.
type meanwhile struct {
	reconcile.Lister
	do func()
}

func (m meanwhile) ThirdPartyClients(ctx context.Context, from string) (auth0.ClientPage, error) {
	m.do()
	return m.Lister.ThirdPartyClients(ctx, from)
}

// A hold that is released while a sweep is under way does not leave a client
// blocked that only the sweep found.
func TestSweepReleasedMeanwhile(t *testing.T) {
	w := fightWorld(t, domainLevel())
	id := w.fill(1)[0]
	if err := w.ledger.SetHolds(t.Context(), held(id, dcr.Held)); err != nil {
		t.Fatal(err)
	}
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.Lister = meanwhile{o.Lister, func() {
			if _, err := w.ledger.Release(t.Context(), store.HoldSelector{ClientID: id}); err != nil {
				t.Error(err)
			}
		}}
	})
	if _, err := s.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if r := w.record(id); r.Phase != dcr.Ready {
		t.Errorf("%s, %s: %s", r.Phase, r.Reason, r.Message)
	}
}
