package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"grantd/internal/config"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
	"grantd/internal/tenantsim"
)

const (
	worldDomain = "acme.eu.auth0.com"
	worldSecret = "a-webhook-secret-of-the-tests"
	worldAPI    = "https://mcp.example.com/mcp"
)

// world is a daemon that can be stopped, started and reloaded, its tenant, and
// a log stream from one to the other, all in simulated time. There is no
// network: what would be sent is handed over.
type world struct {
	*testing.T
	tenant  *tenantsim.Tenant
	stream  *tenantsim.Stream
	dir     string
	environ map[string]string

	d     *Daemon
	halt  func()
	stops []time.Time // when it was told to stop

	mu   sync.Mutex
	door http.Handler // the webhook; nil while the daemon is down
	chat http.RoundTripper
	log  tail
}

// newWorld makes a tenant with an API, a connection and grantd's application.
// No daemon runs yet.
func newWorld(t *testing.T, o tenantsim.Options) *world {
	w := &world{T: t, dir: storetest.Dir(t), environ: map[string]string{
		"MGMT_DOMAIN": worldDomain, "MGMT_CLIENT_ID": bubbleApp, "MGMT_CLIENT_SECRET": "management-secret",
		"LOG_WEBHOOK_SECRET": worldSecret, "OAUTH_AUDIENCE": worldAPI, "TOOL_SCOPES": "notes:read notes:write",
	}}
	o.Domain, o.Webhook = worldDomain, w
	w.tenant = tenantsim.New(o)
	t.Cleanup(w.tenant.Close)
	w.tenant.AddM2M(bubbleApp, "management-secret", w.permissions()...)
	w.tenant.AddConnection("google-oauth2", true)
	w.tenant.AddAPI(worldAPI, "notes:read", "notes:write", "notes:share")
	w.stream = w.tenant.AddLogStream(tenantsim.LogStream{
		URL: "https://grantd.example.com/auth0-log-webhook", Authorization: "Bearer " + worldSecret,
	})
	return w
}

// permissions are all Management API scopes that grantd makes use of.
func (w *world) permissions() []string {
	return append(neededScopes(), "read:resource_servers", "read:log_streams")
}

func (w *world) load() (*config.Config, []config.Notice, error) {
	var environ []string
	for name, value := range w.environ {
		environ = append(environ, name+"="+value)
	}
	environ = append(environ, "GRANTD_STATE_DIR="+filepath.Join(w.dir, "state"))
	return config.Load(config.Source{Environ: environ})
}

// start starts the daemon.
func (w *world) start() {
	w.Helper()
	c, _, err := w.load()
	if err != nil {
		w.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	e, err := Open(context.Background(), Options{Config: c, Version: "test", transport: wire{w.tenant}, chat: w.chat, Logger: log}) //nolint:usetesting // it outlives a part of a test
	if err != nil {
		w.Fatal(err)
	}
	w.d = &Daemon{
		Engine: e, load: w.load, read: c, schedule: newSchedule(log), reloaded: make(chan struct{}, 1),
		secrets: api.NewSecrets(c.WebhookSecret.Reveal()), adminToken: api.NewSecrets(),
	}
	w.d.serving = true
	w.d.feeds()
	if err := w.d.setSchedule(c); err != nil {
		w.Fatal(err)
	}
	w.open(api.Public(api.PublicOptions{
		Intake: w.d.intake(), Secrets: w.d.secrets, Health: w.d.health, WebhookPath: c.WebhookPath, Logger: log,
	}))
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // the same
	g, ctx := errgroup.WithContext(ctx)
	w.d.run(ctx, g)
	w.halt = func() {
		w.open(nil)
		cancel()
		if err := g.Wait(); err != nil {
			w.Error(err)
		}
		w.d.schedule.stop()
		if err := w.d.Close(); err != nil {
			w.Error(err)
		}
		w.halt = nil
	}
}

// stop stops the daemon, if it runs.
func (w *world) stop() {
	if w.halt != nil {
		w.stops = append(w.stops, time.Now())
		w.halt()
	}
}

func (w *world) open(door http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.door = door
}

// RoundTrip delivers to the webhook.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	door := w.door
	w.mu.Unlock()
	if door == nil {
		return nil, errors.New("connection refused")
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.RemoteAddr, r.RequestURI = "203.0.113.1:4711", r.URL.RequestURI()
	rec := httptest.NewRecorder()
	door.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// post sends the webhook a body that the tenant knows nothing of, as whoever
// has learned the secret can.
func (w *world) post(body string) int {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://grantd.example.com/auth0-log-webhook", strings.NewReader(body)) //nolint:usetesting // the same
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Authorization", worldSecret)
	res, err := w.RoundTrip(r)
	if err != nil {
		return 0
	}
	return res.StatusCode
}

// records are all that the ledger has, by client.
func (w *world) records() map[string]dcr.Record {
	w.Helper()
	out := map[string]dcr.Record{}
	for after, more := "", true; more; {
		page, next, err := w.d.ledger.Clients(context.Background(), store.Query{Limit: 1000, After: after}) //nolint:usetesting // the same
		if err != nil {
			w.Fatal(err)
		}
		for _, r := range page {
			out[r.ClientID] = r
		}
		after, more = next, next != ""
	}
	return out
}

// wire is a tenant that is called instead of sent to, so that the daemon can live
// in simulated time. An answer that ends in the middle does so for
// its reader, as it would on a network.
type wire struct{ *tenantsim.Tenant }

func (p wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	whole := func() (whole bool) {
		defer func() {
			if recover() != nil { // how a handler hangs up
				whole = false
			}
		}()
		p.ServeHTTP(rec, r)
		return true
	}()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if whole {
		return rec.Result(), nil
	}
	if rec.Body.Len() == 0 {
		return nil, errors.New("connection reset by peer")
	}
	res := rec.Result()
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(rec.Body.Bytes()), endsEarly{}))
	return res, nil
}

type endsEarly struct{}

func (endsEarly) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailKept = 400

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= tailKept {
		l.lines = append([]string(nil), l.lines[tailKept/2:]...)
	}
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// about are the kept lines that mention one of the words, or all if there are
// none.
func (l *tail) about(words ...string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, line := range l.lines {
		hit := len(words) == 0
		for _, word := range words {
			hit = hit || strings.Contains(line, word)
		}
		if hit {
			b.WriteString("  " + line)
		}
	}
	return b.String()
}

// setting is a number from the environment, for long runs.
func setting(t *testing.T, name string, usual int) int {
	t.Helper()
	n := usual
	if v := os.Getenv(name); v != "" {
		if _, err := fmt.Sscan(v, &n); err != nil || n < 1 {
			t.Fatalf("%s: %q is no number above 0", name, v)
		}
	}
	return n
}

// since is how long ago something was, in whole seconds, for messages.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Second) }
