package policy_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/policy"
)

func TestParseRefuses(t *testing.T) {
	tests := []struct{ entry, want string }{
		{"", "empty entry"},
		{"chatgtp", `did you mean "chatgpt"?`},
		{"ChatGPT", `did you mean "chatgpt"?`},
		{"cluade", `did you mean "claude"?`},
		{"mcp-inspecter", `did you mean "mcp-inspector"?`},
		{"ayn", "not a preset; they are chatgpt, claude, mcp-inspector and any"},
		{"gemini", "not a preset; they are chatgpt, claude, mcp-inspector and any"},
		{"chatgpt.com", "absolute URI with scheme and host"},
		{"//chatgpt.com/cb", "absolute URI with scheme and host"},
		{"https:/chatgpt.com/cb", "absolute URI with scheme and host"},
		{"javascript:alert(1)", "absolute URI with scheme and host"},
		{"com.example.app:/cb", "absolute URI with scheme and host"},
		{"://example.com/cb", "no scheme"},
		{"javascript://example.com/cb", "scheme javascript"},
		{"file://host/cb", "scheme file"},
		{"1up://host/cb", "malformed scheme"},
		{"my_app://host/cb", "malformed scheme"},
		{"HTTPS://example.com/cb", "upper case in the scheme"},
		{"http://example.com/cb", "not loopback"},
		{"http://localhost.example.com/cb", "not loopback"},
		{"http://[::2]/cb", "not loopback"},
		{"https:///cb", "no host"},
		{"https://:8443/cb", "no host"},
		{"https://Example.com/cb", "upper case in the host"},
		{"https://example.com./cb", "dot after the host"},
		{"https://exa_mple.com/cb", "not a host name"},
		{"https://-example.com/cb", "not a host name"},
		{"https://example..com/cb", "not a host name"},
		{"https://exam%70le.com/cb", "not a host name"},
		{"https://" + strings.Repeat("a", 64) + ".com/cb", "not a host name"},
		{"https://" + strings.Repeat("a.", 130) + "com/cb", "longer than 253"},
		{"https://127.1/cb", "IPv4"},
		{"https://0x7f.0.0.1/cb", "IPv4"},
		{"https://127.0.0.0x1/cb", "IPv4"},
		{"https://2130706433/cb", "IPv4"},
		{"https://010.0.0.1/cb", "IPv4"},
		{"https://[::1/cb", "IPv6"},
		{"https://[0:0::1]/cb", "IPv6"},
		{"https://[fe80::1%25eth0]/cb", "IPv6"},
		{"https://[::ffff:1.2.3.4]/cb", "IPv6"},
		{"https://user@example.com/cb", "user info"},
		{"https://user:pw@example.com/cb", "user info"},
		{"https://example.com:443/cb", `port "443"`},
		{"http://localhost:80/cb", `port "80"`},
		{"https://example.com:/cb", `port ""`},
		{"https://example.com:0/cb", `port "0"`},
		{"https://example.com:65536/cb", `port "65536"`},
		{"https://example.com:080/cb", `port "080"`},
		{"https://example.com:x/cb", `port "x"`},
		{"https://example.com:*/cb", "leaves the port open"},
		{"http://[::1]:*/cb", "leaves the port open"},
		{"http://localhost:80:*/cb", "port"},
		{"http://localhost:*", "no path"},
		{"https://*.example.com/cb", "* in the host"},
		{"https://example.com", "no path"},
		{"https://example.com?x=1", "no path"},
		{`https://example.com\cb`, "backslash"},
		{`https://example.com/a\cb`, `'\\'`},
		{"https://example.com/*", "* in the path; write {id}"},
		{"https://example.com/cb#frag", "fragment"},
		{"https://example.com/cb#", "fragment"},
		{"https://example.com/cb?", "ends with ?"},
		{"https://example.com/a/../cb", "dot segment"},
		{"https://example.com/./cb", "dot segment"},
		{"https://example.com/%2E%2E/cb", "percent-encoding"},
		{"https://example.com/%61", "percent-encoding"},
		{"https://example.com/%00", "percent-encoding"},
		{"https://example.com/%c3", "hexadecimal digits in upper case"},
		{"https://example.com/%", "hexadecimal digits in upper case"},
		{"https://example.com/x{id}", "brace"},
		{"https://example.com/{id}x", "brace"},
		{"https://example.com/{name}", "brace"},
		{"https://example.com/cb?x={id}", "brace"},
		{"https://{id}.example.com/cb", "not a host name"},
		{"https://example.com/a,b", "','"},
		{"https://example.com/a'b?c'd", `'\''`},
		{"cursor://host/{id}", "private-use scheme"},
		{"cursor://Host/cb", "upper case in the host"},
		{"https://example.com/a b", `" "`},
		{"https://example.com/a\tb", `"\t"`},
		{"https://exämple.com/cb", `"\u00e4"`},
		{"https://example.com/" + strings.Repeat("a", 2048), "longer than 2048"},
	}
	for _, tt := range tests {
		_, err := policy.Parse([]string{tt.entry})
		if err == nil {
			t.Errorf("Parse(%.80q) accepts", tt.entry)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%.80q) = %q, want it to say %q", tt.entry, err, tt.want)
		} else if len(err.Error()) > 600 {
			t.Errorf("Parse(%.80q): an error of %d bytes", tt.entry, len(err.Error()))
		}
	}
}

