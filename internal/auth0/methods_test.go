package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// Each method sends what Auth0 expects, and reads what it answers.
func TestMethods(t *testing.T) {
	const corr = "grantd-1f2e3d4c5b6a-1"
	grant := `{"id":"cgr_1","client_id":"` + clientID + `","audience":"` + audience + `","scope":["a","b"],"subject_type":"user"}`
	wantGrant := dcr.Grant{ID: "cgr_1", ClientID: clientID, Audience: audience, SubjectType: "user", Scopes: []string{"a", "b"}}
	wantClient := dcr.Client{
		ID: clientID, Name: "ChatGPT", AppType: "regular_web", TokenEndpointAuthMethod: "none",
		GrantTypes: []string{"authorization_code"}, Callbacks: []string{"https://chatgpt.com/x"}, ThirdPartySecurityMode: dcr.Strict,
	}
	grantQuery := "audience=https%3A%2F%2Fmcp.example.com%2Fmcp&client_id=" + clientID + "&subject_type=user&take=100"

	tests := []struct {
		name   string
		call   func(context.Context, *auth0.Client) (any, error)
		status int
		answer string
		want   any
		sent   request
	}{
		{
			"client", func(ctx context.Context, c *auth0.Client) (any, error) { return c.Client(ctx, clientID) },
			200, thirdParty, wantClient,
			request{method: "GET", uri: "/api/v2/clients/" + clientID},
		},
		{
			"client of unknown party is first-party", func(ctx context.Context, c *auth0.Client) (any, error) { return c.Client(ctx, clientID) },
			200, `{"client_id":"` + clientID + `","global":true,"external_client_id":"https://a.example/c.json"}`,
			dcr.Client{ID: clientID, FirstParty: true, Global: true, ExternalClientID: "https://a.example/c.json"},
			request{method: "GET", uri: "/api/v2/clients/" + clientID},
		},
		{
			"patch client", func(ctx context.Context, c *auth0.Client) (any, error) {
				return c.PatchClient(ctx, corr, clientID, dcr.ClientPatch{
					AppType: new("regular_web"), TokenEndpointAuthMethod: new("none"), GrantTypes: []string{"authorization_code", "refresh_token"},
				})
			},
			200, thirdParty, wantClient,
			request{"PATCH", "/api/v2/clients/" + clientID, `{"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none","app_type":"regular_web"}`, corr, ""},
		},
		{
			"patch only the difference", func(ctx context.Context, c *auth0.Client) (any, error) {
				return c.PatchClient(ctx, corr, clientID, dcr.ClientPatch{GrantTypes: []string{"refresh_token"}})
			},
			200, thirdParty, wantClient,
			request{"PATCH", "/api/v2/clients/" + clientID, `{"grant_types":["refresh_token"]}`, corr, ""},
		},
		{
			"create grant", func(ctx context.Context, c *auth0.Client) (any, error) {
				return c.CreateGrant(ctx, corr, dcr.Grant{ClientID: clientID, Audience: audience, Scopes: []string{"a", "b"}})
			},
			201, grant, wantGrant,
			request{"POST", "/api/v2/client-grants", `{"client_id":"` + clientID + `","audience":"` + audience + `","scope":["a","b"],"subject_type":"user"}`, corr, ""},
		},
		{
			"create grant without scopes", func(ctx context.Context, c *auth0.Client) (any, error) {
				return c.CreateGrant(ctx, corr, dcr.Grant{ClientID: clientID, Audience: audience})
			},
			201, grant, wantGrant,
			request{"POST", "/api/v2/client-grants", `{"client_id":"` + clientID + `","audience":"` + audience + `","scope":[],"subject_type":"user"}`, corr, ""},
		},
		{
			"set scopes", func(ctx context.Context, c *auth0.Client) (any, error) {
				return c.SetGrantScopes(ctx, corr, dcr.Grant{ID: "cgr_1"}, []string{"a", "b"})
			},
			200, grant, wantGrant,
			request{"PATCH", "/api/v2/client-grants/cgr_1", `{"scope":["a","b"]}`, corr, ""},
		},
		{
			"set no scopes", func(ctx context.Context, c *auth0.Client) (any, error) {
				return c.SetGrantScopes(ctx, corr, dcr.Grant{ID: "cgr_1"}, nil)
			},
			200, grant, wantGrant,
			request{"PATCH", "/api/v2/client-grants/cgr_1", `{"scope":[]}`, corr, ""},
		},
		{
			"set scopes of a grant of all", func(ctx context.Context, c *auth0.Client) (any, error) {
				return c.SetGrantScopes(ctx, corr, dcr.Grant{ID: "cgr_1", AllowAllScopes: true}, []string{"a"})
			},
			200, grant, wantGrant,
			request{"PATCH", "/api/v2/client-grants/cgr_1", `{"scope":["a"],"allow_all_scopes":false}`, corr, ""},
		},
		{
			"connection", func(ctx context.Context, c *auth0.Client) (any, error) { return c.Connection(ctx, "google-oauth2") },
			200, `{"connections":[{"id":"con_0","name":"google-oauth2-x"},{"id":"con_1","name":"google-oauth2","is_domain_connection":true}]}`,
			dcr.Connection{ID: "con_1", Name: "google-oauth2", DomainLevel: true},
			request{method: "GET", uri: "/api/v2/connections?fields=id%2Cname%2Cstrategy%2Cis_domain_connection%2Cauthentication&include_fields=true&include_totals=true&name=google-oauth2&take=50"},
		},
		{
			"promote connection", func(ctx context.Context, c *auth0.Client) (any, error) {
				return nil, c.PromoteConnection(ctx, corr, "con_1")
			},
			200, `{"id":"con_1"}`, nil,
			request{"PATCH", "/api/v2/connections/con_1", `{"is_domain_connection":true}`, corr, ""},
		},
		{
			"enable connection", func(ctx context.Context, c *auth0.Client) (any, error) {
				return nil, c.EnableConnection(ctx, corr, "con_1", []string{"a", "b"})
			},
			204, "", nil,
			request{"PATCH", "/api/v2/connections/con_1/clients", `[{"client_id":"a","status":true},{"client_id":"b","status":true}]`, corr, ""},
		},
		{
			"API", func(ctx context.Context, c *auth0.Client) (any, error) { return c.API(ctx, audience) },
			200, `{"id":"5f","identifier":"` + audience + `","scopes":[{"value":"b"},{"value":"a","description":"A"}]}`,
			dcr.API{ID: "5f", Identifier: audience, Scopes: []string{"b", "a"}},
			request{method: "GET", uri: "/api/v2/resource-servers/https:%2F%2Fmcp.example.com%2Fmcp"},
		},
		{
			"logs", func(ctx context.Context, c *auth0.Client) (any, error) {
				b, err := c.SearchLogs(ctx, auth0.LogQuery{Q: "type:sapi", Page: 2, Sort: "date:1"})
				return string(b), err
			},
			200, `[{"log_id":"1"}]`, `[{"log_id":"1"}]`,
			request{method: "GET", uri: "/api/v2/logs?include_totals=false&page=2&per_page=100&q=type%3Asapi&sort=date%3A1"},
		},
		{
			"user grant", func(ctx context.Context, c *auth0.Client) (any, error) {
				g, ok, err := c.UserGrant(ctx, clientID, audience)
				return fmt.Sprint(g, ok), err
			},
			200, `{"client_grants":[` + grant + `]}`, fmt.Sprint(wantGrant, true),
			request{method: "GET", uri: "/api/v2/client-grants?" + grantQuery},
		},
		{
			"user grant among others", func(ctx context.Context, c *auth0.Client) (any, error) {
				g, ok, err := c.UserGrant(ctx, clientID, audience)
				return fmt.Sprint(g, ok), err
			},
			200, `{"client_grants":[` + strings.Join([]string{
				strings.Replace(grant, `"user"`, `"client"`, 1),
				strings.Replace(grant, audience, audience+"/", 1),
				strings.Replace(grant, clientID, "someone", 1),
				strings.Replace(grant, `"id"`, `"default_for":"third_party_clients","id"`, 1),
				strings.Replace(grant, "cgr_1", "cgr_2", 1),
			}, ",") + `]}`, fmt.Sprint(dcr.Grant{ID: "cgr_2", ClientID: clientID, Audience: audience, SubjectType: "user", Scopes: []string{"a", "b"}}, true),
			request{method: "GET", uri: "/api/v2/client-grants?" + grantQuery},
		},
		{
			"no user grant", func(ctx context.Context, c *auth0.Client) (any, error) {
				_, ok, err := c.UserGrant(ctx, clientID, audience)
				return ok, err
			},
			200, `{"client_grants":[]}`, false,
			request{method: "GET", uri: "/api/v2/client-grants?" + grantQuery},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{API: always(tt.status, tt.answer)}
			got, err := tt.call(t.Context(), open(t, s))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			seen := s.seen()
			if len(seen) != 1 {
				t.Fatalf("%d requests, want 1", len(seen))
			}
			tt.sent.token = "eyJ-token-1"
			if diff := cmp.Diff(tt.sent, seen[0], cmp.AllowUnexported(request{})); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListsFollowPages(t *testing.T) {
	page := func(key, item, next string) string {
		if next != "" {
			next = `,"next":"` + next + `"`
		}
		return `{"` + key + `":[` + item + `]` + next + `}`
	}
	s := &stub{API: func(w http.ResponseWriter, r *http.Request) {
		from := r.URL.Query().Get("from")
		switch {
		case strings.HasSuffix(r.URL.Path, "/connections") && from == "":
			respond(w, 200, page("connections", `{"id":"con_1","name":"a"}`, "n1"))
		case strings.HasSuffix(r.URL.Path, "/connections"):
			respond(w, 200, page("connections", `{"id":"con_2","name":"b","is_domain_connection":true}`, ""))
		case from == "":
			respond(w, 200, page("client_grants", "", "n1")) // an empty page with a next one
		default:
			respond(w, 200, page("client_grants", `{"id":"cgr_9","client_id":"`+clientID+`","audience":"`+audience+`","allow_all_scopes":true,"subject_type":"user"}`, ""))
		}
	}}
	c := open(t, s)
	conns, err := c.ClientConnections(t.Context(), clientID)
	want := []dcr.Connection{{ID: "con_1", Name: "a"}, {ID: "con_2", Name: "b", DomainLevel: true}}
	if diff := cmp.Diff(want, conns); diff != "" || err != nil {
		t.Errorf("connections: %v (-want +got):\n%s", err, diff)
	}
	g, ok, err := c.UserGrant(t.Context(), clientID, audience)
	if !ok || err != nil || g.ID != "cgr_9" || !g.AllowAllScopes {
		t.Errorf("grant on the second page: %+v, %v, %v", g, ok, err)
	}
}

// A list that never ends does not hang.
func TestEndlessList(t *testing.T) {
	s := &stub{API: always(200, `{"client_grants":[],"next":"again"}`)}
	if _, _, err := open(t, s).UserGrant(t.Context(), clientID, audience); reasonOf(err) != dcr.BadResponse {
		t.Errorf("error %v", err)
	}
	if n := len(s.seen()); n > 101 {
		t.Errorf("%d requests", n)
	}
}

func TestConnectionMissing(t *testing.T) {
	s := &stub{API: always(200, `{"connections":[{"id":"con_0","name":"Google-OAuth2"}]}`)}
	if _, err := open(t, s).Connection(t.Context(), "google-oauth2"); !errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

// What cannot be an id reaches no path.
func TestHostileIDs(t *testing.T) {
	s := &stub{API: always(200, `{}`)}
	c := open(t, s)
	ctx := t.Context()
	for _, id := range []string{"", ".", "..", "a/b", "../tenants/settings", "a%2fb", "a?b", "a#b", "a b", "a\nb", "ä", "\u202e", strings.Repeat("a", 10_000)} {
		calls := map[string]error{}
		_, calls["client"] = c.Client(ctx, id)
		_, calls["patch"] = c.PatchClient(ctx, "", id, dcr.ClientPatch{})
		_, _, calls["grant"] = c.UserGrant(ctx, id, audience)
		_, calls["create"] = c.CreateGrant(ctx, "", dcr.Grant{ClientID: id, Audience: audience})
		_, calls["scopes"] = c.SetGrantScopes(ctx, "", dcr.Grant{ID: id}, nil)
		calls["promote"] = c.PromoteConnection(ctx, "", id)
		calls["enable"] = c.EnableConnection(ctx, "", id, []string{"a"})
		calls["enable client"] = c.EnableConnection(ctx, "", "con_1", []string{id})
		_, calls["connections"] = c.ClientConnections(ctx, id)
		_, calls["members"] = c.ConnectionClients(ctx, id, "")
		for name, err := range calls {
			if err == nil {
				t.Errorf("%s took %q for an id", name, id)
			} else if len(err.Error()) > 1000 {
				t.Errorf("%s: error of %d bytes", name, len(err.Error()))
			}
		}
	}
	if err := c.EnableConnection(ctx, "", "con_1", make([]string, 51)); err == nil {
		t.Error("51 clients in one call")
	}
	if err := c.EnableConnection(ctx, "", "con_1", nil); err != nil {
		t.Errorf("no clients: %v", err)
	}
	if _, err := c.UserGrants(ctx, "", ""); err == nil {
		t.Error("grants of any API")
	}
	for _, identifier := range []string{"", ".", ".."} {
		if _, err := c.API(ctx, identifier); err == nil {
			t.Errorf("%q was taken for an API", identifier)
		}
	}
	if seen := s.seen(); len(seen) > 0 {
		t.Errorf("requests were made: %+v", seen)
	}
}

// An answer about something else is not believed.
func TestAnswerAboutSomethingElse(t *testing.T) {
	tests := map[string]struct {
		answer string
		call   func(context.Context, *auth0.Client) error
	}{
		"client": {`{"client_id":"other","is_first_party":false}`, func(ctx context.Context, c *auth0.Client) error { _, err := c.Client(ctx, clientID); return err }},
		"null":   {`null`, func(ctx context.Context, c *auth0.Client) error { _, err := c.Client(ctx, clientID); return err }},
		"API":    {`{"id":"1","identifier":"https://mcp.example.com/mcp/"}`, func(ctx context.Context, c *auth0.Client) error { _, err := c.API(ctx, audience); return err }},
		"API id": {`{"id":"$(id)","identifier":"https://mcp.example.com/mcp"}`, func(ctx context.Context, c *auth0.Client) error {
			_, err := c.API(ctx, audience)
			return err
		}},
		"API null":   {`null`, func(ctx context.Context, c *auth0.Client) error { _, err := c.API(ctx, audience); return err }},
		"connection": {`{"connections":[{"id":"../x","name":"n"}]}`, func(ctx context.Context, c *auth0.Client) error { _, err := c.Connection(ctx, "n"); return err }},
		"null item": {`{"connections":[null]}`, func(ctx context.Context, c *auth0.Client) error {
			_, err := c.ClientConnections(ctx, clientID)
			return err
		}},
		"null list": {`null`, func(ctx context.Context, c *auth0.Client) error { _, err := c.Connection(ctx, "n"); return err }},
		"grant": {`{"client_id":"x"}`, func(ctx context.Context, c *auth0.Client) error {
			_, err := c.SetGrantScopes(ctx, "", dcr.Grant{ID: "cgr_1"}, nil)
			return err
		}},
		"grant null": {`null`, func(ctx context.Context, c *auth0.Client) error {
			_, err := c.CreateGrant(ctx, "", dcr.Grant{ClientID: "a"})
			return err
		}},
		"grants null": {`null`, func(ctx context.Context, c *auth0.Client) error {
			_, _, err := c.UserGrant(ctx, clientID, audience)
			return err
		}},
		"logs": {`{"logs":[]}`, func(ctx context.Context, c *auth0.Client) error {
			_, err := c.SearchLogs(ctx, auth0.LogQuery{})
			return err
		}},
		"keys": {`{"keys":[]}`, func(ctx context.Context, c *auth0.Client) error { return c.JWKS(ctx) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := tt.call(t.Context(), open(t, &stub{API: always(200, tt.answer)})); reasonOf(err) != dcr.BadResponse {
				t.Errorf("error %v, want bad_response", err)
			}
		})
	}
}

func reasonOf(err error) dcr.Reason {
	if e, ok := errors.AsType[*auth0.Error](err); ok {
		return e.Reason
	}
	return ""
}
