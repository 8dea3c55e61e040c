package config_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
)

// Every secret can be set in three ways and by its alias, and says where it
// came from.
func TestSecretWays(t *testing.T) {
	const secret = "another-secret-0123456789"
	for _, v := range config.Variables() {
		if !v.Secret {
			continue
		}
		secret := secret
		if v.Name == "GRANTD_NOTIFY_URL" {
			secret = "https://hooks.example.com/" + secret
		}
		credential := "/creds/" + strings.ToLower(v.Name)
		tests := []struct {
			env   []string
			files disk
			want  config.Origin
		}{
			{env: []string{v.Name + "=" + secret}, want: config.FromEnv},
			{files: disk{"grantd.env": v.Name + "=" + secret}, want: config.FromEnvFile},
			{env: []string{v.Name + "_FILE=/s"}, files: disk{"/s": secret}, want: config.FromFile},
			{env: []string{v.Name + "_FILE=/s"}, files: disk{"/s": secret + "\n"}, want: config.FromFile},
			{env: []string{v.Name + "_FILE=/s"}, files: disk{"/s": secret + "\r\n"}, want: config.FromFile},
			{files: disk{"grantd.env": v.Name + "_FILE=/s", "/s": secret}, want: config.FromFile},
			{env: []string{"CREDENTIALS_DIRECTORY=/creds"}, files: disk{credential: secret + "\n"}, want: config.FromCredential},
		}
		if v.Alias != "" {
			tests = append(tests, tests[0], tests[2])
			for i := range tests[len(tests)-2:] {
				tt := &tests[len(tests)-2+i]
				tt.env = []string{strings.Replace(tt.env[0], v.Name, v.Alias, 1)}
			}
		}
		for _, tt := range tests {
			c, _ := load(t, append(without(good(), v.Name), tt.env...), tt.files)
			want, _ := load(t, append(without(good(), v.Name), v.Name+"="+secret), nil)
			if diff := config.Diff(want, c); len(diff) > 0 || c.Origin(v.Name) != tt.want {
				t.Errorf("%v %v: %v differ, origin %q, want %q", tt.env, tt.files, diff, c.Origin(v.Name), tt.want)
			}
		}
	}
}

func TestSecretFailures(t *testing.T) {
	const name = "MGMT_CLIENT_SECRET"
	for _, tt := range []struct {
		about string
		env   []string
		files disk
		want  string
	}{
		{"not set", nil, nil, "not set; set it, or MGMT_CLIENT_SECRET_FILE"},
		{"text and file", []string{name + "=x", name + "_FILE=/s"}, disk{"/s": "x"}, "more than one way: MGMT_CLIENT_SECRET, MGMT_CLIENT_SECRET_FILE"},
		{"text and credential", []string{name + "=x", "CREDENTIALS_DIRECTORY=/c"}, disk{"/c/mgmt_client_secret": "x"}, "more than one way"},
		{"file and credential", []string{name + "_FILE=/s", "CREDENTIALS_DIRECTORY=/c"}, disk{"/s": "x", "/c/mgmt_client_secret": "x"}, "more than one way"},
		{"no such file", []string{name + "_FILE=/s"}, nil, "read the secret: file does not exist (/s)"},
		{"empty file", []string{name + "_FILE=/s"}, disk{"/s": "\n"}, "the file is empty (/s)"},
		{"two lines", []string{name + "_FILE=/s"}, disk{"/s": "hunter2\nhunter3\n"}, "line break"},
		{"two newlines", []string{name + "_FILE=/s"}, disk{"/s": "hunter2\n\n"}, "white space (/s)"},
		{"empty credential", []string{"CREDENTIALS_DIRECTORY=/c"}, disk{"/c/mgmt_client_secret": ""}, "the file is empty"},
		{"long file", []string{name + "_FILE=/s"}, disk{"/s": strings.Repeat("hunter2", 10000)}, "longer than 65536 bytes"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			lines := failures(t, append(without(good(), name), tt.env...), tt.files)
			if len(lines) != 1 || !strings.Contains(lines[0], tt.want) || strings.Contains(lines[0], "hunter") {
				t.Errorf("got %q, want one line with %q", lines, tt.want)
			}
		})
	}
}

