package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
	api "grantd/internal/http"
)

// A daemon differs in what somebody set, here or there, and not in what depends
// on who asks, nor in what it has no use for.
func TestDifferences(t *testing.T) {
	t.Parallel()
	here := []config.Setting{
		{Name: "TOOL_SCOPES", Value: "a", Origin: config.FromEnv},
		{Name: "GRANTD_STATE_DIR", Value: "/home/me", Origin: config.FromDefault},
		{Name: "GRANTD_LISTEN", Value: "127.0.0.1:8080", Origin: config.FromDefault},
		{Name: "GRANTD_SETUP_TOKEN", Value: "[redacted]", Origin: config.FromEnv},
		{Name: "GRANTD_PLAN", Value: "free", Origin: config.FromEnv},
		{Name: "OAUTH_AUDIENCE", Value: "same", Origin: config.FromEnv},
	}
	there := []api.Setting{
		{Name: "TOOL_SCOPES", Value: "b", Origin: "env-file"},
		{Name: "GRANTD_STATE_DIR", Value: "/var/lib/grantd", Origin: "default"},
		{Name: "GRANTD_LISTEN", Value: ":80", Origin: "env-file"},
		{Name: "GRANTD_SETUP_TOKEN", Value: "[unset]", Origin: "default"},
		{Name: "OAUTH_AUDIENCE", Value: "same", Origin: "env-file"},
	}
	want := []difference{
		{"TOOL_SCOPES", "a", "b", "reload"},
		{"GRANTD_LISTEN", "127.0.0.1:8080", ":80", "restart"},
	}
	if diff := cmp.Diff(want, differences(here, there)); diff != "" {
		t.Error(diff)
	}
}
