package doctor

import (
	"slices"

	"grantd/internal/dcr"
)

// Kind is what there is to say of every finding of a code.
type Kind struct {
	Code     Code
	Severity Severity
	Found    string           // what was found, in general
	Breaks   string           // what of it a user or the operator sees
	Fine     string           // what to say where it was looked at and not found
	Fix      Fix              // with {names} for what depends on the tenant
	Mode     dcr.SecurityMode // of the clients it concerns; empty is all
}

// Kinds are all kinds of finding, in the order of finding.go.
func Kinds() []Kind {
	return slices.Concat(accessKinds(), apiKinds(), connectionKinds(), settingKinds(), grantKinds(), streamKinds(), otherKinds())
}

func kindOf(c Code) Kind {
	for _, k := range Kinds() {
		if k.Code == c {
			return k
		}
	}
	return Kind{Code: c, Severity: Problem}
}

const (
	ownGrant = "Applications → APIs → Auth0 Management API → Machine to Machine Applications → grantd's application"
	theAPI   = "Applications → APIs → {audience}"
	streams  = "Monitoring → Streams"
	settings = "Settings → Advanced"

	// The list of scopes of grantd's own grant is replaced as a whole, so the
	// commands read it first. The CLI strips the slash that an argument ends with.
	readOwn  = `own=$(auth0 api get 'client-grants?audience=https://{domain}/api/v2/&client_id={client_id}') && jq '{scope: (.[0].scope `
	writeOwn = `)}' <<<"$own" | auth0 api patch "client-grants/$(jq -r '.[0].id' <<<"$own")"`

	// A log stream's sink is replaced as a whole too: whatever else is in it, such
	// as headers of one's own, is sent again. Where it cannot be read, which the CLI
	// does not call a failure, nothing is. The secret stands in the environment and
	// on standard input alone, which others on the machine cannot see.
	readStream = `body=$(auth0 api get "log-streams/{stream_id}" | `
	writeSink  = ` | del(.[] | nulls))}') && auth0 api patch "log-streams/{stream_id}" <<<"$body"`
	withSecret = `secret=${LOG_WEBHOOK_SECRET:?} jq -e`
	wasRead    = `select(.id) | `
)

func accessKinds() []Kind {
	return []Kind{
		{
			Code: DomainNotTenant, Severity: Problem,
			Found:  "MGMT_DOMAIN answers, but not as an Auth0 tenant does.",
			Breaks: "grantd cannot do anything.",
			Fine:   "the domain is a tenant's",
			Fix: Fix{
				Dashboard: "Applications → grantd's application → Settings → Domain shows it",
				Command:   "auth0 tenants list",
				Setting:   "MGMT_DOMAIN: the tenant's canonical domain, such as acme.eu.auth0.com",
			},
		},
		{
			Code: CredentialsRefused, Severity: Problem,
			Found:  "Auth0 refuses the credentials of grantd's application.",
			Breaks: "grantd cannot do anything. New clients stay as they registered: no login works with them.",
			Fine:   "the credentials are accepted",
			Fix: Fix{
				Dashboard: "Applications → grantd's application → Settings shows id and secret; its tab APIs must have the Auth0 Management API authorized",
				Command:   "auth0 apps show '{client_id}' --reveal-secrets",
				Setting:   "MGMT_CLIENT_ID and MGMT_CLIENT_SECRET",
			},
		},
		{
			Code: ScopeMissing, Severity: Problem,
			Found:  "grantd's application lacks a Management API scope that grantd needs.",
			Breaks: "Clients stay blocked where grantd needs it; no login works with them.",
			Fine:   "every Management API scope that is needed is granted",
			Fix:    Fix{Dashboard: ownGrant + ": tick {scopes}", Command: readOwn + "+ {list} | unique" + writeOwn},
		},
		{
			Code: ScopeUnneeded, Severity: Warning,
			Found:  "grantd's application has a Management API scope that grantd never uses.",
			Breaks: "Whoever gets hold of grantd's secret can do more than they need to.",
			Fine:   "no Management API scope is granted that is not needed",
			Fix:    Fix{Dashboard: ownGrant + ": untick {scopes}", Command: readOwn + "- {list}" + writeOwn},
		},
		{
			Code: ScopeHarmful, Severity: Problem,
			Found:  "grantd's application has a Management API scope that does harm.",
			Breaks: "Auth0 hands grantd the secrets of all applications with every read, and writes a log entry about each.",
			Fine:   "no scope lets grantd read secrets",
			Fix:    Fix{Dashboard: ownGrant + ": untick {scopes}", Command: readOwn + "- {list}" + writeOwn},
		},
		{
			Code: ClockSkew, Severity: Warning,
			Found:  "This machine's clock and Auth0's differ by more than 10 seconds.",
			Breaks: "grantd waits wrongly for the rate limit and looks for log entries in the wrong minutes; gateways may refuse tokens as not valid yet.",
			Fine:   "the clock is right",
			Fix:    Fix{Command: "timedatectl set-ntp true"},
		},
	}
}

