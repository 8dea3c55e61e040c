package scope_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"grantd/internal/scope"
	"grantd/internal/store/storetest"
)

// real makes sources that fetch from a server by real HTTP; nil is grantd's own
// transport. They are read by Refresh, without Run.
func real(t *testing.T, location string, transport http.RoundTripper) *scope.Sources {
	t.Helper()
	s, err := scope.New(t.Context(), scope.Options{
		Config: scope.Config{URL: location, Resource: resource},
		Keeper: storetest.Open(t), Logger: slog.New(slog.DiscardHandler), Transport: transport,
	})
	must(t, err)
	return s
}

func serve(t *testing.T, g http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return server
}

// refresh reads and returns what is in force, or the failure.
func refresh(t *testing.T, s *scope.Sources) string {
	t.Helper()
	s.Refresh(t.Context())
	for _, f := range s.Failing() {
		return f.Err.Error()
	}
	return show(s.Scopes())
}

const document = `{"resource":"` + resource + `","scopes_supported":["a","b"]}`

func TestFetch(t *testing.T) {
	g := &gateway{}
	g.says("a", "b")
	server := serve(t, g)
	if got := refresh(t, real(t, server.URL, nil)); got != "a b" {
		t.Error(got)
	}
	if got := g.seen[0].Header.Get("Accept"); got != "application/json" {
		t.Errorf("Accept: %q", got)
	}
	secure := httptest.NewUnstartedServer(g)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	if got := refresh(t, real(t, secure.URL, secure.Client().Transport)); got != "a b" {
		t.Error(got)
	}
	if got := refresh(t, real(t, secure.URL, nil)); !strings.Contains(got, "certificate") {
		t.Errorf("a certificate of nobody: %s", got)
	}
}

// The server is asked whether its last good answer still holds, by both of its
// validators; what was not good is never gone back to.
func TestConditionalRequests(t *testing.T) {
	modified := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).Format(http.TimeFormat)
	for _, tt := range []struct{ name, value, asks string }{
		{"ETag", `W/"1"`, "If-None-Match"},
		{"Last-Modified", modified, "If-Modified-Since"},
	} {
		g := &gateway{}
		g.does(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(tt.name, tt.value)
			if r.Header.Get(tt.asks) == tt.value {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, document)
		})
		s := real(t, serve(t, g).URL, nil)
		for range 3 {
			if got := refresh(t, s); got != "a b" {
				t.Errorf("%s: %s", tt.name, got)
			}
		}
		if g.seen[0].Header.Get(tt.asks) != "" || g.seen[1].Header.Get(tt.asks) != tt.value || g.seen[2].Header.Get(tt.asks) != tt.value {
			t.Errorf("%s: not asked as it should be", tt.name)
		}
		g.does(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(tt.name, "other")
			fmt.Fprint(w, `{"resource":"x"}`)
		})
		refresh(t, s)
		refresh(t, s)
		if got := g.seen[4].Header.Get(tt.asks); got != tt.value {
			t.Errorf("%s: after a bad answer, %s: %q", tt.name, tt.asks, got)
		}
	}
	// 304 without a question is no answer, and one to an empty answer is empty.
	g := &gateway{}
	g.answers(http.StatusNotModified, "")
	s := real(t, serve(t, g).URL, nil)
	if got := refresh(t, s); got != "answers with status 304" {
		t.Error(got)
	}
	g.says()
	for range 2 {
		if got := refresh(t, s); got != "holds no scopes" {
			t.Error(got)
		}
	}
}

