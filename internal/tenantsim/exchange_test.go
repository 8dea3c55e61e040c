package tenantsim_test

import (
	"encoding/json"
	"errors"
	"testing"

	"grantd/internal/tenantsim"
)

// Exchanges are judged and leave the log entry that Auth0 writes.
func TestExchangeAndRefresh(t *testing.T) {
	tenant := tenantsim.ForTest(t, tenantsim.Options{})
	const api = "https://mcp.example.com/mcp"
	tenant.AddAPI(api, "notes:read")
	c := tenant.AddClient(tenantsim.Client{GrantTypes: []string{"authorization_code", "refresh_token"}})
	bare := tenant.AddClient(tenantsim.Client{GrantTypes: []string{"authorization_code"}})
	for name, tt := range map[string]struct {
		try       func() error
		kind, why string
	}{
		"a code":             {func() error { return tenant.Exchange(tenantsim.Exchange{ClientID: c.ID}) }, "seacft", ""},
		"a code twice":       {func() error { return tenant.Exchange(tenantsim.Exchange{ClientID: c.ID, CodeSpent: true}) }, "feacft", "Invalid authorization code"},
		"another verifier":   {func() error { return tenant.Exchange(tenantsim.Exchange{ClientID: c.ID, WrongVerifier: true}) }, "feacft", "Failed to verify code verifier"},
		"a refresh":          {func() error { return tenant.Refresh(tenantsim.Refresh{ClientID: c.ID, Audience: api}) }, "sertft", ""},
		"a refresh, spent":   {func() error { return tenant.Refresh(tenantsim.Refresh{ClientID: c.ID, Audience: api, Spent: true}) }, "fertft", "Unknown or invalid refresh token."},
		"no refresh allowed": {func() error { return tenant.Refresh(tenantsim.Refresh{ClientID: bare.ID, Audience: api}) }, "fertft", "Unknown or invalid refresh token."},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(tenant.Logs())
			err := tt.try()
			refused, ok := errors.AsType[*tenantsim.LoginError](err)
			if ok != (tt.why != "") || ok && refused.Description != tt.why {
				t.Errorf("%v", err)
			}
			logs := tenant.Logs()
			var entry struct {
				Type, Description string
				ClientID          string `json:"client_id"`
			}
			if err := json.Unmarshal(logs[len(logs)-1], &entry); err != nil || len(logs) != before+1 || entry.Type != tt.kind || entry.Description != tt.why || entry.ClientID == "" {
				t.Errorf("%d entries, %+v, %v", len(logs)-before, entry, err)
			}
		})
	}
}
