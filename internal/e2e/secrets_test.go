package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// planted is a secret that no output may show. Every part of it is unlike
// anything else, so that half of it is found too.
type planted struct{ name, text string }

func plant() map[string]planted {
	all := map[string]planted{}
	for i, name := range []string{"MGMT_CLIENT_SECRET", "LOG_WEBHOOK_SECRET", "LOG_WEBHOOK_SECRET_PREVIOUS", "GRANTD_ADMIN_TOKEN"} {
		all[name] = planted{name, fmt.Sprintf("qzjx%dkvwq-%d-jqxzvk%dqwjzx-vqkxj%dzwq", i, i, i, i)}
	}
	return all
}

// shownIn lists the planted secrets that a text shows, whole, in part or
// encoded.
func shownIn(text string, secrets map[string]planted) (names []string) {
	for _, s := range secrets {
		for _, form := range []string{
			s.text, s.text[:9], s.text[12:21], base64.StdEncoding.EncodeToString([]byte(s.text))[:12],
			hex.EncodeToString([]byte(s.text))[:18], url.QueryEscape(s.text),
		} {
			if strings.Contains(text, form) {
				names = append(names, s.name)
				break
			}
		}
	}
	return names
}

// echo stands between grantd and the tenant and, when it is told to, answers
// with an error that repeats what was sent: as a debugging proxy would, and the
// worst that Auth0 could do.
func echo(t *testing.T, tenant string, on *atomic.Bool) string {
	t.Helper()
	to, err := url.Parse(tenant)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !on.Load() {
			proxy.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body) // what arrived will do
		words := string(body) + " " + r.Header.Get("Authorization")
		if len(words) > 250 {
			words = words[len(words)-250:] // so that a cut falls into it
		}
		var sent map[string]string
		_ = json.Unmarshal(body, &sent)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"error": sent["client_secret"], "errorCode": sent["client_secret"],
			"error_description": strings.Repeat("w", 270) + sent["client_secret"] + words, "message": words,
		})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// No secret is shown anywhere: not by the log at its most talkative, nor by a
// dump of all goroutines, an endpoint, a command, the arguments of the process,
// or a file but the one that is there to keep the token; and there it is the
// token alone.
func TestNoSecretIsShownAnywhere(t *testing.T) {
	secrets := plant()
	var broken atomic.Bool
	w := newWorld(t, setup{unstarted: true, noStream: true})
	w.set("GRANTD_MGMT_URL="+echo(t, w.tenant.URL(), &broken), "GRANTD_LOG_LEVEL=debug", "GRANTD_POLL_SCHEDULE=@every 1s")
	for name, s := range secrets {
		w.set(name + "=" + s.text)
	}
	w.tenant.SetSecret(ownApp, secrets["MGMT_CLIENT_SECRET"].text)
	w.start()
	clean := func(where, text string) {
		t.Helper()
		if names := shownIn(text, secrets); len(names) > 0 {
			t.Errorf("%s shows %v:\n%s", where, names, tail(text, 10))
		}
	}
	hook, admin := "http://"+w.daemon.Public, "http://"+w.daemon.Admin
	bearer := "Bearer " + secrets["GRANTD_ADMIN_TOKEN"].text
	ready := w.register("first")
	status, _, _ := w.send("POST", hook+"/auth0-log-webhook", body(w.lines()), "Authorization", secrets["LOG_WEBHOOK_SECRET"].text)
	if status != 200 {
		t.Fatalf("the webhook answers %d", status)
	}
	w.eventually("the client is ready", func() bool {
		_, answer, _ := w.send("GET", admin+"/api/v1/clients/"+ready.ID, nil, "Authorization", bearer)
		return strings.Contains(string(answer), `"phase":"ready"`)
	})
	token := keptToken(t, w.dir)
	secrets["token"] = planted{"token", token[len(token)-200:]} // its head says nothing

	// The token is refused, then no other is to be had, and all of it is echoed.
	broken.Store(true)
	late := w.register("late")
	w.send("POST", hook+"/auth0-log-webhook", body(w.lines()), "X-Webhook-Secret", secrets["LOG_WEBHOOK_SECRET_PREVIOUS"].text)
	w.eventually("the client has failed", func() bool {
		_, answer, _ := w.send("GET", admin+"/api/v1/clients/"+late.ID, nil, "Authorization", bearer)
		return strings.Contains(string(answer), "token_refused")
	})
	w.reload("TOOL_SCOPES=notes:read", "LOG_WEBHOOK_SECRET=short-qzjx")
	w.eventually("the reload is refused", func() bool { return strings.Contains(w.daemon.Logged(), "the running one stays") })
	w.reloadAndWait("LOG_WEBHOOK_SECRET=" + secrets["LOG_WEBHOOK_SECRET"].text)

	for _, u := range []string{
		hook + "/healthz", hook + "/readyz", hook + "/health/auth0", hook + "/", admin + "/", admin + "/metrics", admin + "/api/v1/config",
		admin + "/api/v1/clients", admin + "/api/v1/clients/" + late.ID, admin + "/api/v1/journal", admin + "/api/v1/nothing",
	} {
		_, answer, header := w.send("GET", u, nil, "Authorization", bearer)
		clean(u, string(answer)+fmt.Sprint(header))
	}
	for _, credential := range []string{"Bearer " + secrets["LOG_WEBHOOK_SECRET"].text + "x", secrets["GRANTD_ADMIN_TOKEN"].text, ""} {
		for _, u := range []string{hook + "/auth0-log-webhook", admin + "/api/v1/config"} {
			_, answer, header := w.send("POST", u, []byte("[]"), "Authorization", credential)
			clean("a refusal of "+u, string(answer)+fmt.Sprint(header))
		}
	}
	for _, args := range [][]string{
		{"clients", "list"}, {"clients", "list", "--json"}, {"clients", "show", late.ID}, {"plan"}, {"plan", "--json"}, {"sync"}, {"version"},
	} {
		out, _ := w.run(args...)
		clean("grantd "+strings.Join(args, " "), out)
	}
	for _, file := range []string{"cmdline", "environ"} {
		if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", w.daemon.PID(), file)); err == nil { // Linux
			clean(file+" of the process", string(raw))
		}
	}
	stateIsClean(t, filepath.Join(w.dir, "state"), secrets)

	// What the runtime prints when it panics, and more.
	if err := syscall.Kill(w.daemon.PID(), syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-w.daemon.Done()
	if !strings.Contains(w.daemon.Logged(), "goroutine ") {
		t.Error("no dump of goroutines")
	}
	clean("the log", w.daemon.Logged())
	stateIsClean(t, filepath.Join(w.dir, "state"), secrets)

	// A command without a daemon, which fails for the same reason, and a
	// configuration with every secret wrong.
	out, code := w.run("plan")
	clean("plan without a daemon", out)
	if code == 0 {
		t.Errorf("plan without a token succeeded: %s", out)
	}
	for name, s := range secrets {
		if name != "token" {
			w.set(name + "= Bearer changeme " + s.text + "\t")
		}
	}
	out, code = w.run("serve")
	clean("errors of the configuration", out)
	if code != 2 {
		t.Errorf("exit code %d with bad secrets: %s", code, out)
	}
}

