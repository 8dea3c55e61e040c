package reconcile_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/tenantsim"
)

// Auth0 may not know a fresh client everywhere at once; a second 404 is final.
func TestFreshClientNotFound(t *testing.T) {
	w := newWorld(t, domainLevel())
	const id = "tpc_neverthere"
	w.sight(id, dcr.Registered)
	o := w.look(id)
	w.wantPhase(o, dcr.Pending, dcr.NotFoundYet)
	if r := o.Record; !r.NextAttemptAt.Equal(w.clock.now().Add(2*time.Second)) || r.Class != dcr.Urgent {
		t.Errorf("again at %v (%s)", r.NextAttemptAt, r.Class)
	}
	w.clock.advance(2 * time.Second)
	o = w.look(id)
	w.wantPhase(o, dcr.Gone, dcr.DeletedInAuth)
	if r := o.Record; !r.NextAttemptAt.IsZero() || r.LastError != "" || r.Attempts != 0 {
		t.Errorf("record %+v", r)
	}
	w.wantCalls(getClient, getClient)
}

// It turned up in the meantime.
func TestFreshClientLate(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	w.tenant.FailNext(1, tenantsim.NotFound, w.tenant.On(getClient))
	w.wantPhase(w.look(id), dcr.Pending, dcr.NotFoundYet)
	w.clock.advance(2 * time.Second)
	w.wantPhase(w.look(id), dcr.Ready, "")
}

// A client that was there before is gone at the first 404, in every state of
// the calls that are made at the same time.
func TestKnownClientGone(t *testing.T) {
	for name, s := range map[string]setup{"strict": domainLevel(), "permissive": permissive()} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, s)
			id := w.onboard(1)
			w.look(id)
			w.tenant.DeleteClient(id)
			w.sight(id, dcr.Deleted)
			o := w.look(id)
			w.wantPhase(o, dcr.Gone, dcr.DeletedInAuth)
			if r := o.Record; r.GrantID != "" || r.GrantMade || r.Conditions != (dcr.Conditions{}) || r.ReadyAt.IsZero() {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// It is deleted between the read and the writes.
func TestClientDeletedMeanwhile(t *testing.T) {
	w := newWorld(t, permissive())
	id := w.onboard(1)
	var deleted bool
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if isWrite(r) && !deleted {
			deleted = w.tenant.DeleteClient(id)
		}
		return tenantsim.Fault{}
	})
	o := w.look(id)
	w.wantPhase(o, dcr.Pending, dcr.ChangedMeanwhile)
	if len(o.Changes) != 0 || o.Record.GrantID != "" {
		t.Errorf("outcome %+v", o)
	}
	w.wantPhase(w.look(id), dcr.Gone, dcr.DeletedInAuth)
}

// The grant is deleted: found by the check, or between it and the write.
func TestGrantDeleted(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	grant := w.look(id).Record.GrantID
	remove := func() { w.tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+grant, nil) }
	remove()
	w.calls()
	o := w.look(id)
	w.wantPhase(o, dcr.Ready, "")
	w.wantCalls(getClient, listGrants, createGrant)
	if o.Record.GrantID == grant || !o.Record.GrantMade {
		t.Errorf("grant %q (was %q), made by grantd: %v", o.Record.GrantID, grant, o.Record.GrantMade)
	}

	grant = o.Record.GrantID
	w.tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/client-grants/"+grant, map[string]any{"scope": []string{"notes:read"}})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method == http.MethodPatch {
			remove()
		}
		return tenantsim.Fault{}
	})
	w.wantPhase(w.look(id), dcr.Pending, dcr.ChangedMeanwhile)
	w.tenant.Faults(nil)
	w.wantPhase(w.look(id), dcr.Ready, "")
	w.wantLogin(id, "notes:read", "notes:write")
}

// A grant is created unseen. When there is one already it is taken as it is or
// mended, also if Auth0 does not say so because grantd may not create.
func TestGrantExists(t *testing.T) {
	for name, tc := range map[string]struct {
		scopes []string // of the Management API
		have   []string
		calls  []string
	}{
		"right":              {allScopes(), []string{"notes:write", "notes:read"}, []string{getClient, patchClient, createGrant, listGrants}},
		"narrow":             {allScopes(), []string{"notes:read"}, []string{getClient, patchClient, createGrant, listGrants, patchGrant}},
		"wide":               {allScopes(), []string{"notes:read", "notes:write", "notes:delete"}, []string{getClient, patchClient, createGrant, listGrants, patchGrant}},
		"right, not allowed": {without("create:client_grants"), []string{"notes:read", "notes:write"}, []string{getClient, patchClient, listGrants}}, // it is not even asked
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{level: true, scopes: tc.scopes})
			w.sweptBefore()
			id := w.onboard(1)
			g := w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: tc.have})
			o := w.look(id)
			w.wantPhase(o, dcr.Ready, "")
			w.wantCalls(tc.calls...)
			if o.Record.GrantMade || o.Record.GrantID != g.ID {
				t.Errorf("grant %q (there was %q), made by grantd: %v", o.Record.GrantID, g.ID, o.Record.GrantMade)
			}
			w.wantLogin(id, "notes:read", "notes:write")
			if g, _ := w.tenant.UserGrant(id, audience); len(g.Scopes) != 2 {
				t.Errorf("it holds %v", g.Scopes)
			}
		})
	}
}

