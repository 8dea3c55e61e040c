package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
)

// Each value is refused, in one line that begins with the variable's name and
// says what to do.
func TestLoadRefuses(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, tt := range []struct{ name, value, want string }{
		{"MGMT_DOMAIN", "https://acme.eu.auth0.com/", "write MGMT_DOMAIN=acme.eu.auth0.com"},
		{"MGMT_DOMAIN", "acme.eu.auth0.com/", "write MGMT_DOMAIN=acme.eu.auth0.com"},
		{"MGMT_DOMAIN", "acme.eu.auth0.com/api/v2", "write MGMT_DOMAIN=acme.eu.auth0.com"},
		{"MGMT_DOMAIN", "acme.eu.auth0.com:443", "write MGMT_DOMAIN=acme.eu.auth0.com"},
		{"MGMT_DOMAIN", "acme.eu.auth0.com:http", "has a port"},
		{"MGMT_DOMAIN", "acme", "such as acme.eu.auth0.com"},
		{"MGMT_DOMAIN", "acme.eu.auth0.com.", "not a host name"},
		{"MGMT_DOMAIN", "acme_1.auth0.com", "not a host name"},
		{"MGMT_DOMAIN", "-acme.auth0.com", "not a host name"},
		{"MGMT_DOMAIN", "acme .auth0.com", "not a host name"},
		{"MGMT_DOMAIN", "münchen.auth0.com", `got "m\u00fcnchen.auth0.com"`},
		{"MGMT_DOMAIN", long, "(200 bytes)"},
		{"MGMT_CLIENT_ID", "abc 123", "is not a client id"},
		{"MGMT_CLIENT_SECRET", " padded", "white space"},
		{"MGMT_CLIENT_SECRET", "two\nlines", "line break"},
		{"LOG_WEBHOOK_SECRET", "fifteen-bytes-1", "has 15 bytes, and needs at least 16"},
		{"LOG_WEBHOOK_SECRET", "Bearer 0123456789abcdef", "write the secret alone"},
		{"LOG_WEBHOOK_SECRET_PREVIOUS", "short", "has 5 bytes"},
		{"OAUTH_AUDIENCE", "https://mcp.example.com/mcp ", "white space"},
		{"TOOL_SCOPES", `"read:x" write:x`, `"\"read:x\"" is not a scope`},
		{"REQUIRED_SCOPES", `read\x`, "is not a scope"},
		{"TOOL_SCOPES", "läs:x", "is not a scope"},
		{"TOOL_SCOPES", "openid offline_access", "no scopes to grant"},
		{"TOOL_SCOPES", " , ", "no scopes to grant"},
		{"GRANTD_SCOPE_MODE", "loose", "write one of exact, additive"},
		{"GRANTD_CONNECTION_LEVEL", "tenant", "write one of client, domain"},
		{"GOOGLE_CONNECTION_NAME", ",", "nothing but commas"},
		{"GOOGLE_CONNECTION_NAME", "google oauth2", `"google oauth2" is not a connection's name`},
		{"GRANTD_ALLOWED_CLIENTS", ",", "nothing but commas"},
		{"GRANTD_ALLOWED_CLIENTS", "chatgtp", `did you mean "chatgpt"`},
		{"GRANTD_ALLOWED_CLIENTS", "http://evil.example/cb", "http://evil.example/cb"},
		{"GRANTD_DRY_RUN", "perhaps", "write true or false"},
		{"GRANTD_LISTEN", "8080", "write 127.0.0.1:8080"},
		{"GRANTD_LISTEN", "127.0.0.1", "not host:port"},
		{"GRANTD_LISTEN", "127.0.0.1:99999", "has a port"},
		{"GRANTD_LISTEN", "127.0.0.1:-1", "has a port"},
		{"GRANTD_LISTEN", "a b:80", "neither an IP address nor a host name"},
		{"GRANTD_LISTEN", "off", "not host:port"},
		{"GRANTD_ADMIN_LISTEN", "0.0.0.0:8081", "set GRANTD_ADMIN_TOKEN"},
		{"GRANTD_ADMIN_LISTEN", ":8081", "set GRANTD_ADMIN_TOKEN"},
		{"GRANTD_ADMIN_LISTEN", "admin.example.com:8081", "set GRANTD_ADMIN_TOKEN"},
		{"GRANTD_ADMIN_LISTEN", "127.0.0.1:8080", "address of GRANTD_LISTEN"},
		{"GRANTD_WEBHOOK_PATH", "hook", "does not begin with a slash"},
		{"GRANTD_WEBHOOK_PATH", "/hook?x=1", "letters, digits"},
		{"GRANTD_WEBHOOK_PATH", "/hook/:id", "letters, digits"},
		{"GRANTD_WEBHOOK_PATH", "/hook/*", "letters, digits"},
		{"GRANTD_WEBHOOK_PATH", "/a/../b", "segment"},
		{"GRANTD_WEBHOOK_PATH", "/a//b", "segment"},
		{"GRANTD_WEBHOOK_PATH", "/healthz", "health check"},
		{"GRANTD_WEBHOOK_PATH", "/readyz", "health check"},
		{"GRANTD_WEBHOOK_PATH", "/health/auth0/", "health check"},
		{"GRANTD_STATE_DIR", "~/grantd", "only a shell expands"},
		{"GRANTD_SOCKET", "/" + long, "shorter path"},
		{"GRANTD_SOCKET", "@grantd", "abstract"},
		{"GRANTD_STORM_AFTER", "0", "whole number from 1"},
		{"GRANTD_STORM_AFTER", "many", "such as 20"},
		{"GRANTD_JOURNAL_MAX_DAYS", "36501", "from 1 to 36500"},
		{"GRANTD_JOURNAL_MAX_MIB", "-1", "whole number"},
		{"GRANTD_STATE_DIR", "/" + long, "set GRANTD_SOCKET to a shorter path"},
		{"GRANTD_POLL_SCHEDULE", "TZ=0", "time zone and no schedule"},
		{"GRANTD_POLL_SCHEDULE", "CRON_TZ=Europe/Berlin", "time zone and no schedule"},
		{"GRANTD_POLL_SCHEDULE", "TZ= * * * * *", "empty time zone"},
		{"GRANTD_POLL_SCHEDULE", "TZ=Nowhere/Land * * * * *", "bad location"},
		{"GRANTD_POLL_SCHEDULE", "@every 0s", "whole seconds"},
		{"GRANTD_POLL_SCHEDULE", "@every -5s", "whole seconds"},
		{"GRANTD_POLL_SCHEDULE", "@every 100ms", "whole seconds"},
		{"GRANTD_POLL_SCHEDULE", "@every 1500ms", "whole seconds"},
		{"GRANTD_POLL_SCHEDULE", "TZ=UTC @every 100ms", "whole seconds"},
		{"GRANTD_POLL_SCHEDULE", "@every", "duration"},
		{"GRANTD_SWEEP_SCHEDULE", "@every soon", "duration"},
		{"GRANTD_SWEEP_SCHEDULE", "* * * *", "not a schedule"},
		{"GRANTD_SWEEP_SCHEDULE", "0 0 30 2 *", "never comes"},
		{"GRANTD_SWEEP_SCHEDULE", "@reboot", "not a schedule"},
		{"GRANTD_LOG_FORMAT", "xml", "write one of text, json"},
		{"GRANTD_LOG_LEVEL", "loud", "write one of debug, info, warn, error"},
		{"GRANTD_MGMT_RPS", "0", "not a number from 0.01 up"},
		{"GRANTD_MGMT_RPS", "-1", "not a number"},
		{"GRANTD_MGMT_RPS", "NaN", "not a number"},
		{"GRANTD_MGMT_RPS", "inf", "not a number"},
		{"GRANTD_MGMT_RPS", "fast", "not a number"},
		{"GRANTD_MGMT_URL", "http://auth0.example.com", "use https"},
		{"GRANTD_MGMT_URL", "https://auth0.example.com/api/v2", "something after the host"},
		{"GRANTD_MGMT_URL", "auth0.example.com", "not the URL of a server"},
		{"GRANTD_PUBLIC_URL", "https://grantd.example.com/auth0-log-webhook", "something after the host"},
		{"GRANTD_PLAN", "pro", "professional"},
		{"GRANTD_MGMT_URL", "ftp://auth0.example.com", "not an https URL"},
		{"GRANTD_MGMT_URL", "https://auth0.example.com:0", "not the URL of a server"},
		{"TOOL_SCOPES_FILE", "~/scopes", "only a shell expands"},
		{"TOOL_SCOPES_URL", "mcp.example.com/x", "not a URL with a host"},
		{"TOOL_SCOPES_URL", "https:/x", "not a URL with a host"},
		{"TOOL_SCOPES_URL", "ftp://mcp.example.com/x", "not an https URL"},
		{"TOOL_SCOPES_URL", "http://mcp.example.com/x", "plain http to another machine"},
		{"TOOL_SCOPES_URL", "http://127.0.0.1.example.com/x", "plain http to another machine"},
		{"TOOL_SCOPES_URL", "https://mcp.example.com/x#y", "fragment"},
		{"TOOL_SCOPES_URL", "https://me@mcp.example.com/x", "user name or password"},
		{"GRANTD_TLS_CERT_FILE", "tls/cert.pem", "not an absolute path"},
		{"GRANTD_TLS_CERT_FILE", "/tls/cert.pem", "GRANTD_TLS_KEY_FILE: not set although GRANTD_TLS_CERT_FILE is"},
		{"GRANTD_TLS_KEY_FILE", "/tls/key.pem", "GRANTD_TLS_CERT_FILE: not set although GRANTD_TLS_KEY_FILE is"},
		{"GRANTD_ACME_DOMAIN", "grantd", "not a full host name"},
		{"GRANTD_ACME_DOMAIN", "*.example.com", "wildcard"},
		{"GRANTD_ACME_DOMAIN", "203.0.113.1", "an address and not a name"},
		{"GRANTD_ACME_DOMAIN", "grantd.example.com:443", "not a host name"},
		{"GRANTD_ACME_DOMAIN", "a.example.com,b.example.com", "not a host name"},
		{"GRANTD_ACME_DOMAIN", "grantd.example.com", "needs a listener that the authority can reach, and GRANTD_LISTEN is 127.0.0.1:8080"},
		{"GRANTD_ACME_DIRECTORY_URL", "http://ca.example.com/directory", "plain http to another machine"},
		{"GRANTD_ACME_DIRECTORY_URL", "ca.example.com", "not a URL"},
		{"GRANTD_ACME_DIRECTORY_URL", "https://me:hunter2@ca.example.com/", "user name"},
		{"GRANTD_ACME_DIRECTORY_URL", "ftp://ca.example.com/", "not an https URL"},
		{"GRANTD_ACME_EMAIL", "Me <me@example.com>", "not a mail address"},
		{"GRANTD_ACME_EMAIL", "me@example.com?cc=you@example.com", "not a mail address"},
		{"GRANTD_TRUSTED_PROXIES", "10.0.0.2 proxy", `"proxy", which is neither an address nor a network`},
		{"GRANTD_TRUSTED_PROXIES", "0.0.0.0/0", "anybody could claim to be anybody"},
		{"GRANTD_TRUSTED_PROXIES", "::/0", "anybody could claim to be anybody"},
		{"GRANTD_TRUSTED_PROXIES", "10.0.0.2/8", "write 10.0.0.0/8 for the network, or 10.0.0.2 for the one address"},
		{"GRANTD_TRUSTED_PROXIES", "fe80::1%eth0", "neither an address nor a network"},
		{"GRANTD_SCOPE_CEILING", "read:*:x", "not at its end"},
		{"GRANTD_SCOPE_CEILING", `read:"x"`, "is not a scope"},
		{"GRANTD_SCOPE_CEILING", " , ", "nothing but separators"},
	} {
		t.Run(tt.name+"="+tt.value[:min(30, len(tt.value))], func(t *testing.T) {
			lines := failures(t, append(without(good(), tt.name), tt.name+"="+tt.value), nil)
			if len(lines) != 1 || !strings.Contains(lines[0], tt.want) {
				t.Errorf("got %q, want one line with %q", lines, tt.want)
			}
			if name, _, _ := strings.Cut(lines[0], ":"); name != tt.name && tt.value != "/"+long && !strings.HasPrefix(tt.want, name+": ") {
				t.Errorf("the line is about %s", name)
			}
		})
	}
}

