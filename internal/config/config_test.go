package config_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
)

func TestStateDir(t *testing.T) {
	for _, tt := range []struct {
		env          []string
		want, socket string
	}{
		{[]string{"HOME=/h"}, "/h/.local/state/grantd", "/h/.local/state/grantd/grantd.sock"},
		{[]string{"HOME=/h", "XDG_STATE_HOME=/x"}, "/x/grantd", "/x/grantd/grantd.sock"},
		{[]string{"HOME=/h", "XDG_STATE_HOME=x"}, "/h/.local/state/grantd", "/h/.local/state/grantd/grantd.sock"},
		{[]string{"HOME=/h", "XDG_STATE_HOME=/x", "STATE_DIRECTORY=/s"}, "/s", "/s/grantd.sock"},
		{[]string{"STATE_DIRECTORY=/s:/t"}, "/s", "/s/grantd.sock"},
		{[]string{"STATE_DIRECTORY=/s", "GRANTD_STATE_DIR=/g"}, "/g", "/g/grantd.sock"},
		{[]string{"GRANTD_STATE_DIR=/g", "GRANTD_SOCKET=/run/g.sock"}, "/g", "/run/g.sock"},
	} {
		c, _, err := config.LoadOnly(config.Source{Environ: tt.env}, "GRANTD_STATE_DIR", "GRANTD_SOCKET")
		if err != nil {
			t.Errorf("%v: %v", tt.env, err)
			continue
		}
		if c.StateDir != tt.want || c.Socket != tt.socket {
			t.Errorf("%v: %q, %q", tt.env, c.StateDir, c.Socket)
		}
	}
	if _, _, err := config.LoadOnly(config.Source{}, "GRANTD_STATE_DIR", "GRANTD_SOCKET"); err == nil {
		t.Error("accepted without a home")
	}
}

// LoadOnly neither reads nor misses anything else, and still wants a good file.
func TestLoadOnly(t *testing.T) {
	src := config.Source{
		Environ:  []string{"HOME=/h", "MGMT_DOMAIN=not a domain", "GRANTD_TYPO=1"},
		EnvFile:  "grantd.env",
		ReadFile: disk{"grantd.env": "GRANTD_SOCKET=/run/g.sock\n"}.read,
	}
	c, notices, err := config.LoadOnly(src, "GRANTD_STATE_DIR", "GRANTD_SOCKET")
	if err != nil || c.Socket != "/run/g.sock" || len(notices) > 0 {
		t.Errorf("got %v, %v, %v", c, notices, err)
	}
	src.ReadFile = disk{"grantd.env": "broken\n"}.read
	if _, _, err := config.LoadOnly(src, "GRANTD_SOCKET"); err == nil {
		t.Error("accepted a broken file")
	}
}

