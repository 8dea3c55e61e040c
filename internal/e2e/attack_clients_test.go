package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// imitations are callbacks that resemble ChatGPT's to somebody: to a person, or
// to one of the many parsers of URLs.
func imitations() []string {
	const id = "/connector/oauth/abc"
	all := []string{
		// user info
		"https://chatgpt.com@evil.example" + id, "https://chatgpt.com:443@evil.example" + id, "https://chatgpt.com%40evil.example" + id,
		"https://user@chatgpt.com" + id, "https://user:pass@chatgpt.com" + id, "https://@chatgpt.com" + id,
		// subdomain, suffix, prefix, other names
		"https://evil.chatgpt.com" + id, "https://chatgpt.com.evil.example" + id, "https://notchatgpt.com" + id,
		"https://chatgpt-com.evil.example" + id, "https://chatgpt.co" + id, "https://chatgpt.comm" + id, "https://evil.example/?https://chatgpt.com" + id,
		// port, explicit default port, none
		"https://chatgpt.com:443" + id, "https://chatgpt.com:8443" + id, "https://chatgpt.com:" + id, "https://chatgpt.com:0443" + id,
		// case, trailing dot
		"https://CHATGPT.com" + id, "HTTPS://chatgpt.com" + id, "https://chatgpt.com/Connector/oauth/abc", "https://chatgpt.com." + id, "https://chatgpt.com.." + id,
		// percent-encoding
		"https://chatgpt%2Ecom" + id, "https://chatgpt.com/connector/oauth/%61bc", "https://chatgpt.com/%63onnector/oauth/abc",
		"https://chatgpt.com/connector%2Foauth/abc", "https://chatgpt.com" + id + "%00", "https://chatgpt.com" + id + "%0d%0aX:y",
		// dot segments, double slashes
		"https://chatgpt.com/connector/oauth/..", "https://chatgpt.com/connector/oauth/../../evil", "https://chatgpt.com/./connector/oauth/abc",
		"https://chatgpt.com/connector/oauth/%2e%2e", "https://chatgpt.com//connector/oauth/abc", "https://chatgpt.com/connector/oauth//abc",
		// backslash, tab, newline, blanks
		`https://chatgpt.com\connector\oauth\abc`, `https://evil.example\@chatgpt.com` + id, `https://chatgpt.com\.evil.example` + id, `https:\\chatgpt.com` + id,
		"https://chat\tgpt.com" + id, "https://chatgpt.com" + id + "\t", "https://chatgpt.com" + id + "\n", "ht\ntps://chatgpt.com" + id, "https://chatgpt.com" + id + "\r\nX: y",
		" https://chatgpt.com" + id, "https://chatgpt.com" + id + " ", "https://chatgpt.com" + id + "\x00", " ", "\t", "\u00a0",
		// homographs: Cyrillic, full-width, ideographic dot, combining, soft hyphen, zero-width, punycode, bidi
		"https://chаtgpt.com" + id, "https://ｃhatgpt.com" + id, "https://chatgpt。com" + id, "https://chatgpt.com\u0301" + id, "https://chat\u00adgpt.com" + id,
		"https://chat\u200bgpt.com" + id, "https://xn--chtgpt-4ve.com" + id, "https://chatgpt.com／connector/oauth/abc", "\ufeffhttps://chatgpt.com" + id, "\u202ehttps://chatgpt.com" + id,
		// fragment, query
		"https://chatgpt.com" + id + "#", "https://chatgpt.com" + id + "#x", "https://chatgpt.com" + id + "?", "https://chatgpt.com" + id + "?next=https://evil.example", "https://chatgpt.com" + id + ";x",
		// scheme
		"http://chatgpt.com" + id, "javascript:alert(1)", "javascript://chatgpt.com" + id + "%0Aalert(1)", "data:text/html,https://chatgpt.com" + id,
		"view-source:https://chatgpt.com" + id, "//chatgpt.com" + id, "chatgpt.com" + id, "https:/chatgpt.com" + id, "https:chatgpt.com" + id, "file:///etc/passwd",
		// addresses
		"https://[::1]" + id, "https://[::ffff:104.18.32.47]" + id, "https://104.18.32.47" + id, "https://[chatgpt.com]" + id, "https://localhost" + id,
		// path: none, suffix, an id with characters that ids do not have, or too long
		"https://chatgpt.com", "https://chatgpt.com/", "https://chatgpt.com/connector/oauth/", "https://chatgpt.com/connector/oauth/{id}", "https://chatgpt.com" + id + "/",
		"https://chatgpt.com" + id + "/more", "https://chatgpt.com/connector_platform_oauth_redirect/", "https://chatgpt.com/connector_platform_oauth_redirect.evil",
		"https://chatgpt.com/connector/oauth/a.b", "https://chatgpt.com/connector/oauth/a:b", "https://chatgpt.com/connector/oauth/a*b", "https://chatgpt.com/connector/oauth/abç",
		"https://chatgpt.com/connector/oauth/" + strings.Repeat("x", 257), "https://chatgpt.com/connector/oauth/" + strings.Repeat("x", 100<<10), "",
		// two in one
		"https://chatgpt.com" + id + ",https://evil.example/", "https://chatgpt.com" + id + " https://evil.example/",
	}
	return all
}

