package dcr

import (
	"fmt"
	"io"
	"strings"
)

// Reason is a code from the closed list that phases, conditions, health, the
// log and the metrics share. The empty Reason means "nothing to say".
type Reason string

// Reasons for phase refused.
const (
	FirstParty         Reason = "first_party"
	GlobalClient       Reason = "global_client"
	OwnClient          Reason = "own_client"
	MachineToMachine   Reason = "machine_to_machine"
	NoCallbacks        Reason = "no_callbacks"
	CallbackNotAllowed Reason = "callback_not_allowed"
)

// Reasons for phase blocked and for conditions that do not hold.
const (
	ConnectionNotDomainLevel Reason = "connection_not_domain_level"
	ConnectionNotFound       Reason = "connection_not_found"
	APINotFound              Reason = "api_not_found"
	MissingScope             Reason = "missing_scope"
	ScopesRejected           Reason = "scopes_rejected"
	LimitReached             Reason = "limit_reached"
	RejectedByAuth0          Reason = "rejected_by_auth0"
	Fighting                 Reason = "fighting"
	Held                     Reason = "held"
)

// Reasons of holds, beside Held (a person set it) and Fighting.
const (
	RegistrationStorm Reason = "registration_storm"
	Reverted          Reason = "reverted"
	SwitchedOff       Reason = "switched_off"
)

// Reasons that qualify a condition that holds.
const (
	ScopesUndefined   Reason = "scopes_undefined"
	PerClientUnproven Reason = "per_client_unproven"
	NotAdopted        Reason = "not_adopted"
)

// Reasons for phases pending and gone.
const (
	DryRun        Reason = "dry_run"
	Unchecked     Reason = "unchecked"
	NotFoundYet   Reason = "not_found_yet"
	Drifted       Reason = "drifted"
	ScopesUnknown Reason = "scopes_unknown"
	DeletedInAuth Reason = "deleted"
)

// OtherAudience is why grantd plan lists a grant as left behind.
const OtherAudience Reason = "other_audience"

// Reasons why a call failed for now; it is tried again.
const (
	RateLimited      Reason = "rate_limited"
	ServerError      Reason = "server_error"
	Timeout          Reason = "timeout"
	Unreachable      Reason = "unreachable"
	BadResponse      Reason = "bad_response"
	Unauthorized     Reason = "unauthorized"
	TokenRefused     Reason = "token_refused"
	TokenUnavailable Reason = "token_unavailable"
	ChangedMeanwhile Reason = "changed_meanwhile"
	InternalError    Reason = "internal_error"
)

// Reasons of health.
const (
	ManagementFailing Reason = "management_api_failing"
	LedgerUnavailable Reason = "ledger_unavailable"
	ClientsBlocked    Reason = "clients_blocked"
	PollFailing       Reason = "poll_failing"
	PollUnauthorized  Reason = "poll_missing_scope"
	WebhookSilent     Reason = "webhook_silent"
	LogStreamStopped  Reason = "log_stream_stopped"
	SweepFailing      Reason = "sweep_failing"
	ScopeSourceFailed Reason = "scope_source_failing"
	JWKSUnreachable   Reason = "jwks_unreachable"
	CertFailing       Reason = "certificate_failing"
	CertExpiring      Reason = "certificate_expiring"
	Starting          Reason = "starting"
)

// ReasonInfo documents one reason.
type ReasonInfo struct {
	Reason  Reason
	Where   string // where it can stand
	Meaning Text
	Fix     Text // what a person can do; empty when there is nothing to do
}

// Info is what the closed list says of a reason; nothing of one that is not on it.
func (r Reason) Info() ReasonInfo {
	if r == "" { // as most are
		return ReasonInfo{}
	}
	for _, info := range Reasons() {
		if info.Reason == r {
			return info
		}
	}
	return ReasonInfo{}
}

