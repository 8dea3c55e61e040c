package config

import (
	"strconv"
	"strings"

	"grantd/internal/plan"
)

// The groups of the table.
const (
	groupTenant  = "Auth0 tenant"
	groupDesired = "What every eligible client shall have"
	groupPolicy  = "Which clients may be touched"
	groupFeeds   = "How grantd hears of clients"
	groupListen  = "Listeners"
	groupTLS     = "TLS"
	groupState   = "State"
	groupNotify  = "Notifications"
	groupOutput  = "Logs and limits"
	groupSetup   = "For grantd setup alone"
)

// Variables is the table of variables, in the order of the documentation.
func Variables() []Variable {
	var all []Variable
	for _, group := range [][]Variable{tenantVariables(), desiredVariables(), policyVariables(),
		feedVariables(), listenVariables(), tlsVariables(), stateVariables(), notifyVariables(), outputVariables(), setupVariables()} {
		all = append(all, group...)
	}
	return all
}

func tenantVariables() []Variable {
	return []Variable{
		text(Variable{
			Name: "MGMT_DOMAIN", Alias: "AUTH0_TENANT_DOMAIN", Group: groupTenant,
			Required: true, Restart: true, Example: "acme.eu.auth0.com",
			Help:    "Your tenant's domain: the host alone, without https:// and without a slash. Take the one that Auth0 gave you, not a custom domain: Auth0 accepts Management API tokens for that one only. The ledger belongs to this tenant.",
			missing: "write your tenant's domain, such as acme.eu.auth0.com",
		}, func(c *Config) *string { return &c.Domain }, parseDomain),
		text(Variable{
			Name: "MGMT_CLIENT_ID", Group: groupTenant,
			Required: true, Example: "fT0cVYpKe8JrRj5xQ2bWnAz4uLsGhD7m",
			Help:    "Client ID of the machine-to-machine application that grantd logs in with. docs/auth0-setup.md lists the permissions it needs. Change it together with MGMT_CLIENT_SECRET.",
			missing: "copy it from the Settings of the machine-to-machine application",
		}, func(c *Config) *string { return &c.ClientID }, parseClientID),
		hidden(Variable{
			Name: "MGMT_CLIENT_SECRET", Group: groupTenant, Required: true,
			Help:    "Client secret of the same application. To rotate it: rotate it in Auth0, write the new one here, reload. Until the new one brings a token, grantd goes on with the token it has.",
			missing: "set it, or MGMT_CLIENT_SECRET_FILE, or the systemd credential mgmt_client_secret",
		}, func(c *Config) *Secret { return &c.ClientSecret }, 1),
		func() Variable {
			v := text(Variable{
				Name: "GRANTD_MGMT_URL", Group: groupTenant, Restart: true, Computed: "https://$MGMT_DOMAIN",
				Example: "https://auth0.internal.example.com:8443",
				Help:    "Where to send calls to the tenant (the Management API, the token endpoint and the signing keys) if not to https://$MGMT_DOMAIN: for private clouds and tests. Scheme, host and port only; plain http for this machine only. The token's audience stays https://$MGMT_DOMAIN/api/v2/.",
			}, func(c *Config) *string { return &c.MgmtURL }, parseBaseURL)
			v.fallback = func(_ func(string) string, c *Config) (string, error) {
				if c.Domain == "" {
					return "", nil // reported already
				}
				return "https://" + c.Domain, nil
			}
			return v
		}(),
		func() Variable {
			v := text(Variable{
				Name: "GRANTD_PLAN", Group: groupTenant, Computed: "guessed from the tenant's rate limit", Example: "essentials",
				Help: "The tenant's Auth0 subscription: free, essentials, professional or enterprise. Auth0 does not tell, and it says how many applications and grants the tenant may have, of which every client that registers takes one.",
			}, func(c *Config) *TenantPlan { return &c.TenantPlan }, oneOf(TenantPlans()...))
			v.show = func(c *Config) string {
				if c.TenantPlan == "" {
					return "guessed"
				}
				return string(c.TenantPlan)
			}
			return v
		}(),
	}
}

