package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/policy"
)

// diagnose makes the cause that a code stands for: what it is, who has to do
// what, and the evidence.
func (t *teller) diagnose(code Code, evidence ...string) Cause {
	c := t.remedy(code)
	c.Code, c.Evidence = code, evidence
	return c
}

// remedy is a cause without its evidence. Texts that begin in lower case stand
// after "Logins fail: ".
func (t *teller) remedy(code Code) Cause {
	if c, ok := t.remedyOfClient(code); ok {
		return c
	}
	if c, ok := t.remedyOfTenant(code); ok {
		return c
	}
	return t.remedyOfGrantd(code)
}

const addAgain = "Have the user remove the MCP server in their product and add it again, so that it registers anew"

func (t *teller) remedyOfClient(code Code) (Cause, bool) {
	person := func(text, fix string) (Cause, bool) { return Cause{Text: text, Fix: fix, Who: Person}, true }
	switch code {
	case ClientDeleted:
		return Cause{
			Text: "the client was deleted in Auth0; whoever still uses its id is refused", Who: Nobody,
			Fix: "Nothing, as long as nobody misses it. Who does removes the MCP server in their product and adds it again, so that it registers anew.",
		}, true
	case ClientUnknown:
		return person("Auth0 has no client with this id",
			"Compare the id with the denial or the product's settings, letter by letter. If it is right, the client was deleted: have the user remove the MCP server in their product and add it again, so that it registers anew.")
	case DocumentUnknown:
		c, ok := person("no application is registered for this client id metadata document, and Auth0 registers none by itself",
			"Import the document under Applications → Create Application → Import from URL; or, so that products register by DCR instead, turn client_id_metadata_document_supported off in the tenant's settings.")
		if ValidDocument(t.f.ID) { // without quotes in it, but for single ones
			c.Command = `auth0 api post clients/cimd/register --data '{"external_client_id":"` + strings.ReplaceAll(t.f.ID, "'", `'\''`) + `"}'`
		}
		return c, ok
	case Refused:
		return t.remedyOfRefused()
	case CallbackRefused:
		return t.remedyOfCallback()
	case CallbackMismatch:
		return person("the product asks to be sent back to an address that is not among the client's callbacks",
			addAgain+" with its present callback; or add the callback under Applications → the application → Settings → Allowed Callback URLs, if you know whose it is.")
	case PKCEMissing:
		return person("the product logs in without PKCE, which public and strict third-party clients must use",
			"Update the product, or tell its maker: its authorization request must carry code_challenge and code_challenge_method=S256. Nothing in Auth0 turns this off.")
	case PKCEFailed:
		return person("the code verifier does not fit the code challenge that the login began with",
			"Start the login again in the product. If it fails again the product is at fault: it must send the code_verifier of the same login.")
	case CodeInvalid:
		return person("the authorization code was used before, had expired, or was another client's",
			"Start the login again in the product and finish it without delay. If it fails again the product exchanges its code twice, or late.")
	case RefreshInvalid:
		return person("the refresh token is expired, revoked, or was used twice",
			"Have the user log in again in the product.")
	case UserDeclined:
		return person("the user did not consent, or broke the login off", "Have the user log in again and accept.")
	case ParameterRefused:
		return person("the product sends a parameter that Auth0 does not take from third-party clients",
			"Tell the product's maker which parameter Auth0 names; strict third-party clients may send the documented ones only.")
	}
	return Cause{}, false
}

func (t *teller) remedyOfRefused() (Cause, bool) {
	c := Cause{Who: Nobody, Text: "grantd does not touch this client"}
	switch t.verdict.Reason {
	case dcr.FirstParty:
		c.Text = "the client is first-party, and grantd serves third-party clients only"
		c.Fix = "If its logins fail, look at the application itself: Applications → the application → APIs and Connections."
	case dcr.OwnClient:
		c.Text = "this is the application grantd itself calls Auth0 with; nobody logs in with it"
	case dcr.GlobalClient:
		c.Text = "this is the tenant's global client; nobody logs in with it"
	case dcr.MachineToMachine:
		c.Text = "it is a machine-to-machine application; nobody logs in with it"
	}
	return c, true
}

// remedyOfCallback says what to add to the allow-list, to the letter.
func (t *teller) remedyOfCallback() (Cause, bool) {
	c := Cause{Who: Person, Text: "one of its callbacks is not on the allow-list, so grantd gave it nothing"}
	switch {
	case t.verdict.Reason == dcr.NoCallbacks:
		c.Text = "it has no callback, so nothing says where its logins would go, and grantd gave it nothing"
		c.Fix = addAgain + " with a callback."
		return c, true
	case t.f.Live.Client == nil: // the ledger keeps some, and those shortened
		c.Fix = "Run grantd explain again when Auth0 answers: it then says what to add to GRANTD_ALLOWED_CLIENTS if you trust whoever gets logins there."
		return c, true
	}
	missing, no := t.entries(t.f.Live.Client.Callbacks)
	if no != "" {
		c.Fix, c.Who = "Do nothing: "+no+".", Nobody
		return c, true
	}
	c.Fix = fmt.Sprintf("If you trust whoever gets logins there, set GRANTD_ALLOWED_CLIENTS=%s and reload grantd; if not, do nothing, or delete the application.",
		setValue(strings.Join(append(t.f.Policy.Entries(), missing...), ",")))
	return c, true
}

