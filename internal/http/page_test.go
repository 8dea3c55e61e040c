package http_test

import (
	"compress/gzip"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// asked is what a browser gets at a path.
func asked(t testing.TB, h nethttp.Handler, method, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func browse(t testing.TB, h nethttp.Handler, path string) string {
	t.Helper()
	w := asked(t, h, "GET", path, "text/html")
	if w.Code != nethttp.StatusOK {
		t.Fatalf("%s: status %d", path, w.Code)
	}
	return w.Body.String()
}

// Every state has every section, and nothing in it is inline or from elsewhere.
func TestStatusPage(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?:src|href|action)="(?:https?:|//)|<style|style="|\son[a-z]+="|<script>`)
	for name, make := range scenes() {
		if name == "many" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			h := make(t).handler()
			w := asked(t, h, "GET", "/", "text/html,*/*")
			const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
			if got := w.Header().Get("Content-Security-Policy"); got != policy {
				t.Errorf("policy %q", got)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("cached: %q", got)
			}
			body := w.Body.String()
			for _, id := range []string{"health", "attention", "phases", "feeds", "budget", "capacity", "times", "clients"} {
				if strings.Count(body, `id="`+id+`"`) != 1 {
					t.Errorf("no section %s", id)
				}
			}
			if found := elsewhere.FindString(body); found != "" {
				t.Errorf("it has %q", found)
			}
		})
	}
}

// A page is compressed for those who take it so.
func TestPageIsCompressed(t *testing.T) {
	h := scenes()["ok"](t).handler()
	r := httptest.NewRequest("GET", "http://127.0.0.1/", nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Encoding", "gzip, br")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	small := w.Body.Len()
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil || !strings.Contains(string(body), `id="capacity"`) || small > len(body)/3 {
		t.Errorf("%d of %d bytes, %v", small, len(body), err)
	}
	if w.Header().Get("Content-Security-Policy") == "" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("headers: %v", w.Header())
	}
}

// What strangers call themselves is text, on every page, and shows its tricks.
func TestPagesOfHostileClients(t *testing.T) {
	s := scenes()["hostile"](t)
	h := s.handler()
	paths := []string{"/", "/?q=" + "%3C%2Fscript%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"}
	for n := range 4 {
		paths = append(paths, "/clients/"+s.clientOf(n, dcr.Ready).ClientID)
	}
	for _, path := range paths {
		body := browse(t, h, path)
		if bad := regexp.MustCompile("<img src=x|</script><img|\u202e|\u200b|\x1b|\x00|href=\"javascript").FindString(body); bad != "" {
			t.Errorf("%s has %q", path, bad)
		}
		if !strings.Contains(body, "&lt;img src=x") {
			t.Errorf("%s does not show the name", path)
		}
	}
}

// The page, its style and its script together are small.
func TestPageWeight(t *testing.T) {
	h := scenes()["ok"](t).handler()
	body := browse(t, h, "/")
	total := len(body)
	for _, m := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1) {
		w := asked(t, h, "GET", m[1], "*/*")
		if w.Code != nethttp.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %q", m[1], w.Code, w.Header().Get("Cache-Control"))
		}
		total += w.Body.Len()
	}
	t.Logf("%d bytes", total)
	if total > 100_000 {
		t.Errorf("%d bytes", total)
	}
}

// What a page needs asks nobody else for anything either, and loads nothing.
func TestAssetsAskNobody(t *testing.T) {
	h := scenes()["ok"](t).handler()
	elsewhere := regexp.MustCompile(`(?i)https?:|["'(\s]//[a-z0-9]|@import|url\(|\bimport\b|innerHTML|\beval\b|sourceMappingURL`)
	names := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(browse(t, h, "/"), -1)
	kinds := map[string]bool{}
	for _, m := range names {
		w := asked(t, h, "GET", m[1], "*/*")
		kinds[w.Header().Get("Content-Type")] = true
		// The name of SVG's namespace is no address to be asked.
		body := strings.ReplaceAll(w.Body.String(), `xmlns="http://www.w3.org/2000/svg"`, "")
		body = regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAllString(body, "")
		if found := elsewhere.FindString(body); found != "" {
			t.Errorf("%s has %q", m[1], found)
		}
	}
	if len(kinds) != 3 {
		t.Errorf("kinds of assets: %v", kinds)
	}
}

