package policy_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"grantd/internal/policy"
)

func parse(t testing.TB, entries ...string) policy.Policy {
	t.Helper()
	p, err := policy.Parse(entries)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// everything allows one of each form there is.
func everything() []string {
	return []string{
		"chatgpt", "claude", "mcp-inspector",
		"https://example.com/a/callback", "https://example.com/q?x=1&y=a/b", "https://example.com:8443/cb",
		"https://example.com/t/{id}/cb/{id}", "https://example.com/caf%C3%A9/", "https://10.0.0.7/cb", "https://[2001:db8::1]/cb",
		"http://localhost:*/oauth/callback", "http://127.0.0.1:*/callback/{id}", "http://[::1]:3000/cb",
		"cursor://anysphere.cursor-retrieval/oauth/callback", "com.example.app://oauth",
	}
}

func TestMatchURI(t *testing.T) {
	p := parse(t, everything()...)
	tests := []struct{ uri, entry string }{
		{"https://chatgpt.com/connector_platform_oauth_redirect", "chatgpt"},
		{"https://chatgpt.com/connector/oauth/abc123", "chatgpt"},
		{"https://chatgpt.com/connector/oauth/A-b_9", "chatgpt"},
		{"https://chatgpt.com/connector/oauth/" + strings.Repeat("x", 256), "chatgpt"},
		{"https://claude.ai/api/mcp/auth_callback", "claude"},
		{"https://claude.com/api/mcp/auth_callback", "claude"},
		{"http://localhost:6274/oauth/callback/debug", "mcp-inspector"},
		{"http://localhost:6274/oauth/callback", "mcp-inspector"},
		{"https://example.com/a/callback", "https://example.com/a/callback"},
		{"https://example.com/q?x=1&y=a/b", "https://example.com/q?x=1&y=a/b"},
		{"https://example.com:8443/cb", "https://example.com:8443/cb"},
		{"https://example.com/t/one/cb/two", "https://example.com/t/{id}/cb/{id}"},
		{"https://example.com/caf%C3%A9/", "https://example.com/caf%C3%A9/"},
		{"https://10.0.0.7/cb", "https://10.0.0.7/cb"},
		{"https://[2001:db8::1]/cb", "https://[2001:db8::1]/cb"},
		{"http://localhost:1/oauth/callback", "http://localhost:*/oauth/callback"},
		{"http://localhost:65535/oauth/callback", "http://localhost:*/oauth/callback"},
		{"http://127.0.0.1:33418/callback/x", "http://127.0.0.1:*/callback/{id}"},
		{"http://[::1]:3000/cb", "http://[::1]:3000/cb"},
		{"cursor://anysphere.cursor-retrieval/oauth/callback", "cursor://anysphere.cursor-retrieval/oauth/callback"},
		{"com.example.app://oauth", "com.example.app://oauth"},
	}
	for _, tt := range tests {
		if got, ok := p.MatchURI(tt.uri); !ok || got != tt.entry {
			t.Errorf("MatchURI(%q) = %q, %v; want %q, true", tt.uri, got, ok, tt.entry)
		}
	}
}

// imitations are redirect URIs that resemble an allowed one.
func imitations() []string {
	return []string{
		"", " ", "/", "://", "*", "any", "null", "{id}",
		// user info
		"https://chatgpt.com@evil.example/connector/oauth/abc",
		"https://chatgpt.com:443@evil.example/connector/oauth/abc",
		"https://chatgpt.com%40evil.example/connector/oauth/abc",
		"https://user@chatgpt.com/connector/oauth/abc",
		"https://user:pass@chatgpt.com/connector/oauth/abc",
		"https://@chatgpt.com/connector/oauth/abc",
		// host
		"https://evil.chatgpt.com/connector/oauth/abc",
		"https://chatgpt.com.evil.example/connector/oauth/abc",
		"https://notchatgpt.com/connector/oauth/abc",
		"https://chatgpt-com.evil.example/connector/oauth/abc",
		"https://chatgpt.co/connector/oauth/abc",
		"https://chatgpt.comm/connector/oauth/abc",
		"https://chatgpt.com./connector/oauth/abc",
		"https://chatgpt.com../connector/oauth/abc",
		"https://CHATGPT.com/connector/oauth/abc",
		"https://ChatGPT.com/connector/oauth/abc",
		"https://chatgpt%2Ecom/connector/oauth/abc",
		"https://chatgpt.com%2F@evil.example/connector/oauth/abc",
		"https://chatgpt.com%00.evil.example/connector/oauth/abc",
		"https://evil.example/https://chatgpt.com/connector/oauth/abc",
		"https://evil.example/?https://chatgpt.com/connector/oauth/abc",
		"https://evil.example#https://chatgpt.com/connector/oauth/abc",
		"https:///chatgpt.com/connector/oauth/abc",
		"https:chatgpt.com/connector/oauth/abc",
		"https:/chatgpt.com/connector/oauth/abc",
		"//chatgpt.com/connector/oauth/abc",
		"chatgpt.com/connector/oauth/abc",
		// lookalikes: Cyrillic, full-width, ideographic dot, combining, soft hyphen, zero-width, punycode, Kelvin sign
		"https://chаtgpt.com/connector/oauth/abc",
		"https://ｃhatgpt.com/connector/oauth/abc",
		"https://chatgpt。com/connector/oauth/abc",
		"https://chatgpt．com/connector/oauth/abc",
		"https://chatgpt.com\u0301/connector/oauth/abc",
		"https://chat\u00adgpt.com/connector/oauth/abc",
		"https://chat\u200bgpt.com/connector/oauth/abc",
		"https://xn--chtgpt-4ve.com/connector/oauth/abc",
		"https://chatgpt.com∕connector/oauth/abc",
		"https://chatgpt.com／connector/oauth/abc",
		"http://localhoſt:6274/oauth/callback",
		"\ufeffhttps://chatgpt.com/connector/oauth/abc",
		"\u202ehttps://chatgpt.com/connector/oauth/abc",
		"https://chatgpt.com/connector/oauth/abc\u2028",
		"https://chatgpt.com/connector/oauth/abc\xff",
		// scheme
		"http://chatgpt.com/connector/oauth/abc",
		"HTTPS://chatgpt.com/connector/oauth/abc",
		"httpss://chatgpt.com/connector/oauth/abc",
		"ftp://chatgpt.com/connector/oauth/abc",
		"javascript:alert(1)",
		"javascript://chatgpt.com/connector/oauth/abc%0Aalert(1)",
		"data:text/html,https://chatgpt.com/connector/oauth/abc",
		"view-source:https://chatgpt.com/connector/oauth/abc",
		"https://localhost:6274/oauth/callback",
		// port
		"https://chatgpt.com:443/connector/oauth/abc",
		"https://chatgpt.com:8443/connector/oauth/abc",
		"https://chatgpt.com:/connector/oauth/abc",
		"https://example.com/cb", "https://example.com:08443/cb", "https://example.com:8443:8443/cb",
		"http://localhost/oauth/callback", "http://localhost:/oauth/callback", "http://localhost:*/oauth/callback",
		"http://localhost:0/oauth/callback", "http://localhost:80/oauth/callback", "http://localhost:080/oauth/callback",
		"http://localhost:65536/oauth/callback", "http://localhost:99999999999999999999/oauth/callback",
		"http://localhost:-1/oauth/callback", "http://localhost:+1/oauth/callback", "http://localhost:0x50/oauth/callback",
		"http://localhost:1@evil.example/oauth/callback", "http://localhost:1.evil.example/oauth/callback",
		"http://localhost:١/oauth/callback", "http://localhost:1 /oauth/callback",
		"http://localhost:6275/oauth/callback/debug", "http://127.0.0.1:6274/oauth/callback",
		"http://127.1:5000/callback/x", "http://2130706433:5000/callback/x", "http://0x7f.0.0.1:5000/callback/x",
		"http://127.0.0.1.evil.example:5000/callback/x", "http://127.0.0.1:5000/callback/", "http://127.0.0.1:5000/callback",
		// path
		"https://chatgpt.com/", "https://chatgpt.com", "https://chatgpt.com/connector/oauth/", "https://chatgpt.com/connector/oauth",
		"https://chatgpt.com/connector/oauth/{id}", "https://chatgpt.com/connector/oauth/abc/", "https://chatgpt.com/connector/oauth//abc",
		"https://chatgpt.com//connector/oauth/abc", "https://chatgpt.com/connector/oauth/abc/def",
		"https://chatgpt.com/connector/oauth/a.b", "https://chatgpt.com/connector/oauth/a~b", "https://chatgpt.com/connector/oauth/a:b",
		"https://chatgpt.com/connector/oauth/.", "https://chatgpt.com/connector/oauth/..", "https://chatgpt.com/connector/oauth/../oauth/abc",
		"https://chatgpt.com/x/../connector/oauth/abc", "https://chatgpt.com/./connector/oauth/abc",
		"https://chatgpt.com/connector/oauth/%2e%2e", "https://chatgpt.com/connector/oauth/%61bc", "https://chatgpt.com/%63onnector/oauth/abc",
		"https://chatgpt.com/connector%2Foauth/abc", "https://chatgpt.com/connector/oauth/abc%00", "https://chatgpt.com/connector/oauth/abc%0d%0aX:y",
		"https://chatgpt.com/Connector/oauth/abc", "https://chatgpt.com/connector_platform_oauth_redirect/", "https://chatgpt.com/connector_platform_oauth_redirect_",
		"https://chatgpt.com/connector/oauth/" + strings.Repeat("x", 257), "https://chatgpt.com/connector/oauth/" + strings.Repeat("x", 1<<20),
		"https://chatgpt.com/connector/oauth/abç", "https://chatgpt.com/connector/oauth/а",
		// backslash and what parsers strip
		`https://chatgpt.com\connector\oauth\abc`, `https:\\chatgpt.com/connector/oauth/abc`, `https://evil.example\@chatgpt.com/connector/oauth/abc`,
		`https://chatgpt.com/connector/oauth/abc\`, `https://chatgpt.com\.evil.example/connector/oauth/abc`,
		" https://chatgpt.com/connector/oauth/abc", "https://chatgpt.com/connector/oauth/abc ", "https://chatgpt.com/connector/oauth/abc\n",
		"\thttps://chatgpt.com/connector/oauth/abc", "https://chat\tgpt.com/connector/oauth/abc", "https://chatgpt.com/connector/oauth/a\tbc",
		"https://chatgpt.com/connector/oauth/abc\r\n", "ht\ntps://chatgpt.com/connector/oauth/abc", "https://chatgpt.com/connector/oauth/abc\x00",
		"\x00https://chatgpt.com/connector/oauth/abc", "https://chatgpt.com/connector/oauth/abc\x7f",
		// fragment, query, several in one
		"https://chatgpt.com/connector/oauth/abc#", "https://chatgpt.com/connector/oauth/abc#x", "https://chatgpt.com/connector/oauth/abc?",
		"https://chatgpt.com/connector/oauth/abc?next=https://evil.example", "https://chatgpt.com/connector/oauth/abc;x",
		"https://example.com/q", "https://example.com/q?x=1", "https://example.com/q?y=a/b&x=1", "https://example.com/q?x=1&y=a/b&z=2",
		"https://chatgpt.com/connector/oauth/abc,https://evil.example/", "https://chatgpt.com/connector/oauth/abc https://evil.example/",
		// other forms on the list
		"https://example.com/t//cb/two", "https://example.com/t/a/b/cb/two", "https://example.com/t/one/cb/", "https://example.com/caf%c3%a9/", "https://example.com/café/",
		"https://10.0.0.07/cb", "https://10.7/cb", "https://[2001:DB8::1]/cb", "https://[2001:db8:0::1]/cb", "https://[::ffff:10.0.0.7]/cb",
		"cursor://anysphere.cursor-retrieval/oauth/callback/", "cursor://anysphere.cursor-retrieval.evil/oauth/callback",
		"Cursor://anysphere.cursor-retrieval/oauth/callback", "cursor:anysphere.cursor-retrieval/oauth/callback", "com.example.app://oauth/", "com.example.app:/oauth",
	}
}

func TestImitationsDoNotMatch(t *testing.T) {
	p := parse(t, everything()...)
	for _, uri := range imitations() {
		if entry, ok := p.MatchURI(uri); ok {
			t.Errorf("%.200q is allowed by %q", uri, entry)
		}
	}
}

func TestZeroPolicyAllowsNothing(t *testing.T) {
	var p policy.Policy
	if _, ok := p.MatchURI("https://chatgpt.com/connector/oauth/abc"); ok || p.AllowsAny() {
		t.Error("the zero policy allows something")
	}
}

func TestMatchURIAllocatesNothing(t *testing.T) {
	p := parse(t, everything()...)
	if n := testing.AllocsPerRun(100, func() {
		p.MatchURI("https://chatgpt.com/connector/oauth/abc123")
		p.MatchURI("https://evil.example/connector/oauth/abc123")
	}); n != 0 {
		t.Errorf("MatchURI allocates %v times", n)
	}
}

// FuzzMatchURI holds every match to what another parser makes of it.
func FuzzMatchURI(f *testing.F) {
	for _, s := range slices.Concat(imitations(), []string{
		"https://chatgpt.com/connector/oauth/abc123", "http://localhost:1/oauth/callback", "http://127.0.0.1:33418/callback/x",
		"https://example.com/t/one/cb/two", "cursor://anysphere.cursor-retrieval/oauth/callback", "https://example.com/q?x=1&y=a/b",
	}) {
		if len(s) < 4096 {
			f.Add(s)
		}
	}
	p := parse(f, everything()...)
	hosts := []string{
		"chatgpt.com", "claude.ai", "claude.com", "example.com", "example.com:8443", "10.0.0.7", "[2001:db8::1]", "[::1]:3000",
		"anysphere.cursor-retrieval", "oauth",
	}
	f.Fuzz(func(t *testing.T, raw string) {
		entry, ok := p.MatchURI(raw)
		if !ok {
			return
		}
		if !slices.Contains(everything(), entry) {
			t.Fatalf("%q is allowed by %q, which is not on the list", raw, entry)
		}
		// No character that one URL parser drops, decodes or folds and another
		// does not.
		if i := strings.IndexFunc(raw, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\"<>^|{}#@*`+"`", r)
		}); i >= 0 {
			t.Fatalf("%q is allowed though it has %q", raw, raw[i])
		}
		if strings.Contains(raw, "%") && raw != "https://example.com/caf%C3%A9/" {
			t.Fatalf("%q is allowed with percent-encoding of its own", raw)
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q is allowed, but does not parse: %v", raw, err)
		}
		if u.String() != raw || u.User != nil || u.Fragment != "" || u.Opaque != "" || u.Scheme == "" {
			t.Fatalf("%q is allowed, but parses as %#v", raw, u)
		}
		if strings.Contains(u.Path, "/./") || strings.Contains(u.Path, "/../") {
			t.Fatalf("%q is allowed with dot segments", raw)
		}
		if host := u.Hostname(); u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1") {
			if u.Port() == "" || u.Port() == "80" {
				t.Fatalf("%q is allowed with the default port", raw)
			}
		} else if !slices.Contains(hosts, u.Host) {
			t.Fatalf("%q is allowed with host %q", raw, u.Host)
		}
	})
}

func BenchmarkMatchURI(b *testing.B) {
	p := parse(b, "chatgpt", "claude", "mcp-inspector")
	b.ReportAllocs()
	for b.Loop() {
		p.MatchURI("https://chatgpt.com/connector/oauth/abc123")
		p.MatchURI("https://chatgpt.com.evil.example/connector/oauth/abc123")
	}
}
