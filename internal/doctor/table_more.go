package doctor

import "grantd/internal/dcr"

func settingKinds() []Kind {
	return []Kind{
		{
			Code: RegistrationOff, Severity: Problem,
			Found:  "Dynamic client registration is off.",
			Breaks: "Clients cannot register: adding the server in ChatGPT or Claude fails at once.",
			Fine:   "clients can register",
			Fix:    Fix{Dashboard: settings + " → OIDC Dynamic Application Registration", Command: `auth0 api patch "tenants/settings" --data '{"flags":{"enable_dynamic_client_registration":true}}'`},
		},
		{
			Code: ResourceNotAudience, Severity: Problem,
			Found:  "Auth0 ignores the resource parameter that MCP clients send, and the default audience is not OAUTH_AUDIENCE.",
			Breaks: "Logins work, and the token is opaque or for another API: the gateway answers 401 to every call.",
			Fine:   "tokens are for the API",
			Fix:    Fix{Dashboard: settings + " → Resource Parameter Compatibility Profile", Command: `auth0 api patch "tenants/settings" --data '{"resource_parameter_profile":"compatibility"}'`},
		},
		{
			Code: CIMDWithoutDocument, Severity: Problem,
			Found:  "The tenant advertises client id metadata documents, and the document of a client that uses one is not registered.",
			Breaks: "That client stops registering and sends its document's address instead: the login ends with: Unknown client.",
			Fine:   "no client is led to an unregistered document",
			Fix: Fix{
				Dashboard: settings + " → Client ID Metadata Document Registration: off, or Applications → Create Application → Import from URL: {documents}",
				Command:   `auth0 api post "clients/cimd/register" --data '{"external_client_id":"{document}"}'`,
			},
		},
		{
			Code: RulesActive, Severity: Problem, Mode: dcr.Strict,
			Found:  "The tenant has active Rules.",
			Breaks: "Every login with a strict client fails.",
			Fine:   "no Rule is active",
			Fix:    Fix{Dashboard: "Auth Pipeline → Rules: switch each off, after moving what it does to an Action", Command: `auth0 api get "rules?enabled=true&fields=id" | jq -r '.[].id' | xargs -I{} auth0 api patch "rules/{}" --data '{"enabled":false}'`},
		},
		{
			Code: HookActive, Severity: Problem, Mode: dcr.Strict,
			Found:  "A Hook at credentials-exchange is active.",
			Breaks: "Token requests of strict clients fail.",
			Fine:   "no credentials-exchange Hook is active",
			Fix:    Fix{Dashboard: "Auth Pipeline → Hooks → Client Credentials Exchange: switch it off, after moving what it does to an Action", Command: `auth0 api get "hooks?triggerId=credentials-exchange&enabled=true&fields=id" | jq -r '.[].id' | xargs -I{} auth0 api patch "hooks/{}" --data '{"enabled":false}'`},
		},
		{
			Code: OrganizationBlocks, Severity: Warning, Mode: dcr.Strict,
			Found:  "An organization does not let third-party clients in.",
			Breaks: "Its members cannot log in to it with an MCP client: parameter organization is invalid.",
			Fine:   "no organization blocks third-party clients",
			Fix:    Fix{Dashboard: "Organizations → {organization} → Overview → Third-Party Application Access: Allow", Command: `auth0 api patch "organizations/{organization_id}" --data '{"third_party_client_access":"allow"}'`},
		},
	}
}