// Callbacks that imitate ChatGPT's, of clients that exist and are announced: all
// refused for that reason, by one read each and no write. So are those that have
// one beside a right one, and those with too many; a client with many right ones
// is none of them.
func TestAttackCallbacks(t *testing.T) {
	f := newFortress(t, setup{})
	const right = "https://chatgpt.com/connector/oauth/right"
	clients := map[string]string{}
	for _, uri := range imitations() {
		clients[f.stranger("ChatGPT", uri)] = fmt.Sprintf("%.80q", uri)
		clients[f.stranger("ChatGPT", right, uri)] = fmt.Sprintf("a right one and %.80q", uri)
	}
	clients[f.stranger("ChatGPT", "https://evil.example/", right)] = "evil first"
	many := slices.Repeat([]string{right}, 400)
	clients[f.stranger("ChatGPT", append(many, "https://evil.example/")...)] = "evil after hundreds"
	clients[f.stranger("ChatGPT", many...)] = "hundreds"
	f.besieged()
	mark := f.mark()
	if r := f.announce(slices.Collect(maps.Keys(clients))...); r.Registrations != len(clients) {
		t.Fatalf("receipt %+v of %d", r, len(clients))
	}
	f.eventually("nothing is due", func() bool { return f.due() == 0 })
	for id, what := range clients {
		if c, err := f.daemon.Client(f.ctx(), id); err != nil || c.Phase != "refused" || c.Reason != "callback_not_allowed" {
			t.Errorf("%s: %s, %s, %v", what, c.Phase, c.Reason, err)
		}
	}
	f.noWrites(mark)
	if n := len(f.calls(mark)); n > len(clients) {
		t.Errorf("%d calls for %d clients", n, len(clients))
	}
	mark = f.mark()
	f.run("sync")
	f.noWrites(mark)
	f.unharmed()
}

// The same callbacks in a registration that Auth0 itself takes.
func TestAttackRegistrations(t *testing.T) {
	f := newFortress(t, setup{})
	taken := 0
	for _, uri := range imitations() {
		reg := tenantsim.ChatGPT("x")
		reg.RedirectURIs = append(reg.RedirectURIs, uri)
		if _, err := f.tenant.Register(reg); err == nil {
			taken++
		}
	}
	f.besieged()
	mark := f.mark()
	if r := f.post(body(f.lines())); r.Registrations != taken || taken < 30 {
		t.Errorf("receipt %+v, Auth0 took %d", r, taken)
	}
	f.eventually("nothing is due", func() bool { return f.due() == 0 })
	if n := f.health().Clients["refused"]; n != taken {
		t.Errorf("%d refused of %d", n, taken)
	}
	f.noWrites(mark)
	f.unharmed()
}

