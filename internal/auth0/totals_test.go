package auth0_test

import (
	"errors"
	"testing"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// All applications and grants are counted, in a call each that brings next to
// nothing along; the global client takes no place.
func TestTotals(t *testing.T) {
	tenant, c, id := simulated(t, tenantsim.Options{})
	tenant.AddAPI("https://other.example.com", "x")
	for _, api := range []string{audience, "https://other.example.com"} {
		tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: api, Scopes: []string{}})
	}
	want := 0
	for _, app := range tenant.Clients() {
		if !app.Global {
			want++
		}
	}
	tenant.ResetCalls()
	apps, err := c.ApplicationTotal(t.Context())
	if err != nil || apps != want || want < 2 {
		t.Errorf("%d applications, want %d, %v", apps, want, err)
	}
	grants, err := c.GrantTotal(t.Context())
	if err != nil || grants < 2 {
		t.Errorf("%d grants, %v", grants, err)
	}
	if n := len(tenant.Calls()); n != 2 {
		t.Errorf("%d calls", n)
	}
}

// An answer without a total is none.
func TestTotalsWithoutATotal(t *testing.T) {
	for _, body := range []string{`[]`, `{"clients":[],"start":0}`, `{"clients":[],"total":-1}`, `{"clients":[],"total":"9"}`, `null`} {
		n, err := open(t, &stub{API: always(200, body)}).ApplicationTotal(t.Context())
		if e, ok := errors.AsType[*auth0.Error](err); n != 0 || !ok || e.Reason != dcr.BadResponse {
			t.Errorf("%s: %d, %v", body, n, err)
		}
	}
}
