package page

import (
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

func TestWithoutAdvice(t *testing.T) {
	const fix = "Grant it under Applications; it is noticed."
	for _, tt := range []struct{ message, fix, want string }{
		{"", "", ""},
		{"", fix, ""},
		{fix, fix, ""},
		{"nothing: more; to say", fix, "nothing: more; to say"},
		{"create grant: missing_scope (403): expected any of: read:logs. Scope read:logs: " + fix, fix, "create grant: missing_scope (403): expected any of: read:logs"},
		{"create grant: missing_scope (403): Forbidden. Scope read:logs: " + fix, fix, "create grant: missing_scope (403): Forbidden. Scope read:logs"},
		{"update client: rejected_by_auth0 (400): no. " + fix, fix, "update client: rejected_by_auth0 (400): no."},
		{`the tenant has no API with the identifier "https://mcp.example.com/mcp"; create it under Applications → APIs`, fix, `the tenant has no API with the identifier "https://mcp.example.com/mcp"`},
		{`no connection named "a; b"; correct GOOGLE_CONNECTION_NAME or create it`, fix, `no connection named "a; b"`},
		{"a person stopped grantd: this client is held until it is released; grantd hold release tpc_1 lets grantd go on", fix, "a person stopped grantd: this client is held until it is released"},
	} {
		if got := withoutAdvice(tt.message, tt.fix); got != tt.want {
			t.Errorf("%q became %q", tt.message, got)
		}
	}
	// The words of what is found to be wrong, as it is told.
	if got, want := withoutAdvice(plan.NotDomainLevel("google-oauth2").Message, ""), `third-party clients log in only through domain-level connections, and "google-oauth2" is not one`; got != want {
		t.Errorf("got %q", got)
	}
	api := plan.ComputeGrant(plan.Desired{Audience: "https://mcp.example.com/mcp"}, plan.Observed{API: plan.API{Known: true}}).Result
	if got, want := withoutAdvice(api.Message, ""), `the tenant has no API with the identifier "https://mcp.example.com/mcp"`; got != want || api.Reason != dcr.APINotFound {
		t.Errorf("got %q", got)
	}
}

// A value that a change leaves as it was is not shown as changed.
func TestUnchangedValue(t *testing.T) {
	if f := fieldOf("id", "cgr_1", "cgr_1"); len(f.Kept) != 1 || f.Before != "" || f.After != "" {
		t.Errorf("%+v", f)
	}
	if f := fieldOf("id", "cgr_1", "cgr_2"); f.List || f.Before != "cgr_1" || f.After != "cgr_2" {
		t.Errorf("%+v", f)
	}
	if f := fieldOf("name", nil, nil); f.List {
		t.Errorf("%+v", f)
	}
}

func TestTitle(t *testing.T) {
	for code, want := range map[string]string{
		"": "", "missing_scope": "Missing scope", "jwks_unreachable": "JWKS unreachable", "api_not_found": "API not found",
		"management_api_failing": "Management API failing", "rejected_by_auth0": "Rejected by Auth0",
	} {
		if got := title(code); got != want {
			t.Errorf("%s is %q", code, got)
		}
	}
}