func desiredVariables() []Variable {
	return []Variable{
		text(Variable{
			Name: "OAUTH_AUDIENCE", Group: groupDesired,
			Required: true, Restart: true, Example: "https://mcp.example.com/mcp",
			Help:    "Identifier of your API in Auth0, byte for byte: a slash at the end counts. It must equal the resource of your MCP server. The ledger belongs to this audience: another one needs grantd serve --accept-audience-change, once, and grants that clients have for it count as from before grantd.",
			missing: "write the API's Identifier as Auth0 shows it",
		}, func(c *Config) *string { return &c.Audience }, parseAudience),
		list(Variable{
			Name: "TOOL_SCOPES", Group: groupDesired, Example: "tools:read tools:call",
			Help: "Scopes that every eligible client shall be granted, separated by commas or spaces. Those of REQUIRED_SCOPES, TOOL_SCOPES_FILE and TOOL_SCOPES_URL are added to them; at least one of the four must be set. openid, profile, email, address, phone and offline_access are never scopes of an API and are left out.",
		}, func(c *Config) *[]string { return &c.ToolScopes }, parseScopes),
		list(Variable{
			Name: "REQUIRED_SCOPES", Group: groupDesired, Example: "mcp:connect",
			Help: "More scopes of the same kind, usually those your gateway asks of every request.",
		}, func(c *Config) *[]string { return &c.RequiredScopes }, parseScopes),
		text(Variable{
			Name: "TOOL_SCOPES_FILE", Group: groupDesired, Example: "/etc/grantd/scopes",
			Help: "A file of more scopes, separated by newlines, commas or spaces, with comments from # to the end of the line. It is watched: what is added to it is granted at once, what is taken out goes when the file has read the same for 30 seconds, or at once at a start and by SIGHUP. A file that is missing, empty or broken takes nothing away; until it could be read for the first time, nothing is granted.",
		}, func(c *Config) *string { return &c.ScopesFile }, parseScopesFile),
		text(Variable{
			Name: "TOOL_SCOPES_URL", Group: groupDesired, Example: "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
			Help: "Your MCP server's protected-resource metadata (RFC 9728), whose scopes_supported are granted too. Its resource must equal OAUTH_AUDIENCE. It is fetched every minute by https (plain http for this machine only), and no redirect to another origin is followed. What it adds is granted at once, what it takes away goes when it has said the same for 30 seconds, or at once at a start and by SIGHUP. A server that fails or names no scopes takes nothing away; until it has answered for the first time, nothing is granted.",
		}, func(c *Config) *string { return &c.ScopesURL }, parseScopesURL),
		{
			Name: "GRANTD_SCOPE_CEILING", Group: groupDesired, Example: "tools:*,mcp:connect",
			Help:  "The most that TOOL_SCOPES_FILE and TOOL_SCOPES_URL may ask for: scopes, or beginnings of scopes followed by *, separated by commas or spaces. What lies beyond is left out, with a line in the log. Not set is no limit.",
			parse: parseCeiling,
			show:  func(c *Config) string { return c.ScopeCeiling.String() },
		},
		text(Variable{
			Name: "GRANTD_SCOPE_MODE", Group: groupDesired, Default: string(plan.Exact),
			Help: "exact: a grant holds the scopes above and no others. additive: grantd adds what is missing and leaves what is there.",
		}, func(c *Config) *plan.ScopeMode { return &c.ScopeMode }, oneOf(plan.Exact, plan.Additive)),
		list(Variable{
			Name: "GOOGLE_CONNECTION_NAME", Group: groupDesired, Default: "google-oauth2", Example: "google-oauth2,corp-oidc",
			Help: "Names of the connections that users log in with, separated by commas. Any connection will do, in spite of the variable's name.",
		}, func(c *Config) *[]string { return &c.Connections }, parseConnections),
		text(Variable{
			Name: "GRANTD_CONNECTION_LEVEL", Group: groupDesired, Default: string(plan.ClientLevel),
			Help: "domain lets grantd promote these connections to domain level, once. That opens them to every third-party application of the tenant, which is why it is not the default. With client, somebody has to promote them by hand before a strict client (its id begins with tpc_) can log in; it is shown as blocked until then.",
		}, func(c *Config) *plan.ConnectionLevel { return &c.ConnectionLevel }, oneOf(plan.ClientLevel, plan.DomainLevel)),
		flag(Variable{
			Name: "GRANTD_DRY_RUN", Group: groupDesired, Default: "false",
			Help: "true: never write to Auth0. Clients stay pending with the reason dry_run and show what would be done.",
		}, func(c *Config) *bool { return &c.DryRun }),
	}
}

