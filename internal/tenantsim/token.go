package tenantsim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// token is an access token for the Management API. Its scopes are those of the
// grant when it was issued: a scope granted later needs a new token.
type token struct {
	clientID string
	scopes   []string
	expires  time.Time
}

// maxTokens bounds what is remembered; expired ones are forgotten first.
const maxTokens = 10_000

func oauthError(status int, code, description string) response {
	return jsonResponse(status, map[string]string{"error": code, "error_description": description})
}

// issueToken is the client credentials grant, with a body in JSON or as a form.
// https://auth0.com/docs/secure/tokens/access-tokens/management-api-access-tokens
func (t *Tenant) issueToken(r *request) (response, *Error) {
	p := tokenRequest(r)
	id, secret := p["client_id"], p["client_secret"]
	if user, pass, ok := basicAuth(r.header); ok {
		id, secret = user, pass
	}
	c := t.clients.get(id)
	switch {
	case p["grant_type"] == "":
		return oauthError(http.StatusForbidden, "invalid_request", "Missing required parameter: grant_type"), nil
	case p["grant_type"] != "client_credentials":
		return oauthError(http.StatusForbidden, "unauthorized_client", "Grant type '"+p["grant_type"]+"' not allowed for the client."), nil
	case c == nil || c.TokenEndpointAuthMethod == "none" || secret == "" || secret != t.secrets[id]:
		t.addLog(Log{Type: "feccft", Description: "Unauthorized", ClientID: id, Hostname: t.domain, IP: r.actor.IP, UserAgent: r.actor.UserAgent})
		return oauthError(http.StatusUnauthorized, "access_denied", "Unauthorized"), nil
	case !slices.Contains(c.GrantTypes, "client_credentials"):
		return oauthError(http.StatusForbidden, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client."), nil
	}
	if t.apiNamed(p["audience"]) == nil {
		return oauthError(http.StatusForbidden, "access_denied", "Service not enabled within domain: "+p["audience"]), nil
	}
	grant := t.grants.find(id, "", p["audience"], SubjectClient)
	if grant == nil {
		return oauthError(http.StatusForbidden, "access_denied", "Client is not authorized to access \""+p["audience"]+
			"\". You need to create a \"client-grant\" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"), nil
	}
	if t.tokenQuota == 0 {
		res := oauthError(http.StatusTooManyRequests, "too_many_requests", "Client quota exceeded")
		res.set("Auth0-Client-Quota-Limit", "b=per_day;q=0;t=0")
		res.set("Retry-After", "3600")
		return res, nil
	}
	if t.tokenQuota > 0 {
		t.tokenQuota--
	}
	scopes := slices.Clone(grant.Scopes)
	if asked := strings.Fields(p["scope"]); len(asked) > 0 {
		scopes = slices.DeleteFunc(scopes, func(s string) bool { return !slices.Contains(asked, s) })
	}
	access := t.newToken(id, p["audience"], scopes)
	t.addLog(Log{
		Type: "seccft", ClientID: id, ClientName: c.Name, Hostname: t.domain, Audience: p["audience"],
		Scope: strings.Join(scopes, " "), IP: r.actor.IP, UserAgent: r.actor.UserAgent,
	})
	return jsonResponse(http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		Scope       string `json:"scope,omitempty"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}{access, strings.Join(scopes, " "), int(t.lifetime.Seconds()), "Bearer"}), nil
}

func tokenRequest(r *request) map[string]string {
	out := map[string]string{}
	if strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		var p props
		if json.Unmarshal(r.body, &p) == nil {
			for name := range p {
				out[name] = p.str(name)
			}
		}
		return out
	}
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		return out
	}
	for name := range form {
		out[name] = form.Get(name)
	}
	return out
}

func basicAuth(h http.Header) (user, pass string, ok bool) {
	return (&http.Request{Header: h}).BasicAuth()
}

// newToken makes something with the look of a JSON Web Token.
func (t *Tenant) newToken(clientID, audience string, scopes []string) string {
	now := t.now()
	for len(t.tokens) >= maxTokens {
		for k, tok := range t.tokens {
			if len(t.tokens) >= maxTokens/2 || now.After(tok.expires) {
				delete(t.tokens, k)
			}
		}
	}
	expires := now.Add(t.lifetime)
	b64 := base64.RawURLEncoding.EncodeToString
	payload, _ := json.Marshal(map[string]any{ // strings and numbers always marshal
		"iss": "https://" + t.domain + "/", "sub": clientID + "@clients", "aud": audience,
		"iat": now.Unix(), "exp": expires.Unix(), "scope": strings.Join(scopes, " "),
		"gty": "client-credentials", "azp": clientID, "jti": t.letters(22),
	})
	access := b64([]byte(`{"alg":"RS256","typ":"JWT","kid":"`+keyID+`"}`)) + "." + b64(payload) + "." + b64([]byte(t.letters(256)))
	if audience == t.Audience() {
		t.tokens[access] = token{clientID: clientID, scopes: scopes, expires: expires}
	}
	return access
}

// authenticate finds out who calls the Management API.
func (t *Tenant) authenticate(r *request) *Error {
	kind, value, _ := strings.Cut(r.header.Get("Authorization"), " ")
	if value == "" || !strings.EqualFold(kind, "Bearer") {
		return &Error{http.StatusUnauthorized, "", "Missing authentication"}
	}
	tok, ok := t.tokens[value]
	switch {
	case !ok:
		return &Error{http.StatusUnauthorized, "", "Invalid token"}
	case !t.now().Before(tok.expires.Add(t.leeway)):
		return expired()
	}
	r.actor.ClientID, r.scopes = tok.clientID, tok.scopes
	return nil
}

func expired() *Error {
	return &Error{http.StatusUnauthorized, "", "Expired token received for JSON Web Token validation"}
}

// unauthorized is a 401, which repeats its message under attributes.
func (e *Error) unauthorized() response {
	res := jsonResponse(e.Status, struct {
		Status     int               `json:"statusCode"`
		Error      string            `json:"error"`
		Message    string            `json:"message"`
		Attributes map[string]string `json:"attributes"`
	}{e.Status, http.StatusText(e.Status), e.Message, map[string]string{"error": e.Message}})
	res.set("Www-Authenticate", `Bearer error="invalid_token"`)
	return res
}

// RevokeTokens makes every token issued so far invalid: the next call with one
// is answered with 401.
func (t *Tenant) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.tokens)
}

// SetTokenQuota is how many more Management tokens may be had; negative is no
// quota.
func (t *Tenant) SetTokenQuota(left int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokenQuota = left
}

// SetTokenLifetime is expires_in of the tokens issued from now on.
func (t *Tenant) SetTokenLifetime(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lifetime = d
}

// SetTokenLeeway is how long after its time a token is still taken.
func (t *Tenant) SetTokenLeeway(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leeway = d
}

func itoa(n int) string { return strconv.Itoa(n) }
