package dcr

import "strings"

// Connection is a source of users, such as google-oauth2.
type Connection struct {
	ID       string
	Name     string
	Strategy string // as Auth0 names its kind; empty where it was not asked for
	// DomainLevel connections are open to every third-party client of the
	// tenant; they are the only ones that strict clients can use.
	// https://auth0.com/docs/authenticate/identity-providers/promote-connections-to-domain-level
	DomainLevel bool
	// Inactive connections cannot be logged in with: authentication.active is
	// false. Absent counts as active.
	Inactive bool
}

// AccessPolicy is what an API asks of those who want a token for it.
// https://auth0.com/docs/get-started/applications/application-access-to-apis-client-grants
type AccessPolicy string

// The access policies.
const (
	AllowAll           AccessPolicy = "allow_all"
	RequireClientGrant AccessPolicy = "require_client_grant"
	// DenyAll turns everybody away, with a grant or without.
	DenyAll AccessPolicy = "deny_all"
)

// API is a resource server, the audience of a grant.
type API struct {
	ID         string
	Name       string
	Identifier string
	Scopes     []string // the scopes it defines, in Auth0's order

	SigningAlg         string       // RS256, RS512, PS256 or HS256
	UserPolicy         AccessPolicy // of tokens for users; empty where Auth0 does not say
	AllowOfflineAccess bool         // refresh tokens can be had
	EnforcePolicies    bool         // RBAC: a user's token holds what their permissions allow
}

// TenantSettings are those of the tenant's settings that decide whether clients
// can register and get tokens.
// https://auth0.com/docs/api/management/v2/tenants/tenant-settings-route
type TenantSettings struct {
	DynamicRegistration bool         // RFC 7591 is on
	RegistrationMode    SecurityMode // of clients that register; empty where Auth0 does not say
	CIMD                bool         // client id metadata documents are advertised
	// ResourceProfile is resource_parameter_profile: with "compatibility" Auth0
	// takes RFC 8707's resource, which MCP clients send, as the audience; with
	// "audience" it does not.
	ResourceProfile string
	DefaultAudience string // of tokens for which none was asked; empty: there is none
}

// The resource parameter profiles.
const (
	ProfileAudience      = "audience"
	ProfileCompatibility = "compatibility"
)

// LogStream is a log stream of the tenant, without what opens the door at its
// other end.
type LogStream struct {
	ID, Name string
	Type     string // http is a webhook
	Status   string // active, paused or suspended
	Endpoint string // scheme, host and path of type http; empty of others

	ContentFormat string   // JSONLINES, JSONARRAY or JSONOBJECT
	Filters       []string // category names; empty is everything
	Masked        []string // the fields that pii_config masks or hashes
	// Credentials are SHA-256 sums of what it sends as its Authorization and
	// X-Webhook-Secret headers, a leading "Bearer " left out: enough to tell
	// whether it is the right secret, and no secret.
	Credentials [][32]byte
}

// DeliversTo reports whether a stream delivers to the webhook at path, as far as
// can be told: where the public address is not known, it is the proxy's, and the
// path must tell. publicURL has no slash at its end and may be empty.
func (s LogStream) DeliversTo(publicURL, path string) bool {
	if s.Type != "http" || path == "" {
		return false
	}
	if publicURL == "" {
		return strings.HasSuffix(s.Endpoint, path)
	}
	return s.Endpoint == publicURL+path
}
