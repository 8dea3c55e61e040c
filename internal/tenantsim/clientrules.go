package tenantsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// clientShape is the type of each property that a client body may hold.
func clientShape(name string) (shape, bool) {
	switch name {
	case "name", "description", "logo_uri", "app_type", "token_endpoint_auth_method", "third_party_security_mode",
		"redirection_policy", "initiate_login_uri", "organization_usage", "organization_require_behavior",
		"custom_login_page", "custom_login_page_preview", "form_template", "cross_origin_loc", "compliance_level",
		"parent_application_id", "jwks_uri", "client_secret", "resource_server_identifier":
		return isString, true
	case "is_first_party", "oidc_conformant", "sso", "sso_disabled", "cross_origin_auth", "cross_origin_authentication",
		"custom_login_page_on", "is_token_endpoint_ip_header_trusted", "require_pushed_authorization_requests",
		"require_proof_of_possession", "skip_non_verifiable_callback_uri_confirmation_prompt":
		return isBool, true
	case "callbacks", "allowed_origins", "web_origins", "grant_types", "client_aliases", "allowed_clients",
		"allowed_logout_urls", "organization_discovery_methods":
		return isStrings, true
	case "client_metadata", "jwt_configuration", "refresh_token", "client_authentication_methods", "addons", "mobile",
		"encryption_key", "oidc_logout", "native_social_login", "default_organization", "signed_request_object",
		"session_transfer", "token_exchange", "token_quota", "my_organization_configuration", "express_configuration":
		return isObject, true
	case "async_approval_notification_channels":
		return isArray, true
	}
	return "", false
}

// patchShape leaves out what is read-only for every client.
func patchShape(name string) (shape, bool) {
	switch name {
	case "jwks_uri", "resource_server_identifier":
		return "", false
	}
	return clientShape(name)
}

// strictMay reports whether a property may be present in the PATCH of a strict
// client.
// https://auth0.com/docs/get-started/applications/third-party-applications/security-controls
func strictMay(name string) bool {
	switch name {
	case "name", "description", "logo_uri", "callbacks", "allowed_origins", "web_origins", "grant_types",
		"token_endpoint_auth_method", "app_type", "client_metadata", "jwt_configuration", "refresh_token",
		"client_authentication_methods", "require_proof_of_possession", "redirection_policy":
		return true
	}
	return false
}

// cimdMay is the same for a client that a metadata document describes.
// https://auth0.com/docs/get-started/auth0-overview/create-applications/register-applications-with-cimd
func cimdMay(name string) bool {
	switch name {
	case "app_type", "grant_types", "description", "allowed_origins", "web_origins", "refresh_token",
		"client_metadata", "require_proof_of_possession", "jwt_configuration":
		return true
	}
	return strings.HasPrefix(name, "organization_")
}

// checkPatch refuses what may not be changed on c.
func (t *Tenant) checkPatch(c *Client, p props) *Error {
	if fail := p.only(patchShape); fail != nil {
		return fail
	}
	var jwt props
	if p.has("jwt_configuration") && !p.null("jwt_configuration") {
		_ = json.Unmarshal(p["jwt_configuration"], &jwt) // its shape was checked
	}
	if jwt.has("secret_encoded") {
		return badPayload("Additional properties not allowed: secret_encoded", "jwt_configuration.secret_encoded")
	}
	if fail := t.checkImmutables(c, p); fail != nil {
		return fail
	}
	for _, name := range sortedNames(p) {
		if c.cimd() && !cimdMay(name) && !unchangedAllowed(name) {
			return badPayload("Property not allowed for a CIMD client: "+name, name)
		}
		if c.strict() && !c.cimd() && !strictMay(name) && !unchangedAllowed(name) {
			return badPayload("Property not allowed for a third-party client in strict mode: "+name, name)
		}
	}
	if c.strict() {
		for name := range jwt {
			if name != "alg" && name != "lifetime_in_seconds" {
				return badPayload("Property not allowed for a third-party client in strict mode: jwt_configuration."+name,
					"jwt_configuration."+name)
			}
		}
	}
	next := c.clone()
	next.apply(p)
	if c.GrantTypes != nil && p.null("grant_types") {
		return badPayload("Expected type array but found type null", "grant_types")
	}
	return next.check()
}

// unchangedAllowed names what a strict client's PATCH may repeat: real ones
// were answered with 200.
func unchangedAllowed(name string) bool {
	return name == "is_first_party" || name == "third_party_security_mode" || name == "oidc_conformant"
}

func (t *Tenant) checkImmutables(c *Client, p props) *Error {
	if p.has("is_first_party") {
		same := p.boolean("is_first_party") == c.FirstParty
		convert := t.quirks.FirstPartyConvertible && !c.strict()
		if !same && !convert || same && c.thirdParty() && t.quirks.ImmutablesRefused {
			return badPayload("is_first_party cannot be changed", "is_first_party")
		}
	}
	if p.has("third_party_security_mode") {
		same := p.str("third_party_security_mode") == c.SecurityMode
		if !same || t.quirks.ImmutablesRefused {
			return badPayload("third_party_security_mode cannot be changed", "third_party_security_mode")
		}
	}
	if c.strict() && p.has("oidc_conformant") && !p.boolean("oidc_conformant") {
		return badPayload("oidc_conformant must be true", "oidc_conformant")
	}
	return nil
}