func apiKinds() []Kind {
	return []Kind{
		{
			Code: APIMissing, Severity: Problem,
			Found:  "The tenant has no API with the identifier OAUTH_AUDIENCE. It is compared byte for byte; a slash at the end counts.",
			Breaks: "Every login ends with: Service not found.",
			Fine:   "the API exists",
			Fix: Fix{
				Dashboard: "Applications → APIs → Create API, identifier {audience}, RS256",
				Command:   `auth0 apis create --name 'MCP server' --identifier '{audience}' --scopes '{scopes}' --signing-alg RS256 --token-lifetime 86400 --offline-access`,
				Setting:   "OAUTH_AUDIENCE: the identifier of the API that is there",
			},
		},
		{
			Code: APISigningAlg, Severity: Problem,
			Found:  "The API's tokens are not signed with RS256.",
			Breaks: "Logins work, and then the gateway refuses each token: it cannot check them with the tenant's public keys.",
			Fine:   "the API signs with RS256",
			Fix:    Fix{Dashboard: theAPI + " → Settings → Token Settings → JSON Web Token Signing Algorithm: RS256", Command: `auth0 api patch "resource-servers/{api_id}" --data '{"signing_alg":"RS256"}'`},
		},
		{
			Code: APIDeniesUsers, Severity: Problem,
			Found:  "The API's access policy for users is deny_all.",
			Breaks: "Nobody gets a token for it, whatever grants there are: the login ends on an error page of Auth0.",
			Fine:   "the API lets users in",
			Fix:    Fix{Dashboard: theAPI + " → Settings → Application Access Policy → User Access: Allow via client grant", Command: `auth0 api patch "resource-servers/{api_id}" --data '{"subject_type_authorization":{"user":{"policy":"require_client_grant"}}}'`},
		},
		{
			Code: APINoOfflineAccess, Severity: Warning,
			Found:  "The API does not allow offline access.",
			Breaks: "Clients get no refresh token: people have to log in again whenever the access token expires.",
			Fine:   "the API allows refresh tokens",
			Fix:    Fix{Dashboard: theAPI + " → Settings → Access Settings → Allow Offline Access", Command: `auth0 api patch "resource-servers/{api_id}" --data '{"allow_offline_access":true}'`},
		},
		{
			Code: APIScopeUndefined, Severity: Problem,
			Found:  "The API does not define scopes that shall be granted.",
			Breaks: "They cannot be granted: the tools that ask for them stay hidden or fail.",
			Fine:   "the API defines every scope",
			Fix: Fix{
				Dashboard: theAPI + " → Permissions → Add: {scopes}",
				Command:   `body=$(auth0 api get "resource-servers/{api_id}" | jq -e '` + wasRead + `{scopes: (.scopes + ({list} | map({value: ., description: .})))}') && auth0 api patch "resource-servers/{api_id}" <<<"$body"`,
				Setting:   "or take them out of TOOL_SCOPES, REQUIRED_SCOPES or the scope source",
			},
		},
		{
			Code: GatewayUnreachable, Severity: Problem,
			Found:  "The gateway's protected-resource metadata at TOOL_SCOPES_URL cannot be read.",
			Breaks: "Clients do not find the tenant by it, and new scopes are not seen. What it said last stays in force; as long as it never said any, nothing is granted.",
			Fine:   "the gateway's metadata can be read",
			Fix:    Fix{Command: "curl -i \"$TOOL_SCOPES_URL\"", Setting: "TOOL_SCOPES_URL"},
		},
		{
			Code: GatewayResourceDiff, Severity: Problem,
			Found:  "The resource in the gateway's protected-resource metadata is not OAUTH_AUDIENCE, byte for byte; a slash at the end counts.",
			Breaks: "Clients ask for a token for the wrong API, and the login ends with: Service not found. grantd takes no scopes from that document, and grants nothing as long as it never did.",
			Fine:   "the gateway's resource is the API's identifier",
			Fix:    Fix{Setting: "the gateway's resource, or OAUTH_AUDIENCE and the API's identifier: the three must be the same"},
		},
	}
}

func connectionKinds() []Kind {
	return []Kind{
		{
			Code: ConnectionMissing, Severity: Problem,
			Found:  "The tenant has no connection of that name.",
			Breaks: "Nobody can log in with it, and every client stays blocked.",
			Fine:   "every connection exists",
			Fix:    Fix{Dashboard: "Authentication shows the connections' names; they are compared letter by letter", Command: `auth0 api get "connections?fields=name,strategy"`, Setting: "GOOGLE_CONNECTION_NAME"},
		},
		{
			Code: ConnectionInactive, Severity: Problem,
			Found:  "The connection is switched off for authentication.",
			Breaks: "Nobody can log in with it.",
			Fine:   "every connection is active",
			Fix:    Fix{Dashboard: "Authentication → {connection} → Purpose: Authentication", Command: `auth0 api patch "connections/{connection_id}" --data '{"authentication":{"active":true}}'`},
		},
		{
			Code: ConnectionNotDomainLevel, Severity: Problem, Mode: dcr.Strict,
			Found:  "The connection is not domain-level, and clients that register are strict.",
			Breaks: "The login page of a strict client does not offer it: no connections enabled for the client.",
			Fine:   "every connection is open to strict clients",
			Fix: Fix{
				Dashboard: "Authentication → {connection} → Promote Connection to Domain Level; it opens it to every third-party application",
				Command:   `auth0 api patch "connections/{connection_id}" --data '{"is_domain_connection":true}'`,
				Setting:   "GRANTD_CONNECTION_LEVEL=domain lets grantd do it",
			},
		},
	}
}