// entries are those that the allow-list lacks for callbacks, each of which allows
// its callback and no preset's name or pattern that a stranger chose; or why
// there are none to be told.
func (t *teller) entries(uris []string) (missing []string, no string) {
	known, _ := policy.Parse(policy.Presets()) // they are right
	for i, uri := range uris {
		if _, ok := t.f.Policy.MatchURI(uri); ok && i < policy.MaxCallbacks {
			continue
		}
		entry := uri
		if product, ok := known.MatchURI(uri); ok {
			entry = product
		} else if !canStand(uri) {
			return nil, "no pattern can allow " + quote(display.Line(uri, maxURI)) + " safely"
		}
		if !slices.Contains(missing, entry) {
			missing = append(missing, entry)
		}
		if len(missing) > maxCallbacks || i >= policy.MaxCallbacks {
			return nil, fmt.Sprintf("it has %d callbacks, and those of a product are few and known", len(uris))
		}
	}
	return missing, ""
}

// canStand reports whether a callback can stand on the allow-list as it is.
func canStand(uri string) bool {
	p, err := policy.Parse([]string{uri})
	if err != nil || p.AllowsAny() || strings.Contains(uri, "'") || display.Line(uri, maxURI) != uri {
		return false
	}
	_, itself := p.MatchURI(uri)
	return itself
}

// setValue is a value as an env file and a shell take it: in quotes where it has
// to be.
func setValue(s string) string {
	if regexp.MustCompile(`^[A-Za-z0-9:/._,{}%+=@*-]*$`).MatchString(s) {
		return s
	}
	return "'" + s + "'"
}

func (t *teller) remedyOfTenant(code Code) (Cause, bool) {
	d := t.f.Desired
	audience := display.Line(d.Audience, maxURI)
	person := func(text, fix string) (Cause, bool) { return Cause{Text: text, Fix: fix, Who: Person}, true }
	switch code {
	case RegistrationOff:
		return person("dynamic client registration is off, so products cannot register anew",
			"Auth0 dashboard → Settings → Advanced → OIDC Dynamic Application Registration.")
	case APINotFound:
		return person("the tenant has no API with the identifier "+audience,
			"Create it under Applications → APIs with exactly this identifier, or correct OAUTH_AUDIENCE; a trailing slash counts.")
	case WrongAudience:
		return person("the product asks for an API that is not the one clients are granted, "+audience,
			"Make the gateway's protected-resource metadata name resource "+audience+" to the letter (a trailing slash counts), or set OAUTH_AUDIENCE to the API it names. grantd metadata prints the document.")
	case APIDeniesUsers:
		return person("the API denies every user, whatever grants there are",
			"Auth0 dashboard → Applications → APIs → "+audience+" → Settings → Application Access Policy → User Access: Allow via client grant.")
	case SigningAlg:
		return person("the API's tokens are signed in a way the gateway cannot verify", "Set the API's signing algorithm to RS256.")
	case ResourceIgnored:
		return Cause{
			Text:    "Auth0 ignores the resource parameter that MCP clients send and no default audience stands in for it, so tokens are of no use at the API and the tool list stays empty",
			Fix:     "Auth0 dashboard → Settings → Advanced → Resource Parameter Compatibility Profile: on.",
			Command: `auth0 api patch tenants/settings --data '{"resource_parameter_profile":"compatibility"}'`, Who: Person,
		}, true
	case ScopesUndefined:
		return person("the API does not define every desired scope, so tokens lack them and tools stay hidden",
			"Define the scopes under Applications → APIs → "+audience+" → Permissions.")
	case RefreshNotAllowed:
		return person("the API does not allow offline access, so there are no refresh tokens and each login ends with its access token",
			"Auth0 dashboard → Applications → APIs → "+audience+" → Settings → Allow Offline Access: on.")
	case GrantShadowsDefault:
		return person("the client's own grant takes precedence over the default grant for third-party clients, and holds less",
			"Add the scopes it lacks to TOOL_SCOPES, or delete the default grant.")
	case NotDomainLevel:
		return t.remedyOfLevel()
	case ConnectionNotFound:
		return person("the tenant has no connection named "+t.connection(), "Correct GOOGLE_CONNECTION_NAME, or create the connection under Authentication.")
	case ConnectionInactive:
		return person("the connection that its users come through is switched off, or not the one they were sent to",
			"Auth0 dashboard → Authentication → "+t.connection()+" → Settings: let it be used for authentication again.")
	case OrganizationBlocks:
		return person("the organization does not let third-party clients in", "Set third_party_client_access of the organization to allow, and enable a domain-level connection for it.")
	case RulesActive:
		return person("a Rule is active, and with one no strict third-party client can log in",
			"Auth0 dashboard → Auth Pipeline → Rules: move what it does to a post-login Action and switch the Rule off.")
	case HookActive:
		return person("a credentials-exchange Hook is active, and with one no strict third-party client can log in",
			"Auth0 dashboard → Auth Pipeline → Hooks: move what it does to an Action and switch the Hook off.")
	}
	return Cause{}, false
}