// A 409 for a grant that then is not to be found is tried again.
func TestConflictWithNothing(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	w.tenant.FailNext(1, tenantsim.Conflict, w.tenant.On(createGrant))
	w.wantPhase(w.look(id), dcr.Pending, dcr.ChangedMeanwhile)
	w.wantPhase(w.look(id), dcr.Ready, "")
}

// The answer to a creation is lost: the next look finds what was created.
func TestCreatedUnheard(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(createGrant)(r) {
			return tenantsim.Fault{Kind: tenantsim.Reset, After: true}
		}
		return tenantsim.Fault{}
	})
	o := w.look(id)
	w.wantPhase(o, dcr.Pending, dcr.Unreachable)
	if len(o.Changes) != 1 || !o.Record.Conditions.Promoted.Status || o.Record.Conditions.Granted.Status {
		t.Errorf("outcome %+v", o)
	}
	w.tenant.Faults(nil)
	w.calls()
	w.wantPhase(w.look(id), dcr.Ready, "")
	w.wantCalls(getClient, createGrant, listGrants)
}

// Additive mode keeps what others added.
func TestAdditive(t *testing.T) {
	w := newWorld(t, setup{level: true, desired: func(d *plan.Desired) { d.ScopeMode = plan.Additive }})
	id := w.onboard(1)
	w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"notes:delete"}})
	w.wantPhase(w.look(id), dcr.Ready, "")
	g, _ := w.tenant.UserGrant(id, audience)
	slices.Sort(g.Scopes)
	if !slices.Equal(g.Scopes, []string{"notes:delete", "notes:read", "notes:write"}) {
		t.Errorf("it holds %v", g.Scopes)
	}
}

// forgetful answers a PATCH of a client with the client as it was.
type forgetful struct{ http.RoundTripper }

func (f forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch && strings.HasPrefix(r.URL.Path, "/api/v2/clients/") {
		r = r.Clone(r.Context())
		r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0
	}
	return f.RoundTripper.RoundTrip(r)
}

// Auth0 takes a change and does not keep it.
func TestPatchNotKept(t *testing.T) {
	w := newWorld(t, setup{level: true, transport: func(next http.RoundTripper) http.RoundTripper { return forgetful{next} }})
	o := w.look(w.onboard(1))
	w.wantPhase(o, dcr.Blocked, dcr.RejectedByAuth0)
	if c := o.Record.Conditions; c.Promoted.Status || !strings.Contains(c.Promoted.Message, "did not keep it") || !c.Granted.Status {
		t.Errorf("conditions %+v", c)
	}
}

// refusing answers a PATCH of a client with Auth0's refusal of a value.
type refusing struct{ http.RoundTripper }

func (f refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPatch || !strings.HasPrefix(r.URL.Path, "/api/v2/clients/") {
		return f.RoundTripper.RoundTrip(r)
	}
	const body = `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'bad' on property app_type.","errorCode":"invalid_body"}`
	return &http.Response{
		StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// What Auth0 said, and what to do, are two sentences with one full stop each.
func TestRefusalReadsWell(t *testing.T) {
	w := newWorld(t, setup{level: true, transport: func(next http.RoundTripper) http.RoundTripper { return refusing{next} }})
	o := w.look(w.onboard(1))
	w.wantPhase(o, dcr.Blocked, dcr.RejectedByAuth0)
	if m := told(o.Record); !strings.Contains(m, "on property app_type. ") || strings.Contains(m, "..") {
		t.Errorf("message %q", m)
	}
}

// An edit that comes in while a sweep lists, and could not be followed up yet,
// is not settled by a list from before it.
func TestSweepIsOlderThanALogEntry(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.recorded(1)[0]
	var once sync.Once
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		switch {
		case w.tenant.On(getClient)(r):
			return tenantsim.Fault{Kind: tenantsim.InternalError}
		case w.tenant.On(listClients)(r):
			once.Do(func() { // the grants were listed by now
				w.clock.advance(time.Second)
				w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
				w.sight(id, dcr.Changed)
				w.wantPhase(w.look(id), dcr.Pending, dcr.ServerError)
			})
		}
		return tenantsim.Fault{}
	})
	w.sweep()
	w.tenant.Faults(nil)
	w.clock.advance(10 * time.Second)
	w.drain()
	w.wantGrant(id, "notes:read", "notes:write")
}

// A sweep that finds what an edit did, which could not be put right yet, leaves
// it the cause.
func TestSweepKeepsTheCause(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.recorded(1)[0]
	w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
	admin := dcr.Actor{Kind: dcr.ActorUser, ID: "auth0|admin"}
	w.sightBy(id, dcr.Changed, admin)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if w.tenant.On(getClient)(r) {
			return tenantsim.Fault{Kind: tenantsim.InternalError}
		}
		return tenantsim.Fault{}
	})
	for w.record(id).Class != dcr.Background { // nobody waits any more
		w.look(id)
		w.clock.advance(10 * time.Minute)
	}
	w.tenant.Faults(nil)
	if s := w.sweep(); s.Due != 1 {
		t.Fatalf("%+v", s)
	}
	w.drain()
	entries, _, err := w.ledger.Journal(t.Context(), journalOf(id))
	if err != nil || len(entries) != 1 {
		t.Fatalf("journal: %+v, %v", entries, err)
	}
	if c := entries[0].Cause; c.Actor == nil || *c.Actor != admin || c.Feed != dcr.FeedWebhook || c.LogID == "" {
		t.Errorf("cause %+v", c)
	}
}
