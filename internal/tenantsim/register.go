package tenantsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Registration is what a client sends to POST /oidc/register.
// https://auth0.com/docs/get-started/applications/dynamic-client-registration
type Registration struct {
	ClientName              string   `json:"client_name,omitempty"`
	RedirectURIs            []string `json:"redirect_uris"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes              []string `json:"grant_types,omitempty"`
	ResponseTypes           []string `json:"response_types,omitempty"`

	IP        string `json:"-"` // in the log; "" means an address of a cloud
	UserAgent string `json:"-"`
}

// ChatGPT is a registration as ChatGPT sends it for the connector with this
// callback id.
func ChatGPT(callbackID string) Registration {
	return Registration{
		ClientName:              "ChatGPT",
		RedirectURIs:            []string{"https://chatgpt.com/connector/oauth/" + callbackID},
		TokenEndpointAuthMethod: "none",
		GrantTypes:              []string{"authorization_code", "refresh_token"},
		ResponseTypes:           []string{"code"},
		IP:                      "20.161.0.1",
		UserAgent:               "python-httpx/0.27",
	}
}

// Register registers a client by the code behind POST /oidc/register, but for
// the rate limit and faults. Auth0's refusals come as *Error.
func (t *Tenant) Register(reg Registration) (Client, error) {
	body, err := json.Marshal(reg)
	if err != nil {
		return Client{}, err
	}
	if reg.IP == "" {
		reg.IP = "20.161.0.1"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &request{
		method: http.MethodPost, path: "/oidc/register", body: body,
		actor: Actor{IP: reg.IP, UserAgent: reg.UserAgent},
	}
	r.route, _ = t.match(r.method, r.path)
	if fail := r.decode(); fail != nil {
		return Client{}, fail
	}
	res, fail := t.register(r)
	if fail != nil {
		return Client{}, fail
	}
	t.logWrite(r, res)
	var made struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(res.body, &made); err != nil {
		return Client{}, err
	}
	return t.clients.get(made.ID).clone(), nil
}

// register is POST /oidc/register, RFC 7591 as Auth0 serves it: no token, no
// registration access token.
func (t *Tenant) register(r *request) (response, *Error) {
	if !t.settings.flag("enable_dynamic_client_registration") {
		status := t.quirks.RegisterOffStatus
		if status == 0 {
			status = http.StatusForbidden
		}
		return response{}, &Error{status, "", "Dynamic client registration is not enabled for this tenant"}
	}
	c, fail := t.registered(r.props)
	if fail != nil {
		return response{}, fail
	}
	if full(t.plan.entities().clients, t.countClients()) {
		return response{}, tooManyEntities()
	}
	t.insertClient(c)
	answer := struct {
		ClientName   string   `json:"client_name"`
		ClientID     string   `json:"client_id"`
		Secret       string   `json:"client_secret,omitempty"`
		RedirectURIs []string `json:"redirect_uris"`
		Expires      *int     `json:"client_secret_expires_at,omitempty"`
		GrantTypes   []string `json:"grant_types"`
		AuthMethod   string   `json:"token_endpoint_auth_method"`
	}{c.Name, c.ID, t.secrets[c.ID], c.Callbacks, nil, c.GrantTypes, c.TokenEndpointAuthMethod}
	if answer.Secret != "" {
		answer.Expires = new(int)
	}
	status := t.quirks.RegisterStatus
	if status == 0 {
		status = http.StatusCreated
	}
	res := jsonResponse(status, answer)
	if answer.Secret != "" {
		answer.Secret, res.secrets = "REDACTED", []string{"client_secret"}
		res.logBody = answer
	}
	return res, nil
}

// registered is the client that a registration asks for. Members that Auth0
// does not document are ignored.
func (t *Tenant) registered(p props) (*Client, *Error) {
	shapes := map[string]shape{
		"client_name": isString, "redirect_uris": isStrings, "token_endpoint_auth_method": isString,
		"grant_types": isStrings, "response_types": isStrings,
	}
	for _, name := range sortedNames(p) {
		if s, ok := shapes[name]; ok {
			if fail := s.check(name, p[name]); fail != nil {
				return nil, fail
			}
		}
	}
	if fail := p.require("redirect_uris"); fail != nil {
		return nil, fail
	}
	c := &Client{
		Name: p.str("client_name"), Callbacks: p.strs("redirect_uris"), TokenEndpointAuthMethod: p.str("token_endpoint_auth_method"),
		SecurityMode: t.settings.dcrMode(), AppType: t.quirks.RegisterAppType, registered: true,
	}
	if c.Name == "" {
		c.Name = "My App"
	}
	if len(c.Callbacks) == 0 {
		return nil, badPayload("Array is too short (0), minimum 1", "redirect_uris")
	}
	for i, u := range c.Callbacks {
		if parsed, err := url.Parse(u); err != nil || parsed.Scheme == "" {
			return nil, badPayload("Object didn't pass validation for format absolute-uri-or-empty: "+u, "redirect_uris["+itoa(i)+"]")
		}
		if c.strict() && strings.Contains(u, "*") {
			return nil, badPayload("Wildcards are not allowed", "redirect_uris["+itoa(i)+"]")
		}
	}
	switch c.TokenEndpointAuthMethod {
	case "":
		c.TokenEndpointAuthMethod = "client_secret_post"
	case "none", "client_secret_post":
	default:
		return nil, badPayload("No enum match for: "+c.TokenEndpointAuthMethod, "token_endpoint_auth_method")
	}
	c.GrantTypes = []string{}
	for _, g := range p.strs("grant_types") {
		if g == "authorization_code" || g == "refresh_token" || !c.strict() && g == "implicit" {
			c.GrantTypes = append(c.GrantTypes, g)
		}
	}
	slices.Sort(c.GrantTypes)
	if c.GrantTypes = slices.Compact(c.GrantTypes); len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code"}
	}
	return c, c.check()
}