// What is wrong with an address that is a secret is said without showing it.
func TestNotifyURL(t *testing.T) {
	for value, want := range map[string]string{
		"hooks.example.com/T0/s3cret":            "is not a URL",
		"http://hooks.example.com/T0/s3cret":     "plain http",
		"ftp://hooks.example.com/T0/s3cret":      "not an https URL",
		"https://me:s3cret@hooks.example.com/":   "user name",
		"https://hooks.example.com/T0/#s3cret":   "fragment",
		"https://hooks.example.com:99999/s3cret": "is not a URL",
	} {
		lines := failures(t, append(good(), "GRANTD_NOTIFY_URL="+value), nil)
		if len(lines) != 1 || !strings.Contains(lines[0], want) || strings.Contains(lines[0], "s3cret") {
			t.Errorf("%s: got %q, want one line with %q and no secret", value, lines, want)
		}
	}
	c, _ := load(t, append(good(), "GRANTD_NOTIFY_URL= http://127.0.0.1:9/x?y "), nil)
	if c.NotifyURL.Reveal() != "http://127.0.0.1:9/x?y" {
		t.Error("an address on this machine was not taken as it is")
	}
}

// Each value is taken, and read as it says.
func TestLoadTakes(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"MGMT_DOMAIN", " ACME.eu.auth0.com ", "acme.eu.auth0.com"},
		{"OAUTH_AUDIENCE", "urn:my api/", "urn:my api/"},
		{"OAUTH_AUDIENCE", "https://MCP.example.com/mcp/", "https://MCP.example.com/mcp/"},
		{"TOOL_SCOPES", "b:x,a:x\ta:x,\n openid email", "a:x,b:x"},
		{"GOOGLE_CONNECTION_NAME", " b , a,b,, ", "b,a"},
		{"GRANTD_ALLOWED_CLIENTS", "claude, chatgpt,claude", "claude,chatgpt"},
		{"GRANTD_ALLOWED_CLIENTS", "any", "any"},
		{"TOOL_SCOPES_FILE", " /etc/grantd//scopes ", "/etc/grantd/scopes"},
		{"TOOL_SCOPES_URL", " https://mcp.example.com/x?y=z ", "https://mcp.example.com/x?y=z"},
		{"TOOL_SCOPES_URL", "http://localhost:8080/x", "http://localhost:8080/x"},
		{"TOOL_SCOPES_URL", "http://[::1]/x", "http://[::1]/x"},
		{"GRANTD_SCOPE_CEILING", "write:x, read:* read:*", "read:*,write:x"},
		{"GRANTD_SCOPE_MODE", "Additive", "additive"},
		{"GRANTD_CONNECTION_LEVEL", "domain", "domain"},
		{"GRANTD_DRY_RUN", "1", "true"},
		{"GRANTD_LISTEN", ":0", ":0"},
		{"GRANTD_LISTEN", "[::1]:8080", "[::1]:8080"},
		{"GRANTD_LISTEN", "localhost:8080", "localhost:8080"},
		{"GRANTD_ADMIN_LISTEN", "OFF", "off"},
		{"GRANTD_ADMIN_LISTEN", "[::1]:0", "[::1]:0"},
		{"GRANTD_ADMIN_LISTEN", "localhost:9", "localhost:9"},
		{"GRANTD_WEBHOOK_PATH", "/hooks/auth0.v1", "/hooks/auth0.v1"},
		{"GRANTD_POLL_SCHEDULE", "Off", "off"},
		{"GRANTD_POLL_SCHEDULE", "CRON_TZ=UTC 30 3 * * 1-5", "CRON_TZ=UTC 30 3 * * 1-5"},
		{"GRANTD_POLL_SCHEDULE", "@hourly", "@hourly"},
		{"GRANTD_POLL_SCHEDULE", "@every 1m30s", "@every 1m30s"},
		{"GRANTD_SWEEP_SCHEDULE", "0 0 29 2 *", "0 0 29 2 *"},
		{"GRANTD_STATE_DIR", "/var/lib/grantd/", "/var/lib/grantd"},
		{"GRANTD_LOG_LEVEL", "WARN", "warn"},
		{"GRANTD_LOG_LEVEL", "error", "error"},
		{"GRANTD_MGMT_RPS", "0.5", "0.5"},
		{"GRANTD_MGMT_RPS", "learned", "learned"},
		{"GRANTD_MGMT_URL", "http://127.0.0.1:4010/", "http://127.0.0.1:4010"},
		{"GRANTD_MGMT_URL", "http://localhost:4010", "http://localhost:4010"},
		{"GRANTD_MGMT_URL", "https://[::1]:4010", "https://[::1]:4010"},
		{"GRANTD_LOG_FORMAT", "", "text"}, // empty is not set
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			c, _ := load(t, append(without(good(), tt.name), tt.name+"="+tt.value), nil)
			if got := show(c, tt.name); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func show(c *config.Config, name string) string {
	all := c.Redacted()
	i := slices.IndexFunc(all, func(s config.Setting) bool { return s.Name == name })
	return all[i].Value
}