func policyVariables() []Variable {
	v := list(Variable{
		Name: "GRANTD_ALLOWED_CLIENTS", Group: groupPolicy, Default: "chatgpt",
		Example: "chatgpt,claude,https://agent.example.com/oauth/{id}/callback",
		Help:    "Registration is open to anybody, so grantd touches a client only if every one of its redirect URIs is on this list. Entries, separated by commas: the presets chatgpt, claude and mcp-inspector; an exact redirect URI; one with {id} for a single path segment of letters, digits, - and _; http://localhost:*/path or http://127.0.0.1:*/path for any port. any allows every third-party client there is, and is warned of at each start.",
	}, func(c *Config) *[]string { return &c.AllowedClients }, splitCommas)
	v.parse = parseAllowed
	return []Variable{
		v,
		flag(Variable{
			Name: "GRANTD_REVOKE", Group: groupPolicy, Default: "false",
			Help: "true: when a client that grantd made ready no longer fits this list (its redirect URIs were changed, or the list was), the scopes of its grant are taken away. Without it the client is refused with an alarm in the log, and keeps what it has. grantd revert gives the scopes back.",
		}, func(c *Config) *bool { return &c.Revoke }),
		number(Variable{
			Name: "GRANTD_STORM_AFTER", Group: groupPolicy, Default: "20",
			Help: "How many eligible clients may register in 10 minutes before it counts as a storm: an alarm is raised, and those beyond wait behind everything else. Nothing is lost.",
		}, func(c *Config) *int { return &c.StormAfter }, 1_000_000),
		flag(Variable{
			Name: "GRANTD_STORM_HOLD", Group: groupPolicy, Default: "false",
			Help: "true: those beyond are held until somebody releases them (grantd hold release --reason registration_storm). Anybody can register clients, and so stop yours from being served; that is why it is not the default.",
		}, func(c *Config) *bool { return &c.StormHold }),
	}
}

func feedVariables() []Variable {
	return []Variable{
		hidden(Variable{
			Name: "LOG_WEBHOOK_SECRET", Alias: "WEBHOOK_SHARED_SECRET", Group: groupFeeds, Required: true,
			Help:    "What Auth0's log stream must send as its Authorization header, with or without the word Bearer before it. At least 16 bytes, and none that looks like an example; openssl rand -hex 32 prints a good one.",
			missing: makeSecret,
		}, func(c *Config) *Secret { return &c.WebhookSecret }, minSecretLen),
		hidden(Variable{
			Name: "LOG_WEBHOOK_SECRET_PREVIOUS", Group: groupFeeds,
			Help: "Accepted too. To rotate the secret without losing a delivery: move the old one here, set the new one, reload, change the log stream, then empty this.",
		}, func(c *Config) *Secret { return &c.WebhookSecretPrevious }, minSecretLen),
		text(Variable{
			Name: "GRANTD_WEBHOOK_PATH", Group: groupFeeds, Default: "/auth0-log-webhook", Restart: true,
			Help: "Path of the webhook on the public listener.",
		}, func(c *Config) *string { return &c.WebhookPath }, parseWebhookPath),
		text(Variable{
			Name: "GRANTD_POLL_SCHEDULE", Group: groupFeeds, Default: "@every 15s", Example: "*/5 * * * *",
			Help: "When to look into the tenant's log for what the webhook may have missed: five cron fields, optionally after CRON_TZ=Europe/Berlin, or @every and a duration of whole seconds. off stops it.",
		}, func(c *Config) *string { return &c.PollSchedule }, parseSchedule),
		text(Variable{
			Name: "GRANTD_SWEEP_SCHEDULE", Group: groupFeeds, Default: "@every 1h", Example: "30 3 * * *",
			Help: "When to compare every client with Auth0, in the same form. They are listed, a hundred a call, and not read one by one. off stops the schedule; sweeps at a start (unless one ended within the hour before), after a change of configuration and by command stay.",
		}, func(c *Config) *string { return &c.SweepSchedule }, parseSchedule),
	}
}

func listenVariables() []Variable {
	return []Variable{
		text(Variable{
			Name: "GRANTD_LISTEN", Group: groupListen, Default: "127.0.0.1:8080", Restart: true, Example: "0.0.0.0:8080",
			Help: "Address of the public listener, for the webhook and health. Auth0 delivers to public HTTPS only: have a proxy with a certificate in front of it, or give grantd one (TLS, below). docs/tls.md says which.",
		}, func(c *Config) *string { return &c.Listen }, parseAddress),
		text(Variable{
			Name: "GRANTD_PUBLIC_URL", Group: groupListen, Example: "https://grantd.example.com",
			Help: "The address by which Auth0 reaches the public listener: https, the host and, if need be, a port. grantd doctor tries it, and grantd setup gives it to the log stream; nothing else needs it.",
		}, func(c *Config) *string { return &c.PublicURL }, parseBaseURL),
		listenOff(Variable{
			Name: "GRANTD_ADMIN_LISTEN", Group: groupListen, Default: "127.0.0.1:8081", Restart: true,
			Help: "Address of the read-only admin listener: JSON API and metrics. off disables it. An address that other machines can reach needs GRANTD_ADMIN_TOKEN.",
		}, func(c *Config) *string { return &c.AdminListen }),
		hidden(Variable{
			Name: "GRANTD_ADMIN_TOKEN", Group: groupListen,
			Help: "What the admin listener asks for, as a bearer token or as the password of basic authentication. Without one it answers only requests for localhost, 127.0.0.1 and [::1]. Where other machines can reach the listener, it needs at least 16 bytes, and none that looks like an example.",
		}, func(c *Config) *Secret { return &c.AdminToken }, 1),
		{
			Name: "GRANTD_TRUSTED_PROXIES", Group: groupListen, Example: "10.0.0.2,fd00::/8",
			Help:  "Addresses or networks (CIDR) of the proxies in front of the public listener, separated by commas or spaces. X-Forwarded-For is believed from them and from nobody else; it tells who was turned away, in the log.",
			parse: parseProxies,
			show:  func(c *Config) string { return joinPrefixes(c.TrustedProxies) },
		},
	}
}