func grantKinds() []Kind {
	const all = "Applications → APIs → {audience} → Application Access → Default permissions for third-party applications"
	return []Kind{
		{
			Code: DefaultGrantOpen, Severity: Warning,
			Found:  "A default grant lets every third-party client reach the API.",
			Breaks: "Clients that GRANTD_ALLOWED_CLIENTS refuses reach the API all the same.",
			Fine:   "no default grant goes around the allow-list",
			Fix:    Fix{Dashboard: all, Command: `auth0 api delete "client-grants/{grant_id}"`},
		},
		{
			Code: DefaultGrantNarrower, Severity: Warning,
			Found:  "A default grant lets every third-party client reach the API, with fewer scopes than are desired.",
			Breaks: "Clients without a grant of their own get some of the tools only, the ones that GRANTD_ALLOWED_CLIENTS refuses among them.",
			Fine:   "no default grant gives less than is desired",
			Fix:    Fix{Dashboard: all, Command: `auth0 api delete "client-grants/{grant_id}"`},
		},
		{
			Code: GrantShadowsDefault, Severity: Warning,
			Found:  "A client's own grant takes the place of the default grant and holds less.",
			Breaks: "That client gets fewer tools than one that has no grant of its own.",
			Fine:   "no client's grant takes away what the default grant gives",
			Fix:    Fix{Dashboard: "Applications → the application → APIs → {audience}: tick {scopes}", Command: `auth0 api patch "client-grants/{grant_id}" --data '{"scope":{list}}'`},
		},
	}
}

