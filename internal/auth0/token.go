package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
)

// token is a Management API token. It prints as a mask.
type token struct {
	value   string
	scopes  []string // sorted; nil when the tenant did not say
	expires time.Time
	renewAt time.Time // some time before expires
}

// String hides the value from every way of printing.
func (token) String() string { return "[token]" }

// GoString hides the value from %#v.
func (token) GoString() string { return "[token]" }

// fresh reports whether the token need not be renewed yet.
func (t token) fresh(now time.Time) bool { return t.value != "" && now.Before(t.renewAt) }

// valid reports whether the token can be used at all.
func (t token) valid(now time.Time) bool { return t.value != "" && now.Before(t.expires) }

// allows reports whether the token holds any of the scopes, as far as is
// known.
func (t token) allows(anyOf []string) bool {
	return t.scopes == nil || len(anyOf) == 0 || slices.ContainsFunc(anyOf, func(s string) bool {
		return slices.Contains(t.scopes, s)
	})
}

const (
	maxToken        = 16 << 10            // bytes
	maxTokenLife    = 60 * 24 * time.Hour // Auth0 allows 30 days
	unsaidTokenLife = time.Hour
	maxEarly        = 5 * time.Minute // how long before it expires a token is renewed
)

// newToken makes a token of what the tenant or the cache says.
func newToken(value, scope string, life time.Duration, expires time.Time) (token, error) {
	if value == "" || len(value) > maxToken || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return token{}, fmt.Errorf("no usable access_token")
	}
	t := token{value: value, expires: expires, renewAt: expires.Add(-min(life/10, maxEarly))}
	if fields := strings.Fields(scope); len(fields) > 0 {
		slices.Sort(fields)
		t.scopes = slices.Compact(fields)
	}
	return t, nil
}

// credentials are those of grantd's own application in the tenant.
type credentials struct{ id, secret string }

// String hides the secret from every way of printing.
func (credentials) String() string { return "[credentials]" }

// GoString hides the secret from %#v.
func (credentials) GoString() string { return "[credentials]" }

// issuer fetches tokens.
// https://auth0.com/docs/secure/tokens/access-tokens/management-api-access-tokens/get-management-api-access-tokens-for-production
type issuer struct {
	transport *transport
	url       string // …/oauth/token
	audience  string
}

// fetch asks for a token. The error's reason is dcr.TokenRefused when asking
// again is no use before somebody acts, else dcr.TokenUnavailable.
func (i issuer) fetch(ctx context.Context, c credentials) (token, *Error) {
	body, err := json.Marshal(map[string]string{
		"grant_type":    "client_credentials",
		"client_id":     c.id,
		"client_secret": c.secret,
		"audience":      i.audience,
	})
	if err != nil {
		return token{}, unavailable(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, bytes.NewReader(body))
	if err != nil {
		return token{}, unavailable(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")

	resp, failed := i.transport.exchange(req, opGetToken, mask{text: c.secret, as: "[secret]"})
	if failed != nil {
		return token{}, failed
	}
	var answer struct {
		AccessToken text    `json:"access_token"`
		Scope       text    `json:"scope"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	raw, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	if err != nil {
		return token{}, unavailable(fmt.Errorf("answer is not a token"))
	}
	life := unsaidTokenLife
	if answer.ExpiresIn > 0 {
		life = time.Duration(min(answer.ExpiresIn, maxTokenLife.Seconds()) * float64(time.Second))
	}
	t, err := newToken(string(answer.AccessToken), string(answer.Scope), life, i.transport.now().Add(life))
	if err != nil {
		return token{}, unavailable(err)
	}
	return t, nil
}

// mask keeps a secret text out of what others say.
type mask struct {
	text, as string
	also     *mask // and this one; nil is none
}

// String hides the text from every way of printing.
func (mask) String() string { return "[mask]" }

// GoString hides the text from %#v.
func (mask) GoString() string { return "[mask]" }

// hide replaces the text, also as it stands in a URL, a form or JSON. It wants
// words that are not cut yet: half a secret would not be known again.
func (m mask) hide(s string) string {
	if m.also != nil {
		s = m.also.hide(s)
	}
	if m.text == "" {
		return s
	}
	forms := []string{m.text, url.QueryEscape(m.text), url.PathEscape(m.text)}
	if quoted, err := json.Marshal(m.text); err == nil {
		forms = append(forms, strings.Trim(string(quoted), `"`))
	}
	for _, form := range forms {
		s = strings.ReplaceAll(s, form, m.as)
	}
	return s
}

// tokenReason tells a refusal from a passing failure, status 0 being no answer.
func tokenReason(status int) dcr.Reason {
	if status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
		return dcr.TokenRefused
	}
	return dcr.TokenUnavailable
}

func unavailable(err error) *Error {
	return &Error{Op: opGetToken, Reason: dcr.TokenUnavailable, Err: err}
}
