package config

import (
	"log/slog"
	"net/netip"
	"slices"

	"grantd/internal/plan"
	"grantd/internal/policy"
	"grantd/internal/scope"
)

// Off is the value that turns a listener or a schedule off.
const Off = "off"

// LogFormat is how log lines are written.
type LogFormat string

// The log formats.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// TenantPlan is an Auth0 subscription. What each allows is in
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/entity-limit-policy
type TenantPlan string

// The subscriptions.
const (
	PlanFree         TenantPlan = "free"
	PlanEssentials   TenantPlan = "essentials"
	PlanProfessional TenantPlan = "professional"
	PlanEnterprise   TenantPlan = "enterprise"
)

// TenantPlans are all subscriptions, the smaller first.
func TenantPlans() []TenantPlan {
	return []TenantPlan{PlanFree, PlanEssentials, PlanProfessional, PlanEnterprise}
}

// Config is a valid configuration. It is not changed once loaded, and prints
// without its secrets.
type Config struct {
	Domain       string     // MGMT_DOMAIN: a host in lower case, with a port only beside GRANTD_MGMT_URL
	ClientID     string     // MGMT_CLIENT_ID
	ClientSecret Secret     // MGMT_CLIENT_SECRET
	MgmtURL      string     // GRANTD_MGMT_URL: https://host[:port], no slash at the end
	MgmtRPS      float64    // GRANTD_MGMT_RPS: calls a second; 0 is learned
	TenantPlan   TenantPlan // GRANTD_PLAN; empty is not known
	SetupToken   Secret     // GRANTD_SETUP_TOKEN: for grantd setup alone

	Audience        string               // OAUTH_AUDIENCE, byte for byte
	ToolScopes      []string             // TOOL_SCOPES, sorted, each once
	RequiredScopes  []string             // REQUIRED_SCOPES, sorted, each once
	ScopesFile      string               // TOOL_SCOPES_FILE: an absolute path, or empty
	ScopesURL       string               // TOOL_SCOPES_URL: one that scope.CheckURL takes, or empty
	ScopeCeiling    scope.Ceiling        // GRANTD_SCOPE_CEILING
	ScopeMode       plan.ScopeMode       // GRANTD_SCOPE_MODE
	Connections     []string             // GOOGLE_CONNECTION_NAME: at least one, as ordered
	ConnectionLevel plan.ConnectionLevel // GRANTD_CONNECTION_LEVEL
	AllowedClients  []string             // GRANTD_ALLOWED_CLIENTS, as ordered, each once
	Policy          policy.Policy        // the same, parsed
	DryRun          bool                 // GRANTD_DRY_RUN
	Revoke          bool                 // GRANTD_REVOKE
	StormAfter      int                  // GRANTD_STORM_AFTER: eligible registrations in 10 minutes, 1 or more
	StormHold       bool                 // GRANTD_STORM_HOLD

	WebhookSecret         Secret // LOG_WEBHOOK_SECRET: at least 16 bytes
	WebhookSecretPrevious Secret // LOG_WEBHOOK_SECRET_PREVIOUS: the same, or unset
	WebhookPath           string // GRANTD_WEBHOOK_PATH: begins with a slash

	Listen      string // GRANTD_LISTEN: host:port
	PublicURL   string // GRANTD_PUBLIC_URL: https://host[:port], no slash at the end, or empty
	AdminListen string // GRANTD_ADMIN_LISTEN: host:port; empty when off
	AdminToken  Secret // GRANTD_ADMIN_TOKEN

	TrustedProxies []netip.Prefix // GRANTD_TRUSTED_PROXIES, as ordered

	TLSCertFile      string // GRANTD_TLS_CERT_FILE: an absolute path, or empty as TLSKeyFile is
	TLSKeyFile       string // GRANTD_TLS_KEY_FILE
	ACMEDomain       string // GRANTD_ACME_DOMAIN: a host name in lower case, or empty; not beside TLSCertFile
	ACMEDirectoryURL string // GRANTD_ACME_DIRECTORY_URL
	ACMEEmail        string // GRANTD_ACME_EMAIL, or empty

	StateDir string // GRANTD_STATE_DIR
	Socket   string // GRANTD_SOCKET

	JournalMaxDays int // GRANTD_JOURNAL_MAX_DAYS: 1 or more
	JournalMaxMiB  int // GRANTD_JOURNAL_MAX_MIB: 1 or more

	PollSchedule  string // GRANTD_POLL_SCHEDULE: a spec cron.ParseStandard takes, or Off
	SweepSchedule string // GRANTD_SWEEP_SCHEDULE: the same

	NotifyURL Secret // GRANTD_NOTIFY_URL: a URL, or unset

	LogFormat LogFormat  // GRANTD_LOG_FORMAT
	LogLevel  slog.Level // GRANTD_LOG_LEVEL

	origins map[string]Origin
	places  map[string]string // FILE or FILE:LINE, by variable
}

// Scopes are the fixed scopes: ToolScopes and RequiredScopes together, sorted,
// each once. What ScopesFile and ScopesURL say is added to them elsewhere, so
// there may be none.
func (c *Config) Scopes() []string {
	all := slices.Concat(c.ToolScopes, c.RequiredScopes)
	slices.Sort(all)
	return slices.Compact(all)
}

// Origin says where a variable's value came from.
type Origin string

// The origins.
const (
	FromDefault    Origin = "default"
	FromEnv        Origin = "env"        // the process environment
	FromEnvFile    Origin = "env-file"   // the file of --env-file
	FromFile       Origin = "file"       // the file that NAME_FILE names
	FromCredential Origin = "credential" // a systemd credential
)

// Origin says where the value of the variable called name came from. An alias
// counts for its variable.
func (c *Config) Origin(name string) Origin {
	if o, ok := c.origins[name]; ok {
		return o
	}
	return FromDefault
}

// Setting is the value of one variable, fit to be shown.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"` // "[redacted]" or "[unset]" for a secret
	Origin Origin `json:"origin"`
	Where  string `json:"where"` // FILE or FILE:LINE; empty for defaults and the process environment
	Secret bool   `json:"secret"`
}

// Redacted is the whole configuration in the table's order, without secrets.
func (c *Config) Redacted() []Setting {
	var all []Setting
	for _, v := range Variables() {
		all = append(all, Setting{v.Name, v.show(c), c.Origin(v.Name), c.places[v.Name], v.Secret})
	}
	return all
}

// Change is a variable whose value differs between two configurations.
type Change struct {
	Name    string
	Restart bool // it takes effect with the next start only
}

// Diff lists what changed from before to after, in the table's order. Only
// values count: the same value from another origin is no change.
func Diff(before, after *Config) []Change {
	var all []Change
	for _, v := range Variables() {
		same := v.show(before) == v.show(after)
		if v.Secret {
			same = v.secret(before).Equal(*v.secret(after))
		}
		if !same {
			all = append(all, Change{v.Name, v.Restart})
		}
	}
	return all
}

// Widens reports whether going from before to after can only add scopes: no
// variable but TOOL_SCOPES and REQUIRED_SCOPES differs, and of the scopes that
// the two name together none is gone. It is what an env file may change at once
// when nobody said that it is written to its end.
func Widens(before, after *Config) bool {
	for _, c := range Diff(before, after) {
		if c.Name != "TOOL_SCOPES" && c.Name != "REQUIRED_SCOPES" {
			return false
		}
	}
	is := after.Scopes()
	return !slices.ContainsFunc(before.Scopes(), func(s string) bool { return !slices.Contains(is, s) })
}