func TestParseJoinsAllErrors(t *testing.T) {
	p, err := policy.Parse([]string{"chatgtp", "claude", "http://example.com/cb", "https://*.example.com/"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"chatgtp", "http://example.com/cb", "https://*.example.com/"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	if _, ok := p.MatchURI("https://claude.ai/api/mcp/auth_callback"); ok {
		t.Error("a policy with errors allows something")
	}
	if _, err := policy.Parse(nil); err == nil {
		t.Error("an empty list is no error")
	}
}

func TestEntries(t *testing.T) {
	p := parse(t, "https://example.com/cb", " claude ", "chatgpt", "claude")
	if diff := cmp.Diff([]string{"chatgpt", "claude", "https://example.com/cb"}, p.Entries()); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"https://chatgpt.com/connector/oauth/{id}",
		"https://chatgpt.com/connector_platform_oauth_redirect",
		"https://claude.ai/api/mcp/auth_callback",
		"https://claude.com/api/mcp/auth_callback",
		"https://example.com/cb",
	}, p.Rules()); diff != "" {
		t.Errorf("Rules (-want +got):\n%s", diff)
	}
	if p.AllowsAny() {
		t.Error("AllowsAny without any")
	}
	if got := parse(t, policy.Any).Rules(); !cmp.Equal(got, []string{policy.Any}) {
		t.Errorf("Rules of any = %q", got)
	}
}

// FuzzParse: what is accepted is an absolute URI that its own policy matches
// (unless it leaves something open), and net/url reads as it stands.
func FuzzParse(f *testing.F) {
	for _, e := range everything() {
		f.Add(e)
	}
	for _, e := range imitations() {
		if len(e) < 4096 {
			f.Add(e)
		}
	}
	f.Fuzz(func(t *testing.T, entry string) {
		p, err := policy.Parse([]string{entry})
		if err != nil {
			if p.AllowsAny() || len(p.Entries()) != 0 || len(p.Rules()) != 0 {
				t.Fatalf("Parse(%q) fails and yet allows something", entry)
			}
			return
		}
		for _, rule := range p.Rules() {
			if rule == policy.Any {
				continue
			}
			example := strings.ReplaceAll(strings.Replace(rule, ":*/", ":4711/", 1), "{id}", "x-Y_1")
			if _, ok := p.MatchURI(example); !ok {
				t.Fatalf("%q does not match its own example %q", rule, example)
			}
			u, err := url.Parse(example)
			if err != nil {
				t.Fatalf("%q is accepted, but does not parse: %v", rule, err)
			}
			if u.String() != example || u.User != nil || u.Fragment != "" || u.Scheme == "" || u.Host == "" || u.Host != strings.ToLower(u.Host) {
				t.Fatalf("%q is accepted, but parses as %#v", rule, u)
			}
			for _, suffix := range []string{"/", "x", "?", "#", ".", "@evil.example", "\n"} {
				if got, ok := p.MatchURI(example + suffix); ok && (suffix != "x" || !strings.HasSuffix(rule, "{id}")) {
					t.Fatalf("%q matches %q as %q", rule, example+suffix, got)
				}
			}
		}
	})
}
