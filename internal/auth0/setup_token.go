package auth0

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"grantd/internal/display"
)

// Claims are what a Management API token says of itself. Nothing is verified:
// Auth0 does that. They save a person from finding out call by call.
type Claims struct {
	Scopes   []string  // sorted; nil when it does not say
	Expires  time.Time // zero when it does not say
	Domain   string    // whose Management API it is for; empty when it does not say
	ClientID string    // the application that it was issued to; empty when it does not say
}

// ParseClaims reads the claims of a token, a JSON Web Token (RFC 7519). One that
// is none has no claims; the error is for what cannot be a token at all, and
// says nothing of what it was.
func ParseClaims(raw string) (Claims, error) {
	if _, err := newToken(raw, "", 0, time.Time{}); err != nil {
		return Claims{}, errors.New("not a token: it is empty, too long, or has spaces or line breaks in it")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return Claims{}, nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Claims{}, nil
	}
	var said struct {
		Scope    text    `json:"scope"`
		Expires  float64 `json:"exp"`
		Audience texts   `json:"aud"`
		Party    text    `json:"azp"`
	}
	if json.Unmarshal(payload, &said) != nil {
		return Claims{}, nil
	}
	// A string always makes a token here: it was one above.
	t, _ := newToken(raw, string(said.Scope), 0, time.Time{})
	c := Claims{Scopes: t.scopes, ClientID: display.Line(string(said.Party), maxCode)}
	if said.Expires > 0 && said.Expires < 1e11 { // the year 5138
		c.Expires = time.Unix(int64(said.Expires), 0)
	}
	for _, a := range said.Audience {
		if host, ok := strings.CutSuffix(strings.TrimPrefix(a, "https://"), apiPath+"/"); ok && host != "" {
			c.Domain = display.Line(host, maxMessage)
			break
		}
	}
	return c, nil
}

// texts is a string or a list of them, and nothing where anything else stands.
type texts []string

// UnmarshalJSON never fails.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	var many []string
	if json.Unmarshal(b, &many) == nil {
		*t = many
	}
	return nil
}

// givenToken makes a token of what a person gave. When it expires Auth0 will
// say.
func givenToken(raw string) (token, error) {
	if raw == "" {
		return token{}, nil
	}
	claims, err := ParseClaims(raw)
	if err != nil {
		return token{}, err
	}
	return token{value: raw, scopes: claims.Scopes}, nil
}