func stateVariables() []Variable {
	dir := text(Variable{
		Name: "GRANTD_STATE_DIR", Group: groupState, Restart: true, Example: "/var/lib/grantd",
		Computed: "$STATE_DIRECTORY (set by systemd), else $XDG_STATE_HOME/grantd, else ~/.local/state/grantd",
		Help:     "Directory of the ledger (grantd.db) and the cached Management API token (token.json).",
	}, func(c *Config) *string { return &c.StateDir }, parseDir)
	dir.fallback = defaultStateDir
	socket := text(Variable{
		Name: "GRANTD_SOCKET", Group: groupState, Restart: true, Example: "/run/grantd/grantd.sock",
		Computed: "grantd.sock in the state directory",
		Help:     "Unix socket by which the commands reach the running daemon. " + "Its path may have " + strconv.Itoa(docSocketPath) + " bytes on Linux.",
	}, func(c *Config) *string { return &c.Socket }, parseSocket)
	socket.fallback = defaultSocket
	return []Variable{
		dir, socket,
		number(Variable{
			Name: "GRANTD_JOURNAL_MAX_DAYS", Group: groupState, Default: "400",
			Help: "How many days the journal of what grantd changed in Auth0 goes back. Older entries are forgotten.",
		}, func(c *Config) *int { return &c.JournalMaxDays }, 36_500),
		number(Variable{
			Name: "GRANTD_JOURNAL_MAX_MIB", Group: groupState, Default: "64",
			Help: "How much disk the journal may take, in MiB. Beyond it the oldest entries are forgotten.",
		}, func(c *Config) *int { return &c.JournalMaxMiB }, 1_000_000),
	}
}

func notifyVariables() []Variable {
	v := hidden(Variable{
		Name: "GRANTD_NOTIFY_URL", Group: groupNotify,
		Help: "Where to post a line, as JSON that Slack and what is compatible with it take, when a client becomes ready for the first time, is blocked or is refused, when a hold is set or ends, when somebody undoes grantd's changes again and again, when the log stream stops, and when four fifths of the tenant's applications or grants are taken. Such an address is a secret. https, or plain http for this machine only. Not set is none.",
	}, func(c *Config) *Secret { return &c.NotifyURL }, 1)
	v.parse = func(c *Config, raw string) error {
		s, err := parseNotifyURL(raw)
		if err == nil {
			c.NotifyURL = NewSecret(s)
		}
		return err
	}
	return []Variable{v}
}

func setupVariables() []Variable {
	return []Variable{hidden(Variable{
		Name: "GRANTD_SETUP_TOKEN", Group: groupSetup,
		Help: "A Management API token of your own for grantd setup, which may change more than the daemon ever should. Make one when you need it and throw it away; it does not belong into the daemon's env file, and the daemon does not use it.",
	}, func(c *Config) *Secret { return &c.SetupToken }, 1)}
}

func outputVariables() []Variable {
	return []Variable{
		text(Variable{
			Name: "GRANTD_LOG_FORMAT", Group: groupOutput, Default: string(LogText), Restart: true,
			Help: "text or json.",
		}, func(c *Config) *LogFormat { return &c.LogFormat }, oneOf(LogText, LogJSON)),
		{
			Name: "GRANTD_LOG_LEVEL", Group: groupOutput, Default: "info",
			Help:  "debug, info, warn or error.",
			parse: parseLevel,
			show:  func(c *Config) string { return strings.ToLower(c.LogLevel.String()) },
		},
		{
			Name: "GRANTD_MGMT_RPS", Group: groupOutput, Example: "2",
			Computed: "learned from Auth0's response headers",
			Help:     "Upper bound on Management API calls per second, for a tenant that grantd shares with others. A fraction will do.",
			parse:    parseRPS,
			show: func(c *Config) string {
				if c.MgmtRPS == 0 {
					return "learned"
				}
				return strconv.FormatFloat(c.MgmtRPS, 'g', -1, 64)
			},
		},
	}
}