// The log as text, also while Auth0 echoes what it is sent.
func TestNoSecretIsInTheTextLog(t *testing.T) {
	secrets := plant()
	var broken atomic.Bool
	broken.Store(true)
	w := newWorld(t, setup{unstarted: true, noStream: true})
	w.set("GRANTD_MGMT_URL="+echo(t, w.tenant.URL(), &broken), "GRANTD_LOG_LEVEL=debug", "GRANTD_LOG_FORMAT=text", "GRANTD_POLL_SCHEDULE=@every 1s")
	for name, s := range secrets {
		w.set(name + "=" + s.text)
	}
	o := w.options("serve")
	cmd := exec.CommandContext(w.ctx(), o.Exe, o.Args...)
	cmd.Env = o.Env
	log := &buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.eventually("a token is refused", func() bool { return strings.Contains(log.String(), "token_refused") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if names := shownIn(log.String(), secrets); len(names) > 0 {
		t.Errorf("the log shows %v:\n%s", names, log.String())
	}
}

// keptToken is the token in the file that is there for it.
func keptToken(t *testing.T, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "state", "token.json"))
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(raw, &kept); err != nil || len(kept.AccessToken) < 250 {
		t.Fatalf("%d bytes of token, %v", len(kept.AccessToken), err)
	}
	return kept.AccessToken
}

// stateIsClean looks through the bytes of every file of the state directory.
func stateIsClean(t *testing.T, dir string, secrets map[string]planted) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, name := range shownIn(string(raw), secrets) {
			if name != "token" || filepath.Base(path) != "token.json" {
				t.Errorf("%s is in %s", name, path)
			}
		}
		return nil
	})
	if err != nil || files < 2 {
		t.Errorf("%d files in %s, %v", files, dir, err)
	}
}

// The search finds what it is to find.
func TestShownIn(t *testing.T) {
	secrets := plant()
	text := secrets["GRANTD_ADMIN_TOKEN"].text
	for _, s := range []string{text, "x" + text[:10], text[10:25], hex.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte(text))} {
		if got := shownIn("…"+s+"…", secrets); len(got) != 1 || got[0] != "GRANTD_ADMIN_TOKEN" {
			t.Errorf("%q: %v", s, got)
		}
	}
	if got := shownIn("nothing of it", secrets); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// buffer can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is what was written so far.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
