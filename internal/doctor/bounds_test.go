package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/tenantsim"
)

// However large the tenant, whatever Auth0's paging does, and with everything
// configured that costs a call: 20 calls, none of which may be refused.
func TestCalls(t *testing.T) {
	for _, paging := range []tenantsim.CheckpointPaging{tenantsim.PagingServed, tenantsim.PagingRefused} {
		t.Run(fmt.Sprint(paging), func(t *testing.T) {
			w := newWorld(t, tenantsim.Options{Quirks: tenantsim.Quirks{GrantPaging: paging, ClientPaging: paging}})
			for i := range 5000 {
				id := fmt.Sprintf("tpc_%d", i)
				w.AddClient(tenantsim.Client{ID: id})
				w.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: []string{"notes:read"}})
			}
			for i := range 300 {
				w.AddOrganization(fmt.Sprint("org", i), false)
				w.AddRule(fmt.Sprint("rule", i), true)
			}
			w.AddGrant(tenantsim.Grant{DefaultFor: tenantsim.DefaultThirdParty, Audience: audience, AllowAllScopes: true})
			w.SetSetting("client_id_metadata_document_supported", "true")
			w.RemoveAPI(audience)
			w.o.Connections = nil
			for i := range 9 {
				w.o.Connections = append(w.o.Connections, fmt.Sprint("c", i))
			}
			w.o.Documents = slices.Concat(doctor.Documents()["chatgpt"], doctor.Documents()["claude"])
			r := w.report(t)
			onlyRead(t, w)
			if r.Calls != len(w.Calls()) || r.Calls < 15 {
				t.Errorf("%d calls were counted and %d made", r.Calls, len(w.Calls()))
			}
			if r.Capacity.Applications.Used != 5001 || r.Capacity.Grants.Used != 5002 {
				t.Errorf("%+v", r.Capacity)
			}
			if n := len(r.Findings); n > 60 {
				t.Errorf("%d findings", n)
			}
			for _, f := range r.Findings {
				if strings.Contains(f.Message, "no more than 20 calls") && f.Subject != "the document of Claude Code" {
					t.Errorf("%+v", f)
				}
				if len(f.Message) > 1000 {
					t.Errorf("a message of %d bytes", len(f.Message))
				}
			}
		})
	}
}