// A credential that exists and cannot be read is an error, not a missing one.
func TestUnreadableCredential(t *testing.T) {
	read := func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	_, _, err := config.Load(config.Source{Environ: append(without(good(), "MGMT_CLIENT_SECRET"), "CREDENTIALS_DIRECTORY=/c"), ReadFile: read})
	if err == nil || !strings.Contains(err.Error(), "MGMT_CLIENT_SECRET: read the secret: permission denied (/c/mgmt_client_secret)") {
		t.Errorf("got %v", err)
	}
}

func TestAliases(t *testing.T) {
	for _, tt := range []struct {
		about        string
		env          []string
		file         string
		want         string // of a notice; empty is none
		wantFailures string
	}{
		{about: "alias", env: []string{"AUTH0_TENANT_DOMAIN=b.auth0.com"}, want: "MGMT_DOMAIN: AUTH0_TENANT_DOMAIN is an alias; write MGMT_DOMAIN"},
		{about: "both, the same", env: []string{"AUTH0_TENANT_DOMAIN=b.auth0.com", "MGMT_DOMAIN=b.auth0.com"}, want: "is an alias"},
		{about: "both, not the same", env: []string{"AUTH0_TENANT_DOMAIN=b.auth0.com", "MGMT_DOMAIN=c.auth0.com"}, wantFailures: "AUTH0_TENANT_DOMAIN is set too, to another value; keep MGMT_DOMAIN"},
		{about: "alias in the file", env: []string{"MGMT_DOMAIN=b.auth0.com"}, file: "AUTH0_TENANT_DOMAIN=c.auth0.com", wantFailures: "to another value"},
		{about: "alias in both", env: []string{"AUTH0_TENANT_DOMAIN=b.auth0.com"}, file: "AUTH0_TENANT_DOMAIN=c.auth0.com", want: "the process environment has another value than grantd.env:1, and wins"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			env, files := append(without(good(), "MGMT_DOMAIN"), tt.env...), disk{"grantd.env": tt.file}
			if tt.wantFailures != "" {
				if lines := failures(t, env, files); len(lines) != 1 || !strings.Contains(lines[0], tt.wantFailures) {
					t.Errorf("got %q, want one line with %q", lines, tt.wantFailures)
				}
				return
			}
			c, notices := load(t, env, files)
			if c.Domain != "b.auth0.com" || c.Origin("MGMT_DOMAIN") != config.FromEnv {
				t.Errorf("Domain %q from %q", c.Domain, c.Origin("MGMT_DOMAIN"))
			}
			if !contains(notices, tt.want) {
				t.Errorf("notices %v, want one with %q", notices, tt.want)
			}
		})
	}
	t.Run("secret", func(t *testing.T) {
		lines := failures(t, good("WEBHOOK_SHARED_SECRET=another-secret-0123"), nil)
		if len(lines) != 1 || strings.Contains(lines[0], "another-secret") {
			t.Errorf("got %q", lines)
		}
	})
	t.Run("file and alias", func(t *testing.T) {
		lines := failures(t, good("WEBHOOK_SHARED_SECRET_FILE=/s"), disk{"/s": webhookSecret})
		if len(lines) != 1 || !strings.Contains(lines[0], "more than one way: LOG_WEBHOOK_SECRET, WEBHOOK_SHARED_SECRET_FILE") {
			t.Errorf("got %q", lines)
		}
	})
}

func contains(notices []config.Notice, text string) bool {
	for _, n := range notices {
		if strings.Contains(n.String(), text) {
			return true
		}
	}
	return false
}

