package doctor

import "grantd/internal/dcr"

// Severity is how grave a finding is.
type Severity string

// The severities, the gravest first.
const (
	// Problem: registrations or logins fail, grantd cannot do its job, or secrets
	// are given away.
	Problem Severity = "problem"
	// Warning: they may fail, or more is given away than is needed.
	Warning Severity = "warning"
	// Unknown: it could not be looked at.
	Unknown Severity = "unknown"
)

// Finding is one thing that is wrong, or could not be looked at.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Subject is what it is about, where there can be several: a connection's
	// name, a Management API scope, a log stream's id. Empty otherwise.
	Subject string `json:"subject,omitempty"`
	// Message says what was found, in a sentence.
	Message string `json:"message"`
	// Breaks says what of it a user or the operator sees.
	Breaks string `json:"breaks,omitempty"`
	Fix    Fix    `json:"fix,omitzero"`
	// Mode is whose logins it concerns; empty is everybody's.
	Mode dcr.SecurityMode `json:"mode,omitempty"`
}

// Fix is how to mend it. Each part is a way of its own; some may be empty.
type Fix struct {
	Dashboard string `json:"dashboard,omitempty"` // where to click
	Command   string `json:"command,omitempty"`   // of the Auth0 CLI, to paste into a shell
	Setting   string `json:"setting,omitempty"`   // what to set in grantd's configuration
}

// Code names a kind of finding.
type Code string

// The kinds of finding.
const (
	// The tenant and grantd's own access.
	DomainNotTenant    Code = "domain_not_a_tenant"
	CredentialsRefused Code = "credentials_refused"
	ScopeMissing       Code = "management_scope_missing"  // subject: the scope
	ScopeUnneeded      Code = "management_scope_unneeded" // subject: the scope
	ScopeHarmful       Code = "management_scope_harmful"  // subject: the scope
	ClockSkew          Code = "clock_skew"

	// The API.
	APIMissing          Code = "api_missing"
	APISigningAlg       Code = "api_signing_alg"
	APIDeniesUsers      Code = "api_denies_users"
	APINoOfflineAccess  Code = "api_no_offline_access"
	APIScopeUndefined   Code = "api_scopes_undefined"
	GatewayUnreachable  Code = "gateway_unreachable"
	GatewayResourceDiff Code = "gateway_resource_differs"

	// Connections; the subject is the name.
	ConnectionMissing        Code = "connection_missing"
	ConnectionInactive       Code = "connection_inactive"
	ConnectionNotDomainLevel Code = "connection_not_domain_level"

	// The tenant's settings and what runs at a login.
	RegistrationOff      Code = "registration_off"
	ResourceNotAudience  Code = "resource_parameter_ignored"
	CIMDWithoutDocument  Code = "cimd_without_document"
	RulesActive          Code = "rules_active"
	HookActive           Code = "credentials_exchange_hook_active"
	OrganizationBlocks   Code = "organization_blocks_third_party" // subject: the organization
	DefaultGrantOpen     Code = "default_grant_open"
	DefaultGrantNarrower Code = "default_grant_narrower"
	GrantShadowsDefault  Code = "grant_shadows_default" // subject: the client

	// The log stream; the subject is its id.
	StreamMissing     Code = "log_stream_missing"
	StreamStopped     Code = "log_stream_stopped"
	StreamURL         Code = "log_stream_url"
	StreamFormat      Code = "log_stream_format"
	StreamCredential  Code = "log_stream_credential"
	StreamFilters     Code = "log_stream_filters"
	StreamNoDenials   Code = "log_stream_without_denials"
	WebhookUnreached  Code = "webhook_unreachable"
	WebhookCert       Code = "webhook_certificate"
	WebhookNotGrantd  Code = "webhook_not_grantd"
	WebhookCertExpiry Code = "webhook_certificate_expires"

	// Capacity; the subject is applications or grants.
	CapacityLow  Code = "capacity_low"
	CapacityFull Code = "capacity_full"

	// NotLooked: a scope to look is missing, or a look failed. The subject is
	// what would have been looked at.
	NotLooked Code = "not_looked"
)
