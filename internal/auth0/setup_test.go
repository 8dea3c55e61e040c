package auth0_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// withToken is a Client with a person's token, besides credentials that it must
// not use.
func withToken(t *testing.T, token string, tenant *tenantsim.Tenant, file string) *auth0.Client {
	t.Helper()
	c, err := auth0.New(auth0.Options{
		Domain: domain, BaseURL: tenant.URL(), Token: token, ClientID: "own", ClientSecret: secret, TokenFile: file,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A person's token is used as it is: never fetched, renewed or kept, whatever
// Auth0 says to it.
func TestGivenToken(t *testing.T) {
	tenant, _, _ := simulated(t, tenantsim.Options{})
	file := filepath.Join(t.TempDir(), "token.json")
	token := tenant.PersonToken("read:tenant_settings", "create:log_streams")
	c := withToken(t, token, tenant, file)

	if s, err := c.TenantSettings(t.Context()); err != nil || !s.DynamicRegistration || s.ResourceProfile != dcr.ProfileAudience {
		t.Errorf("%+v, %v", s, err)
	}
	_, err := c.Webhooks(t.Context())
	if e, ok := errors.AsType[*auth0.Error](err); !ok || e.Reason != dcr.MissingScope || e.Scope != "read:log_streams" {
		t.Errorf("without the scope: %v", err)
	}
	if err := c.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	c.SetCredentials("own", secret)
	tenant.RevokeTokens()
	for range 2 {
		if _, err := c.TenantSettings(t.Context()); reasonOf(err) != dcr.Unauthorized || strings.Contains(err.Error(), token) {
			t.Errorf("revoked: %v", err)
		}
	}
	if n := len(tenant.TokenRequests()); n > 0 {
		t.Errorf("%d tokens were fetched", n)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the token was kept")
	}
	for _, printed := range []string{fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c.TokenStatus())} {
		if strings.Contains(printed, token) {
			t.Error("the token is printed")
		}
	}
	for _, bad := range []string{"two words", "line\n", "ä"} {
		if _, err := auth0.New(auth0.Options{Domain: domain, Token: bad}); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A person who waits does not hear of a limit that is over in a moment.
func TestGivenTokenIsPatient(t *testing.T) {
	tenant, _, _ := simulated(t, tenantsim.Options{Plan: tenantsim.Free})
	c := withToken(t, tenant.PersonToken(), tenant, "")
	for range 4 {
		if _, err := c.Webhooks(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Every write of setup, and what is read back of it.
func TestSetupWrites(t *testing.T) {
	ctx := t.Context()
	tenant := tenantsim.ForTest(t, tenantsim.Options{Domain: domain, Fresh: true})
	c := withToken(t, tenant.PersonToken(), tenant, "")
	const corr, id = "setup-1", "https://new.example.com/mcp"

	if _, err := c.FullAPI(ctx, id); !errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("no API: %v", err)
	}
	api := auth0.NewAPI{Name: "new", Identifier: id, SigningAlg: "RS256", Scopes: []auth0.APIScope{{Value: "a", Description: "A"}}}
	if err := c.CreateAPI(ctx, corr, api); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateAPI(ctx, corr, api); !errors.Is(err, auth0.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	got, err := c.FullAPI(ctx, id)
	want := auth0.FullAPI{
		API:     dcr.API{ID: got.ID, Name: "new", Identifier: id, Scopes: []string{"a"}, SigningAlg: "RS256", UserPolicy: dcr.AllowAll},
		Defined: api.Scopes,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := c.AllowOfflineAccess(ctx, corr, got.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := c.FullAPI(ctx, id); err != nil || !got.AllowOfflineAccess || len(got.Defined) != 1 {
		t.Errorf("%+v, %v", got, err)
	}

	app, appSecret, err := c.CreateApplication(ctx, corr, auth0.NewApplication{
		Name: "grantd", AppType: "non_interactive", FirstParty: true, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "client_secret_post",
	})
	if err != nil || appSecret == "" {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"grantd": {app}, "Default App": nil} {
		if ids, err := c.MachineApplications(ctx, name); err != nil || !slices.Equal(ids, want) {
			t.Errorf("%s: %q, %v", name, ids, err)
		}
	}
	mgmt := tenant.Audience()
	if _, ok, err := c.ManagementGrant(ctx, app, mgmt); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	tenant.AddGrant(tenantsim.Grant{ClientID: app, Audience: mgmt, SubjectType: tenantsim.SubjectUser, Scopes: []string{"read:logs"}}) // not that one
	err = c.CreateManagementGrant(ctx, corr, auth0.NewManagementGrant{ClientID: app, Audience: mgmt, SubjectType: "client", Scope: []string{"read:clients"}})
	if err != nil {
		t.Fatal(err)
	}
	g, ok, err := c.ManagementGrant(ctx, app, mgmt)
	if err != nil || !ok || len(g.Scopes) != 1 || g.Scopes[0] != "read:clients" {
		t.Fatalf("%+v, %v, %v", g, ok, err)
	}
	if err := c.WidenGrant(ctx, corr, g.ID, []string{"read:clients", "read:logs"}); err != nil {
		t.Fatal(err)
	}
	if g, _, _ := c.ManagementGrant(ctx, app, mgmt); len(g.Scopes) != 2 {
		t.Errorf("%+v", g)
	}

	err = errors.Join(c.PatchSettings(ctx, corr, auth0.SettingsPatch{Flags: map[string]bool{auth0.RegistrationFlag: true}}),
		c.PatchSettings(ctx, corr, auth0.SettingsPatch{ResourceProfile: dcr.ProfileCompatibility}))
	if s, _ := c.TenantSettings(ctx); err != nil || !s.DynamicRegistration || s.ResourceProfile != dcr.ProfileCompatibility {
		t.Errorf("%+v, %v", s, err)
	}
	for _, call := range tenant.Writes() {
		if call.CorrelationID != corr {
			t.Errorf("%s has no correlation id", call.Operation)
		}
	}
}

// A sink is replaced whole, so custom headers go along; and neither what it sends
// nor what Auth0 says to it is printed.
func TestWebhooks(t *testing.T) {
	ctx := t.Context()
	tenant, _, _ := simulated(t, tenantsim.Options{})
	c := withToken(t, tenant.PersonToken(), tenant, "")
	const hook, old, fresh = "https://grantd.example.com/hook", "the-older-secret", "the-fresh-secret"
	sink := func(s string) *auth0.WebhookSink {
		return &auth0.WebhookSink{Authorization: s, ContentFormat: "JSONLINES", ContentType: "application/json", Endpoint: hook}
	}
	err := c.CreateWebhook(ctx, "", auth0.WebhookBody{Name: "grantd", Type: "http", Sink: sink("Bearer " + old), Filters: []auth0.StreamFilter{{Type: "category", Name: "actions"}}})
	if err != nil {
		t.Fatal(err)
	}
	id := tenant.Streams()[0].ID()
	tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/log-streams/"+id, map[string]any{"sink": map[string]any{
		"httpEndpoint": hook, "httpAuthorization": "Bearer " + old, "httpCustomHeaders": []map[string]string{{"header": "X-A", "value": "b"}},
	}})
	all, err := c.Webhooks(ctx)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	w := all[0]
	if !w.Sends(old) || w.Sends(fresh) || w.Sends("") || w.Endpoint != hook || w.Status != "active" || len(w.Filters) != 1 {
		t.Errorf("%+v", w)
	}
	if printed := fmt.Sprintf("%+v %#v", w, w); strings.Contains(printed, old) {
		t.Errorf("printed: %s", printed)
	}
	if err := c.UpdateWebhook(ctx, "", w, auth0.WebhookBody{Sink: sink(fresh)}); err != nil {
		t.Fatal(err)
	}
	if all, _ := c.Webhooks(ctx); len(all) != 1 || !all[0].Sends(fresh) {
		t.Errorf("%+v", all)
	}
	if _, answer := tenant.Do(tenantsim.Admin(), http.MethodGet, "/api/v2/log-streams/"+id, nil); !strings.Contains(string(answer), `"header":"X-A","value":"b"`) {
		t.Errorf("the header is gone: %s", answer)
	}

	s := &stub{API: func(rw http.ResponseWriter, _ *http.Request) {
		respond(rw, 400, `{"statusCode":400,"error":"Bad Request","errorCode":"invalid_body","message":"bad value `+fresh+`"}`)
	}}
	person, err := auth0.New(auth0.Options{Domain: domain, Token: "eyJ-of-a-person", Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	defer person.Close()
	for _, err := range []error{person.CreateWebhook(ctx, "", auth0.WebhookBody{Sink: sink(fresh)}), person.UpdateWebhook(ctx, "", w, auth0.WebhookBody{Sink: sink(fresh)})} {
		if err == nil || strings.Contains(err.Error(), fresh) {
			t.Errorf("%v", err)
		}
	}
}

func jwt(payload string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestParseClaims(t *testing.T) {
	for name, c := range map[string]struct {
		token string
		want  auth0.Claims
	}{
		"all": {
			jwt(`{"scope":"read:logs read:clients","exp":1900000000,"aud":"https://acme.us.auth0.com/api/v2/","azp":"abc"}`),
			auth0.Claims{Scopes: []string{"read:clients", "read:logs"}, Expires: time.Unix(1900000000, 0), Domain: "acme.us.auth0.com", ClientID: "abc"},
		},
		"several audiences": {jwt(`{"aud":["https://x/userinfo","https://acme.us.auth0.com/api/v2/"]}`), auth0.Claims{Domain: "acme.us.auth0.com"}},
		"another API":       {jwt(`{"aud":"https://mcp.example.com/mcp"}`), auth0.Claims{}},
		"odd types":         {jwt(`{"aud":7,"scope":["a"],"azp":null}`), auth0.Claims{}},
		"no object":         {jwt(`[]`), auth0.Claims{}},
		"opaque":            {"abcdef", auth0.Claims{}},
		"no base64":         {"a.!.c", auth0.Claims{}},
	} {
		got, err := auth0.ParseClaims(c.token)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func FuzzParseClaims(f *testing.F) {
	f.Add("", "")
	f.Add("a.b.c", `{"scope":"read:logs","exp":1e300,"aud":["https:///api/v2/"]}`)
	f.Fuzz(func(t *testing.T, raw, payload string) {
		_, _ = auth0.ParseClaims(raw)
		c, err := auth0.ParseClaims(jwt(payload))
		if err != nil && len(payload) < 8<<10 {
			t.Fatal(err)
		}
		if len(c.Domain) > 400 || len(c.ClientID) > 100 || strings.ContainsAny(c.Domain+c.ClientID, "\n\x1b") {
			t.Fatalf("%+v", c)
		}
	})
}

// A secret in a header counts wherever the webhook takes it from, as doctor says.
func TestWebhookSends(t *testing.T) {
	const secret = "webhook-secret-0123456789"
	for sink, want := range map[string]bool{
		`{"httpAuthorization":"` + secret + `"}`:                                             true,
		`{"httpAuthorization":"bearer ` + secret + `"}`:                                      true,
		`{"httpAuthorization":"x` + secret + `"}`:                                            false,
		`{"httpCustomHeaders":[{"header":"X-Webhook-Secret","value":"` + secret + `"}]}`:     true,
		`{"httpCustomHeaders":[{"header":"Authorization","value":"Bearer ` + secret + `"}]}`: true,
		`{"httpCustomHeaders":[{"header":"X-Other","value":"` + secret + `"}]}`:              false,
		`{"httpCustomHeaders":"none"}`:                                                       false,
		`{}`:                                                                                 false,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			respond(w, 200, `[{"id":"lst_1","type":"http","status":"active","sink":`+sink+`}]`)
		})
		all, err := c.Webhooks(t.Context())
		if err != nil || len(all) != 1 || all[0].Sends(secret) != want || all[0].Sends("") {
			t.Errorf("%s: %v, %v", sink, all, err)
		}
	}
}

// Headers are sent again where there are some, and none where there are none:
// Auth0 takes no null.
func TestWebhookHeaders(t *testing.T) {
	for headers, want := range map[string]string{
		``: "", `,"httpCustomHeaders":null`: "", `,"httpCustomHeaders":[]`: "",
		`,"httpCustomHeaders":[{"header":"X-A","value":"b"}]`: `"httpCustomHeaders":[{"header":"X-A","value":"b"}]`,
	} {
		var sent []byte
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				sent, _ = io.ReadAll(r.Body)
				respond(w, 200, `{}`)
				return
			}
			respond(w, 200, `[{"id":"lst_1","type":"http","status":"active","sink":{"httpEndpoint":"https://grantd.example.com/hook"`+headers+`}}]`)
		})
		all, err := c.Webhooks(t.Context())
		if err != nil || len(all) != 1 || all[0].HasHeaders() != (want != "") {
			t.Errorf("%s: %+v, %v", headers, all, err)
			continue
		}
		err = c.UpdateWebhook(t.Context(), "", all[0], auth0.WebhookBody{Sink: &auth0.WebhookSink{Authorization: "secret"}})
		if err != nil || want == "" && bytes.Contains(sent, []byte("httpCustomHeaders")) || !bytes.Contains(sent, []byte(want)) {
			t.Errorf("%s: sent %s, %v", headers, sent, err)
		}
	}
}
