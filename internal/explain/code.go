package explain

// Code names a cause. It is one of the closed list below.
type Code string

// The causes.
const (
	// The client itself.
	ClientDeleted     Code = "client_deleted"
	ClientUnknown     Code = "client_unknown"
	DocumentUnknown   Code = "document_not_registered"
	RegistrationOff   Code = "registration_off"
	Refused           Code = "refused"
	CallbackRefused   Code = "callback_not_allowed"
	CallbackMismatch  Code = "callback_mismatch"
	NotPromoted       Code = "not_promoted"
	ParameterRefused  Code = "parameter_refused"
	PKCEMissing       Code = "pkce_missing"
	PKCEFailed        Code = "pkce_failed"
	CodeInvalid       Code = "code_invalid"
	RefreshNotAllowed Code = "refresh_not_allowed"
	RefreshInvalid    Code = "refresh_token_invalid"
	UserDeclined      Code = "user_declined"

	// The API and the grant.
	GrantMissing        Code = "grant_missing"
	ScopesMissing       Code = "scopes_missing"
	ScopesUndefined     Code = "scopes_undefined"
	ScopesUnknown       Code = "scopes_unknown"
	ScopesRejected      Code = "scopes_rejected"
	GrantShadowsDefault Code = "grant_shadows_default"
	APINotFound         Code = "api_not_found"
	WrongAudience       Code = "wrong_audience"
	APIDeniesUsers      Code = "api_denies_users"
	SigningAlg          Code = "api_signing_alg"
	ResourceIgnored     Code = "resource_parameter_ignored"

	// Connections and what runs at a login.
	NotDomainLevel     Code = "connection_not_domain_level"
	ConnectionNotFound Code = "connection_not_found"
	ConnectionInactive Code = "connection_inactive"
	NotConnected       Code = "not_connected"
	OrganizationBlocks Code = "organization_blocks"
	RulesActive        Code = "rules_active"
	HookActive         Code = "hook_active"

	// What keeps grantd from its work.
	HeldBack      Code = "held"
	SwitchedOff   Code = "switched_off"
	Fighting      Code = "fighting"
	Storm         Code = "registration_storm"
	DryRun        Code = "dry_run"
	LimitReached  Code = "limit_reached"
	ScopeMissing  Code = "management_scope_missing"
	Rejected      Code = "rejected_by_auth0"
	RateLimited   Code = "rate_limited"
	TokenRefused  Code = "token_refused"
	Unreachable   Code = "auth0_unreachable"
	NoDaemon      Code = "daemon_not_running"
	StreamStopped Code = "log_stream_stopped"
	Waiting       Code = "waiting" // it is due, or its last attempt failed for now

	// UnknownDenial is a denial whose text says nothing grantd knows.
	UnknownDenial Code = "unknown_denial"
)

// Codes is the closed list.
func Codes() []Code {
	return []Code{
		ClientDeleted, ClientUnknown, DocumentUnknown, RegistrationOff, Refused, CallbackRefused,
		CallbackMismatch, NotPromoted, ParameterRefused, PKCEMissing, PKCEFailed, CodeInvalid,
		RefreshNotAllowed, RefreshInvalid, UserDeclined, GrantMissing, ScopesMissing, ScopesUndefined,
		ScopesUnknown, ScopesRejected, GrantShadowsDefault, APINotFound, WrongAudience, APIDeniesUsers,
		SigningAlg, ResourceIgnored, NotDomainLevel, ConnectionNotFound, ConnectionInactive,
		NotConnected, OrganizationBlocks, RulesActive, HookActive, HeldBack, SwitchedOff, Fighting,
		Storm, DryRun, LimitReached, ScopeMissing, Rejected, RateLimited, TokenRefused, Unreachable,
		NoDaemon, StreamStopped, Waiting, UnknownDenial,
	}
}
