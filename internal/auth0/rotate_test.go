package auth0_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// A rotated secret brings a token at the next call, the old one is not sent
// again, and a wrong one costs nothing while the token at hand is valid.
func TestRotatedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), life: 600}
		c := open(t, s)
		run(t, c)
		want := func(about, token string, reason dcr.Reason) {
			t.Helper()
			if err := get(t, c); err != nil {
				t.Fatalf("%s: %v", about, err)
			}
			seen := s.seen()
			if last := seen[len(seen)-1].token; last != token {
				t.Errorf("%s: the call carried %s, want %s", about, last, token)
			}
			if got := c.TokenStatus(); got.OK != (reason == "") || got.Reason != reason {
				t.Errorf("%s: %+v", about, got)
			}
		}
		want("before", "eyJ-token-1", "")
		s.set(func() { s.status, s.answer = 401, `{"error":"access_denied"}` })
		c.SetCredentials("own", "wrong")
		if got := c.TokenStatus(); got.OK {
			t.Errorf("a token of the old secret is good: %+v", got)
		}
		want("with a wrong secret", "eyJ-token-1", dcr.TokenRefused)
		asked := s.tokenRequests()
		want("again", "eyJ-token-1", dcr.TokenRefused)
		if n := s.tokenRequests(); n != asked {
			t.Errorf("%d token requests in a moment", n-asked)
		}
		s.set(func() { s.status = 0 })
		c.SetCredentials("own", "right")
		if err := c.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("with the right one", fmt.Sprintf("eyJ-token-%d", s.tokenRequests()), "")
		for i, asked := range s.asked {
			if secretAsked := asked["client_secret"]; (i == 0) != (secretAsked == secret) {
				t.Errorf("request %d with %q", i, secretAsked)
			}
		}
	})
}

// A wrong secret that nobody mends stops grantd when the old token expires, and
// not before.
func TestOldTokenEndsWithItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), life: 600}
		c := open(t, s)
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
		s.set(func() { s.status, s.answer = 401, "{}" })
		c.SetCredentials("own", "wrong")
		time.Sleep(9*time.Minute + 50*time.Second)
		if err := get(t, c); err != nil {
			t.Error(err)
		}
		time.Sleep(11 * time.Second)
		if err := get(t, c); reasonOf(err) != dcr.TokenRefused {
			t.Errorf("error %v", err)
		}
	})
}

// The kept token of the old secret is not used by a start with the new one.
func TestKeptTokenBelongsToItsSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty)}
		file := func(o *auth0.Options) { o.TokenFile = filepath.Join(t.TempDir(), "..", "token.json") }
		c := open(t, s, file)
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
		c.Close()
		c = open(t, s, file, func(o *auth0.Options) { o.ClientSecret = "another" })
		if err := get(t, c); err != nil || s.tokenRequests() != 2 {
			t.Errorf("%v after %d token requests", err, s.tokenRequests())
		}
	})
}

// Whatever of a request Auth0 repeats in an error, and wherever it is cut, no
// part of the secret or of the token is shown.
func TestErrorsHideWhatWasSent(t *testing.T) {
	odd := `p"\/+%ä<&> ` + strings.Repeat("k", 40)
	for _, sent := range []string{secret, odd} {
		quoted, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		for _, echo := range []string{sent, url.QueryEscape(sent), url.PathEscape(sent), strings.Trim(string(quoted), `"`)} {
			for _, before := range []int{0, 250, 290, 299, 320} {
				words := strings.Repeat("w", before) + echo + " was wrong"
				answer, err := json.Marshal(map[string]string{"error": echo, "errorCode": echo, "error_description": words, "message": words})
				if err != nil {
					t.Fatal(err)
				}
				s := &stub{status: 403, answer: string(answer)}
				c := open(t, s, func(o *auth0.Options) { o.ClientSecret = sent })
				got := fmt.Sprintf("%v %+v", get(t, c), c.TokenStatus())
				if strings.Contains(got, sent[:5]) || strings.Contains(got, "kkkkk") || strings.Contains(got, "s3cret-of") {
					t.Errorf("%q, cut at %d: %s", echo, before, got)
				}
			}
		}
	}
	for _, before := range []int{0, 292, 298, 299} {
		token := "eyJ-token-1"
		answer := fmt.Sprintf(`{"statusCode":403,"errorCode":%q,"message":%q}`, token, strings.Repeat("w", before)+token)
		c := open(t, &stub{API: always(403, answer)})
		if err := get(t, c); err == nil || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("cut at %d: %v", before, err)
		}
	}
}
