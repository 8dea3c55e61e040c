package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// simulated returns a tenant with an API, a connection and a client that
// registered itself, and a Client of it.
func simulated(t *testing.T, o tenantsim.Options, change ...func(*auth0.Options)) (*tenantsim.Tenant, *auth0.Client, string) {
	t.Helper()
	o.Domain = domain
	tenant, err := tenantsim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tenant.Close)
	tenant.AddM2M("own", secret, strings.Fields(allScope)...)
	tenant.AddConnection("google-oauth2", false)
	tenant.AddAPI(audience, "a", "b")
	registered, err := tenant.Register(tenantsim.Registration{
		ClientName: "ChatGPT", RedirectURIs: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
	})
	if err != nil {
		t.Fatal(err)
	}
	opts := auth0.Options{Domain: domain, BaseURL: tenant.URL(), ClientID: "own", ClientSecret: secret}
	for _, c := range change {
		c(&opts)
	}
	c, err := auth0.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return tenant, c, registered.ID
}

// A call that is given up because another one failed says nothing of Auth0, and
// is not that other failure again.
func TestGivenUp(t *testing.T) {
	calls := make(chan auth0.CallInfo, 1)
	tenant, c, id := simulated(t, tenantsim.Options{}, func(o *auth0.Options) {
		o.OnCall = func(i auth0.CallInfo) {
			if i.Op != "get_token" {
				calls <- i
			}
		}
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if !strings.HasPrefix(r.URL.Path, "/api/v2/clients") {
			return tenantsim.Fault{}
		}
		cancel(fmt.Errorf("get the other: %w", auth0.ErrNotFound))
		return tenantsim.Fault{Kind: tenantsim.Timeout}
	})
	_, err := c.Client(ctx, id)
	if !errors.Is(err, context.Canceled) || errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if i := <-calls; i.Err == nil || !errors.Is(i.Err, context.Canceled) || i.Err.Reason != dcr.Timeout {
		t.Errorf("noted as %+v", i.Err)
	}
}