// The pages and what they need are only read, whatever is sent.
func TestPagesOnlyRead(t *testing.T) {
	s := scenes()["ok"](t)
	h := s.handler()
	asset := regexp.MustCompile(`/assets/style[^"]+`).FindString(browse(t, h, "/"))
	client := "/clients/" + s.clientOf(0, dcr.Ready).ClientID
	for _, path := range []string{"/", client, asset} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
			w := asked(t, h, method, path, "text/html")
			if w.Code != nethttp.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: status %d, allowed %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
		if w := asked(t, h, "HEAD", path, "text/html"); w.Code != nethttp.StatusOK {
			t.Errorf("HEAD %s: status %d", path, w.Code)
		}
	}
}

// Every page of a client tells its phase, and what it is that needs a person,
// once.
func TestPageOfClientInEveryPhase(t *testing.T) {
	s := scenes()["degraded"](t)
	held := s.clientOf(5, dcr.Ready)
	dry := s.clientOf(300, dcr.Pending)
	dry.Reason, dry.Plan = dcr.DryRun, []dcr.Change{{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"notes:read"}}}}
	dry.Attempts, dry.LastError = 0, ""
	two := s.clientOf(301, dcr.Blocked)
	lacks := func(scope string) dcr.Condition {
		e := &auth0.Error{Op: "update", Status: 403, Reason: dcr.MissingScope, Scope: scope, Message: "Insufficient scope, expected any of: " + scope}
		return dcr.Condition{Reason: dcr.MissingScope, Message: e.Error()}
	}
	two.Conditions.Promoted, two.Conditions.Granted = lacks("update:clients"), lacks("create:client_grants")
	two.Conditions.Connected = two.Conditions.Promoted
	two.Reason, two.Message = dcr.MissingScope, two.Conditions.Promoted.Message
	s.add(t, dry, two)
	h := s.handler()
	for name, tt := range map[string]struct {
		id         string
		says, once []string
	}{
		"ready":   {s.clientOf(0, dcr.Ready).ClientID, []string{"users can log in through it", "Promoted: yes", "Granted: yes", "notes:write", "in 180 ms"}, []string{"The client was promoted"}},
		"pending": {s.clientOf(1, dcr.Pending).ClientID, []string{"work is due", "3 failures in a row", "Next attempt"}, []string{"server_error</code>"}},
		"blocked": {s.clientOf(2, dcr.Blocked).ClientID, []string{"a person must act", "Connected: not yet", "What to do:"}, []string{"google-oauth2", "Promote Connection to Domain Level"}},
		"two":     {two.ClientID, []string{"Promoted: not yet", "Granted: not yet"}, []string{"update:clients", "create:client_grants", "Machine to Machine"}},
		"refused": {s.clientOf(3, dcr.Refused).ClientID, []string{"policy says hands off", "GRANTD_ALLOWED_CLIENTS", "grantd clients forget"}, []string{"https://evil.example/cb is not on the allow-list"}},
		"gone":    {s.clientOf(4, dcr.Gone).ClientID, []string{"deleted in Auth0", "grantd clients forget"}, []string{"does not exist in Auth0"}},
		"held":    {held.ClientID, []string{"Nothing of this client is written", "until it is released"}, []string{`id="holds"`}},
		"dry run": {dry.ClientID, []string{"What would be done", "notes:read", "GRANTD_DRY_RUN"}, []string{"This is a dry run"}},
	} {
		body := browse(t, h, "/clients/"+tt.id)
		for _, want := range tt.says {
			if !strings.Contains(body, want) {
				t.Errorf("%s: it does not say %q", name, want)
			}
		}
		for _, want := range tt.once {
			if n := strings.Count(body, want); n != 1 {
				t.Errorf("%s: it says %q %d times", name, want, n)
			}
		}
	}
}

