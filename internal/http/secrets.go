package http

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	nethttp "net/http"
	"strings"
	"sync/atomic"
)

// Secrets are the values that let a caller in, any of them. They are kept as
// digests, can be replaced while requests are served, and are compared in a
// time that tells nothing of them.
type Secrets struct {
	digests atomic.Pointer[[][sha256.Size]byte]
}

// NewSecrets returns the secrets; empty ones are left out.
func NewSecrets(values ...string) *Secrets {
	s := new(Secrets)
	s.Set(values...)
	return s
}

// Set replaces all secrets; empty ones are left out.
func (s *Secrets) Set(values ...string) {
	digests := make([][sha256.Size]byte, 0, len(values))
	for _, v := range values {
		if v != "" {
			digests = append(digests, sha256.Sum256([]byte(v)))
		}
	}
	s.digests.Store(&digests)
}

// Empty reports whether there is no secret, so that nothing can match.
func (s *Secrets) Empty() bool { return s == nil || len(*s.digests.Load()) == 0 }

// Match reports whether any of the candidates is a secret. All are compared
// with all, whatever was found before.
func (s *Secrets) Match(candidates ...string) bool {
	found := 0
	for _, c := range candidates {
		digest := sha256.Sum256([]byte(c))
		for _, d := range *s.digests.Load() {
			found |= subtle.ConstantTimeCompare(digest[:], d[:])
		}
	}
	return found == 1
}

// webhookCredentials are what a delivery shows: the Authorization header as it
// is, because Auth0 sends what was configured verbatim, the same without
// "Bearer", and X-Webhook-Secret.
// https://auth0.com/docs/customize/log-streams/custom-log-streams
func webhookCredentials(h nethttp.Header) []string {
	var shown []string
	if v := h.Get("Authorization"); v != "" {
		if scheme, rest, _ := strings.Cut(v, " "); !strings.EqualFold(scheme, "Bearer") {
			shown = append(shown, v)
		} else if rest = strings.TrimSpace(rest); rest != "" {
			shown = append(shown, v, rest)
		}
	}
	if v := h.Get("X-Webhook-Secret"); v != "" {
		shown = append(shown, v)
	}
	return shown
}

// adminCredentials are the bearer token or the basic password, whoever the
// user says to be.
func adminCredentials(h nethttp.Header) []string {
	scheme, rest, _ := strings.Cut(h.Get("Authorization"), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case rest == "":
		return nil
	case strings.EqualFold(scheme, "Bearer"):
		return []string{rest}
	case strings.EqualFold(scheme, "Basic"):
		pair, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return nil
		}
		if _, password, ok := strings.Cut(string(pair), ":"); ok {
			return []string{password}
		}
	}
	return nil
}
