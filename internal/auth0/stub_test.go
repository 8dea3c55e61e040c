package auth0_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/auth0"
)

const (
	domain   = "acme.us.auth0.com"
	clientID = "tpc_vbc2Y77hGZfbhkSi7y3gTh"
	audience = "https://mcp.example.com/mcp"
	secret   = "s3cret-of-grantd-0123456789"
	allScope = "read:clients update:clients read:client_grants create:client_grants update:client_grants " +
		"read:connections update:connections read:resource_servers read:logs"
)

// request is one that the stub got.
type request struct {
	method, uri, body, correlation, token string
}

// stub is a tenant without a network, so that it can stand in a synctest
// bubble. API answers Management API requests.
type stub struct {
	API     http.HandlerFunc
	Latency time.Duration

	mu       sync.Mutex
	status   int    // of token requests; 0 is 200
	answer   string // of token requests with another status
	header   http.Header
	scope    string
	life     int
	revoked  map[string]bool
	tokens   int
	asked    []map[string]string
	askedAt  []time.Time
	requests []request
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.Latency > 0 {
		select {
		case <-time.After(s.Latency):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	w := httptest.NewRecorder()
	switch r.URL.Path {
	case "/oauth/token":
		s.token(w, body)
	case "/.well-known/jwks.json":
		s.API(w, r)
	default:
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		s.requests = append(s.requests, request{r.Method, r.URL.RequestURI(), string(body), r.Header.Get("X-Correlation-ID"), token})
		revoked := token == "" || s.revoked[token]
		s.mu.Unlock()
		if revoked {
			respond(w, 401, `{"statusCode":401,"error":"Unauthorized","message":"Expired token received for JSON Web Token validation"}`)
			break
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.API(w, r)
	}
	return w.Result(), nil
}

func (s *stub) token(w http.ResponseWriter, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens++
	var asked map[string]string
	_ = json.Unmarshal(body, &asked)
	s.asked = append(s.asked, asked)
	s.askedAt = append(s.askedAt, time.Now())
	if s.status != 0 && s.status != 200 {
		maps.Copy(w.Header(), s.header)
		respond(w, s.status, s.answer)
		return
	}
	scope, life := s.scope, s.life
	if scope == "" {
		scope = allScope
	}
	if life == 0 {
		life = 86400
	}
	respond(w, 200, fmt.Sprintf(`{"access_token":"eyJ-token-%d","scope":%q,"expires_in":%d,"token_type":"Bearer"}`, s.tokens, scope, life))
}

// set changes the stub while it serves.
func (s *stub) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *stub) tokenRequests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

func (s *stub) seen() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.requests...)
}

func respond(w http.ResponseWriter, status int, body string) {
	if strings.HasPrefix(body, "<") {
		w.Header().Set("Content-Type", "text/html")
	} else {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// always answers every request so.
func always(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { respond(w, status, body) }
}

// open returns a Client of the stub.
func open(t testing.TB, s *stub, change ...func(*auth0.Options)) *auth0.Client {
	t.Helper()
	o := auth0.Options{Domain: domain, ClientID: "own", ClientSecret: secret, Transport: s}
	for _, c := range change {
		c(&o)
	}
	c, err := auth0.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const thirdParty = `{"client_id":"` + clientID + `","name":"ChatGPT","is_first_party":false,"app_type":"regular_web",` +
	`"token_endpoint_auth_method":"none","grant_types":["authorization_code"],"callbacks":["https://chatgpt.com/x"],` +
	`"third_party_security_mode":"strict","client_secret":"never-shown","unknown_field":{"a":1}}`
