package explain_test

import (
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/explain"
	"grantd/internal/plan"
)

// finding is one of the tenant as a whole.
func finding(c doctor.Code, mode dcr.SecurityMode, fix doctor.Fix) func(*explain.Facts) {
	return func(f *explain.Facts) {
		f.Findings = append(f.Findings, doctor.Finding{Code: c, Severity: doctor.Problem, Message: "it is so", Mode: mode, Fix: fix})
	}
}

func all(edits ...func(*explain.Facts)) func(*explain.Facts) {
	return func(f *explain.Facts) {
		for _, edit := range edits {
			edit(f)
		}
	}
}

// The most common ways in which a login fails, each with the cause that is
// named first, what is quoted as evidence, and the exact fix.
func TestCommonFailures(t *testing.T) {
	min := time.Minute
	for name, tt := range map[string]struct {
		situation func(*explain.Facts)
		code      explain.Code
		evidence  string
		fix       string
		command   string
		who       explain.Who
	}{
		"missing client grant at /authorize": {
			all(noGrant, phase(dcr.Pending, dcr.Unchecked, ""), denied(t, "f", `Client "`+clientID+`" is not authorized to access resource server "`+audience+`"`, min)),
			explain.GrantMissing, `“Client "` + clientID + `" is not authorized`, "", "", explain.Grantd,
		},
		"missing client grant, refused by the allow-list": {
			all(noGrant, phase(dcr.Refused, dcr.CallbackNotAllowed, "x"), func(f *explain.Facts) {
				f.Live.Client.Callbacks = []string{"https://claude.ai/api/mcp/auth_callback"}
			}, denied(t, "f", `Client "`+clientID+`" is not authorized to access resource server "`+audience+`"`, min)),
			explain.CallbackRefused, `callback "https://claude.ai/api/mcp/auth_callback" (1 of 1) is not on the allow-list`,
			"set GRANTD_ALLOWED_CLIENTS=chatgpt,claude", "", explain.Person,
		},
		"wrong audience": {
			denied(t, "f", "Service not found: https://other.example.com", min),
			explain.WrongAudience, "“Service not found: https://other.example.com”", "name resource " + audience + " to the letter", "", explain.Person,
		},
		"trailing slash": {
			denied(t, "f", "Service not found: "+audience+"/", min),
			explain.WrongAudience, "Service not found", "a trailing slash counts", "", explain.Person,
		},
		"API missing": {
			all(noGrant, func(f *explain.Facts) { f.Live.API.API = nil }, denied(t, "f", "Service not found: "+audience, min)),
			explain.APINotFound, "Service not found: " + audience, "Create it under Applications → APIs", "", explain.Person,
		},
		"unknown client, deleted": {
			all(func(f *explain.Facts) { f.Live = explain.Live{Missing: true} }, denied(t, "f", "Unknown client: "+clientID, min)),
			explain.ClientDeleted, "404", "remove the MCP server in their product and add it again", "", explain.Person,
		},
		"unknown client, unregistered document": {
			all(func(f *explain.Facts) {
				f.ID, f.Record, f.Live = "https://claude.ai/oauth/meta", nil, explain.Live{Missing: true}
			}, denied(t, "f", "Unknown client: https://claude.ai/oauth/meta", min)),
			explain.DocumentUnknown, "external_client_id", "Import the document",
			`auth0 api post clients/cimd/register --data '{"external_client_id":"https://claude.ai/oauth/meta"}'`, explain.Person,
		},
		"an unregistered document beside another": {
			all(func(f *explain.Facts) {
				f.ID, f.Record, f.Live = "https://claude.ai/oauth/it's", nil, explain.Live{Missing: true}
				finding(doctor.CIMDWithoutDocument, "", doctor.Fix{Command: "auth0 api post of another"})(f)
				f.Findings[0].Subject, f.Findings[0].Message = "ChatGPT", "another one"
			}, denied(t, "f", "Unknown client: https://claude.ai/oauth/it's", min)),
			explain.DocumentUnknown, "“Unknown client: https://claude.ai/oauth/it's”", "Import the document",
			`auth0 api post clients/cimd/register --data '{"external_client_id":"https://claude.ai/oauth/it'\''s"}'`, explain.Person,
		},
		"callback mismatch": {
			denied(t, "f", "Callback URL mismatch. https://chatgpt.com/connector/oauth/new is not in the list of allowed callback URLs", min),
			explain.CallbackMismatch, "https://chatgpt.com/connector/oauth/new", "so that it registers anew", "", explain.Person,
		},
		"organization not opted in": {
			denied(t, "f", "invalid_request: parameter organization is invalid: org_kUlZkhnQWYKaYljn", min),
			explain.OrganizationBlocks, "org_kUlZkhnQWYKaYljn", "third_party_client_access", `auth0 api patch organizations/org_kUlZkhnQWYKaYljn --data '{"third_party_client_access":"allow"}'`, explain.Person,
		},
		"connection not domain-level": {
			all(phase(dcr.Blocked, dcr.ConnectionNotDomainLevel, "x"), func(f *explain.Facts) {
				f.Live.Connections[0].Connection.DomainLevel = false
			}, denied(t, "f", "no connections enabled for the client", min)),
			explain.NotDomainLevel, "“no connections enabled for the client”", "Promote Connection to Domain Level",
			`auth0 api patch connections/con_1 --data '{"is_domain_connection":true}'`, explain.Person,
		},
		"connection enabled for a permissive client alone": {
			all(func(f *explain.Facts) {
				f.ID, f.Live.Client.ID, f.Live.Client.ThirdPartySecurityMode = "ordinary", "ordinary", dcr.Permissive
				f.Live.Connections[0] = plan.Connection{Name: "google-oauth2", Connection: &dcr.Connection{ID: "con_1"}, Enabled: plan.Yes}
			}, denied(t, "f", "no connections enabled for the client", min)),
			explain.NotDomainLevel, "no connections enabled", "Promote Connection to Domain Level", "", explain.Person,
		},
		"connection inactive": {
			all(func(f *explain.Facts) { f.Live.Connections[0].Connection.Inactive = true }, denied(t, "f", "the connection is disabled", min)),
			explain.ConnectionInactive, "“the connection is disabled”", "Authentication → google-oauth2", "", explain.Person,
		},
		"Rules with a strict client": {
			finding(doctor.RulesActive, dcr.Strict, doctor.Fix{Dashboard: "Auth Pipeline → Rules: switch “old” off"}),
			explain.RulesActive, "rules_active", "switch “old” off", "", explain.Person,
		},
		"Hook with a strict client": {
			finding(doctor.HookActive, dcr.Strict, doctor.Fix{}),
			explain.HookActive, "credentials_exchange_hook_active", "move what it does to an Action", "", explain.Person,
		},
		"API denies users": {
			denied(t, "f", `Client "`+clientID+`" is not authorized to access resource server "`+audience+`"`, min),
			explain.APIDeniesUsers, "Auth0 has the grant since", "Application Access Policy", "", explain.Person,
		},
		"invalid authorization code": {
			denied(t, "feacft", "Invalid authorization code", min),
			explain.CodeInvalid, "(feacft): “Invalid authorization code”", "Start the login again", "", explain.Person,
		},
		"PKCE missing": {
			denied(t, "f", "Parameter 'code_challenge' is required.", min),
			explain.PKCEMissing, "code_challenge", "code_challenge_method=S256", "", explain.Person,
		},
		"PKCE failed": {
			denied(t, "feacft", "Failed to verify code verifier", min),
			explain.PKCEFailed, "Failed to verify code verifier", "code_verifier of the same login", "", explain.Person,
		},
		"refresh fails for want of allow_offline_access": {
			all(func(f *explain.Facts) {
				f.Findings = []doctor.Finding{{Code: doctor.APINoOfflineAccess, Severity: doctor.Warning, Message: "off", Fix: doctor.Fix{Dashboard: "APIs → Allow Offline Access"}}}
			}, denied(t, "fertft", "Unknown or invalid refresh token.", min)),
			explain.RefreshNotAllowed, "(fertft): “Unknown or invalid refresh token.”", "Allow Offline Access", "", explain.Person,
		},
		"the API says that it allows no offline access": {
			all(func(f *explain.Facts) { f.Live.API.API.SigningAlg = "RS256" }, denied(t, "fertft", "Unknown or invalid refresh token.", min)),
			explain.RefreshNotAllowed, "(fertft)", "Allow Offline Access: on", "", explain.Person,
		},
		"the API says that it denies users": {
			func(f *explain.Facts) { f.Live.API.API.UserPolicy = dcr.DenyAll },
			explain.APIDeniesUsers, "deny_all", "Application Access Policy", "", explain.Person,
		},
		"the API denies users, and doctor knows the command": {
			all(func(f *explain.Facts) { f.Live.API.API.UserPolicy = dcr.DenyAll },
				finding(doctor.APIDeniesUsers, "", doctor.Fix{Dashboard: "APIs → notes → User Access", Command: "auth0 api patch resource-servers/5f"})),
			explain.APIDeniesUsers, "deny_all", "APIs → notes → User Access", "auth0 api patch resource-servers/5f", explain.Person,
		},
		"refresh token spent": {
			denied(t, "fertft", "Unknown or invalid refresh token.", min),
			explain.RefreshInvalid, "Unknown or invalid refresh token", "log in again", "", explain.Person,
		},
		"scopes undefined": {
			all(func(f *explain.Facts) { f.Live.API.API.Scopes = nil }, denied(t, "f", "insufficient_scope", min)),
			explain.ScopesUndefined, "insufficient_scope", "Permissions", "", explain.Person,
		},
		"hold": {
			all(noGrant, phase(dcr.Blocked, dcr.Held, "x"), func(f *explain.Facts) {
				f.Holds = []dcr.Hold{{Scope: dcr.HoldClient, ClientID: clientID, Reason: dcr.Held}}
			}),
			explain.HeldBack, "A hold (of this client, reason held) is in force until it is released", "grantd hold release", "grantd hold release " + clientID, explain.Person,
		},
		"switched off": {
			all(noGrant, phase(dcr.Blocked, dcr.Held, "x"), func(f *explain.Facts) { f.Live.Client.Off = true }),
			explain.SwitchedOff, "grantd=off", "Application Metadata", "", explain.Person,
		},
		"rate limit": {
			all(noGrant, phase(dcr.Pending, dcr.RateLimited, "x"), func(f *explain.Facts) {
				f.Record.LastError, f.Record.NextAttemptAt = dcr.RateLimited, noon().Add(time.Minute)
			}),
			explain.RateLimited, "last attempt", "", "", explain.Grantd,
		},
		"token refused": {
			all(noGrant, phase(dcr.Pending, dcr.TokenRefused, "x"), func(f *explain.Facts) {
				f.Record.LastError = dcr.TokenRefused
				f.Live = explain.Live{Problems: []explain.Problem{{What: "the client", Reason: dcr.TokenRefused, Message: "401 access_denied"}}}
			}),
			explain.TokenRefused, "401 access_denied", "Correct MGMT_CLIENT_ID", "", explain.Person,
		},
		"entity limit": {
			all(noGrant, phase(dcr.Blocked, dcr.LimitReached, "You reached the limit of entities of this type for this tenant.")),
			explain.LimitReached, "You reached the limit of entities", "Delete unused applications", "", explain.Person,
		},
		"management scope": {
			all(noGrant, phase(dcr.Blocked, dcr.MissingScope, "create client grant: missing_scope: create:client_grants")),
			explain.ScopeMissing, "create:client_grants", "Machine to Machine Applications", "", explain.Person,
		},
		"opaque tokens": {
			finding(doctor.ResourceNotAudience, "", doctor.Fix{Command: "auth0 api patch tenants/settings --data '{}'"}),
			explain.ResourceIgnored, "resource_parameter_ignored", "Resource Parameter Compatibility Profile", "auth0 api patch tenants/settings --data '{}'", explain.Person,
		},
		"dry run": {
			all(noGrant, phase(dcr.Pending, dcr.DryRun, "")),
			explain.DryRun, "dry_run", "Unset GRANTD_DRY_RUN", "", explain.Person,
		},
		"nobody at work": {
			all(noGrant, phase(dcr.Pending, dcr.Unchecked, ""), func(f *explain.Facts) { f.Serving = false }),
			explain.NoDaemon, "control socket", "grantd serve", "grantd sync", explain.Person,
		},
		"a text nobody knows": {
			denied(t, "f", "The flux capacitor is cold", min),
			explain.UnknownDenial, "“The flux capacitor is cold”", "Monitoring → Logs", "", explain.Person,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := explain.Tell(facts(t, tt.situation))
			if len(s.Causes) == 0 {
				t.Fatalf("no cause: %s", s.Summary)
			}
			c := s.Causes[0]
			if c.Code != tt.code || c.Over || !strings.Contains(strings.Join(c.Evidence, "\n"), tt.evidence) ||
				!strings.Contains(c.Fix, tt.fix) || tt.command != "" && c.Command != tt.command || c.Who != tt.who {
				t.Errorf("%+v", s.Causes)
			}
			if strings.Contains(strings.Join(c.Evidence, "\n")+c.Command, "another") {
				t.Errorf("evidence of something else: %+v", c)
			}
			if s.Next.Who != tt.who || !strings.Contains(s.Next.What, tt.fix) || s.NeedsPerson() != (tt.who == explain.Person) {
				t.Errorf("next %+v", s.Next)
			}
			if !strings.Contains(strings.ToLower(s.Summary), strings.ToLower(c.Text)) {
				t.Errorf("summary %q does not say %q", s.Summary, c.Text)
			}
			for _, d := range s.Denials {
				if d.Cause == "" {
					t.Errorf("denial without a cause: %+v", d)
				}
			}
		})
	}
}