// check holds a client to the rules of its kind, after creation or PATCH.
func (c *Client) check() *Error {
	if c.Name == "" || strings.ContainsAny(c.Name, "<>") {
		return badPayload("String does not match pattern ^[^<>]+$", "name")
	}
	switch c.AppType {
	case "", "native", "spa", "regular_web", "non_interactive":
	case "sso_integration", "resource_server", "express_configuration":
		if c.strict() {
			return badPayload("No enum match for: "+c.AppType, "app_type")
		}
	default:
		return badPayload("No enum match for: "+c.AppType, "app_type")
	}
	switch c.TokenEndpointAuthMethod {
	case "", "none", "client_secret_post", "client_secret_basic":
	default:
		return badPayload("No enum match for: "+c.TokenEndpointAuthMethod, "token_endpoint_auth_method")
	}
	for i, g := range c.GrantTypes {
		if !knownGrantType(g) {
			return badPayload("No enum match for: "+g, "grant_types["+itoa(i)+"]")
		}
	}
	if c.strict() {
		return c.checkStrict()
	}
	return nil
}

func (c *Client) checkStrict() *Error {
	for i, g := range c.GrantTypes {
		if g != "authorization_code" && g != "refresh_token" && (g != "client_credentials" || c.registered || c.cimd()) {
			return badPayload("Grant type not allowed for a third-party client in strict mode: "+g, "grant_types["+itoa(i)+"]")
		}
	}
	for _, list := range []struct {
		name string
		urls []string
	}{{"callbacks", c.Callbacks}, {"allowed_origins", c.extraStrings("allowed_origins")}, {"web_origins", c.extraStrings("web_origins")}} {
		for i, u := range list.urls {
			if strings.Contains(u, "*") {
				return badPayload("Wildcards are not allowed for a third-party client in strict mode", list.name+"["+itoa(i)+"]")
			}
		}
	}
	var refresh struct {
		Expiration   string `json:"expiration_type"`
		InfiniteIdle bool   `json:"infinite_idle_token_lifetime"`
	}
	if raw, ok := c.Extra["refresh_token"]; ok && string(raw) != "null" {
		_ = json.Unmarshal(raw, &refresh) // an object: its shape was checked
		if refresh.Expiration == "non-expiring" || refresh.InfiniteIdle {
			return badPayload("Refresh tokens of a third-party client in strict mode must expire", "refresh_token")
		}
	}
	return nil
}

func (c *Client) extraStrings(name string) []string {
	return props(c.Extra).strs(name)
}

func knownGrantType(g string) bool {
	return slices.Contains([]string{
		"authorization_code", "implicit", "refresh_token", "client_credentials", "password",
		"http://auth0.com/oauth/grant-type/password-realm", "http://auth0.com/oauth/grant-type/mfa-oob",
		"http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/mfa-recovery-code",
		"http://auth0.com/oauth/grant-type/passwordless/otp", "urn:ietf:params:oauth:grant-type:device_code",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:openid:params:grant-type:ciba",
		"urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
	}, g)
}

// apply merges a checked body into c. null clears, arrays and objects replace;
// jwt_configuration keeps what is not its caller's to set.
func (c *Client) apply(p props) {
	set := func(name string, to *string) {
		if p.has(name) {
			*to = p.str(name)
		}
	}
	set("name", &c.Name)
	set("description", &c.Description)
	set("app_type", &c.AppType)
	set("token_endpoint_auth_method", &c.TokenEndpointAuthMethod)
	set("third_party_security_mode", &c.SecurityMode)
	set("redirection_policy", &c.RedirectionPolicy)
	if p.has("is_first_party") {
		c.FirstParty = p.boolean("is_first_party")
		if c.FirstParty {
			c.SecurityMode = ""
		}
	}
	if p.has("callbacks") {
		c.Callbacks = p.strs("callbacks")
	}
	if p.has("grant_types") {
		c.GrantTypes = p.strs("grant_types")
	}
	for name, raw := range p {
		switch name {
		case "name", "description", "app_type", "token_endpoint_auth_method", "third_party_security_mode",
			"redirection_policy", "is_first_party", "callbacks", "grant_types", "client_secret", "sso_disabled",
			"cross_origin_authentication", "custom_login_page_on", "is_token_endpoint_ip_header_trusted":
			continue
		}
		if c.Extra == nil {
			c.Extra = map[string]json.RawMessage{}
		}
		switch {
		case string(raw) == "null":
			delete(c.Extra, name)
		case (name == "jwt_configuration" || name == "client_metadata") && c.Extra[name] != nil:
			c.Extra[name] = mergeObject(c.Extra[name], raw)
		default:
			c.Extra[name] = slices.Clone(raw)
		}
	}
}

// mergeObject sets the members of patch in the object base.
func mergeObject(base, patch json.RawMessage) json.RawMessage {
	out := props{}
	_ = json.Unmarshal(base, &out)
	_ = json.Unmarshal(patch, &out)
	for name, raw := range out {
		if string(raw) == "null" {
			delete(out, name)
		}
	}
	return withExtra(struct{}{}, out)
}

// checkKind refuses a client of a type that cannot be used for a grant.
func (c *Client) checkKind() *Error {
	if c.AppType == "express_configuration" {
		return &Error{http.StatusBadRequest, "validation_error", "Client of type express_configuration cannot be used"}
	}
	return nil
}