func (t *teller) remedyOfLevel() (Cause, bool) {
	name := t.connection()
	c := Cause{
		Who:  Person,
		Text: "third-party clients log in through domain-level connections only, and " + name + " is not one",
		Fix:  dcr.PromoteConnection(name).String(),
	}
	for _, l := range t.f.Live.Connections {
		if l.Connection != nil && !l.Connection.DomainLevel && plainID(l.Connection.ID) {
			c.Command = `auth0 api patch connections/` + l.Connection.ID + ` --data '{"is_domain_connection":true}'`
			break
		}
	}
	return c, true
}

// plainID reports whether s can stand in a shell command as it is.
func plainID(s string) bool { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(s) }

// connection is the desired connection at fault, as far as that is known.
func (t *teller) connection() string {
	for _, c := range t.f.Live.Connections {
		if c.Connection == nil || !c.Connection.DomainLevel || c.Connection.Inactive {
			return display.Line(c.Name, maxShort)
		}
	}
	return display.Line(strings.Join(t.f.Desired.Connections, ", "), maxShort)
}

func (t *teller) remedyOfGrantd(code Code) Cause {
	grantd := func(text string) Cause { return Cause{Text: text, Who: Grantd} }
	reason := func(r dcr.Reason, text string) Cause {
		return Cause{Text: text, Fix: r.Info().Fix.String(), Who: Person}
	}
	switch code {
	case GrantMissing:
		return grantd("it has no grant for the API, so Auth0 refuses it before any login")
	case ScopesMissing:
		return grantd("its grant does not hold every desired scope")
	case NotConnected:
		return grantd("no connection is open to it, so nobody can log in")
	case NotPromoted:
		return grantd("its application type, authentication method or grant types are not those of a login")
	case Waiting:
		c := grantd("grantd has not brought it to the desired state yet")
		c.Command = "grantd sync"
		return c
	case RateLimited:
		return grantd("Auth0's rate limit keeps grantd waiting")
	case Unreachable:
		return Cause{Text: "grantd cannot reach Auth0, so nothing missing is made and nothing could be looked up", Fix: dcr.Unreachable.Info().Fix.String(), Who: Person}
	case TokenRefused:
		return reason(dcr.TokenRefused, "Auth0 refuses grantd a Management API token, so nothing missing is made")
	case ScopeMissing:
		return reason(dcr.MissingScope, "grantd's own application lacks a Management API scope, so something missing is not made")
	case LimitReached:
		return reason(dcr.LimitReached, "the tenant has as many applications or grants as its plan allows, so no grant can be made")
	case ScopesRejected:
		return reason(dcr.ScopesRejected, "Auth0 refused the scopes of its grant")
	case ScopesUnknown:
		return reason(dcr.ScopesUnknown, "no scope source has ever told any scope, so nothing is granted")
	case Rejected:
		return reason(dcr.RejectedByAuth0, "Auth0 refused a change the client needs")
	case HeldBack:
		return reason(dcr.Held, "a hold keeps grantd from giving it what it lacks")
	case SwitchedOff:
		return reason(dcr.SwitchedOff, "somebody switched grantd off for this client, and it lacks something")
	case Fighting:
		return reason(dcr.Fighting, "somebody undoes what grantd does, so grantd leaves it alone for a while")
	case Storm:
		return reason(dcr.RegistrationStorm, "it registered among so many others that it has to wait")
	case DryRun:
		return Cause{Text: "GRANTD_DRY_RUN is on, so nothing is written", Fix: dcr.DryRun.Info().Fix.String(), Who: Person}
	case StreamStopped:
		return reason(dcr.LogStreamStopped, "the tenant's log stream does not bring everything, so grantd hears of it late")
	case NoDaemon:
		return Cause{Text: "no grantd daemon runs here, so nobody does what is due", Fix: "Start it: grantd serve. Or do it once: grantd sync.", Command: "grantd sync", Who: Person}
	default:
		return Cause{Text: "Auth0 refused it with words that grantd does not know",
			Fix: "Read the entry under Monitoring → Logs; the evidence has its time and words.", Who: Person}
	}
}