// Entries that name clients which are none of grantd's business, forged by
// somebody who has the secret, in every kind that makes grantd look: nothing
// changes, and nobody is asked about who does not exist more than twice.
func TestAttackForgedEntries(t *testing.T) {
	f := newFortress(t, setup{})
	chatgpt := []string{"https://chatgpt.com/connector_platform_oauth_redirect"}
	add := func(c tenantsim.Client) string { return f.tenant.AddClient(c).ID }
	victims := map[string]string{
		add(tenantsim.Client{Name: "Shop", FirstParty: true, Callbacks: chatgpt}):                          "first_party",
		add(tenantsim.Client{Name: "Bot", AppType: "non_interactive", Callbacks: chatgpt}):                 "machine_to_machine",
		add(tenantsim.Client{Name: "Bot", GrantTypes: []string{"client_credentials"}, Callbacks: chatgpt}): "machine_to_machine",
		add(tenantsim.Client{Name: "ChatGPT", Callbacks: []string{}}):                                      "no_callbacks",
		otherApp:                "machine_to_machine",
		ownApp:                  "own_client",
		f.tenant.GlobalClient(): "global_client",
	}
	elsewhere := tenantsim.ForTest(t, tenantsim.Options{Domain: "other.us.auth0.com"})
	others, err := elsewhere.Register(tenantsim.ChatGPT("x"))
	if err != nil {
		t.Fatal(err)
	}
	f.besieged()
	mark := f.mark()
	ids := append(slices.Collect(maps.Keys(victims)), others.ID, "tpc_nobody", "client_id")
	for i, id := range ids {
		var entries []byte
		for j, kind := range []string{
			`"type":"sapi","details":{"request":{"method":"post","path":"/oidc/register"},"response":{"statusCode":201,"body":{"client_id":%q,"redirect_uris":["` + chatgpt[0] + `"]}}}`,
			`"type":"sapi","details":{"request":{"method":"patch","path":"/api/v2/clients/%s"},"response":{"statusCode":200,"body":{}}}`,
			`"type":"sapi","details":{"request":{"method":"delete","path":"/api/v2/clients/%s"},"response":{"statusCode":204,"body":{}}}`,
			`"type":"sapi","details":{"request":{"method":"post","path":"/api/v2/client-grants","body":{"client_id":%q,"audience":"` + audience + `"}},"response":{"statusCode":201,"body":{"id":"cgr_forged","client_id":%[1]q,"audience":"` + audience + `"}}}`,
			`"type":"f","client_id":%q,"description":"Client is not authorized to access resource server \"` + audience + `\""`,
		} {
			entries = fmt.Appendf(entries, `{"log_id":"forged-%d-%d","data":{"log_id":"forged-%[1]d-%[2]d","date":"2026-11-24T06:00:00.000Z",`, i, j)
			entries = append(append(entries, fmt.Appendf(nil, kind, id)...), "}}\n"...)
		}
		f.post(entries)
	}
	f.eventually("nothing is due", func() bool { return f.due() == 0 })
	for id, why := range victims {
		if c := f.await(id, "refused"); c.Reason != why && c.Reason != "first_party" {
			t.Errorf("%s: refused for %s, want %s", id, c.Reason, why)
		}
	}
	for _, id := range []string{others.ID, "tpc_nobody", "client_id"} {
		f.await(id, "gone")
		n := 0
		for _, c := range f.tenant.Calls()[mark:] {
			if strings.HasSuffix(c.Path, "/"+id) {
				n++
			}
		}
		if n > 4 {
			t.Errorf("%s: %d calls", id, n)
		}
	}
	f.noWrites(mark)
	f.unharmed()
}

// Ids that try paths are malformed: no record, and no call for them.
func TestAttackIDs(t *testing.T) {
	f := newFortress(t, setup{})
	odd := []string{
		"", ".", "..", "../clients", "../../v2/users", "..%2f..%2fusers", "%2e%2e%2f", "%2F", "a/b", "/", `a\b`, `..\..`, "a%00", "a\x00b", "a b", "a\nb", "a\r\nHost: evil",
		"a?b=c", "a#b", "a;b", "a&b", "tpc_ünïcode", "tpc_\u202eabc", "🦊", strings.Repeat("a", 129), strings.Repeat("a", 1<<20-2000), "<script>", `"`, "$(id)", "{{7*7}}", "a@b", "a:b", "*", "null",
	}
	mark := f.mark()
	var entries []byte
	for i, id := range odd {
		entries = append(append(entries, registration(fmt.Sprintf("odd-%d", i), id, otherApp)...), '\n')
	}
	r := f.post(entries)
	f.eventually("nothing is due", func() bool { return f.due() == 0 })
	// "null" is a word like any other.
	if r.Received != len(odd) || r.Registrations != 1 || r.Malformed != len(odd)-1 {
		t.Errorf("receipt %+v of %d", r, len(odd))
	}
	for _, c := range f.tenant.Calls()[mark:] {
		if c.Path != "/api/v2/clients/null" && !routine(c) {
			t.Errorf("a call: %s %s", c.Method, c.Path)
		}
	}
	f.unharmed()
}