// A domain with a port, or one that is no more than a word, is for tests and
// private clouds: there is a URL then.
func TestDomainBesideURL(t *testing.T) {
	for _, domain := range []string{"127.0.0.1:4010", "tenant", "[::1]:4010"} {
		c, _ := load(t, append(without(good(), "MGMT_DOMAIN"), "MGMT_DOMAIN="+domain, "GRANTD_MGMT_URL=http://127.0.0.1:4010"), nil)
		if c.Domain != domain {
			t.Errorf("Domain = %q, want %q", c.Domain, domain)
		}
	}
}

// All errors come at once, in the table's order, whatever the environment's.
func TestLoadReportsAll(t *testing.T) {
	env := []string{
		"GRANTD_LOG_LEVEL=loud", "GRANTD_LISTEN=8080", "GRANTD_SCOPE_CEILING=*:x", "LOG_WEBHOOK_SECRET=short",
		"OAUTH_AUDIENCE=", "MGMT_DOMAIN=https://acme.eu.auth0.com", "GRANTD_POLL_SCHEDULE=TZ=0", "GRANTD_ALLOWED_CLIENTS=x,y",
	}
	var names []string
	for _, line := range failures(t, env, nil) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	want := []string{
		"MGMT_DOMAIN", "MGMT_CLIENT_ID", "MGMT_CLIENT_SECRET", "OAUTH_AUDIENCE", "TOOL_SCOPES", "GRANTD_SCOPE_CEILING",
		"GRANTD_ALLOWED_CLIENTS", "GRANTD_ALLOWED_CLIENTS", "LOG_WEBHOOK_SECRET", "GRANTD_POLL_SCHEDULE",
		"GRANTD_LISTEN", "GRANTD_STATE_DIR", "GRANTD_LOG_LEVEL",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A token that is there but wrong is one error, not also a missing one.
func TestBadAdminToken(t *testing.T) {
	lines := failures(t, good("GRANTD_ADMIN_LISTEN=:8081", "GRANTD_ADMIN_TOKEN=x "), nil)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "GRANTD_ADMIN_TOKEN: ") {
		t.Errorf("got %q", lines)
	}
}

// What may hold a password is not repeated.
func TestErrorsHideCredentials(t *testing.T) {
	for _, kv := range []string{
		"GRANTD_MGMT_URL=https://me:hunter2@auth0.example.com",
		"MGMT_DOMAIN=https://me:hunter2@acme.eu.auth0.com/",
		"MGMT_DOMAIN=me:hunter2@acme.eu.auth0.com",
		"MGMT_DOMAIN=me:hunter2@acme.eu.auth0.com/x",
		"GRANTD_POLL_SCHEDULE=@me:hunter2@acme",
		"TOOL_SCOPES_URL=https://me:hunter2@mcp.example.com/",
		"MGMT_CLIENT_SECRET=hunter2\n",
		"GRANTD_ADMIN_TOKEN=hunter2 ",
	} {
		name, _, _ := strings.Cut(kv, "=")
		for _, line := range failures(t, append(without(good(), name), kv), nil) {
			if strings.Contains(line, "hunter2") {
				t.Errorf("%s", line)
			}
		}
	}
}
