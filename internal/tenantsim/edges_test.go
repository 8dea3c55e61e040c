package tenantsim_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// Latency is waited for, but not by a caller that has gone.
func TestLatency(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	a.tenant.SetLatency(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.tenant.Faults(func(*http.Request) tenantsim.Fault { // once it has arrived
		cancel()
		return tenantsim.Fault{}
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, a.tenant.URL()+"/api/v2/clients/x", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
		t.Error("answered at once")
	}
	eventually(t, "the call is over", func() bool { return len(a.tenant.Calls()) == 1 })
	if c := a.tenant.Calls()[0]; c.Status != 0 {
		t.Errorf("%+v", c)
	}
	a.tenant.Faults(nil)
	a.tenant.SetLatency(0)
	a.want(200, "GET", "/api/v2/connections", nil)
}

func TestOddRequests(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	a.want(413, "PATCH", "/api/v2/clients/x", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`)
	for _, path := range []string{"/", "/api/v2/", "/api/v2/clients/", "/api/v2/clients/a/b/c", "/api/v2/clients/%2F..%2F", "/api/v2/users"} {
		a.want(404, "GET", path, nil)
	}
	a.want(404, "PUT", "/api/v2/clients/x", "{}")
	a.want(404, "GET", "/api/v2/clients/"+strings.Repeat("x", 10_000), nil)
}

func TestTokenLifetime(t *testing.T) {
	c := newClock()
	a := newAPI(t, tenantsim.Options{Now: c.now})
	a.tenant.SetTokenLifetime(time.Minute)
	a.login()
	a.want(200, "GET", "/api/v2/connections", nil)
	c.advance(time.Minute)
	a.want(401, "GET", "/api/v2/connections", nil)
}

// What a test sets up without a log entry is there, and changes can be seen.
func TestSetup(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Domain: "x.eu.auth0.com"})
	logs := len(a.tenant.Logs())
	c := a.tenant.AddClient(tenantsim.Client{})
	g := a.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, AllowAllScopes: true})
	got := object(t, a.want(200, "GET", "/api/v2/client-grants/"+g.ID, nil))
	if _, scope := got["scope"]; scope || got["allow_all_scopes"] != true || got["subject_type"] != "user" {
		t.Errorf("%v", got)
	}
	if a.tenant.Domain() != "x.eu.auth0.com" || a.tenant.Audience() != "https://x.eu.auth0.com/api/v2/" || a.tenant.DomainLevel(google) {
		t.Error("domain, audience or level")
	}
	a.tenant.SetDomainLevel(google, true)
	if !a.tenant.DomainLevel(google) {
		t.Error("not promoted")
	}
	a.tenant.AddAPI(audience, "mcp:only")
	a.want(200, "PATCH", "/api/v2/client-grants/"+g.ID, map[string]any{"allow_all_scopes": false, "scope": []string{"mcp:only"}})
	if len(a.tenant.Logs()) != logs+1 {
		t.Errorf("%d entries, want the one of the PATCH", len(a.tenant.Logs())-logs)
	}
	// What is returned is a copy.
	c.GrantTypes[0] = "spoiled"
	if again, _ := a.tenant.Client(c.ID); again.GrantTypes[0] == "spoiled" {
		t.Error("the tenant's own client was handed out")
	}
	if _, ok := a.tenant.Client("nobody"); ok {
		t.Error("found nobody")
	}
}

// Deleting an API takes its grants along; the Management API stays.
func TestDeleteAPI(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	id := a.tenant.AddAPI("https://short.lived")
	a.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: "https://short.lived"})
	a.want(204, "DELETE", "/api/v2/resource-servers/"+id, nil)
	if g := a.tenant.Grants(c.ID); len(g) != 0 {
		t.Errorf("left behind: %v", g)
	}
	a.want(204, "DELETE", "/api/v2/resource-servers/"+id, nil)
	system := array(t, a.want(200, "GET", "/api/v2/resource-servers?identifiers="+a.tenant.Audience(), nil))[0]["id"].(string)
	a.refused(400, "operation_not_supported", "DELETE", "/api/v2/resource-servers/"+system, nil)
}
