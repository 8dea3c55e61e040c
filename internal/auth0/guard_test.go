package auth0_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// run starts the guard's retries until the end of the test.
func run(t *testing.T, c *auth0.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func get(t *testing.T, c *auth0.Client) error {
	t.Helper()
	_, err := c.Client(t.Context(), clientID)
	return err
}

func TestOneTokenForManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), Latency: 10 * time.Millisecond}
		c := open(t, s)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := get(t, c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.tokenRequests(); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
		want := map[string]string{
			"grant_type": "client_credentials", "client_id": "own", "client_secret": secret,
			"audience": "https://" + domain + "/api/v2/",
		}
		if diff := cmp.Diff(want, s.asked[0]); diff != "" {
			t.Errorf("token request (-want +got):\n%s", diff)
		}
		if st := c.TokenStatus(); !st.OK || st.Reason != "" || len(st.Scopes) != 9 {
			t.Errorf("status %+v", st)
		}

		// It is renewed some minutes before it expires.
		time.Sleep(24*time.Hour - 6*time.Minute)
		if err := get(t, c); err != nil || s.tokenRequests() != 1 {
			t.Errorf("%v, %d token requests", err, s.tokenRequests())
		}
		time.Sleep(2 * time.Minute)
		if err := get(t, c); err != nil || s.tokenRequests() != 2 {
			t.Errorf("%v, %d token requests, want a second one", err, s.tokenRequests())
		}
	})
}

// A renewal that fails does not matter before the token has expired.
func TestOldTokenServesWhileRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), life: 600}
		c := open(t, s)
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
		s.set(func() { s.status, s.answer = 503, "<html>" })
		time.Sleep(9*time.Minute + 30*time.Second)
		for range 20 {
			if err := get(t, c); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.tokenRequests(); n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
		time.Sleep(time.Minute)
		if err := get(t, c); reasonOf(err) != dcr.TokenUnavailable {
			t.Errorf("error %v", err)
		}
	})
}

func TestRejectedTokenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), Latency: 10 * time.Millisecond}
		c := open(t, s)
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
		s.set(func() { s.revoked = map[string]bool{"eyJ-token-1": true} })
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := get(t, c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.tokenRequests(); n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
	})
}

// A tenant that says 401 to every token is not asked for one per call.
func TestEveryTokenRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(401, `{"message":"Invalid token"}`)}
		c := open(t, s)
		for range 600 {
			if err := get(t, c); reasonOf(err) != dcr.Unauthorized {
				t.Fatalf("error %v", err)
			}
			time.Sleep(time.Second)
		}
		// The first one, and renewals after 0, 5, 15, 35, 75, 155 and 315 s.
		if n := s.tokenRequests(); n != 8 {
			t.Errorf("%d token requests in 10 minutes, want 8", n)
		}
		if st := c.TokenStatus(); st.OK || st.Reason != dcr.Unauthorized {
			t.Errorf("status %+v", st)
		}
		s.API = always(200, thirdParty)
		if err := get(t, c); err != nil {
			t.Error(err)
		}
		if st := c.TokenStatus(); !st.OK {
			t.Errorf("status %+v", st)
		}
	})
}

// since are the times from the start, in seconds.
func since(start time.Time, at []time.Time) (s []int) {
	for _, a := range at {
		s = append(s, int(a.Sub(start).Round(time.Second)/time.Second))
	}
	return s
}

