package tenantsim_test

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

func TestGrantLife(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	type m = map[string]any
	made := object(t, a.want(201, "POST", "/api/v2/client-grants", m{"client_id": c.ID, "audience": audience, "scope": []string{"mcp:read"}}))
	if made["subject_type"] != "client" {
		t.Errorf("without a subject_type the grant is for %v, want client", made["subject_type"])
	}
	user := object(t, a.want(201, "POST", "/api/v2/client-grants", m{"client_id": c.ID, "audience": audience, "scope": []string{"mcp:read"}, "subject_type": "user"}))
	path := "/api/v2/client-grants/" + user["id"].(string)
	if got := object(t, a.want(200, "GET", path, nil)); !cmp.Equal(got, user) {
		t.Errorf("GET answers %v", got)
	}
	steps := []struct {
		patch m
		want  m
	}{
		{m{"scope": []string{"mcp:read", "mcp:write"}}, m{"scope": []any{"mcp:read", "mcp:write"}}},
		{m{}, m{"scope": []any{"mcp:read", "mcp:write"}}},
		{m{"scope": []string{}}, m{"scope": []any{}}},
		{m{"allow_all_scopes": true}, m{"allow_all_scopes": true}},
		{m{"allow_all_scopes": false, "scope": []string{}}, m{"allow_all_scopes": false, "scope": []any{}}},
		{m{"organization_usage": "deny"}, m{"allow_all_scopes": false, "scope": []any{}, "organization_usage": "deny"}},
	}
	for _, s := range steps {
		got := object(t, a.want(200, "PATCH", path, s.patch))
		want := m{"id": user["id"], "client_id": c.ID, "audience": audience, "subject_type": "user"}
		maps.Copy(want, s.want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", s.patch, diff)
		}
	}
	for _, body := range []m{{"subject_type": "client"}, {"client_id": c.ID}, {"audience": audience}, {"default_for": "third_party_clients"}, {"scope": "x"}, {"scope": nil}} {
		a.refused(400, "invalid_body", "PATCH", path, body)
	}
	a.want(204, "DELETE", path, nil)
	a.refused(404, "inexistent_client_grant", "GET", path, nil)
	a.refused(404, "inexistent_client_grant", "PATCH", path, m{"scope": []string{}})
	a.want(204, "DELETE", path, nil)
}

func TestGrantRefusals(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	strict := a.tenant.AddClient(tenantsim.Client{})
	first := a.tenant.AddClient(tenantsim.Client{FirstParty: true})
	express := a.tenant.AddClient(tenantsim.Client{FirstParty: true, AppType: "express_configuration"})
	type m = map[string]any
	none := []string{}
	tests := []struct {
		name   string
		body   m
		status int
		code   string
	}{
		{"unknown client", m{"client_id": "nobody", "audience": audience, "scope": none}, 404, "inexistent_client"},
		{"unknown audience", m{"client_id": strict.ID, "audience": audience + "/", "scope": none}, 404, "inexistent_resource_server"},
		{"no audience", m{"client_id": strict.ID, "scope": none}, 400, "invalid_body"},
		{"no scope", m{"client_id": strict.ID, "audience": audience}, 400, "invalid_body"},
		{"client and default", m{"client_id": strict.ID, "default_for": "third_party_clients", "audience": audience, "scope": none}, 400, "invalid_body"},
		{"neither client nor default", m{"audience": audience, "scope": none}, 400, "invalid_body"},
		{"other default", m{"default_for": "everybody", "audience": audience, "scope": none}, 400, "invalid_body"},
		{"other subject type", m{"client_id": strict.ID, "audience": audience, "scope": none, "subject_type": "robot"}, 400, "invalid_body"},
		{"unknown property", m{"client_id": strict.ID, "audience": audience, "scope": none, "foo": 1}, 400, "invalid_body"},
		{"system API for a strict client", m{"client_id": strict.ID, "audience": a.tenant.Audience(), "scope": none}, 400, "operation_not_supported"},
		{"all scopes of a system API", m{"client_id": first.ID, "audience": a.tenant.Audience(), "allow_all_scopes": true}, 400, "invalid_body"},
		{"express configuration", m{"client_id": express.ID, "audience": audience, "scope": none}, 400, "validation_error"},
		{"undefined scope", m{"client_id": strict.ID, "audience": audience, "scope": []string{"unheard:of"}}, 400, "invalid_body"},
		{"all scopes and a scope", m{"client_id": strict.ID, "audience": audience, "scope": []string{"mcp:read"}, "allow_all_scopes": true}, 400, "invalid_body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a.refused(tt.status, tt.code, "POST", "/api/v2/client-grants", tt.body)
		})
	}
	if n := len(a.tenant.Grants(strict.ID)); n != 0 {
		t.Errorf("%d grants were made", n)
	}
}

func TestGrantConflict(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	a.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience})
	body := map[string]any{"client_id": c.ID, "audience": audience, "scope": []string{}, "subject_type": "user"}
	if m := a.refused(409, "", "POST", "/api/v2/client-grants", body); m != "A client grant already exists between "+c.ID+" and "+audience {
		t.Error(m)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.ConflictCode = "client_grant_conflict" })
	a.refused(409, "client_grant_conflict", "POST", "/api/v2/client-grants", body)
	def := map[string]any{"default_for": "third_party_clients", "audience": audience, "scope": []string{}, "subject_type": "user"}
	a.want(201, "POST", "/api/v2/client-grants", def)
	a.refused(409, "client_grant_conflict", "POST", "/api/v2/client-grants", def)
}

