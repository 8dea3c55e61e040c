package dcr

import "strings"

// MaxClientIDLength is the longest client id grantd takes for one, in bytes.
// Auth0's own are 26 to 36 long.
const MaxClientIDLength = 128

// ValidClientID reports whether s can be an Auth0 client id: 1 to
// MaxClientIDLength bytes of A–Z, a–z, 0–9, "_" and "-". Anything else never
// reaches a URL path or the ledger.
func ValidClientID(s string) bool {
	if s == "" || len(s) > MaxClientIDLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// Argument is a client id as it stands on a command line, which takes a word that
// begins with a dash for a flag. Flags have to come before it.
func Argument(clientID string) string {
	if strings.HasPrefix(clientID, "-") {
		return "-- " + clientID
	}
	return clientID
}

// Registration says how a client came to be in the tenant.
type Registration string

// The ways a client comes to be.
const (
	// RegistrationDCR is RFC 7591 at POST /oidc/register.
	RegistrationDCR Registration = "dcr"
	// RegistrationCIMD is an imported Client ID Metadata Document.
	RegistrationCIMD Registration = "cimd"
	// RegistrationUnknown is everything whose registration was not seen.
	RegistrationUnknown Registration = "unknown"
)

// SecurityMode is Auth0's third_party_security_mode.
// https://auth0.com/docs/get-started/applications/third-party-applications/security-controls
type SecurityMode string

// The security modes of third-party clients.
const (
	// Strict clients log in through domain-level connections only and need a
	// client grant for every API.
	Strict SecurityMode = "strict"
	// Permissive clients are those of tenants that had third-party clients
	// before the enhanced security was introduced.
	Permissive SecurityMode = "permissive"
)

// strictPrefix begins the id of every strict client; permissive ones keep the
// ordinary form.
const strictPrefix = "tpc_"

// Client is an application as the Management API shows it.
type Client struct {
	ID                      string
	Name                    string // free text from an anonymous caller: never a trust signal
	FirstParty              bool   // true also when Auth0 does not say
	Global                  bool   // the tenant's "All Applications" client
	AppType                 string
	TokenEndpointAuthMethod string
	GrantTypes              []string
	Callbacks               []string
	ThirdPartySecurityMode  SecurityMode // as sent; may be empty, see Mode
	ExternalClientID        string       // the URL of a Client ID Metadata Document
	Off                     bool         // its client_metadata has grantd=off: an admin wants it left alone
}

// Mode is the client's security mode. It asks the client itself and its id,
// never the tenant's settings, which do not always tell.
func (c Client) Mode() SecurityMode {
	switch {
	case c.ThirdPartySecurityMode == Strict, strings.HasPrefix(c.ID, strictPrefix):
		return Strict
	default:
		return Permissive
	}
}

// CIMD reports whether the client was imported from a Client ID Metadata
// Document, which then governs its name, callbacks and authentication.
func (c Client) CIMD() bool { return c.ExternalClientID != "" }

// ClientPatch is the difference to send for a client; nil fields stay as they
// are. PATCH /api/v2/clients/{id} merges, and replaces arrays.
type ClientPatch struct {
	AppType                 *string  `json:"app_type,omitempty"`
	TokenEndpointAuthMethod *string  `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes              []string `json:"grant_types,omitempty"`
}

// Empty reports whether there is nothing to send.
func (p ClientPatch) Empty() bool {
	return p.AppType == nil && p.TokenEndpointAuthMethod == nil && p.GrantTypes == nil
}

// SubjectUser is the subject_type of a grant that serves logins. Auth0's
// default is "client", a machine-to-machine grant, useless for a login.
const SubjectUser = "user"

// Grant is a client grant: which scopes of one API a client may ask for.
type Grant struct {
	ID             string
	ClientID       string
	Audience       string
	SubjectType    string
	Scopes         []string
	AllowAllScopes bool // every scope of the API, present and future; Scopes is then empty
}