func TestNotices(t *testing.T) {
	for _, tt := range []struct {
		about string
		env   []string
		file  string
		want  []string
	}{
		{"unknown", []string{"GRANTD_LISTNE=x"}, "", []string{"GRANTD_LISTNE: unknown variable in the process environment; did you mean GRANTD_LISTEN?"}},
		{"unknown in file", nil, "\nGRANTD_POLL=x", []string{"GRANTD_POLL: unknown variable at grantd.env:2; did you mean GRANTD_POLL_SCHEDULE?"}},
		{"other programs' variables", []string{"MGMT_DOMAINS=x", "PATH=/bin"}, "", nil},
		{"mistyped in file", nil, "TOOL_SCOPE=x", []string{"grantd.env:1: unknown variable; did you mean TOOL_SCOPES?"}},
		{"other in file", nil, "hunter2=x", []string{"grantd.env:1: not a variable of grantd; ignored"}},
		{"shadowed", nil, "TOOL_SCOPES=other:scope", []string{"TOOL_SCOPES: the process environment has another value than grantd.env:1, and wins"}},
		{"shadowed, the same", nil, "TOOL_SCOPES=tools:read tools:call", nil},
		{"shadowed by nothing", []string{"GRANTD_LISTEN="}, "GRANTD_LISTEN=[::1]:1", nil},
		{"shadowed secret", nil, "MGMT_CLIENT_SECRET=hunter2", []string{"MGMT_CLIENT_SECRET: the process environment has another value than grantd.env:1, and wins"}},
		{"twice", nil, "GRANTD_LISTEN=[::1]:1\nGRANTD_LISTEN=[::1]:2", []string{"GRANTD_LISTEN: set twice in grantd.env; line 2 counts, line 1 does not"}},
		{"twice, the same", nil, "GRANTD_LISTEN=[::1]:1\nGRANTD_LISTEN=[::1]:1", nil},
		{"login scopes", []string{"REQUIRED_SCOPES=profile mcp:connect openid"}, "", []string{"REQUIRED_SCOPES: openid, profile left out: not a scope of an API"}},
		{"admin without TLS", []string{"GRANTD_ADMIN_LISTEN=0.0.0.0:1", "GRANTD_ADMIN_TOKEN=0123456789abcdef"}, "", []string{"GRANTD_ADMIN_LISTEN: other machines can reach 0.0.0.0:1, and there is no TLS: the token crosses the network in the clear, unless a proxy encrypts it"}},
		{"previous is current", []string{"LOG_WEBHOOK_SECRET_PREVIOUS=" + webhookSecret}, "", []string{"LOG_WEBHOOK_SECRET_PREVIOUS: equals LOG_WEBHOOK_SECRET; empty it"}},
	} {
		t.Run(tt.about, func(t *testing.T) {
			_, notices := load(t, good(tt.env...), disk{"grantd.env": tt.file})
			var got []string
			for _, n := range notices {
				got = append(got, n.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// The environment wins, and the file fills in the rest.
func TestEnvFilePrecedence(t *testing.T) {
	c, _ := load(t, good("GRANTD_LISTEN=:1"), disk{"grantd.env": "GRANTD_LISTEN=:2\nGRANTD_WEBHOOK_PATH=/file\n"})
	if c.Listen != ":1" || c.WebhookPath != "/file" {
		t.Errorf("Listen %q, WebhookPath %q", c.Listen, c.WebhookPath)
	}
	if c.Origin("GRANTD_LISTEN") != config.FromEnv || c.Origin("GRANTD_WEBHOOK_PATH") != config.FromEnvFile || c.Origin("GRANTD_SOCKET") != config.FromDefault {
		t.Errorf("origins: %v", c.Redacted())
	}
}

// A broken file is refused with its lines, what else is wrong comes too, and
// what may be on a broken line is not missed.
func TestBrokenEnvFile(t *testing.T) {
	lines := failures(t, []string{"HOME=/home/me"}, disk{"grantd.env": "MGMT_CLIENT_SECRET hunter2\nMGMT_DOMAIN=https://acme.eu.auth0.com\n\nLOG_WEBHOOK_SECRET='hunter2\n"})
	want := []string{
		`grantd.env:1: has no "="; write NAME=VALUE, or begin a comment with #`,
		`grantd.env:4: has a quote that is not closed; a value ends with its line`,
		`MGMT_DOMAIN: is a URL, and must be the host alone, got "https://acme.eu.auth0.com" (grantd.env:2); write MGMT_DOMAIN=acme.eu.auth0.com`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestMissingEnvFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.env")
	_, _, err := config.Load(config.Source{Environ: good(), EnvFile: path})
	if err == nil || !strings.HasPrefix(err.Error(), path+": read the env file: no such file or directory; ") {
		t.Errorf("got %v", err)
	}
}

// Without a ReadFile, files come from disk, and no more of one than allowed.
func TestReadsFromDisk(t *testing.T) {
	dir := t.TempDir()
	env, secret := filepath.Join(dir, "grantd.env"), filepath.Join(dir, "secret")
	for path, text := range map[string]string{env: "MGMT_CLIENT_SECRET_FILE=" + secret, secret: clientSecret + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := config.Load(config.Source{Environ: without(good(), "MGMT_CLIENT_SECRET"), EnvFile: env})
	if err != nil || c.ClientSecret.Reveal() != clientSecret {
		t.Errorf("got %v, %v", c, err)
	}
	if _, _, err = config.Load(config.Source{Environ: good(), EnvFile: "/dev/zero"}); err == nil || !strings.Contains(err.Error(), "longer than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}