func TestUndefinedScopes(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{})
	g := a.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience})
	body := map[string]any{"scope": []string{"unheard:of"}}
	path := "/api/v2/client-grants/" + g.ID
	if m := a.refused(400, "invalid_body", "PATCH", path, body); !strings.Contains(m, "scope must be a subset of resource server scopes") {
		t.Error(m)
	}
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.PatchScopesUnchecked = true })
	a.want(200, "PATCH", path, body)
	create := map[string]any{"client_id": c.ID, "audience": audience, "scope": []string{"unheard:of"}, "subject_type": "client"}
	a.refused(400, "invalid_body", "POST", "/api/v2/client-grants", create)
	a.tenant.SetQuirks(func(q *tenantsim.Quirks) { q.UndefinedScopes = true })
	a.want(201, "POST", "/api/v2/client-grants", create)
}

func TestGrantLists(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	a.tenant.AddAPI("https://other.example.com")
	clients := addMany(a.tenant, 120)
	for _, id := range clients {
		a.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"mcp:read"}})
		a.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: "https://other.example.com", SubjectType: "client"})
	}
	a.tenant.AddGrant(tenantsim.Grant{DefaultFor: "third_party_clients", Audience: audience})
	count := func(q string) float64 {
		return object(t, a.want(200, "GET", "/api/v2/client-grants?include_totals=true&per_page=1&"+q, nil))["total"].(float64)
	}
	aud := "audience=" + url.QueryEscape(audience)
	for q, want := range map[string]float64{
		"client_id=" + clients[0]: 2, "client_id=" + clients[0] + "&subject_type=user": 1, aud: 121, aud + "&subject_type=client": 0,
		"default_for=third_party_clients": 1, "client_id=nobody": 0, "audience=none": 0, "subject_type=user": 121,
	} {
		if got := count(q); got != want {
			t.Errorf("%s: %v grants, want %v", q, got, want)
		}
	}
	a.refused(400, "invalid_query_string", "GET", "/api/v2/client-grants?subject_type=robot", nil)
	seen, next := 0, ""
	for {
		// The cursor form wins also when totals are asked for.
		m := object(t, a.want(200, "GET", fmt.Sprintf("/api/v2/client-grants?%s&subject_type=user&take=100&include_totals=true&from=%s", aud, next), nil))
		if m["total"] != nil {
			t.Fatal("a cursor page has a total")
		}
		seen += len(m["client_grants"].([]any))
		if m["next"] == nil {
			break
		}
		next = url.QueryEscape(m["next"].(string))
	}
	if seen != 121 {
		t.Errorf("%d grants by cursor, want 121", seen)
	}
}

func TestAPIs(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	escaped := "/api/v2/resource-servers/" + url.PathEscape(audience)
	got := object(t, a.want(200, "GET", escaped, nil))
	if got["identifier"] != audience || len(got["scopes"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
	byID := object(t, a.want(200, "GET", "/api/v2/resource-servers/"+got["id"].(string), nil))
	if !cmp.Equal(got, byID) {
		t.Error("by id it is another")
	}
	a.refused(404, "inexistent_resource_server", "GET", "/api/v2/resource-servers/"+url.PathEscape(audience+"/"), nil)
	plain := object(t, a.want(201, "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://plain.test", "name": "p"}))
	if _, ok := plain["scopes"]; ok {
		t.Error("scopes before any was set")
	}
	a.refused(409, "resource_server_conflict", "POST", "/api/v2/resource-servers", map[string]any{"identifier": "https://plain.test"})
	path := "/api/v2/resource-servers/" + url.PathEscape("https://plain.test")
	cleared := object(t, a.want(200, "PATCH", path, map[string]any{"scopes": []any{}}))
	if s, ok := cleared["scopes"].([]any); !ok || len(s) != 0 {
		t.Errorf("cleared scopes are %v", cleared["scopes"])
	}
	list := object(t, a.want(200, "GET", "/api/v2/resource-servers?include_totals=true&identifiers="+url.QueryEscape(audience)+"&identifiers=https://plain.test", nil))
	if list["total"] != 2.0 {
		t.Errorf("by identifiers: %v", list["total"])
	}
	a.refused(400, "invalid_query_string", "GET", "/api/v2/resource-servers?"+strings.Repeat("identifiers=x&", 11), nil)
	a.refused(400, "operation_not_supported", "PATCH", "/api/v2/resource-servers/"+url.PathEscape(a.tenant.Audience()), map[string]any{"name": "x"})
	a.refused(400, "invalid_body", "PATCH", path, map[string]any{"identifier": "https://new.test"})
	a.refused(400, "invalid_body", "PATCH", path, map[string]any{"subject_type_authorization": map[string]any{"client": map[string]any{"policy": "allow_all"}}})
}

func TestScopeRemoval(t *testing.T) {
	for _, prunes := range []bool{false, true} {
		a := newAPI(t, tenantsim.Options{Quirks: tenantsim.Quirks{ScopeRemovalPrunes: prunes}})
		c := a.tenant.AddClient(tenantsim.Client{})
		a.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, Scopes: []string{"mcp:read", "mcp:write"}})
		a.want(200, "PATCH", "/api/v2/resource-servers/"+url.PathEscape(audience), map[string]any{"scopes": []any{map[string]string{"value": "mcp:read"}}})
		want := 2
		if prunes {
			want = 1
		}
		if g, _ := a.tenant.UserGrant(c.ID, audience); len(g.Scopes) != want {
			t.Errorf("prunes %v: the grant has %v", prunes, g.Scopes)
		}
	}
}
