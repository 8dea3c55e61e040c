package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
)

// TestTLS: what the variables for TLS come to together.
func TestTLS(t *testing.T) {
	const token = "GRANTD_ADMIN_TOKEN=0123456789abcdef"
	files := []string{"GRANTD_TLS_CERT_FILE=/tls/cert.pem", "GRANTD_TLS_KEY_FILE=/tls/key.pem"}
	acme := []string{"GRANTD_ACME_DOMAIN=Grantd.example.com", "GRANTD_LISTEN=:443"}
	for name, tt := range map[string]struct {
		env           []string
		public, admin bool
		notices       []string // beginnings
	}{
		"none":                           {nil, false, false, nil},
		"plain to the network":           {[]string{"GRANTD_LISTEN=:8080"}, false, false, []string{"GRANTD_LISTEN: other machines can reach :8080, and there is no TLS"}},
		"plain to a proxy":               {[]string{"GRANTD_LISTEN=:8080", "GRANTD_TRUSTED_PROXIES=172.17.0.1"}, false, false, nil},
		"files":                          {files, true, false, nil},
		"files, admin to the network":    {append(files, "GRANTD_ADMIN_LISTEN=:8081", token), true, true, nil},
		"no files, admin to the network": {[]string{"GRANTD_ADMIN_LISTEN=:8081", token}, false, false, []string{"GRANTD_ADMIN_LISTEN: other machines can reach :8081, and there is no TLS"}},
		"acme":                           {acme, true, false, nil},
		"acme, forwarded":                {[]string{acme[0], "GRANTD_LISTEN=0.0.0.0:8443"}, true, false, []string{"GRANTD_ACME_DOMAIN: the authority connects to port 443 of grantd.example.com"}},
		"acme, another public host":      {append(acme, "GRANTD_PUBLIC_URL=https://hook.example.com"), true, false, []string{"GRANTD_ACME_DOMAIN: is not the host of GRANTD_PUBLIC_URL"}},
		"acme, the public host":          {append(acme, "GRANTD_PUBLIC_URL=https://grantd.example.com:443"), true, false, nil},
		"an email alone":                 {[]string{"GRANTD_ACME_EMAIL=ops@example.com"}, false, false, []string{"GRANTD_ACME_DOMAIN: not set, so"}},
		"a directory on this machine":    {append(acme, "GRANTD_ACME_DIRECTORY_URL=http://127.0.0.1:14000/dir"), true, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, notices := load(t, good(tt.env...), nil)
			if c.ServesTLS() != tt.public || c.AdminTLS() != tt.admin {
				t.Errorf("TLS %v, admin %v", c.ServesTLS(), c.AdminTLS())
			}
			for i, n := range notices {
				if i >= len(tt.notices) || !strings.HasPrefix(n.String(), tt.notices[i]) {
					t.Errorf("notice %q", n)
				}
			}
			if len(notices) < len(tt.notices) {
				t.Errorf("notices %q, want %q", notices, tt.notices)
			}
		})
	}
}

// TestTLSRefuses: all that is wrong is said at once.
func TestTLSRefuses(t *testing.T) {
	lines := failures(t, good("GRANTD_ACME_DOMAIN=grantd.example.com", "GRANTD_TLS_CERT_FILE=/cert.pem", "GRANTD_ACME_EMAIL=x", "GRANTD_TRUSTED_PROXIES=x"), nil)
	want := []string{"GRANTD_TRUSTED_PROXIES: has", "GRANTD_TLS_KEY_FILE: not set", "GRANTD_ACME_DOMAIN: is set beside", "GRANTD_ACME_DOMAIN: needs a listener", "GRANTD_ACME_EMAIL: is not"}
	if len(lines) != len(want) {
		t.Fatalf("got %q", lines)
	}
	for i, l := range lines {
		if !strings.HasPrefix(l, want[i]) {
			t.Errorf("got %q, want %q", l, want[i])
		}
	}
}

// TestACMENeedsAnAuthorityToReachIt: however this machine alone is written.
func TestACMENeedsAnAuthorityToReachIt(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:443", "127.0.0.2:443", "[::1]:443", "[::ffff:127.0.0.1]:443", "localhost:443", "LocalHost:443"} {
		lines := failures(t, good("GRANTD_ACME_DOMAIN=grantd.example.com", "GRANTD_LISTEN="+listen), nil)
		if len(lines) != 1 || !strings.HasPrefix(lines[0], "GRANTD_ACME_DOMAIN: needs a listener") {
			t.Errorf("%s: %q", listen, lines)
		}
	}
}

// TestTrustedProxies: addresses, networks, both families, and what a reload may
// change.
func TestTrustedProxies(t *testing.T) {
	c, _ := load(t, good("GRANTD_TRUSTED_PROXIES= 10.0.0.2, 192.168.0.0/16\t::ffff:10.0.0.3 fd00::/8,"), nil)
	var got []string
	for _, p := range c.TrustedProxies {
		got = append(got, p.String())
	}
	if diff := cmp.Diff([]string{"10.0.0.2/32", "192.168.0.0/16", "10.0.0.3/32", "fd00::/8"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	other, _ := load(t, good("GRANTD_TRUSTED_PROXIES=10.0.0.2", "GRANTD_TLS_CERT_FILE=/c", "GRANTD_TLS_KEY_FILE=/k"), nil)
	want := []config.Change{{Name: "GRANTD_TRUSTED_PROXIES"}, {Name: "GRANTD_TLS_CERT_FILE", Restart: true}, {Name: "GRANTD_TLS_KEY_FILE", Restart: true}}
	if diff := cmp.Diff(want, config.Diff(c, other)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// FuzzTrustedProxies: whatever is written is read as what it shows, or refused.
func FuzzTrustedProxies(f *testing.F) {
	for _, s := range []string{"10.0.0.2", "10.0.0.0/8, ::1", "::ffff:1.2.3.4/96", "fe80::1%x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c, _, err := config.Load(config.Source{Environ: good("GRANTD_TRUSTED_PROXIES=" + raw)})
		if err != nil || len(c.TrustedProxies) == 0 {
			return
		}
		var shown string
		for _, s := range c.Redacted() {
			if s.Name == "GRANTD_TRUSTED_PROXIES" {
				shown = s.Value
			}
		}
		again, _, err := config.Load(config.Source{Environ: good("GRANTD_TRUSTED_PROXIES=" + shown)})
		if err != nil || len(config.Diff(c, again)) > 0 {
			t.Errorf("%q is shown as %q: %v", raw, shown, err)
		}
	})
}