func TestRedirects(t *testing.T) {
	other := &gateway{}
	other.says("evil")
	elsewhere := serve(t, other)
	var hops int
	mux := http.NewServeMux()
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document) })
	mux.HandleFunc("/hop/{n}", func(w http.ResponseWriter, r *http.Request) {
		hops++
		next := map[string]string{"1": "/end", "2": "/hop/1", "3": "/hop/2", "4": "/hop/3"}[r.PathValue("n")]
		http.Redirect(w, r, next, http.StatusFound)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusMovedPermanently)
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/away", http.StatusFound) })
	mux.HandleFunc("/scheme", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+"/end", http.StatusFound)
	})
	mux.HandleFunc("/host", func(w http.ResponseWriter, r *http.Request) {
		u, _ := url.Parse("http://" + r.Host)
		http.Redirect(w, r, "http://localhost:"+u.Port()+"/end", http.StatusFound)
	})
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "HTTP://"+r.Host+"/end", http.StatusTemporaryRedirect)
	})
	server := serve(t, mux)
	for path, want := range map[string]string{
		"/hop/3": "a b", "/same": "a b",
		"/hop/4": "redirects more than 3 times",
		"/away":  "redirects to another origin", "/later": "redirects to another origin",
		"/scheme": "redirects to another origin", "/host": "redirects to another origin",
	} {
		if got := refresh(t, real(t, server.URL+path, nil)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if other.count() > 0 {
		t.Errorf("the other origin was asked %d times", other.count())
	}
}

// The limit is one of what is kept in memory, compressed or not.
func TestAnswerIsBounded(t *testing.T) {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	fmt.Fprint(z, document, strings.Repeat(" ", 10<<20))
	must(t, z.Close())
	g := &gateway{}
	g.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Error("no compression is asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(small.Bytes()) // who asked need not read all of it
	})
	if got := refresh(t, real(t, serve(t, g).URL, nil)); got != "the answer is longer than 65536 bytes" {
		t.Error(got)
	}
	cut := make(chan bool, 1)
	g.does(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for n := 0; n < 64<<20 && err == nil; n += 64 << 10 {
			_, err = w.Write(make([]byte, 64<<10))
		}
		cut <- err != nil
	})
	refresh(t, real(t, serve(t, g).URL, nil))
	if !<-cut {
		t.Error("all of a long answer was read")
	}
	g.answers(200, document+strings.Repeat(" ", 64<<10-len(document)))
	if got := refresh(t, real(t, serve(t, g).URL, nil)); got != "a b" {
		t.Error(got)
	}
}

// Another machine is not asked in the clear, whoever made the configuration.
func TestPlainHTTP(t *testing.T) {
	g := &gateway{}
	g.says("a")
	for _, location := range []string{"http://mcp.example.com/x", "http://192.0.2.1/x", "https://me:secret@mcp.example.com/"} {
		if got := refresh(t, real(t, location, g)); strings.Contains(got, "secret") || g.count() > 0 {
			t.Errorf("%s: %s, %d requests", location, got, g.count())
		}
	}
}

// A server that is not there is told of without its URL, which may have
// something in its query.
func TestUnreachable(t *testing.T) {
	got := refresh(t, real(t, "http://127.0.0.1:1/?key=hunter2", nil))
	if !strings.Contains(got, "refused") || strings.Contains(got, "hunter2") {
		t.Error(got)
	}
}

func TestCheckURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://mcp.example.com/x?y=z": "", "http://127.0.0.1:8080/": "", "http://[::1]": "", "http://localhost": "", "http://127.9.9.9/": "",
		"http://[::ffff:127.0.0.1]/": "", "HTTPS://mcp.example.com": "",
		"": "not a URL", "/x": "not a URL", "https:": "not a URL", "https:///x": "not a URL", "https:mcp.example.com": "not a URL",
		"https://:443/": "not a URL", "http://127.0.0.1:x": "not a URL", "https://a b/": "not a URL", "https://a/\x7f": "not a URL",
		"http://localhost.example.com/": "another machine", "http://0.0.0.0/": "another machine", "http://127.1/": "another machine",
		"file://localhost/etc/passwd": "not an https URL", "https://me@x/": "password", "https://x/#": "fragment", "https://x/#y": "fragment",
	} {
		err := scope.CheckURL(raw)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}
