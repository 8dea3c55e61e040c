package doctor_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/tenantsim"
)

// wire leads to a tenant in simulated time.
type wire struct{ http.Handler }

func (h wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }() // how a handler hangs up
		h.ServeHTTP(rec, r)
	}()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

// lookWith looks at a tenant where faults befall calls, in simulated time, and
// tells how long that took.
func lookWith(t *testing.T, faults func(*http.Request) tenantsim.Fault) (r doctor.Report, took time.Duration, calls int, err error) {
	t.Helper()
	tenant := tenantsim.New(tenantsim.Options{Domain: domain, Plan: tenantsim.Free})
	defer tenant.Close()
	tenant.AddM2M(own, secret, allScopes()...)
	tenant.AddAPI(audience, "notes:read")
	tenant.AddConnection(google, true)
	c, problem := auth0.New(auth0.Options{Domain: domain, ClientID: own, ClientSecret: secret, Transport: wire{tenant}})
	if problem != nil {
		t.Fatal(problem)
	}
	defer c.Close()
	tenant.Faults(faults)
	started := time.Now()
	f, err := doctor.Look(t.Context(), c, doctor.Options{
		Domain: domain, ClientID: own, Audience: audience, Scopes: []string{"notes:read"}, ScopesKnown: true,
		Connections: []string{google}, Needed: needed(), Plan: "free",
	})
	return doctor.Diagnose(f), time.Since(started), len(tenant.Calls()), err
}

// hanging has calls hang that are not for any of these paths.
func hanging(but ...string) func(*http.Request) tenantsim.Fault {
	return func(r *http.Request) tenantsim.Fault {
		for _, path := range but {
			if strings.HasPrefix(r.URL.Path, path) {
				return tenantsim.Fault{}
			}
		}
		return tenantsim.Fault{Kind: tenantsim.Timeout}
	}
}

// A tenant that takes calls and never answers any is given up soon, whichever it
// answers before the Management API is asked, and the error says why.
func TestTenantThatHangs(t *testing.T) {
	for name, answered := range map[string][]string{
		"nothing": nil, "keys": {"/.well-known"}, "token": {"/oauth"}, "keys and token": {"/.well-known", "/oauth"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, took, calls, err := lookWith(t, hanging(answered...))
				e, ok := errors.AsType[*auth0.Error](err)
				if !ok || e.Reason != dcr.Timeout && e.Reason != dcr.TokenUnavailable || !strings.Contains(err.Error(), "got no answer, so doctor asked no more") {
					t.Errorf("%v", err)
				}
				if took > 30*time.Second || calls > 8 {
					t.Errorf("it took %v and %d calls", took, calls)
				}
			})
		})
	}
}

// What a tenant answers is told although much else hangs, and that costs no more.
func TestTenantThatHangsInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		r, took, _, err := lookWith(t, func(r *http.Request) tenantsim.Fault {
			if calls.Add(1) <= 6 {
				return tenantsim.Fault{}
			}
			return tenantsim.Fault{Kind: tenantsim.Timeout}
		})
		if err != nil {
			t.Fatal(err)
		}
		stopped := 0
		for _, f := range r.Findings {
			if strings.Contains(f.Message, "calls got no answer, so doctor asked no more") {
				stopped++
			}
		}
		if len(r.Fine) == 0 || stopped == 0 || took > 40*time.Second {
			t.Errorf("it took %v, %d fine, %d not asked: %+v", took, len(r.Fine), stopped, r.Findings)
		}
	})
}

// One that is slow, or whose rate limit is, is looked at whole, and so is one
// that leaves a single call without an answer.
func TestTenantThatIsSlow(t *testing.T) {
	var n atomic.Int64
	for name, faults := range map[string]func(*http.Request) tenantsim.Fault{
		"slow": func(*http.Request) tenantsim.Fault { return tenantsim.Fault{Delay: 2 * time.Second} },
		"limited": func(r *http.Request) tenantsim.Fault {
			if n.Add(1)%3 > 0 && strings.HasPrefix(r.URL.Path, "/api/") {
				return tenantsim.Fault{Kind: tenantsim.RateLimited}
			}
			return tenantsim.Fault{}
		},
		"one hangs": hanging("/.well-known", "/oauth", "/api/v2/tenants", "/api/v2/re", "/api/v2/l", "/api/v2/c", "/api/v2/o", "/api/v2/h"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, took, calls, err := lookWith(t, faults)
				if err != nil || calls < 10 {
					t.Fatalf("%v after %v and %d calls", err, took, calls)
				}
				for _, f := range r.Findings {
					if strings.Contains(f.Message, "doctor asked no more") {
						t.Errorf("after %v: %+v", took, f)
					}
				}
			})
		})
	}
}
