package reconcile_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// afterAnswer calls then when Auth0 has done what a request asked for, and
// before grantd hears of it.
type afterAnswer struct {
	http.RoundTripper
	then func(*http.Request)
}

func (a afterAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.RoundTripper.RoundTrip(r)
	a.then(r)
	return resp, err
}

// A new grant is deleted, and the log tells of it by the grant's id, before the
// ledger knows whose it is.
func TestNewGrantDeletedBeforeTheLedgerKnowsIt(t *testing.T) {
	for name, answered := range map[string]bool{"before the answer": false, "before it is saved": true} {
		t.Run(name, func(t *testing.T) {
			var w *world
			var id, owner string
			deleted := false
			s := domainLevel()
			s.transport = func(rt http.RoundTripper) http.RoundTripper {
				return afterAnswer{rt, func(r *http.Request) {
					if answered || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/client-grants") || deleted {
						return
					}
					deleted = true
					grant := w.tenant.Grants(id)[0].ID
					w.tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+grant, nil)
					owner = w.GrantOwner(grant)
				}}
			}
			w = newWorld(t, s)
			id = w.onboard(1)
			o := w.Reconcile(t.Context(), w.record(id))
			if !answered {
				if owner != "" {
					t.Errorf("the grant belongs to %q already", owner)
				}
				w.wantPhase(o, dcr.Pending, dcr.ChangedMeanwhile)
				if len(o.Changes) != 2 {
					t.Errorf("changes to be journalled: %+v, want both that were made", o.Changes)
				}
			} else {
				w.wantPhase(o, dcr.Ready, "")
				if owner = w.GrantOwner(o.Record.GrantID); owner != id {
					t.Errorf("the grant belongs to %q, want %q", owner, id)
				}
				w.tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+o.Record.GrantID, nil)
				w.sight(owner, dcr.Changed)
			}
			if settled, err := w.ledger.Save(t.Context(), o); err != nil || answered == settled {
				t.Errorf("saved: settled %v, %v", settled, err)
			}
			w.clock.advance(5 * time.Second)
			w.wantPhase(w.look(id), dcr.Ready, "")
			w.wantLogin(id, "notes:read", "notes:write")
		})
	}
}

// What others do with grants of theirs makes grantd forget, not grow.
func TestGrantOwnersAreBounded(t *testing.T) {
	w := newWorld(t, domainLevel())
	o := w.look(w.onboard(1))
	for i := range 10_000 {
		if owner := w.GrantOwner(fmt.Sprint("cgr_", i)); owner != "" {
			t.Fatalf("a grant of nobody's belongs to %q", owner)
		}
	}
	if owner := w.GrantOwner(o.Record.GrantID); owner != o.Record.ClientID {
		t.Errorf("what others do made it forget a grant of its own: %q", owner)
	}
}
