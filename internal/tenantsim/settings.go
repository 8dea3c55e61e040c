package tenantsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// settings are the tenant's, as JSON members; flags apart.
type settings struct {
	top   map[string]json.RawMessage
	flags map[string]bool
}

func newSettings(dcr DCR) settings {
	s := settings{
		top: map[string]json.RawMessage{
			"default_directory":                     json.RawMessage(`""`),
			"default_audience":                      json.RawMessage(`""`),
			"friendly_name":                         json.RawMessage(`"Simulated tenant"`),
			"resource_parameter_profile":            json.RawMessage(`"audience"`),
			"phone_consolidated_experience":         json.RawMessage(`false`),
			"client_id_metadata_document_supported": json.RawMessage(`false`),
		},
		flags: map[string]bool{
			"enable_dynamic_client_registration": dcr != DCROff,
			"enable_client_connections":          false,
			"enable_sso":                         true,
			"universal_login":                    true,
			"revoke_refresh_token_grant":         false,
		},
	}
	if dcr == DCRPermissive {
		s.top["dynamic_client_registration_security_mode"] = json.RawMessage(`"permissive"`)
	}
	return s
}

func (s *settings) flag(name string) bool { return s.flags[name] }

// dcrMode is the mode of clients that register themselves.
func (s *settings) dcrMode() string {
	if props(s.top).str("dynamic_client_registration_security_mode") == Permissive {
		return Permissive
	}
	return Strict
}

// securityMode is the mode of a third-party client whose creator names none.
func (s *settings) securityMode() string { return s.dcrMode() }

func settingShape(name string) (shape, bool) {
	switch name {
	case "default_directory", "default_audience", "friendly_name", "picture_url", "support_email", "support_url",
		"dynamic_client_registration_security_mode", "resource_parameter_profile", "sandbox_version",
		"default_redirection_uri":
		return isString, true
	case "client_id_metadata_document_supported", "phone_consolidated_experience", "customize_mfa_in_postlogin_action",
		"allow_organization_name_in_authentication_api", "pushed_authorization_requests_supported":
		return isBool, true
	case "flags", "session_cookie", "sessions", "oidc_logout", "mtls", "default_token_quota", "change_password",
		"guardian_mfa_page", "error_page", "device_flow":
		return isObject, true
	case "allowed_logout_urls", "enabled_locales", "acr_values_supported":
		return isStrings, true
	case "session_lifetime", "idle_session_lifetime":
		return isNumber, true
	}
	return "", false
}

// render is the answer of GET or PATCH; the two show different members.
func (s *settings) render(patched bool, hideMode bool) json.RawMessage {
	out, flags := maps.Clone(s.top), maps.Clone(s.flags)
	if patched {
		flags["enforce_client_authentication_on_passwordless_start"] = false
	} else {
		out["sandbox_versions_available"] = json.RawMessage(`["22","18"]`)
		if hideMode {
			delete(out, "dynamic_client_registration_security_mode")
		}
	}
	return withExtra(struct {
		Flags map[string]bool `json:"flags"`
	}{flags}, out)
}

func (t *Tenant) getSettings(r *request) (response, *Error) {
	body := t.settings.render(false, t.quirks.SecurityModeHidden)
	fields, include := splitList(r.query.Get("fields")), r.query.Get("include_fields") != "false"
	return response{status: http.StatusOK, body: selectFields(body, fields, include)}, nil
}

func (t *Tenant) patchSettings(r *request) (response, *Error) {
	if fail := r.props.only(settingShape); fail != nil {
		return response{}, fail
	}
	for name, allowed := range map[string][]string{
		"dynamic_client_registration_security_mode": {Strict, Permissive},
		"resource_parameter_profile":                {"audience", "compatibility"},
	} {
		if v := r.props.str(name); r.props.has(name) && !slices.Contains(allowed, v) {
			return response{}, badPayload("No enum match for: "+v, name)
		}
	}
	var flags map[string]json.RawMessage
	if r.props.has("flags") {
		_ = json.Unmarshal(r.props["flags"], &flags) // an object: its shape was checked
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if fail := isBool.check("flags."+name, flags[name]); fail != nil {
			return response{}, fail
		}
	}
	for name := range flags {
		t.settings.flags[name] = props(flags).boolean(name)
	}
	for name, raw := range r.props {
		if name != "flags" {
			t.settings.top[name] = slices.Clone(raw)
		}
	}
	return response{status: http.StatusOK, body: t.settings.render(true, false)}, nil
}

// keyID names the one key in the key set. Nothing verifies against it.
const keyID = "simulated"

func (t *Tenant) jwks(*request) (response, *Error) {
	return jsonResponse(http.StatusOK, map[string]any{"keys": []map[string]any{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID, "n": keyModulus, "e": "AQAB", "x5t": "c2ltdWxhdGVk", "x5c": []string{},
	}}}), nil
}

// keyModulus has the form of a 2,048-bit modulus.
const keyModulus = "wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ"

// discovery is the same document at both well-known addresses. It advertises
// registration whether or not it is on.
func (t *Tenant) discovery(*request) (response, *Error) {
	base := "https://" + t.domain
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	if t.quirks.NoneAdvertised {
		methods = append(methods, "none")
	}
	doc := map[string]any{
		"issuer":                                base + "/",
		"authorization_endpoint":                base + "/authorize",
		"token_endpoint":                        base + "/oauth/token",
		"device_authorization_endpoint":         base + "/oauth/device/code",
		"userinfo_endpoint":                     base + "/userinfo",
		"mfa_challenge_endpoint":                base + "/mfa/challenge",
		"jwks_uri":                              base + "/.well-known/jwks.json",
		"registration_endpoint":                 base + "/oidc/register",
		"revocation_endpoint":                   base + "/oauth/revoke",
		"scopes_supported":                      []string{"openid", "profile", "offline_access", "name", "email"},
		"response_types_supported":              []string{"code", "token", "id_token"},
		"code_challenge_methods_supported":      []string{"S256", "plain"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"public"},
		"token_endpoint_auth_methods_supported": methods,
	}
	if props(t.settings.top).boolean("client_id_metadata_document_supported") {
		doc["client_id_metadata_document_supported"] = true
	}
	return jsonResponse(http.StatusOK, doc), nil
}
