package tenantsim

import (
	"encoding/json"
	"maps"
	"slices"
)

// Client is an application of the tenant.
type Client struct {
	ID                      string
	Name                    string
	Description             string
	AppType                 string // "" is absent
	FirstParty              bool
	Global                  bool
	Callbacks               []string
	GrantTypes              []string
	TokenEndpointAuthMethod string
	SecurityMode            string // third_party_security_mode: "strict", "permissive", or "" for first-party clients
	RedirectionPolicy       string
	ExternalClientID        string // the document's URL of a CIMD client

	// Extra are further properties as they stand in JSON. Never edited in
	// place: clients of one kind share the values.
	Extra map[string]json.RawMessage

	// FirstPartyHidden leaves is_first_party out of every answer.
	FirstPartyHidden bool

	registered bool // by POST /oidc/register
}

// The values of SecurityMode.
const (
	Strict     = "strict"
	Permissive = "permissive"
)

func (c *Client) thirdParty() bool { return !c.FirstParty }
func (c *Client) strict() bool     { return c.SecurityMode == Strict }
func (c *Client) cimd() bool       { return c.ExternalClientID != "" }

func (c *Client) clone() Client {
	out := *c
	out.Callbacks, out.GrantTypes = slices.Clone(c.Callbacks), slices.Clone(c.GrantTypes)
	out.Extra = maps.Clone(c.Extra)
	return out
}

// wireClient is the part of a client with a fixed place in the answer.
type wireClient struct {
	Tenant       string          `json:"tenant,omitempty"`
	Global       bool            `json:"global,omitempty"`
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	ID           string          `json:"client_id"`
	Secret       string          `json:"client_secret,omitempty"`
	AppType      string          `json:"app_type,omitempty"`
	FirstParty   *bool           `json:"is_first_party,omitempty"`
	IPHeader     bool            `json:"is_token_endpoint_ip_header_trusted"`
	Callbacks    []string        `json:"callbacks,omitempty"`
	SigningKeys  json.RawMessage `json:"signing_keys,omitempty"`
	SSODisabled  bool            `json:"sso_disabled"`
	CrossOrigin  bool            `json:"cross_origin_authentication"`
	GrantTypes   []string        `json:"grant_types,omitempty"`
	CustomLogin  bool            `json:"custom_login_page_on"`
	AuthMethod   string          `json:"token_endpoint_auth_method,omitempty"`
	SecurityMode string          `json:"third_party_security_mode,omitempty"`
	Redirection  string          `json:"redirection_policy,omitempty"`
	ExternalID   string          `json:"external_client_id,omitempty"`
	MetadataType string          `json:"external_metadata_type,omitempty"`
	MetadataBy   string          `json:"external_metadata_created_by,omitempty"`
}

// view says who is going to read a client.
type view struct {
	secret bool // with client_secret and signing_keys
	log    bool // as the log keeps it
	patch  bool // as a PATCH answers, which omits where a client came from
}

// render returns the client's JSON object.
func (t *Tenant) render(c *Client, v view) json.RawMessage {
	w := wireClient{
		Tenant: t.name(), Global: c.Global, Name: c.Name, Description: c.Description, ID: c.ID, AppType: c.AppType,
		Callbacks: c.Callbacks, GrantTypes: c.GrantTypes, CustomLogin: true,
		AuthMethod: c.TokenEndpointAuthMethod, SecurityMode: c.SecurityMode, Redirection: c.RedirectionPolicy,
	}
	if !c.FirstPartyHidden {
		w.FirstParty = &c.FirstParty
	}
	if c.cimd() && !v.patch {
		w.ExternalID, w.MetadataType, w.MetadataBy = c.ExternalClientID, "cimd", "admin"
	}
	if v.secret {
		w.Secret = t.secrets[c.ID]
		w.SigningKeys = json.RawMessage(`[{"cert":"-----BEGIN CERTIFICATE-----\r\nsimulated\r\n-----END CERTIFICATE-----"}]`)
	}
	if v.log {
		w.Tenant, w.Global, w.SigningKeys = "", false, nil
		if w.Secret != "" {
			w.Secret = "REDACTED"
		}
	}
	return withExtra(w, c.Extra)
}

// withExtra is the JSON object of v with further members.
func withExtra(v any, extra map[string]json.RawMessage) json.RawMessage {
	body, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("{}") // the types here always marshal
	}
	if len(extra) == 0 {
		return body
	}
	body = body[:len(body)-1]
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if len(body) > 1 {
			body = append(body, ',')
		}
		key, _ := json.Marshal(name) // a string always marshals
		body = append(append(append(body, key...), ':'), extra[name]...)
	}
	return append(body, '}')
}

