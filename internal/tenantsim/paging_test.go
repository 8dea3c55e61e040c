package tenantsim_test

import (
	"net/url"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// A cursor is good for 24 hours, in every list.
func TestCursorExpires(t *testing.T) {
	c := newClock()
	a := newAPI(t, tenantsim.Options{Now: c.now, TokenLifetime: 72 * time.Hour})
	ids := addMany(a.tenant, 3)
	for _, id := range ids {
		a.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience})
	}
	a.tenant.EnableConnection(google, ids...)
	conn := array(t, a.want(200, "GET", "/api/v2/connections?name="+google, nil))[0]["id"].(string)
	next := map[string]string{}
	for _, path := range []string{"/api/v2/clients", "/api/v2/client-grants", "/api/v2/connections/" + conn + "/clients"} {
		cursor := text(t, a.want(200, "GET", path+"?take=2", nil), "next")
		next[path+"?take=2&from="+url.QueryEscape(cursor)] = cursor
	}
	c.advance(24 * time.Hour)
	for path := range next {
		a.want(200, "GET", path, nil)
	}
	c.advance(time.Second)
	for path, cursor := range next {
		if cursor == "" {
			t.Errorf("%s: no cursor", path)
		}
		a.refused(400, "invalid_paging", "GET", path, nil)
	}
}

// Grants know the same three ways as clients, and the same end of offsets.
func TestGrantPagingQuirk(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	for _, id := range addMany(a.tenant, 60) {
		a.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience})
	}
	list := "/api/v2/client-grants?subject_type=user&audience=" + url.QueryEscape(audience)
	if got := object(t, a.want(200, "GET", list+"&take=10", nil)); len(got["client_grants"].([]any)) != 10 || got["next"] == nil {
		t.Errorf("%v", got)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.GrantPaging = tenantsim.PagingRefused })
	a.refused(400, "invalid_query_string", "GET", list+"&take=10", nil)
	a.refused(400, "invalid_query_string", "GET", list+"&from=x", nil)
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.GrantPaging = tenantsim.PagingIgnored })
	if got := len(array(t, a.want(200, "GET", list+"&take=10", nil))); got != 50 {
		t.Errorf("%d grants, want the first page of 50", got)
	}
	if got := object(t, a.want(200, "GET", list+"&per_page=50&page=1&include_totals=true", nil)); got["total"] != 60.0 || len(got["client_grants"].([]any)) != 10 {
		t.Errorf("%v", got)
	}
	a.refused(400, "invalid_paging", "GET", list+"&per_page=100&page=10", nil)
}