func TestRefusedTokenIsGuarded(t *testing.T) {
	for _, status := range []int{401, 403} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{API: always(200, thirdParty), status: status, answer: `{"error":"access_denied","error_description":"Unauthorized"}`}
			changes := 0
			c := open(t, s, func(o *auth0.Options) { o.OnTokenChange = func() { changes++ } })
			run(t, c)
			start := time.Now()
			err := get(t, c)
			var e *auth0.Error
			if !errors.As(err, &e) || e.Reason != dcr.TokenRefused || e.Op != "get_token" || e.Code != "access_denied" || e.Hint() == "" {
				t.Fatalf("error %+v", err)
			}
			for range 3 * 3600 { // a call every second changes nothing
				if err := get(t, c); reasonOf(err) != dcr.TokenRefused {
					t.Fatalf("error %v", err)
				}
				time.Sleep(time.Second)
			}
			want := []int{0, 5, 15, 35, 75, 155, 315, 635, 1275, 2555, 5115, 8715}
			if diff := cmp.Diff(want, since(start, s.askedAt)); diff != "" {
				t.Errorf("token requests after seconds (-want +got):\n%s", diff)
			}
			if st := c.TokenStatus(); st.OK || st.Reason != dcr.TokenRefused || st.LastErrorAt.IsZero() || st.NextTryAt.IsZero() {
				t.Errorf("status %+v", st)
			}

			s.set(func() { s.status = 0 })
			time.Sleep(time.Hour)
			synctest.Wait()
			if changes != 1 || !c.TokenStatus().OK {
				t.Errorf("%d changes, status %+v after the refusal ended", changes, c.TokenStatus())
			}
			if len(s.seen()) != 0 {
				t.Error("calls were made without a token")
			}
			if err := get(t, c); err != nil {
				t.Error(err)
			}
		})
	}
}

// Without Run a call asks again when its time has come.
func TestRefusedTokenWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), status: 401, answer: "{}"}
		c := open(t, s)
		_ = get(t, c)
		s.set(func() { s.status = 0 })
		time.Sleep(4 * time.Second)
		if err := get(t, c); reasonOf(err) != dcr.TokenRefused {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := get(t, c); err != nil {
			t.Error(err)
		}
	})
}

func TestTokenUnavailable(t *testing.T) {
	tests := map[string]struct {
		status  int
		answer  string
		header  http.Header
		atLeast int
		atMost  int
	}{
		"server error": {status: 500, answer: "<html>", atLeast: 6, atMost: 12},
		"no token":     {status: 200, answer: "", atLeast: 6, atMost: 12},
		"quota":        {status: 429, answer: `{"error":"too_many_requests"}`, header: http.Header{"Retry-After": {"3600"}}, atLeast: 1, atMost: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{API: always(200, thirdParty), status: tt.status, answer: tt.answer, header: tt.header}
				if tt.status == 200 {
					s.status = 299 // an answer that is no token
				}
				c := open(t, s)
				run(t, c)
				for range 120 {
					if err := get(t, c); reasonOf(err) != dcr.TokenUnavailable {
						t.Fatalf("error %v", err)
					}
					time.Sleep(time.Second)
				}
				if n := s.tokenRequests(); n < tt.atLeast || n > tt.atMost {
					t.Errorf("%d token requests in 2 minutes, want %d to %d", n, tt.atLeast, tt.atMost)
				}
			})
		})
	}
}

// A scope that the token is known to lack costs no call, and is noticed when it
// is granted; other calls go on.
func TestMissingScopeIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), scope: "read:clients"}
		changes := 0
		c := open(t, s, func(o *auth0.Options) { o.OnTokenChange = func() { changes++ } })
		run(t, c)
		start := time.Now()
		for range 100 {
			_, err := c.SetGrantScopes(t.Context(), "", dcr.Grant{ID: "cgr_1"}, nil)
			var e *auth0.Error
			if !errors.As(err, &e) || e.Reason != dcr.MissingScope || e.Scope != "update:client_grants" || e.Op != "update_client_grant" {
				t.Fatalf("error %+v", err)
			}
			if err := get(t, c); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]int{0, 5, 15, 35, 75}, since(start, s.askedAt)); diff != "" {
			t.Errorf("token requests after seconds (-want +got):\n%s", diff)
		}
		for _, r := range s.seen() {
			if r.method != http.MethodGet {
				t.Errorf("a call was made: %+v", r)
			}
		}
		if changes != 0 {
			t.Errorf("%d changes, want none", changes)
		}
		s.set(func() { s.scope = "read:clients update:client_grants" })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		n := s.tokenRequests()
		if changes != 1 {
			t.Errorf("%d changes, want 1", changes)
		}
		time.Sleep(2 * time.Hour)
		if s.tokenRequests() != n {
			t.Error("tokens are still asked for")
		}
	})
}

