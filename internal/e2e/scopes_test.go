package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"grantd/internal/child"
)

const (
	read, write, share = "notes:read", "notes:write", "notes:share"
)

// gateway serves protected-resource metadata as an MCP gateway does.
type gateway struct {
	*httptest.Server
	answer   atomic.Pointer[http.HandlerFunc]
	requests atomic.Int32
	unasked  atomic.Int32 // requests that were answered with 304
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{}
	g.fails(http.StatusBadGateway)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		(*g.answer.Load())(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) handle(h http.HandlerFunc) { g.answer.Store(&h) }

func (g *gateway) fails(status int) {
	g.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// hangs answers nobody, and tells of each who asks.
func (g *gateway) hangs() (asked <-chan struct{}) {
	told := make(chan struct{}, 10)
	g.handle(func(_ http.ResponseWriter, r *http.Request) {
		told <- struct{}{}
		<-r.Context().Done()
	})
	return told
}

func (g *gateway) says(body string) {
	g.handle(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
}

func (g *gateway) offers(scopes ...string) {
	body, err := json.Marshal(map[string]any{"resource": audience, "scopes_supported": scopes, "bearer_methods_supported": []string{"header"}})
	if err != nil {
		panic(err) // strings marshal
	}
	etag := fmt.Sprintf(`"%x"`, strings.Join(scopes, " "))
	g.handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			g.unasked.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(body) // a client that is gone is no matter
	})
}

// changedScopes waits until the journal's newest entry of a change of scopes
// says that the source reads so.
func (w *world) changedScopes(source string, scopes ...string) {
	w.Helper()
	w.eventually(fmt.Sprintf("the journal says that %s reads %q", source, scopes), func() bool {
		var page struct{ Entries []journalEntry }
		if err := w.daemon.Get(w.ctx(), "http://"+w.daemon.Admin+"/api/v1/journal?limit=500", &page); err != nil {
			w.Fatal(err)
		}
		i := slices.IndexFunc(page.Entries, func(e journalEntry) bool { return e.Step == "scopes" })
		if i < 0 {
			return false
		}
		after := page.Entries[i].After
		return after["source"] == source && fmt.Sprint(after["scope"]) == fmt.Sprint(scopes) && page.Entries[i].ClientID == ""
	})
}

// scopesFile is a file of scopes, and how it is written.
func (w *world) scopesFile() string { return filepath.Join(w.dir, "scopes") }

func (w *world) writeScopes(text string) {
	w.Helper()
	if err := os.WriteFile(w.scopesFile(), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// replaceScopes puts another file in the place of the old one at once.
func (w *world) replaceScopes(text string) {
	w.Helper()
	next := w.scopesFile() + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(next, w.scopesFile()); err != nil {
		w.Fatal(err)
	}
}

// An edit of the env file that adds scopes is in force at once for every
// recorded client, without a signal. One that takes some away waits, and SIGHUP
// ends the wait. Each is one write a client.
func TestEnvFileIsWatched(t *testing.T) {
	w := newWorld(t, setup{})
	pid := w.daemon.PID()
	ids := w.registerMany(110)
	w.converged(ids, read, write)
	w.idle()
	mark := w.mark()
	w.set("TOOL_SCOPES=notes:read,notes:write,notes:share")
	w.converged(ids, read, share, write)
	w.idle()
	if got := w.counts(mark); got["PATCH /client-grants/{id}"] != len(ids) || w.writes(mark) != len(ids) || got["GET /clients/{id}"] != 0 {
		t.Errorf("calls: %v; want one write a client, and no look", got)
	}
	mark = w.mark()
	w.set("TOOL_SCOPES=notes:read")
	w.logged("once it has read the same for 30 s, or at once by SIGHUP")
	w.idle()
	if n := w.writes(mark); n != 0 || len(w.notAsDesired(ids, read, share, write)) != 0 {
		t.Errorf("%d writes: narrowed at once by an edit of the file", n)
	}
	w.reload()
	w.converged(ids, read)
	// An edit that adds does not hurry what a file of scopes takes away.
	w.writeScopes(read + " " + write)
	w.reload("TOOL_SCOPES_FILE="+w.scopesFile(), "TOOL_SCOPES="+read)
	w.converged(ids, read, write)
	w.replaceScopes(read)
	w.set("TOOL_SCOPES=" + read + " " + share)
	w.converged(ids, read, share, write)
	w.reload("TOOL_SCOPES_FILE=", "TOOL_SCOPES="+read)
	w.converged(ids, read)
	// A broken file changes nothing, and a mended one that asks for more is in force.
	if err := os.WriteFile(w.envFile(), []byte("TOOL_SCOPES=\nMGMT_DOMAIN"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.logged("the env file changed and is refused")
	w.set("TOOL_SCOPES=notes:read notes:write")
	w.converged(ids, read, write)
	if w.daemon.PID() != pid {
		t.Error("it was restarted")
	}
}

// TOOL_SCOPES_FILE: what it adds is in force at once, what it leaves out is not,
// and nothing that is wrong with the file takes anything away.
func TestScopesFile(t *testing.T) {
	w := newWorld(t, setup{unstarted: true})
	w.writeScopes("# tools\nnotes:write\n")
	w.set("TOOL_SCOPES=notes:read", "TOOL_SCOPES_FILE="+w.scopesFile())
	w.start()
	w.warm()
	ids := w.registerMany(5)
	w.converged(ids, read, write)
	w.writeScopes("notes:write, notes:share openid\n")
	w.converged(ids, read, share, write)
	w.changedScopes("file", share, write)
	w.idle()
	mark := w.mark()

	unchanged := func(what string) {
		t.Helper()
		w.idle()
		if n := w.writes(mark); n != 0 || len(w.notAsDesired(ids, read, share, write)) != 0 {
			t.Errorf("%s: %d writes", what, n)
		}
	}
	said := func(what string) int { return strings.Count(w.daemon.Logged(), "scope source "+what) }
	bad, mended := 0, 0
	failing := func(what string) { // noticed by itself
		t.Helper()
		w.eventually(what+" is noticed", func() bool { return said("fails") > bad })
		unchanged(what)
		w.reload() // in a hurry, but there is nothing to be had
		w.degraded("scope_source_failing")
		unchanged(what + ", and SIGHUP")
		bad, mended = said("fails"), said("is good again")
	}
	recovered := func() {
		t.Helper()
		w.eventually("the file is good again", func() bool { return said("is good again") > mended })
	}
	w.writeScopes("")
	failing("empty")
	w.replaceScopes("notes:write notes:share")
	recovered()
	unchanged("mended")
	w.writeScopes("notes:wri\x00")
	failing("half-written")
	if err := os.Remove(w.scopesFile()); err != nil {
		t.Fatal(err)
	}
	failing("removed")
	w.daemon.Kill()
	w.start()
	w.degraded("scope_source_failing")
	unchanged("a start without the file")
	mended = 0
	w.replaceScopes("notes:share\n") // cut short, and readable
	w.well()
	unchanged("less, for less than 30 s")
	w.changedScopes("file", share)
	w.reload()
	w.converged(ids, read, share)
}

// TOOL_SCOPES_URL: the metadata of the gateway, asked for politely. No outage,
// and nothing that it can answer, takes anything away.
func TestScopesURL(t *testing.T) {
	g := newGateway(t)
	w := newWorld(t, setup{unstarted: true, env: []string{"TOOL_SCOPES=notes:read", "TOOL_SCOPES_URL=" + g.URL + "/.well-known/oauth-protected-resource"}})
	g.offers(write)
	w.start()
	w.warm()
	ids := w.registerMany(5)
	w.converged(ids, read, write)
	g.offers(write, share, "openid", "offline_access")
	w.reload()
	w.converged(ids, read, share, write)
	w.changedScopes("url", share, write)
	before := g.unasked.Load()
	w.reload()
	w.eventually("it asks whether anything changed", func() bool { return g.unasked.Load() > before })
	w.idle()
	mark := w.mark()
	good := func() { g.offers(write, share) }
	for name, bad := range map[string]func(){
		"outage":         func() { g.fails(http.StatusServiceUnavailable) },
		"not found":      func() { g.fails(http.StatusNotFound) },
		"no scopes":      func() { g.offers() },
		"none of an API": func() { g.offers("openid", "profile") },
		"no scopes_supported": func() {
			g.says(`{"resource":"` + audience + `"}`)
		},
		"another resource": func() { g.says(`{"resource":"https://evil.example","scopes_supported":["notes:write"]}`) },
		"a slash more":     func() { g.says(`{"resource":"` + audience + `/","scopes_supported":["notes:write"]}`) },
		"cut short":        func() { g.says(`{"resource":"` + audience + `","scopes_supported":["notes:wri`) },
		"not JSON":         func() { g.says("<html>please log in</html>") },
		"too long": func() {
			g.says(`{"resource":"` + audience + `","scopes_supported":["notes:write"],"x":"` + strings.Repeat("x", 64<<10) + `"}`)
		},
		"an odd scope": func() { g.says(`{"resource":"` + audience + `","scopes_supported":["notes:write",7]}`) },
		"another origin": func() {
			g.handle(func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "https://evil.example/", http.StatusFound)
			})
		},
		"connection closed": func() { g.handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) },
	} {
		bad()
		asked := g.requests.Load()
		w.reload()
		w.eventually(name+": asked", func() bool { return g.requests.Load() > asked })
		w.degraded("scope_source_failing")
		w.idle()
		if n := w.writes(mark); n != 0 || len(w.notAsDesired(ids, read, share, write)) != 0 {
			t.Errorf("%s: %d writes", name, n)
		}
		good()
		w.reload()
		w.well()
	}
	// An outage survives a restart.
	g.fails(http.StatusBadGateway)
	w.stop()
	w.start()
	w.degraded("scope_source_failing")
	fresh := w.register("fresh").ID
	w.converged([]string{fresh}, read, share, write)
	w.await(fresh, "ready")
	// Less, by a person's will, is less at once.
	g.offers(write)
	w.reload()
	w.converged(append(ids, fresh), read, write)
	w.well()
}

// While a gateway has never answered, nobody knows what to grant: nothing is,
// nor is anything taken away. Once it answers, all is done by itself.
func TestNothingIsGrantedBeforeTheGatewayFirstAnswers(t *testing.T) {
	g := newGateway(t)
	w := newWorld(t, setup{unstarted: true, env: []string{"TOOL_SCOPES_URL=" + g.URL}})
	wide := w.settle(1, read, share)[0]
	w.start()
	c := w.register("first")
	for _, id := range []string{c.ID, wide} {
		rec := w.awaitFunc(id, func(c child.Client) bool { return c.Reason == "scopes_unknown" })
		if rec.Phase != "pending" {
			t.Errorf("phase %q", rec.Phase)
		}
	}
	w.degraded("scopes_unknown")
	w.idle()
	if n := w.counts(0); n["POST /client-grants"]+n["PATCH /client-grants/{id}"] != 0 {
		t.Errorf("granted: %v", n)
	}
	g.offers(share)
	w.converged([]string{c.ID, wide}, read, share, write)
	w.await(c.ID, "ready")
	w.usable(c.ID, read, share, write)
	w.well()
}

// File and URL may not exceed the ceiling; the environment may.
func TestScopeCeiling(t *testing.T) {
	g := newGateway(t)
	g.offers(write, share, "admin:all")
	w := newWorld(t, setup{unstarted: true, env: []string{
		"TOOL_SCOPES=notes:read", "TOOL_SCOPES_URL=" + g.URL, "GRANTD_SCOPE_CEILING=notes:wr*, mail:send"}})
	w.tenant.AddAPI(audience, read, write, share, "admin:all", "mail:send")
	w.writeScopes("mail:send notes:share")
	w.set("TOOL_SCOPES_FILE=" + w.scopesFile())
	w.start()
	w.warm()
	ids := w.registerMany(3)
	w.converged(ids, "mail:send", read, write)
	w.logged("beyond GRANTD_SCOPE_CEILING", "admin:all")
	g.offers("admin:all")
	w.reload()
	w.degraded("scope_source_failing") // it offers nothing that it may
	w.idle()
	if left := w.notAsDesired(ids, "mail:send", read, write); len(left) > 0 {
		t.Errorf("not as desired: %+v", w.tenant.Grants(left[0]))
	}
	g.offers(write, share)
	w.reload("GRANTD_SCOPE_CEILING=notes:*")
	w.converged(ids, read, share, write)
	for _, c := range w.tenant.Writes() {
		if strings.Contains(string(c.Body), "admin:all") {
			t.Errorf("%s: %s", c.Operation, c.Body)
		}
	}
}