func streamKinds() []Kind {
	return []Kind{
		{
			Code: StreamMissing, Severity: Problem,
			Found:  "No log stream delivers to grantd.",
			Breaks: "grantd hears of a new client by polling only, too late for a client that logs in at once.",
			Fine:   "a log stream delivers to grantd",
			Fix: Fix{
				Dashboard: streams + " → Create Stream → Custom Webhook, URL {endpoint}, Content Format JSON Lines, Authorization Token: LOG_WEBHOOK_SECRET",
				Command:   `body=$(` + withSecret + `n --arg url '{endpoint}' '{name: "grantd", type: "http", filters: ["management.success", "auth.login.fail", "auth.token_exchange.success"] | map({type: "category", name: .}), sink: {httpEndpoint: $url, httpContentFormat: "JSONLINES", httpContentType: "application/json", httpAuthorization: env.secret}}') && auth0 api post "log-streams" <<<"$body"`,
			},
		},
		{
			Code: StreamStopped, Severity: Problem,
			Found:  "The log stream to grantd is not active. Auth0 stops one whose deliveries failed for 7 days.",
			Breaks: "grantd hears of a new client by polling only, too late for a client that logs in at once.",
			Fine:   "the log stream is active",
			Fix:    Fix{Dashboard: streams + " → {stream} → Health says why; start it again there", Command: `auth0 api patch "log-streams/{stream_id}" --data '{"status":"active"}'`},
		},
		{
			Code: StreamURL, Severity: Problem,
			Found:  "The log stream that has grantd's secret delivers to another address.",
			Breaks: "Deliveries do not arrive: grantd hears of a new client by polling only.",
			Fine:   "the log stream has grantd's address",
			Fix:    Fix{Dashboard: streams + " → {stream} → Settings → Payload URL: {endpoint}", Command: readStream + `jq -e --arg url '{endpoint}' '` + wasRead + `{sink: (.sink + {httpEndpoint: $url}` + writeSink},
		},
		{
			Code: StreamFormat, Severity: Warning,
			Found:  "The log stream's content format is not JSON Lines or JSON Array.",
			Breaks: "Each entry may cost a request of its own, and the format's framing is not documented.",
			Fine:   "the log stream's format is a good one",
			Fix:    Fix{Dashboard: streams + " → {stream} → Settings → Content Format: JSON Lines", Command: readStream + `jq -e '` + wasRead + `{sink: (.sink + {httpContentFormat: "JSONLINES"}` + writeSink},
		},
		{
			Code: StreamCredential, Severity: Problem,
			Found:  "The log stream does not send LOG_WEBHOOK_SECRET.",
			Breaks: "grantd turns every delivery away and hears of a new client by polling only. After 7 days Auth0 stops the stream.",
			Fine:   "the log stream sends the right secret",
			Fix:    Fix{Dashboard: streams + " → {stream} → Settings → Authorization Token: LOG_WEBHOOK_SECRET", Command: readStream + withSecret + ` '` + wasRead + `{sink: (.sink + {httpAuthorization: env.secret}` + writeSink},
		},
		{
			Code: StreamFilters, Severity: Problem,
			Found:  "The log stream's filters leave out management.success.",
			Breaks: "Registrations do not arrive: grantd hears of a new client by polling only.",
			Fine:   "registrations pass the log stream's filters",
			Fix:    Fix{Dashboard: streams + " → {stream} → Settings → Filter by Event Category: Management API - Success, Login - Failure", Command: `auth0 api patch "log-streams/{stream_id}" --data '{"filters":{filters}}'`},
		},
		{
			Code: StreamNoDenials, Severity: Warning,
			Found:  "The log stream's filters leave out auth.login.fail.",
			Breaks: "grantd does not hear at once of a login that Auth0 denied, and mends its cause later.",
			Fine:   "denied logins pass the log stream's filters",
			Fix:    Fix{Dashboard: streams + " → {stream} → Settings → Filter by Event Category: Login - Failure", Command: `auth0 api patch "log-streams/{stream_id}" --data '{"filters":{filters}}'`},
		},
		{
			Code: WebhookUnreached, Severity: Problem,
			Found:  "GRANTD_PUBLIC_URL cannot be reached from this machine.",
			Breaks: "If Auth0 cannot reach it either, no delivery arrives.",
			Fine:   "the public address answers",
			Fix:    Fix{Command: `curl -i -X POST '{endpoint}'`, Setting: "GRANTD_PUBLIC_URL, GRANTD_LISTEN, the proxy and the firewall; grantd serve must be running"},
		},
		{
			Code: WebhookCert, Severity: Problem,
			Found:  "The certificate at GRANTD_PUBLIC_URL is not trusted, expired or for another name.",
			Breaks: "Auth0 delivers to publicly trusted certificates only: no delivery arrives.",
			Fine:   "the public address has a trusted certificate",
			Fix:    Fix{Command: `curl -v -X POST '{endpoint}'`, Setting: "a certificate by a public authority, with its intermediate certificates: at the proxy, or in GRANTD_TLS_CERT_FILE"},
		},
		{
			Code: WebhookNotGrantd, Severity: Problem,
			Found:  "What answers at GRANTD_PUBLIC_URL is not grantd's webhook.",
			Breaks: "Deliveries go elsewhere or are refused.",
			Fine:   "grantd's webhook answers there",
			Fix:    Fix{Command: `curl -i -X POST '{endpoint}'`, Setting: "the proxy must pass POST {path} to GRANTD_LISTEN, paths and headers unchanged"},
		},
		{
			Code: WebhookCertExpiry, Severity: Warning,
			Found:  "The certificate at GRANTD_PUBLIC_URL expires within 14 days.",
			Breaks: "After that no delivery arrives.",
			Fine:   "its certificate is good for 14 days and more",
			Fix:    Fix{Setting: "see why it was not renewed: most are renewed 30 days before"},
		},
	}
}

func otherKinds() []Kind {
	const cure = "Applications: delete clients that nobody uses; they register again when they are needed"
	return []Kind{
		{
			Code: CapacityLow, Severity: Warning,
			Found:  "80 % or more of what the subscription allows is used.",
			Breaks: "When all is used no client can register, or be served.",
			Fine:   "there is room for more clients",
			Fix:    Fix{Dashboard: cure, Command: "grantd clients list", Setting: "GRANTD_PLAN, if the subscription is another one"},
		},
		{
			Code: CapacityFull, Severity: Problem,
			Found:  "All that the subscription allows is used.",
			Breaks: "Registrations or grants are refused: too_many_entities. Adding the server fails.",
			Fine:   "no limit of the subscription is reached",
			Fix:    Fix{Dashboard: cure, Command: "grantd clients list", Setting: "GRANTD_PLAN, if the subscription is another one"},
		},
		{
			Code: NotLooked, Severity: Unknown,
			Found:  "It could not be looked at: a scope to look is missing, or the look failed.",
			Breaks: "Whether it is in order cannot be told.",
			Fix:    Fix{Dashboard: ownGrant + ": tick {scopes}", Command: readOwn + "+ {list} | unique" + writeOwn},
		},
	}
}