// The defaults that Auth0 gives to clients of the different kinds.
const (
	refreshFirstParty   = `{"rotation_type":"non-rotating","expiration_type":"non-expiring","leeway":0,"token_lifetime":2592000,"infinite_token_lifetime":true,"infinite_idle_token_lifetime":true,"idle_token_lifetime":1296000}`
	refreshPublic       = `{"rotation_type":"rotating","expiration_type":"expiring","leeway":0,"token_lifetime":2592000,"infinite_token_lifetime":false,"infinite_idle_token_lifetime":false,"idle_token_lifetime":1296000}`
	refreshConfidential = `{"rotation_type":"non-rotating","expiration_type":"expiring","leeway":0,"token_lifetime":31557600,"infinite_token_lifetime":true,"infinite_idle_token_lifetime":false,"idle_token_lifetime":2592000}`

	jwtStrict     = `{"secret_encoded":false,"alg":"RS256","lifetime_in_seconds":3600}`
	jwtPermissive = `{"secret_encoded":false,"lifetime_in_seconds":36000}`
	jwtFirstParty = `{"secret_encoded":false}`
)

// complete fills in what a new client has by default.
func (c *Client) complete() {
	defaults := map[string]string{}
	switch {
	case c.strict():
		if c.RedirectionPolicy == "" {
			c.RedirectionPolicy = "open_redirect_protection"
		}
		defaults["jwt_configuration"], defaults["oidc_conformant"] = jwtStrict, "true"
		defaults["refresh_token"] = refreshConfidential
		if c.TokenEndpointAuthMethod == "none" {
			defaults["refresh_token"] = refreshPublic
		}
		if c.GrantTypes == nil {
			c.GrantTypes = []string{"authorization_code"}
		}
	case c.thirdParty():
		defaults["jwt_configuration"], defaults["oidc_conformant"] = jwtPermissive, "true"
		defaults["refresh_token"] = refreshPublic
		if c.GrantTypes == nil {
			c.GrantTypes = []string{"authorization_code", "implicit", "refresh_token"}
		}
	default:
		defaults["jwt_configuration"], defaults["oidc_conformant"] = jwtFirstParty, "false"
		defaults["refresh_token"] = refreshFirstParty
		if c.GrantTypes == nil {
			c.GrantTypes = []string{"authorization_code", "implicit", "refresh_token", "client_credentials"}
		}
	}
	c.Extra = maps.Clone(c.Extra)
	if c.Extra == nil {
		c.Extra = map[string]json.RawMessage{}
	}
	for name, value := range defaults {
		if _, ok := c.Extra[name]; !ok {
			c.Extra[name] = json.RawMessage(value)
		}
	}
	if sent, ok := c.Extra["jwt_configuration"]; ok && string(sent) != defaults["jwt_configuration"] {
		c.Extra["jwt_configuration"] = mergeObject(json.RawMessage(defaults["jwt_configuration"]), sent)
	}
}

// newClientID is an id as Auth0 forms it: "tpc_" and 22 letters or digits for
// strict third-party clients, 32 for all others.
func (t *Tenant) newClientID(c *Client) string {
	if c.strict() {
		return "tpc_" + t.letters(22)
	}
	return t.letters(32)
}

// insertClient adds a client with its defaults, an id if it has none, and a
// secret if it is to have one.
func (t *Tenant) insertClient(c *Client) *Client {
	if c.ID == "" {
		c.ID = t.newClientID(c)
	}
	c.complete()
	t.clients.add(c.ID, c)
	if c.TokenEndpointAuthMethod != "none" && !c.Global {
		if _, ok := t.secrets[c.ID]; !ok {
			t.secrets[c.ID] = t.letters(64)
		}
	}
	if t.settings.flag("enable_client_connections") && c.FirstParty {
		for conn := range t.connections.all() {
			conn.enable(c.ID)
		}
	}
	return c
}

// removeClient deletes a client with all that hangs on it.
func (t *Tenant) removeClient(id string) bool {
	if !t.clients.remove(id) {
		return false
	}
	delete(t.secrets, id)
	t.grants.removeClient(id)
	for conn := range t.connections.all() {
		conn.disable(id)
	}
	return true
}

// countClients is how many applications count towards the limit.
func (t *Tenant) countClients() int { return t.clients.len() - 1 } // "All Applications" does not
