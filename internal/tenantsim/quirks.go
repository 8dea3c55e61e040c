package tenantsim

// Quirks chooses what happens where Auth0 neither documents it nor shows it in
// a recorded exchange. The zero value is the most likely behaviour.
type Quirks struct {
	// RegisterStatus of a successful POST /oidc/register; 0 means 201. Old
	// documentation says 200.
	RegisterStatus int
	// RegisterAppType is the app_type of a client that registered itself; ""
	// leaves it absent.
	RegisterAppType string
	// RegisterOffStatus answers a registration while DCR is off; 0 means 403.
	RegisterOffStatus int
	// RegisterLogStatus is the statusCode in the log entry of a registration;
	// 0 means the status that was sent.
	RegisterLogStatus int

	// FirstPartyConvertible lets PATCH turn a permissive third-party client
	// into a first-party one, as older tenants did.
	FirstPartyConvertible bool
	// ImmutablesRefused refuses is_first_party and third_party_security_mode in
	// a PATCH also when they hold the present value.
	ImmutablesRefused bool
	// ClientPaging says what GET /clients does with from and take.
	ClientPaging CheckpointPaging
	// GrantPaging says what GET /client-grants does with them.
	GrantPaging CheckpointPaging
	// DeleteUnknown is the status of DELETE for a client that is not there;
	// 0 means 204, 404 names it.
	DeleteUnknown int
	// GlobalHidden leaves the "All Applications" client out of a list that does
	// not ask for is_global.
	GlobalHidden bool

	// StrictMembers and PermissiveMembers say what PATCH
	// /connections/{id}/clients does with third-party clients of either mode.
	StrictMembers, PermissiveMembers Membership
	// UnknownMember is the status for a client that does not exist in PATCH
	// /connections/{id}/clients; 0 means 404.
	UnknownMember int
	// MembersDescription is the log description of PATCH
	// /connections/{id}/clients; "" means "Update Connection Clients".
	MembersDescription string
	// EnabledClientsWritable accepts the deprecated enabled_clients in PATCH
	// /connections/{id}, which replaces the whole list.
	EnabledClientsWritable bool
	// PerClientLogin lets permissive clients log in through a connection that
	// is enabled for them, though it is not domain-level.
	PerClientLogin bool

	// ConflictCode is the errorCode of a duplicate client grant; "" sends none.
	ConflictCode string
	// UndefinedScopes accepts scopes that the API does not define in a new
	// client grant, and issues them.
	UndefinedScopes bool
	// PatchScopesUnchecked accepts such scopes in the PATCH of a grant. A
	// recorded PATCH of 2025 was accepted; a support article says it is not.
	PatchScopesUnchecked bool
	// ScopeRemovalPrunes takes a scope out of all grants when the API loses it.
	ScopeRemovalPrunes bool

	// StaleFromRefused answers 400 to a checkpoint older than the log
	// retention instead of beginning at the oldest entry.
	StaleFromRefused bool
	// CheckpointDelayed delays entries in checkpoint reads as in searches.
	CheckpointDelayed bool
	// OldLogs leaves tenant_name, environment_name, $event_schema and
	// references out of log entries.
	OldLogs bool
	// FailuresLogged writes a fapi entry for a refused Management API write.
	FailuresLogged bool
	// LogsInOneObject frames JSONOBJECT deliveries as {"logs":[…]} instead of
	// one entry a request.
	LogsInOneObject bool

	// SearchDoubles lists every third hit of a search by date twice, as one
	// whose end moves while it is paged does.
	SearchDoubles bool

	// ResetNextToken makes x-ratelimit-reset the time of the next token
	// instead of the time at which the bucket is full.
	ResetNextToken bool
	// NoLimitHeaders sends the x-ratelimit-* headers with no answer.
	NoLimitHeaders bool
	// LimitMessage of a 429; "" means "Global limit has been reached".
	LimitMessage string

	// ScriptsGone refuses to list Rules and Hooks, as a tenant may that never had
	// any.
	ScriptsGone bool

	// SecurityModeHidden leaves dynamic_client_registration_security_mode out
	// of GET /tenants/settings.
	SecurityModeHidden bool
	// NoneAdvertised lists the authentication method none in discovery.
	NoneAdvertised bool
}

// CheckpointPaging is what a list does with the parameters from and take.
type CheckpointPaging int

// The ways to treat from and take.
const (
	PagingServed  CheckpointPaging = iota // pages by cursor
	PagingRefused                         // 400
	PagingIgnored                         // as if they were not there
)

// Membership is what happens when a connection is enabled for a third-party
// client.
type Membership int

// The fates of a third-party client in PATCH /connections/{id}/clients.
const (
	MemberKept    Membership = iota // 204, and the list shows it
	MemberDropped                   // 204, and the list does not show it
	MemberRefused                   // 400
)