// A 403 says what the token does not.
func TestMissingScopeBy403(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(403, problem("403", "insufficient_scope", "Insufficient scope, expected any of: read:clients,read:client_keys"))}
		c := open(t, s)
		run(t, c)
		start := time.Now()
		for range 30 {
			err := get(t, c)
			var e *auth0.Error
			if !errors.As(err, &e) || e.Reason != dcr.MissingScope || e.Scope != "read:clients,read:client_keys" {
				t.Fatalf("error %+v", err)
			}
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]int{0, 5}, since(start, s.askedAt)[:2]); diff != "" || s.tokenRequests() > 4 {
			t.Errorf("token requests after seconds %v", since(start, s.askedAt))
		}
	})
}

// A tenant that does not say what a token holds is asked.
func TestScopesUnsaid(t *testing.T) {
	s := &stub{API: always(200, thirdParty), scope: " "}
	c := open(t, s, func(o *auth0.Options) { o.Scopes = []string{"read:clients"} })
	if err := get(t, c); err != nil {
		t.Error(err)
	}
	if st := c.TokenStatus(); st.Scopes != nil {
		t.Errorf("scopes %v", st.Scopes)
	}
}

func TestRenewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), status: 401, answer: "{}"}
		changes := 0
		c := open(t, s, func(o *auth0.Options) { o.OnTokenChange = func() { changes++ } })
		run(t, c)
		if err := c.Renew(t.Context()); reasonOf(err) != dcr.TokenRefused {
			t.Errorf("error %v", err)
		}
		s.set(func() { s.status = 0 })
		if err := c.Renew(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if changes != 1 || s.tokenRequests() != 2 {
			t.Errorf("%d changes, %d token requests", changes, s.tokenRequests())
		}
		if err := get(t, c); err != nil {
			t.Error(err)
		}
	})
}

func TestSetCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), status: 401, answer: "{}"}
		changes := 0
		c := open(t, s, func(o *auth0.Options) { o.OnTokenChange = func() { changes++ } })
		run(t, c)
		_ = get(t, c)
		s.set(func() { s.status = 0 })
		c.SetCredentials("own", secret) // the same ones: the guard holds
		if err := get(t, c); reasonOf(err) != dcr.TokenRefused {
			t.Errorf("error %v", err)
		}
		c.SetCredentials("own", "another")
		if err := get(t, c); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if last := s.asked[len(s.asked)-1]; last["client_secret"] != "another" || changes != 1 {
			t.Errorf("asked with %v, %d changes", last, changes)
		}
	})
}

// Credentials that change while a token is fetched with the old ones do not
// end up with the old one's.
func TestSetCredentialsDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), Latency: time.Second}
		c := open(t, s)
		go func() { _ = get(t, c) }()
		time.Sleep(500 * time.Millisecond)
		c.SetCredentials("own", "another")
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := get(t, c); err != nil || s.tokenRequests() != 2 {
			t.Errorf("%v, %d token requests", err, s.tokenRequests())
		}
		seen := s.seen()
		if last := seen[len(seen)-1]; last.token != "eyJ-token-2" {
			t.Errorf("the last call carried %s", last.token)
		}
	})
}

func TestCloseEndsFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{Latency: time.Hour}
		c := open(t, s)
		errs := make(chan error)
		go func() { errs <- get(t, c) }()
		synctest.Wait()
		start := time.Now()
		c.Close()
		if err := <-errs; err == nil || time.Since(start) > 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// Whatever is logged of the client's parts, secrets are not in it.
func TestStatusHoldsNoSecret(t *testing.T) {
	s := &stub{status: 401, answer: `{"error_description":"` + strings.Repeat("x", 5000) + `"}`}
	c := open(t, s)
	err := get(t, c)
	if len(err.Error()) > 500 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}