// Reasons is the closed list, in the order it is documented.
func Reasons() []ReasonInfo {
	const (
		refused   = "phase refused"
		blocked   = "phase blocked"
		condition = "condition"
		pending   = "phase pending"
		failure   = "last error"
		health    = "health"
	)
	return []ReasonInfo{
		{FirstParty, refused, "The client is first-party, or Auth0 does not say that it is not.", "Nothing: grantd serves third-party clients only."},
		{GlobalClient, refused, "It is the tenant's global client.", ""},
		{OwnClient, refused, "It is the application grantd itself logs in with.", ""},
		{MachineToMachine, refused, "Its application type is `non_interactive`, or `client_credentials` is among its grant types.", ""},
		{NoCallbacks, refused, "It has no callback, so nothing says where its logins would go.", ""},
		{CallbackNotAllowed, refused, "At least one of its callbacks is not on the allow-list.", "If you trust the product behind the callback, add its preset or pattern to `GRANTD_ALLOWED_CLIENTS`."},

		{ConnectionNotDomainLevel, blocked, "A third-party client can log in only through a domain-level connection, and this connection is not one.", PromoteConnection("the connection")},
		{ConnectionNotFound, blocked, "The tenant has no connection of that name.", "Correct `GOOGLE_CONNECTION_NAME`, or create the connection under Authentication."},
		{APINotFound, blocked, "The tenant has no API with `OAUTH_AUDIENCE` as its identifier.", "Create it under Applications → APIs, or correct `OAUTH_AUDIENCE`; a trailing slash counts."},
		{MissingScope, blocked, "grantd's own application lacks a Management API scope, named in the message.", "Grant it under Applications → APIs → Auth0 Management API → Machine to Machine Applications; it is noticed without a restart."},
		{ScopesRejected, blocked, "Auth0 refused the grant's scopes.", "Define them under Applications → APIs → your API → Permissions, or correct `TOOL_SCOPES` and `REQUIRED_SCOPES`."},
		{LimitReached, blocked, "The tenant has reached the number of entities its plan allows.", "Delete unused applications or grants, or change the plan."},
		{RejectedByAuth0, blocked, "Auth0 refused the change for good; the message has its words.", "Follow the message; after mending it, grantd tries again by itself."},
		{Fighting, blocked + ", " + health, "Somebody else undoes the same change again and again, so grantd leaves it alone for a while, longer each time.", "Find out who by the message, and let one of the two manage the field. grantd tries again by itself."},
		{Held, blocked + ", hold, " + health, "A hold keeps grantd from writing; `grantd hold list` says why.", "`grantd hold release` when you want grantd to go on."},
		{RegistrationStorm, pending + ", hold, " + health, "More clients registered than `GRANTD_STORM_AFTER` allows in 10 minutes. The excess waits behind everything else, or for you when `GRANTD_STORM_HOLD` is on.", "Look at what registers: `grantd clients list`. Held ones go on by `grantd hold release --reason registration_storm`."},
		{Reverted, "hold", "`grantd revert` undid a change, and the client is left alone so that it stays undone.", "`grantd hold release CLIENT_ID` when you want grantd to go on."},
		{SwitchedOff, "hold", "The client's metadata in Auth0 has `grantd=off`.", "Take grantd out of the application's metadata (Applications → the application → Settings → Advanced Settings → Application Metadata)."},

		{ScopesUndefined, condition, "The grant is right but for scopes the API does not define, named in the message.", "Define them under Applications → APIs → your API → Permissions."},
		{PerClientUnproven, condition, "The connection is enabled for this one client. Auth0 documents only domain-level connections for third-party clients.", "If logins fail, promote the connection to domain level."},
		{NotAdopted, condition, "The grant was there before grantd and holds scopes beyond the desired ones, named in the message; they are left until you say otherwise.", "`grantd sync --adopt` takes them away."},

		{DryRun, pending, "`GRANTD_DRY_RUN` is on: what would be done is in the plan.", "Unset `GRANTD_DRY_RUN`."},
		{Unchecked, pending + ", " + failure, "Not yet checked against the present configuration.", ""},
		{NotFoundYet, pending, "Auth0 does not know the client yet; asked again shortly.", ""},
		{Drifted, pending, "The sweep found that it is not as desired; it is put right in its turn.", ""},
		{ScopesUnknown, pending + ", " + health, "A configured scope source has never told any scope, so nothing is granted and no grant is touched.", "See the log for why `TOOL_SCOPES_FILE` or `TOOL_SCOPES_URL` cannot be read."},
		{DeletedInAuth, "phase gone", "The client does not exist in Auth0.", ""},

		{OtherAudience, "grantd plan", "grantd made the grant for another `OAUTH_AUDIENCE` than the present one.", "Delete it under Applications → the application → APIs if nobody needs it; grantd deletes nothing by itself."},

		{RateLimited, failure, "Auth0's rate limit; tried again when it allows.", ""},
		{ServerError, failure, "Auth0 answered with a 5xx.", ""},
		{Timeout, failure, "Auth0 did not answer in time.", ""},
		{Unreachable, failure, "No connection to Auth0.", "Check DNS, firewall and `MGMT_DOMAIN`."},
		{BadResponse, failure, "Auth0's answer could not be read.", ""},
		{Unauthorized, failure, "Auth0 refused the Management API token; a new one is fetched.", ""},
		{TokenRefused, failure + ", " + health, "Auth0 refuses to issue a Management API token.", "Correct `MGMT_CLIENT_ID` and `MGMT_CLIENT_SECRET`, and authorize the application for the Auth0 Management API."},
		{TokenUnavailable, failure, "No Management API token could be fetched for now.", "Check DNS, firewall and `MGMT_DOMAIN`."},
		{ChangedMeanwhile, failure, "Something the client needs was deleted in Auth0 while grantd was at it; it looks again.", ""},
		{InternalError, failure, "A defect in grantd; the log has the details.", "Please report it."},

		{ManagementFailing, health, "No Management API call has succeeded for 5 minutes while trying.", "See `last_error`."},
		{LedgerUnavailable, health, "The ledger cannot be written.", "Check the disk and the permissions of the state directory; `grantd ledger check` says whether the file is sound."},
		{ClientsBlocked, health, "At least one client is blocked.", "`grantd clients list --phase blocked`"},
		{PollFailing, health, "The last polls of the tenant log failed.", "See the log."},
		{PollUnauthorized, health, "The poll needs `read:logs`.", "Grant `read:logs` under Applications → APIs → Auth0 Management API → Machine to Machine Applications."},
		{WebhookSilent, health, "The poll finds entries that the webhook should have brought.", "Check the log stream under Monitoring → Streams."},
		{LogStreamStopped, health, "The tenant's log stream to grantd is paused or suspended.", "Start it again under Monitoring → Streams; its Health tab says why it stopped."},
		{SweepFailing, health, "The last sweeps failed, so drift that no log entry told of stays unseen.", "See the log."},
		{ScopeSourceFailed, health, "`TOOL_SCOPES_FILE` or `TOOL_SCOPES_URL` cannot be read or holds no scopes; what it said last stays in force.", "See the log; check the file, or that the gateway serves its protected-resource metadata."},
		{JWKSUnreachable, health, "The tenant's signing keys could not be fetched.", "Check DNS, firewall and `MGMT_DOMAIN`."},
		{CertFailing, health, "The listener's certificate could not be read anew from its files, or the authority issued none; the one before is shown on, if there is one.", "See the log: it has the reason and the next try. `docs/tls.md` says what an authority needs."},
		{CertExpiring, health, "The listener's certificate ends within 14 days (or a quarter of its life, if that is less) or has ended, and was not replaced.", "Renew the files of `GRANTD_TLS_CERT_FILE` and `GRANTD_TLS_KEY_FILE`, or see the log for why the authority issues none."},
		{Starting, health, "Started, nothing tried yet.", ""},
	}
}

// WriteReasons writes docs/reasons.md.
func WriteReasons(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Reasons\n\nThe closed list of codes that stand in `reason`, `last_error` and health's `reasons`.\nThis page is printed by code (`internal/dcr`); a test fails when it is stale.\n\n")
	b.WriteString("| reason | where | meaning | what to do |\n| --- | --- | --- | --- |\n")
	for _, r := range Reasons() {
		fix := r.Fix
		if fix == "" {
			fix = "–"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Reason, r.Where, string(r.Meaning), string(fix))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