// Everything that is wrong has its place among what needs a person, where it is
// told once, with what to do about it.
func TestWhatNeedsAPersonIsToldOnce(t *testing.T) {
	body := browse(t, scenes()["degraded"](t).handler(), "/")
	for _, want := range []string{
		"is paused or suspended", "says why it stopped", "holds no scopes", "protected-resource metadata", "Promote Connection to Domain Level",
		"Machine to Machine Applications", "create:client_grants", "undoes the same change", "1 hold keeps grantd from writing",
		"The tenant is nearly full of applications",
	} {
		if n := strings.Count(body, want); n != 1 {
			t.Errorf("%q is told %d times", want, n)
		}
	}
	health, _, _ := strings.Cut(body, `id="attention"`)
	places := regexp.MustCompile(`<li><a href="#([^"]+)">`).FindAllStringSubmatch(health, -1)
	if len(places) != 5 {
		t.Errorf("%d places: %q", len(places), places)
	}
	for _, place := range places {
		if strings.Count(body, ` id="`+place[1]+`"`) != 1 {
			t.Errorf("no place %s", place[1])
		}
	}
	if starting := browse(t, scenes()["empty"](t).handler(), "/"); !strings.Contains(starting, "Nothing needs you so far.") || strings.Count(starting, "Starting") != 2 {
		t.Error("a start needs somebody")
	}
}

func TestPagesThatAreNone(t *testing.T) {
	h := scenes()["ok"](t).handler()
	for path, want := range map[string]int{
		"/clients/tpc_unknown": 404, "/clients/..": 404, "/?phase=nonsense": 400, "/?after=nonsense": 400, "/assets/nothing.js": 404, "/elsewhere": 404,
	} {
		if w := asked(t, h, "GET", path, "text/html"); w.Code != want {
			t.Errorf("%s: status %d, want %d", path, w.Code, want)
		}
	}
	for _, path := range []string{"/", "/clients/tpc_x"} {
		if w := asked(t, h, "POST", path, "text/html"); w.Code != nethttp.StatusMethodNotAllowed {
			t.Errorf("POST %s: status %d", path, w.Code)
		}
	}
	if w := asked(t, h, "GET", "/", "*/*"); strings.Contains(w.Body.String(), "<") || !strings.Contains(w.Body.String(), "status   ok") {
		t.Errorf("without a browser: %s", w.Body)
	}
}

// The list shows what it is asked for, the newest first, and goes on.
func TestPageOfClients(t *testing.T) {
	s := scenes()["degraded"](t)
	h := s.handler()
	rows := func(body string) []string {
		var ids []string
		for _, m := range regexp.MustCompile(`data-client-id="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			ids = append(ids, m[1])
		}
		return ids
	}
	if got := rows(browse(t, h, "/")); len(got) != 41 || got[0] != s.clientOf(0, dcr.Ready).ClientID {
		t.Errorf("%d rows, the first %q", len(got), got)
	}
	if got := rows(browse(t, h, "/?phase=blocked")); len(got) != 9 {
		t.Errorf("%d blocked", len(got))
	}
	if got := rows(browse(t, h, "/?q=claude")); len(got) != 13 {
		t.Errorf("%d with claude", len(got))
	}
	ok := scenes()["ok"](t).handler()
	body := browse(t, ok, "/")
	next := regexp.MustCompile(`href="(/\?after=[^"#]+)[^"]*" rel="next"`).FindStringSubmatch(body)
	if next == nil || len(rows(body)) != 50 {
		t.Fatalf("%d rows, next %q", len(rows(body)), next)
	}
	if got := rows(browse(t, ok, next[1])); len(got) != 50 || got[0] == rows(body)[0] {
		t.Errorf("then %d rows", len(got))
	}
}

// BenchmarkPage is the front page of a ledger of 100,000 clients, and a search
// through them that finds nothing.
func BenchmarkPage(b *testing.B) {
	h := scenes()["many"](b).handler()
	for name, path := range map[string]string{"front": "/", "phase": "/?phase=blocked", "search": "/?q=nothing-has-this"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				browse(b, h, path)
			}
		})
	}
}