// Everything that is needed for one client, over HTTP.
func TestOnboard(t *testing.T) {
	ctx := t.Context()
	tenant, c, id := simulated(t, tenantsim.Options{})
	const corr = "grantd-1f2e3d4c5b6a-7"

	client, err := c.Client(ctx, id)
	if err != nil || client.FirstParty || client.Mode() != dcr.Strict || client.Name != "ChatGPT" {
		t.Fatalf("%+v, %v", client, err)
	}
	patched, err := c.PatchClient(ctx, corr, id, dcr.ClientPatch{
		AppType: new("regular_web"), TokenEndpointAuthMethod: new("none"), GrantTypes: []string{"authorization_code", "refresh_token"},
	})
	if err != nil || patched.AppType != "regular_web" || patched.TokenEndpointAuthMethod != "none" || patched.FirstParty {
		t.Fatalf("%+v, %v", patched, err)
	}

	api, err := c.API(ctx, audience)
	if err != nil || !slices.Equal(api.Scopes, []string{"a", "b"}) {
		t.Fatalf("%+v, %v", api, err)
	}
	if _, err := c.API(ctx, audience+"/"); !errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("error %v", err)
	}

	if _, ok, err := c.UserGrant(ctx, id, audience); ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	created, err := c.CreateGrant(ctx, corr, dcr.Grant{ClientID: id, Audience: audience, Scopes: []string{"a"}})
	if err != nil || created.SubjectType != dcr.SubjectUser {
		t.Fatalf("%+v, %v", created, err)
	}
	if _, err := c.CreateGrant(ctx, corr, dcr.Grant{ClientID: id, Audience: audience, Scopes: []string{"a"}}); !errors.Is(err, auth0.ErrConflict) {
		t.Errorf("error %v, want ErrConflict", err)
	}
	for _, scopes := range [][]string{{"a", "b"}, {}} {
		set, err := c.SetGrantScopes(ctx, corr, created, scopes)
		if err != nil || len(set.Scopes) != len(scopes) {
			t.Fatalf("%+v, %v", set, err)
		}
		found, ok, err := c.UserGrant(ctx, id, audience)
		if !ok || err != nil || cmp.Diff(set, found) != "" {
			t.Fatalf("%+v, %v, %v", found, ok, err)
		}
	}
	if _, err := c.SetGrantScopes(ctx, corr, created, []string{"unheard"}); reasonOf(err) != dcr.ScopesRejected {
		t.Errorf("error %v, want scopes_rejected", err)
	}

	conn, err := c.Connection(ctx, "google-oauth2")
	if err != nil || conn.DomainLevel {
		t.Fatalf("%+v, %v", conn, err)
	}
	if err := c.EnableConnection(ctx, corr, conn.ID, []string{id}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ClientConnections(ctx, id); err != nil {
		t.Error(err)
	}
	if err := c.PromoteConnection(ctx, corr, conn.ID); err != nil || !tenant.DomainLevel("google-oauth2") {
		t.Fatal(err)
	}
	if conn, err = c.Connection(ctx, "google-oauth2"); err != nil || !conn.DomainLevel {
		t.Errorf("%+v, %v", conn, err)
	}
	if _, err := c.Connection(ctx, "github"); !errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if raw, err := c.SearchLogs(ctx, auth0.LogQuery{Q: "type:sapi", Sort: "date:1"}); err != nil || !strings.Contains(string(raw), corr) {
		t.Errorf("logs %.200s, %v", raw, err)
	}
	if err := c.JWKS(ctx); err != nil {
		t.Error(err)
	}
	for _, call := range tenant.Writes() {
		if call.CorrelationID != corr {
			t.Errorf("%s carried %q", call.Operation, call.CorrelationID)
		}
	}
	if n := len(tenant.TokenRequests()); n != 1 {
		t.Errorf("%d token requests", n)
	}
	tenant.DeleteClient(id)
	if _, err := c.Client(ctx, id); !errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

// The right grant is found among the others that a client can have, and a grant
// of all scopes becomes one of some.
func TestGrantsBesideOurs(t *testing.T) {
	ctx := t.Context()
	tenant, c, id := simulated(t, tenantsim.Options{})
	tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, SubjectType: "client", Scopes: []string{"a"}})
	tenant.AddGrant(tenantsim.Grant{DefaultFor: "third_party_clients", Audience: audience, SubjectType: "user", Scopes: []string{"a"}})
	if g, ok, err := c.UserGrant(ctx, id, audience); ok || err != nil {
		t.Fatalf("%+v, %v", g, err)
	}
	want := tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, SubjectType: "user", AllowAllScopes: true})
	g, ok, err := c.UserGrant(ctx, id, audience)
	if !ok || err != nil || g.ID != want.ID || !g.AllowAllScopes {
		t.Fatalf("%+v, %v", g, err)
	}
	g, err = c.SetGrantScopes(ctx, "", g, []string{"b"})
	if err != nil || g.AllowAllScopes || !slices.Equal(g.Scopes, []string{"b"}) {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestFaults(t *testing.T) {
	tests := map[tenantsim.Kind]dcr.Reason{
		tenantsim.RateLimited:   dcr.RateLimited,
		tenantsim.InternalError: dcr.ServerError,
		tenantsim.BadGateway:    dcr.ServerError,
		tenantsim.Unavailable:   dcr.ServerError,
		tenantsim.Reset:         dcr.Unreachable,
		tenantsim.CutShort:      dcr.BadResponse,
		tenantsim.TruncatedJSON: dcr.BadResponse,
		tenantsim.GarbageJSON:   dcr.BadResponse,
		tenantsim.ScopeRemoved:  dcr.MissingScope,
		tenantsim.NotFound:      dcr.RejectedByAuth0,
	}
	for kind, want := range tests {
		t.Run(fmt.Sprint(want, "-", int(kind)), func(t *testing.T) {
			tenant, c, id := simulated(t, tenantsim.Options{})
			tenant.FailNext(1, kind, tenant.On("PATCH /clients/{id}"))
			_, err := c.PatchClient(t.Context(), "", id, dcr.ClientPatch{AppType: new("regular_web")})
			if reasonOf(err) != want {
				t.Errorf("error %v, want %s", err, want)
			}
			if n := tenant.Count("PATCH /clients/{id}"); n != 1 {
				t.Errorf("%d calls, want 1: nothing is retried here", n)
			}
		})
	}
	t.Run("expired token", func(t *testing.T) {
		tenant, c, id := simulated(t, tenantsim.Options{})
		tenant.FailNext(1, tenantsim.ExpiredToken, tenant.On("PATCH /clients/{id}"))
		if _, err := c.PatchClient(t.Context(), "", id, dcr.ClientPatch{AppType: new("regular_web")}); err != nil {
			t.Error(err)
		}
		if n := len(tenant.TokenRequests()); n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
	})
}

// The scope that is missing is named, without a call, and a new grant counts
// after a new token.
func TestScopesOfTheToken(t *testing.T) {
	ctx := t.Context()
	tenant, c, id := simulated(t, tenantsim.Options{})
	tenant.SetScopes("own", "read:clients")
	if _, err := c.Client(ctx, id); err != nil {
		t.Fatal(err)
	}
	tenant.ResetCalls()
	_, err := c.PatchClient(ctx, "", id, dcr.ClientPatch{AppType: new("regular_web")})
	var e *auth0.Error
	if !errors.As(err, &e) || e.Reason != dcr.MissingScope || e.Scope != "update:clients" || len(tenant.Calls()) != 0 {
		t.Errorf("error %+v after %d calls", err, len(tenant.Calls()))
	}
	tenant.SetScopes("own", "read:clients", "update:clients")
	if err := c.Renew(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PatchClient(ctx, "", id, dcr.ClientPatch{AppType: new("regular_web")}); err != nil {
		t.Error(err)
	}

	tenant.SetSecret("own", "another")
	if err := c.Renew(ctx); reasonOf(err) != dcr.TokenRefused {
		t.Errorf("error %v, want token_refused", err)
	}
}

// 50 at a time, for more than one connection PATCH, from many goroutines, with
// one token over two processes.
func TestManyAtOnce(t *testing.T) {
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "token.json")
	tenant, first, _ := simulated(t, tenantsim.Options{}, func(o *auth0.Options) { o.TokenFile = file })
	var ids []string
	for i := range 100 {
		ids = append(ids, tenant.AddClient(tenantsim.Client{Name: fmt.Sprint(i), SecurityMode: "permissive", Callbacks: []string{"https://a.example/cb"}}).ID)
	}
	conn, err := first.Connection(ctx, "google-oauth2")
	if err != nil {
		t.Fatal(err)
	}
	second, err := auth0.New(auth0.Options{Domain: domain, BaseURL: tenant.URL(), ClientID: "own", ClientSecret: secret, TokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	var wg sync.WaitGroup
	for i, c := range []*auth0.Client{first, second} {
		wg.Go(func() {
			if err := c.EnableConnection(ctx, "", conn.ID, ids[i*50:i*50+50]); err != nil {
				t.Error(err)
			}
		})
		for _, id := range ids[i*50 : i*50+50] {
			wg.Go(func() {
				if _, err := c.CreateGrant(ctx, "", dcr.Grant{ClientID: id, Audience: audience, Scopes: []string{"a"}}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if n := len(tenant.TokenRequests()); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	for _, id := range ids {
		if g, ok := tenant.UserGrant(id, audience); !ok || len(g.Scopes) != 1 {
			t.Errorf("%s has no grant", id)
		}
	}
}

// The faithful tenant of the free plan never has to refuse a call.
func TestFreePlan(t *testing.T) {
	for _, next := range []bool{false, true} {
		t.Run(fmt.Sprintf("next=%v", next), func(t *testing.T) {
			t.Parallel()
			tenant, c, id := simulated(t, tenantsim.Options{Plan: tenantsim.Free, Quirks: tenantsim.Quirks{ResetNextToken: next}})
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					if _, err := c.Client(t.Context(), id); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, call := range tenant.Calls() {
				if call.Status == http.StatusTooManyRequests {
					t.Error("a call was refused")
				}
			}
		})
	}
}
