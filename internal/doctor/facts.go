package doctor

import (
	"crypto/sha256"
	"net/http"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// Options say what to look for: the configuration, and what the ledger knows.
type Options struct {
	Domain   string
	ClientID string // of grantd's own application
	Audience string

	Scopes      []string // that shall be granted
	ScopesKnown bool     // false while a source has not told yet
	ScopesURL   string   // of the gateway's protected-resource metadata; empty: none
	Connections []string // names
	// Promotes: grantd makes connections domain-level by itself.
	Promotes bool
	// Documents are the client id metadata documents of the clients to expect;
	// the first 3 are looked for.
	Documents []Document

	Needed []string // Management API scopes that grantd needs
	Useful []string // and those that it can use, besides LookScopes

	PublicURL   string // without a slash at the end; empty: not known
	WebhookPath string
	// DeliveredAt is when the daemon that is asked last took a delivery of the log
	// stream's; zero: it did not, or none is asked.
	DeliveredAt time.Time
	// Secrets are SHA-256 sums of those that the webhook takes.
	Secrets [][sha256.Size]byte

	Plan string // the subscription; empty: guessed
	// Burst is the largest rate limit that Auth0 told of, 0 before any; nil: not
	// known.
	Burst func() int
	// Mode is the security mode of the client that registered last, for where the
	// tenant does not say; empty: none did.
	Mode dcr.SecurityMode
	// ClientsPerDay and GrantsPerDay are by how many they grow; 0: not known.
	ClientsPerDay, GrantsPerDay float64

	// KeepToken: the token at hand will do, whatever its scopes.
	KeepToken bool

	// Transport reaches the gateway and the public address; one of its own when
	// nil.
	Transport http.RoundTripper
	Now       func() time.Time // time.Now when nil
}

// Document is a client id metadata document.
type Document struct{ Client, URL string }

// Documents are those of well-known clients, by the preset of the allow-list
// that they belong to.
func Documents() map[string][]Document {
	return map[string][]Document{
		"chatgpt": {{"ChatGPT", "https://chatgpt.com/oauth/client.json"}},
		"claude": {
			{"Claude", "https://claude.ai/oauth/mcp-oauth-client-metadata"},
			{"Claude Code", "https://claude.ai/oauth/claude-code-client-metadata"},
		},
	}
}

// LookScopes are the Management API scopes that are for looking only. Where one
// is missing, that much is not looked at.
func LookScopes() []string {
	return []string{
		"read:resource_servers", "read:log_streams", "read:tenant_settings", "read:rules", "read:hooks", "read:organizations",
	}
}

// Facts are what Look found.
type Facts struct {
	Options
	CheckedAt time.Time
	Took      time.Duration
	Calls     int // of the Management API

	NotTenant    string // why the domain is not a tenant's; empty: it is
	Refused      string // why the credentials were refused; empty: they were not
	Granted      []string
	GrantedOK    bool // the scopes of grantd's application are known: Granted
	ownRead      bool // by its grant
	Noticed      auth0.Noticed
	LargestLimit int // calls that Auth0 takes at once, as far as it told; 0: not known

	Settings      Answer[dcr.TenantSettings]
	API           Answer[dcr.API]
	Sibling       string // the identifier of an API that is but for a slash at its end the one
	Connected     []Answer[dcr.Connection]
	Streams       Answer[[]dcr.LogStream]
	Rules, Hooks  Answer[[]string]
	Organizations Answer[Part[auth0.Organization]]
	Defaults      Answer[[]dcr.Grant]
	Grants        Answer[Part[dcr.Grant]]
	ClientCount   Answer[int]
	GrantCount    Answer[int]
	Registered    []Answer[bool] // of Documents

	Resource Answer[string] // of the gateway's metadata
	Webhook  Webhook
}

// Answer is what came of a look. It was not taken where Asked is false.
type Answer[T any] struct {
	Value T
	Err   error
	Asked bool
}

// ok reports whether there is a value.
func (a Answer[T]) ok() bool { return a.Asked && a.Err == nil }

// Part is the beginning of a list.
type Part[T any] struct {
	List []T
	More bool // than these
}

// Webhook is what the public address answered.
type Webhook struct {
	Asked       bool
	Unreached   string // why it was not; empty: it was
	Certificate string // what is wrong with it; empty: nothing
	NotGrantd   string // what is not as grantd answers; empty: all is
	Expires     time.Time
}

// mode is the security mode of clients that register.
func (f Facts) mode() dcr.SecurityMode {
	if m := f.Settings.Value.RegistrationMode; m != "" {
		return m
	}
	return f.Mode
}

// strict reports whether strict clients are to be expected, which is so unless
// the tenant says otherwise. A client with a metadata document always is one.
func (f Facts) strict() bool { return f.mode() != dcr.Permissive || f.Settings.Value.CIMD }

// endpoint is where the log stream shall deliver to.
func (f Facts) endpoint() string {
	if f.PublicURL == "" {
		return "https://YOUR-HOST" + f.WebhookPath
	}
	return f.PublicURL + f.WebhookPath
}
