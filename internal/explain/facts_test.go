package explain_test

import (
	"encoding/json"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/explain"
	"grantd/internal/plan"
	"grantd/internal/policy"
)

const (
	clientID = "tpc_8SXWY6j3afl2CP5ntwEOpM"
	audience = "https://mcp.example.com/mcp"
)

func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

// facts are those of a client that has everything, ready since an hour, edited.
func facts(t testing.TB, edits ...func(*explain.Facts)) explain.Facts {
	t.Helper()
	allowed, err := policy.Parse([]string{"chatgpt"})
	if err != nil {
		t.Fatal(err)
	}
	since := noon().Add(-time.Hour)
	holds := dcr.Condition{Status: true, Since: since}
	f := explain.Facts{
		Now: noon(), ID: clientID, Serving: true, LogRead: true, Policy: allowed, OwnClientID: "grantd",
		Desired: plan.Desired{
			Audience: audience, Scopes: []string{"notes:read"}, ScopeMode: plan.Exact,
			Connections: []string{"google-oauth2"}, ConnectionLevel: plan.ClientLevel,
		},
		Record: &dcr.Record{
			ClientID: clientID, Name: "ChatGPT", Registration: dcr.RegistrationDCR, SecurityMode: dcr.Strict,
			Callbacks: []string{"https://chatgpt.com/connector/oauth/abc"}, Phase: dcr.Ready,
			FirstSeenAt: since.Add(-time.Second), FirstSeenFeed: dcr.FeedWebhook, RegisteredAt: since.Add(-2 * time.Second),
			ReadyAt: since, LastCheckedAt: since, Conditions: dcr.Conditions{Promoted: holds, Connected: holds, Granted: holds},
		},
		Live: explain.Live{
			Client: &dcr.Client{
				ID: clientID, Name: "ChatGPT", AppType: "regular_web", TokenEndpointAuthMethod: "none",
				GrantTypes: []string{"authorization_code", "refresh_token"},
				Callbacks:  []string{"https://chatgpt.com/connector/oauth/abc"}, ThirdPartySecurityMode: dcr.Strict,
			},
			Grant: plan.Grant{Known: true, Grant: &dcr.Grant{
				ID: "cgr_1", ClientID: clientID, Audience: audience, SubjectType: dcr.SubjectUser, Scopes: []string{"notes:read"},
			}},
			Connections: []plan.Connection{{Name: "google-oauth2", Connection: &dcr.Connection{ID: "con_1", Name: "google-oauth2", DomainLevel: true}}},
			API:         plan.API{Known: true, API: &dcr.API{ID: "api", Identifier: audience, Scopes: []string{"notes:read"}}},
		},
	}
	for _, edit := range edits {
		edit(&f)
	}
	return f
}

// denied adds a denial as the log has it.
func denied(t testing.TB, kind, text string, ago time.Duration) func(*explain.Facts) {
	t.Helper()
	return func(f *explain.Facts) {
		raw, err := json.Marshal([]map[string]any{{
			"type": kind, "description": text, "date": f.Now.Add(-ago).Format(time.RFC3339Nano), "client_id": f.ID,
			"log_id": "900" + text, "user_name": "jane@example.com", "ip": "203.0.113.9",
		}})
		if err != nil {
			t.Fatal(err)
		}
		read, err := explain.ReadDenials(raw, f.ID)
		if err != nil || len(read) != 1 {
			t.Fatalf("%v, %v", read, err)
		}
		f.Denials = append(f.Denials, read...)
	}
}

// noGrant takes the grant away, in Auth0 and in the ledger.
func noGrant(f *explain.Facts) {
	f.Live.Grant.Grant = nil
	f.Record.Conditions.Granted = dcr.Condition{}
}

// phase puts the record into one.
func phase(p dcr.Phase, r dcr.Reason, message string) func(*explain.Facts) {
	return func(f *explain.Facts) { f.Record.Phase, f.Record.Reason, f.Record.Message = p, r, message }
}
