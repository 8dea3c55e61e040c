package e2e_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

// What Auth0 may hold already when a client is first looked at: each ends in
// the desired state with the fewest calls.
func TestGrantsThatAreThereAlready(t *testing.T) {
	t.Parallel()
	const get, patch, post = "GET /client-grants", "PATCH /client-grants/{id}", "POST /client-grants"
	want := []string{"notes:read", "notes:write"}
	for _, tt := range []struct {
		name   string
		grant  tenantsim.Grant
		mode   string
		calls  []string // beyond the client's own GET and PATCH
		scopes []string
	}{
		{"nothing", tenantsim.Grant{}, "exact", []string{post}, want},
		{"the same", tenantsim.Grant{Scopes: want}, "exact", []string{post, get}, want},
		{"other scopes", tenantsim.Grant{Scopes: []string{"notes:share"}}, "exact", []string{post, get, patch}, want},
		{"more scopes, additive", tenantsim.Grant{Scopes: []string{"notes:read", "notes:share", "notes:write"}}, "additive",
			[]string{post, get}, []string{"notes:read", "notes:share", "notes:write"}},
		{"other scopes, additive", tenantsim.Grant{Scopes: []string{"notes:share"}}, "additive",
			[]string{post, get, patch}, []string{"notes:read", "notes:share", "notes:write"}},
		{"all scopes", tenantsim.Grant{AllowAllScopes: true}, "exact", []string{post, get, patch}, want},
		{"all scopes, additive", tenantsim.Grant{AllowAllScopes: true}, "additive", []string{post, get},
			[]string{"notes:read", "notes:share", "notes:write"}},
		{"other subject type", tenantsim.Grant{SubjectType: tenantsim.SubjectClient, Scopes: []string{"notes:share"}}, "exact", []string{post}, want},
		{"default grant", tenantsim.Grant{DefaultFor: tenantsim.DefaultThirdParty, Scopes: []string{"notes:share"}}, "exact", []string{post}, want},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, setup{delivery: tenantsim.Delivery{Manual: true}, env: []string{"GRANTD_SCOPE_MODE=" + tt.mode}})
			c := w.register("first")
			entries := w.lines()
			if g := tt.grant; g.Scopes != nil || g.AllowAllScopes {
				g.Audience = audience
				if g.DefaultFor == "" {
					g.ClientID = c.ID
				}
				w.tenant.AddGrant(g)
			}
			before := len(w.tenant.Grants(c.ID)) + len(w.tenant.Grants(""))
			mark := w.mark()
			w.post(body(entries))
			w.await(c.ID, "ready")
			w.eventually("nothing is due", func() bool { return w.due() == 0 })
			wantCalls := append([]string{"GET /clients/{id}", "PATCH /clients/{id}"}, tt.calls...)
			slices.Sort(wantCalls)
			if diff := cmp.Diff(wantCalls, w.calls(mark)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			got, err := w.tenant.Login(tenantsim.Login{ClientID: c.ID, Audience: audience, Connection: google,
				Scopes: []string{"notes:read", "notes:share", "notes:write"}})
			slices.Sort(got)
			if err != nil || !slices.Equal(got, tt.scopes) {
				t.Errorf("login gave %q, %v; want %q", got, err, tt.scopes)
			}
			after := len(w.tenant.Grants(c.ID)) + len(w.tenant.Grants(""))
			if created := slices.Contains(tt.calls, post) && !slices.Contains(tt.calls, get); created != (after == before+1) {
				t.Errorf("%d grants before, %d after", before, after)
			}
		})
	}
}

// A 409 is known by its status: Auth0's errorCode for it is not documented.
func TestConflictIsKnownByItsStatus(t *testing.T) {
	w := newWorld(t, setup{delivery: tenantsim.Delivery{Manual: true}, tenant: tenantsim.Options{Quirks: tenantsim.Quirks{ConflictCode: "some_code"}}})
	c := w.register("first")
	w.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, Scopes: []string{"notes:share"}})
	w.post(body(w.lines()))
	w.await(c.ID, "ready")
	w.usable(c.ID, "notes:read", "notes:write")
}