func TestScopes(t *testing.T) {
	c, _ := load(t, good("REQUIRED_SCOPES=mcp:connect tools:read"), nil)
	if diff := cmp.Diff([]string{"mcp:connect", "tools:call", "tools:read"}, c.Scopes()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tools:call", "tools:read"}, c.ToolScopes); diff != "" {
		t.Errorf("Scopes changed ToolScopes: -want +got\n%s", diff)
	}
	c, _ = load(t, append(without(good(), "TOOL_SCOPES"), "REQUIRED_SCOPES=mcp:connect"), nil)
	if diff := cmp.Diff([]string{"mcp:connect"}, c.Scopes()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDiff(t *testing.T) {
	before, _ := load(t, good(), nil)
	for _, tt := range []struct {
		env  []string
		want []config.Change
	}{
		{good(), nil},
		{good("GRANTD_LISTEN=127.0.0.1:8080"), nil}, // the default by another way
		{append(without(good(), "TOOL_SCOPES"), "TOOL_SCOPES=tools:call,tools:read"), nil},
		{append(without(good(), "TOOL_SCOPES"), "TOOL_SCOPES=a:b"), []config.Change{{Name: "TOOL_SCOPES"}}},
		{append(without(good(), "MGMT_CLIENT_SECRET"), "MGMT_CLIENT_SECRET=x"), []config.Change{{Name: "MGMT_CLIENT_SECRET"}}},
		{good("GRANTD_ALLOWED_CLIENTS=claude", "GRANTD_POLL_SCHEDULE=off", "GRANTD_SCOPE_MODE=additive"),
			[]config.Change{{Name: "GRANTD_SCOPE_MODE"}, {Name: "GRANTD_ALLOWED_CLIENTS"}, {Name: "GRANTD_POLL_SCHEDULE"}}},
		{append(without(good(), "MGMT_DOMAIN"), "MGMT_DOMAIN=b.auth0.com"),
			[]config.Change{{Name: "MGMT_DOMAIN", Restart: true}, {Name: "GRANTD_MGMT_URL", Restart: true}}},
		{append(without(good(), "OAUTH_AUDIENCE"), "OAUTH_AUDIENCE=urn:b"), []config.Change{{Name: "OAUTH_AUDIENCE", Restart: true}}},
		{good("GRANTD_STATE_DIR=/s", "GRANTD_LISTEN=:1", "GRANTD_ADMIN_LISTEN=off", "GRANTD_WEBHOOK_PATH=/x"),
			[]config.Change{{Name: "GRANTD_WEBHOOK_PATH", Restart: true}, {Name: "GRANTD_LISTEN", Restart: true},
				{Name: "GRANTD_ADMIN_LISTEN", Restart: true}, {Name: "GRANTD_STATE_DIR", Restart: true}, {Name: "GRANTD_SOCKET", Restart: true}}},
	} {
		after, _ := load(t, tt.env, nil)
		if diff := cmp.Diff(tt.want, config.Diff(before, after)); diff != "" {
			t.Errorf("%v: -want +got\n%s", tt.env, diff)
		}
	}
}

// Any of the four sources will do.
func TestScopeSources(t *testing.T) {
	for _, kv := range []string{"TOOL_SCOPES_FILE=scopes", "TOOL_SCOPES_URL=https://mcp.example.com/x"} {
		c, notices := load(t, append(without(good(), "TOOL_SCOPES"), kv), nil)
		if len(c.Scopes()) > 0 || len(notices) > 0 {
			t.Errorf("%s: fixed scopes %v, notices %v", kv, c.Scopes(), notices)
		}
	}
	// A source that is refused is one error, and not also a missing one.
	for _, kv := range []string{"TOOL_SCOPES_FILE=~/scopes", "TOOL_SCOPES_URL=x"} {
		if lines := failures(t, append(without(good(), "TOOL_SCOPES"), kv), nil); len(lines) != 1 {
			t.Errorf("%s: %q", kv, lines)
		}
	}
}

// The file is read long after, so its path does not depend on the folder.
func TestScopesFileAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c, _ := load(t, good("TOOL_SCOPES_FILE=sub/../scopes"), nil)
	if want := filepath.Join(dir, "scopes"); c.ScopesFile != want {
		t.Errorf("got %q, want %q", c.ScopesFile, want)
	}
}

func TestCeilingWithoutSource(t *testing.T) {
	_, notices := load(t, good("GRANTD_SCOPE_CEILING=read:*"), nil)
	if len(notices) != 1 || notices[0].Name != "GRANTD_SCOPE_CEILING" {
		t.Errorf("notices %v", notices)
	}
	c, notices := load(t, good("GRANTD_SCOPE_CEILING=read:*", "TOOL_SCOPES_FILE=/scopes"), nil)
	if len(notices) > 0 || !c.ScopeCeiling.Allows("read:x") || c.ScopeCeiling.Allows("write:x") {
		t.Errorf("ceiling %v, notices %v", c.ScopeCeiling, notices)
	}
}

func TestWidens(t *testing.T) {
	with := func(kv ...string) []string { return append(without(good(), "TOOL_SCOPES"), kv...) }
	before, _ := load(t, with("TOOL_SCOPES=b c", "REQUIRED_SCOPES=a"), nil)
	for _, tt := range []struct {
		env  []string
		want bool
	}{
		{with("TOOL_SCOPES=b c", "REQUIRED_SCOPES=a"), true},
		{with("TOOL_SCOPES=c,b", "REQUIRED_SCOPES=a"), true},
		{with("TOOL_SCOPES=b c d", "REQUIRED_SCOPES=a"), true},
		{with("TOOL_SCOPES=a b c"), true}, // moved
		{with("REQUIRED_SCOPES=a b c d"), true},
		{with("TOOL_SCOPES=b", "REQUIRED_SCOPES=a"), false},
		{with("TOOL_SCOPES=b d e f", "REQUIRED_SCOPES=a"), false},
		{with("TOOL_SCOPES=b c"), false},
		{with("TOOL_SCOPES=b c d", "REQUIRED_SCOPES=a", "TOOL_SCOPES_FILE=/scopes"), false},
		{with("TOOL_SCOPES=b c d", "REQUIRED_SCOPES=a", "GRANTD_SCOPE_MODE=additive"), false},
		{with("TOOL_SCOPES=b c", "REQUIRED_SCOPES=a", "LOG_WEBHOOK_SECRET_PREVIOUS=0123456789abcdef"), false},
		{with("TOOL_SCOPES=b c", "REQUIRED_SCOPES=a", "GRANTD_LISTEN=:1"), false},
	} {
		after, _ := load(t, tt.env, nil)
		if got := config.Widens(before, after); got != tt.want {
			t.Errorf("%v: %t, want %t", tt.env, got, tt.want)
		}
	}
}