// Where a scope to look is missing it says so, says how to have it, and looks at
// everything else.
func TestEachScopeMissing(t *testing.T) {
	looks := map[string][]string{
		"read:resource_servers": {"the API"},
		"read:log_streams":      {"log streams"},
		"read:tenant_settings":  {"the tenant's settings"},
		"read:rules":            {"Rules"},
		"read:hooks":            {"Hooks"},
		"read:organizations":    {"organizations"},
		"read:clients":          {"the number of applications"},
		"read:connections":      {"the connection " + google},
		"read:client_grants":    {"clients' own grants", "default grants", "the number of client grants"},
	}
	for scope, subjects := range looks {
		t.Run(scope, func(t *testing.T) {
			w := newWorld(t, tenantsim.Options{})
			w.SetScopes(own, slices.DeleteFunc(allScopes(), func(s string) bool { return s == scope })...)
			w.SetFlag("enable_dynamic_client_registration", false)
			w.stream.Pause()
			r := w.report(t)
			var got []string
			others := 0
			for _, f := range r.Findings {
				switch f.Code {
				case doctor.NotLooked:
					got = append(got, f.Subject)
					if !strings.Contains(f.Message, scope) || !strings.Contains(f.Fix.Command, scope) || f.Severity != doctor.Unknown {
						t.Errorf("%+v", f)
					}
				case doctor.ScopeMissing:
					if f.Subject != scope {
						t.Errorf("%+v", f)
					}
				case doctor.RegistrationOff, doctor.StreamStopped:
					others++
				default:
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, subjects) {
				t.Errorf("not looked at: %q, want %q", got, subjects)
			}
			if others == 0 || len(r.Fine) < 20 {
				t.Errorf("the others did not go on: %+v", r)
			}
		})
	}
}

// A scope that was granted since the token was issued is seen, at the price of a
// token; what stays as it is costs none, be something wrong with it or not.
func TestScopesAreSeenAtOnce(t *testing.T) {
	w := newWorld(t, tenantsim.Options{})
	w.SetScopes(own, needed()...)
	if r := w.report(t); len(r.Findings) == 0 {
		t.Fatal("nothing is missing")
	}
	tokens := 1
	for _, scopes := range [][]string{needed(), allScopes(), needed()[1:], append(allScopes(), "read:users")} {
		w.SetScopes(own, scopes...)
		first := w.report(t)
		again := w.report(t)
		if diff := cmp.Diff(judged(w, first.Findings), judged(w, again.Findings)); diff != "" {
			t.Errorf("%q: %s", scopes, diff)
		}
		if clean := len(first.Findings) == 0; clean != (len(scopes) == len(allScopes())) {
			t.Errorf("%q: %+v", scopes, first.Findings)
		}
		// Where it may read no grants, only a token tells.
		if n := len(w.TokenRequests()); n > tokens+1 {
			t.Errorf("%q: %d token requests", scopes, n-tokens)
		}
		tokens = len(w.TokenRequests())
	}
	if tokens < 2 {
		t.Errorf("%d token requests: none was seen", tokens)
	}
}

// A tenant that cannot be reached was not looked at.
func TestUnreachable(t *testing.T) {
	for kind, want := range map[tenantsim.Kind]dcr.Reason{
		tenantsim.Reset: dcr.Unreachable, tenantsim.Unavailable: dcr.ServerError, tenantsim.InternalError: dcr.ServerError,
	} {
		w := newWorld(t, tenantsim.Options{})
		w.OutageBy(kind)
		_, err := doctor.Look(t.Context(), w.client, w.o)
		if e, ok := errors.AsType[*auth0.Error](err); !ok || e.Reason != want || !strings.Contains(err.Error(), domain) {
			t.Errorf("%v, want %s", err, want)
		}
		// Nor was one that goes away after it gave a token.
		w = newWorld(t, tenantsim.Options{})
		w.FailRate(1, 1, kind)
		if _, err := doctor.Look(t.Context(), w.client, w.o); err == nil {
			t.Error("looked at what failed throughout")
		}
	}
	w := newWorld(t, tenantsim.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := doctor.Look(ctx, w.client, w.o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What grantd's application may do is told by its grant: the token is of before.
func TestGrantChangedSinceTheToken(t *testing.T) {
	w := newWorld(t, tenantsim.Options{})
	if r := w.report(t); len(r.Findings) > 0 {
		t.Fatalf("%+v", r.Findings)
	}
	tokens := len(w.TokenRequests())
	fewer := slices.DeleteFunc(allScopes(), func(s string) bool { return s == "update:client_grants" })
	w.SetScopes(own, append(fewer, "read:client_keys", "delete:clients")...)
	r := w.report(t)
	want := []string{"management_scope_harmful read:client_keys", "management_scope_missing update:client_grants", "management_scope_unneeded delete:clients"}
	if got := judged(w, r.Findings); !slices.Equal(got, want) || len(w.TokenRequests()) != tokens {
		t.Errorf("%q, %d more tokens", got, len(w.TokenRequests())-tokens)
	}
}

// One look that fails is told, and the others go on.
func TestOneLookFails(t *testing.T) {
	w := newWorld(t, tenantsim.Options{})
	w.FailNext(5, tenantsim.InternalError, w.On("GET /tenants/settings"))
	w.FailNext(5, tenantsim.GarbageJSON, w.On("GET /log-streams"))
	r := w.report(t)
	if got := judged(w, r.Findings); !slices.Equal(got, []string{"not_looked log streams", "not_looked the tenant's settings"}) || r.Problems() {
		t.Errorf("%q", got)
	}
}

// The plan is guessed by the rate limit where nobody says it.
func TestGuessedPlan(t *testing.T) {
	for plan, want := range map[tenantsim.Plan]string{
		tenantsim.Essentials: "essentials or professional", tenantsim.Enterprise: "enterprise", tenantsim.Unlimited: "",
	} {
		t.Run(fmt.Sprint(plan), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tenantsim.Options{Plan: plan})
			w.o.Plan = ""
			r := w.report(t)
			if r.Capacity.Plan != want || r.Capacity.Guessed != (want != "") || len(r.Findings) > 0 {
				t.Errorf("%+v, %+v", r.Capacity, r.Findings)
			}
		})
	}
}
