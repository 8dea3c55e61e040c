package page

import "testing"

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
