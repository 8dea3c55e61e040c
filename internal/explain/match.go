package explain

import (
	"regexp"
	"strings"
)

// named takes out of Auth0's words the client they are about and what it asked
// for.
func named(said string) (by, to string) {
	const head, middle = `Client "`, `" is not authorized to access resource server "`
	if _, rest, ok := strings.Cut(said, head); ok {
		if client, rest, ok := strings.Cut(rest, middle); ok {
			to, _, _ = strings.Cut(rest, `"`)
			return client, to
		}
	}
	if _, rest, ok := strings.Cut(said, "Unknown client: "); ok {
		by, _, _ = strings.Cut(rest, " ")
		return strings.TrimRight(by, ".,"), ""
	}
	for _, head := range []string{"Service not found: ", "parameter organization is invalid: ", "Callback URL mismatch. "} {
		if _, rest, ok := strings.Cut(said, head); ok {
			to, _, _ = strings.Cut(rest, " ")
			return "", to
		}
	}
	return "", ""
}

// pattern is a text of Auth0's and what it means. Where Auth0's exact words are
// not known, the pattern is wider.
type pattern struct {
	code  Code
	event string         // of this type alone; empty: of any
	re    *regexp.Regexp // in any case
}

// patterns are in order: the first one that fits counts.
func patterns() []pattern {
	p := func(code Code, event, expression string) pattern {
		return pattern{code, event, regexp.MustCompile("(?i)" + expression)}
	}
	return []pattern{
		p(GrantMissing, "", `is not authorized to access resource server`),
		p(GrantMissing, "", `need to create a "?client-grant"? associated`),
		p(WrongAudience, "", `^service not found|service not enabled within domain`),
		p(ClientUnknown, "", `unknown client|unknown or invalid client|client (was )?not found`),
		p(CallbackMismatch, "", `callback url mismatch|redirect_uri.*(not|invalid|mismatch)`),
		p(OrganizationBlocks, "", `parameter organization is invalid|organization.*(not|block|disallow)`),
		p(NotConnected, "", `no connections enabled for the client|connection.*not enabled for`),
		p(ConnectionInactive, "", `connection.*(disabled|inactive|not active|not enabled|does not exist|not found)`),
		p(RulesActive, "", `\brules?\b`),
		p(HookActive, "", `\bhooks?\b`),
		p(PKCEMissing, "", `code_challenge`),
		p(PKCEFailed, "", `code[_ ]verifier|pkce`),
		p(CodeInvalid, "", `authorization code`),
		p(NotPromoted, "", `grant type '?"?(authorization_code|refresh_token)'?"? not allowed`),
		p(RefreshNotAllowed, "", `offline_access|offline access`),
		p(RateLimited, "", `limit has been reached|too many requests|rate limit|quota exceeded`),
		p(ScopesMissing, "", `insufficient_scope|insufficient scope|invalid_scope|scopes? .*not (allowed|permitted|defined)`),
		p(RefreshInvalid, "", `refresh token|token could not be decoded`),
		p(UserDeclined, "", `did not authorize|denied (the )?(request|consent)|user (cancel|declin)`),
		p(ParameterRefused, "", `parameter.*(not (allowed|supported|permitted)|invalid)|unsupported parameter`),
		p(CodeInvalid, "feacft", ``),
		p(RefreshInvalid, "fertft", ``),
		p(RefreshInvalid, "ferrt", ``),
	}
}

// match names the missing piece that a denial tells of.
func match(all []pattern, d Denial) Code {
	for _, p := range all {
		if (p.event == "" || p.event == d.Type) && p.re.MatchString(d.Text) {
			return p.code
		}
	}
	return UnknownDenial
}
