package config_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
	"grantd/internal/plan"
)

const (
	clientSecret  = "the-client-secret-0123"
	webhookSecret = "the-webhook-secret-0123"
)

// good is the least that makes a configuration.
func good(more ...string) []string {
	return append([]string{
		"HOME=/home/me",
		"MGMT_DOMAIN=acme.eu.auth0.com",
		"MGMT_CLIENT_ID=abc123",
		"MGMT_CLIENT_SECRET=" + clientSecret,
		"LOG_WEBHOOK_SECRET=" + webhookSecret,
		"OAUTH_AUDIENCE=https://mcp.example.com/mcp",
		"TOOL_SCOPES=tools:read tools:call",
	}, more...)
}

// without drops names from an environment.
func without(env []string, names ...string) []string {
	return slices.DeleteFunc(env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
}

// disk is a file system by path.
type disk map[string]string

func (d disk) read(name string) ([]byte, error) {
	if text, ok := d[name]; ok {
		return []byte(text), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func load(t *testing.T, env []string, files disk) (*config.Config, []config.Notice) {
	t.Helper()
	src := config.Source{Environ: env, ReadFile: files.read}
	if _, ok := files["grantd.env"]; ok {
		src.EnvFile = "grantd.env"
	}
	c, notices, err := config.Load(src)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c, notices
}

// failures are the lines of Load's error.
func failures(t *testing.T, env []string, files disk) []string {
	t.Helper()
	src := config.Source{Environ: env, ReadFile: files.read}
	if _, ok := files["grantd.env"]; ok {
		src.EnvFile = "grantd.env"
	}
	c, _, err := config.Load(src)
	if err == nil {
		t.Fatalf("Load accepted it")
	}
	if c != nil {
		t.Errorf("Load returned a configuration with an error")
	}
	if _, ok := errors.AsType[*config.FieldError](err); !ok {
		t.Errorf("no FieldError in %T", err)
	}
	for _, secret := range []string{clientSecret, webhookSecret} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
	return strings.Split(err.Error(), "\n")
}

func TestLoadDefaults(t *testing.T) {
	c, notices := load(t, good(), nil)
	if len(notices) > 0 {
		t.Errorf("notices: %v", notices)
	}
	got := map[string]string{}
	for _, s := range c.Redacted() {
		got[s.Name] = s.Value
	}
	want := map[string]string{
		"MGMT_DOMAIN": "acme.eu.auth0.com", "MGMT_CLIENT_ID": "abc123", "MGMT_CLIENT_SECRET": "[redacted]",
		"GRANTD_MGMT_URL": "https://acme.eu.auth0.com",
		"OAUTH_AUDIENCE":  "https://mcp.example.com/mcp",
		"TOOL_SCOPES":     "tools:call,tools:read", "REQUIRED_SCOPES": "",
		"TOOL_SCOPES_FILE": "", "TOOL_SCOPES_URL": "", "GRANTD_SCOPE_CEILING": "",
		"GRANTD_SCOPE_MODE": "exact", "GOOGLE_CONNECTION_NAME": "google-oauth2",
		"GRANTD_CONNECTION_LEVEL": "client", "GRANTD_DRY_RUN": "false",
		"GRANTD_REVOKE": "false", "GRANTD_STORM_AFTER": "20", "GRANTD_STORM_HOLD": "false",
		"GRANTD_JOURNAL_MAX_DAYS": "400", "GRANTD_JOURNAL_MAX_MIB": "64", "GRANTD_ALLOWED_CLIENTS": "chatgpt",
		"LOG_WEBHOOK_SECRET": "[redacted]", "LOG_WEBHOOK_SECRET_PREVIOUS": "[unset]",
		"GRANTD_WEBHOOK_PATH":  "/auth0-log-webhook",
		"GRANTD_POLL_SCHEDULE": "@every 15s", "GRANTD_SWEEP_SCHEDULE": "@every 1h",
		"GRANTD_LISTEN": "127.0.0.1:8080", "GRANTD_ADMIN_LISTEN": "127.0.0.1:8081", "GRANTD_ADMIN_TOKEN": "[unset]",
		"GRANTD_TRUSTED_PROXIES": "", "GRANTD_TLS_CERT_FILE": "", "GRANTD_TLS_KEY_FILE": "", "GRANTD_ACME_DOMAIN": "",
		"GRANTD_ACME_DIRECTORY_URL": "https://acme-v02.api.letsencrypt.org/directory", "GRANTD_ACME_EMAIL": "",
		"GRANTD_STATE_DIR":  "/home/me/.local/state/grantd",
		"GRANTD_SOCKET":     "/home/me/.local/state/grantd/grantd.sock",
		"GRANTD_LOG_FORMAT": "text", "GRANTD_LOG_LEVEL": "info", "GRANTD_MGMT_RPS": "learned",
		"GRANTD_PLAN": "guessed", "GRANTD_PUBLIC_URL": "", "GRANTD_NOTIFY_URL": "[unset]", "GRANTD_SETUP_TOKEN": "[unset]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if c.ScopeMode != plan.Exact || c.ConnectionLevel != plan.ClientLevel {
		t.Errorf("modes %q, %q", c.ScopeMode, c.ConnectionLevel)
	}
	if _, ok := c.Policy.MatchURI("https://chatgpt.com/connector_platform_oauth_redirect"); !ok {
		t.Errorf("the default policy does not allow ChatGPT")
	}
}
