package scope_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grantd/internal/scope"
	"grantd/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	resource = "https://mcp.example.com/mcp"
	location = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
)

// gateway is an MCP server that tells of its scopes, as a handler and, in a
// bubble, as the transport to it.
type gateway struct {
	mu    sync.Mutex
	serve http.HandlerFunc
	calls int
	seen  []*http.Request
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	serve := g.serve
	g.calls++
	g.seen = append(g.seen, r)
	g.mu.Unlock()
	serve(w, r)
}

func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (g *gateway) does(serve http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serve = serve
}

// says makes it offer scopes, with a validator.
func (g *gateway) says(scopes ...string) {
	if scopes == nil {
		scopes = []string{}
	}
	body, err := json.Marshal(map[string]any{"resource": resource, "scopes_supported": scopes})
	if err != nil {
		panic(err) // texts can be written
	}
	etag := fmt.Sprintf("%q", strings.Join(scopes, ","))
	g.does(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

func (g *gateway) answers(status int, body string) {
	g.does(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

func (g *gateway) hangs() {
	g.does(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

func (g *gateway) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// lines are log lines.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) with(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// world is Sources with what is around them.
type world struct {
	t       *testing.T
	gateway *gateway
	keeper  scope.Keeper
	logs    *lines
	now     func() time.Time

	sources *scope.Sources
	stop    func() // ends Run and waits

	mu      sync.Mutex
	unions  []string // as OnChange saw them
	changes []scope.Change
}

func newWorld(t *testing.T, keeper scope.Keeper) *world {
	w := &world{t: t, gateway: &gateway{}, keeper: keeper, logs: &lines{}, now: time.Now, stop: func() {}}
	w.gateway.says("a", "b")
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) options(c scope.Config) scope.Options {
	if c.Resource == "" {
		c.Resource = resource
	}
	return scope.Options{
		Config: c, Keeper: w.keeper, Logger: slog.New(slog.NewTextHandler(w.logs, nil)),
		Now: func() time.Time { return w.now() }, Transport: w.gateway, OnChange: w.changed,
		Watch: func(ctx context.Context, path string, changed func()) { watch.Poll(ctx, path, watch.Every, changed) },
	}
}

func (w *world) changed(_ context.Context, changes []scope.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unions = append(w.unions, show(w.sources.Scopes()))
	w.changes = append(w.changes, changes...)
}

// create makes the sources, and start runs them, as after a start of grantd.
func (w *world) create(c scope.Config) {
	w.t.Helper()
	w.stop()
	s, err := scope.New(w.t.Context(), w.options(c))
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.sources = s
	w.mu.Unlock()
}

func (w *world) start(c scope.Config) {
	w.t.Helper()
	w.create(c)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.sources.Run(ctx)
	}()
	w.stop = sync.OnceFunc(func() { cancel(); <-ended })
	synctest.Wait()
}

func show(scopes []string, known bool) string {
	text := strings.Join(scopes, " ")
	if !known {
		text += " (unknown)"
	}
	return strings.TrimSpace(text)
}

// expect checks what is in force now.
func (w *world) expect(want string) {
	w.t.Helper()
	if got := show(w.sources.Scopes()); got != want {
		w.t.Errorf("in force: %s, want %s", got, want)
	}
}

// after lets time pass.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) failing(want ...string) {
	w.t.Helper()
	var got []string
	for _, f := range w.sources.Failing() {
		got = append(got, fmt.Sprintf("%s: %v", f.Source, f.Err))
	}
	ok := slices.EqualFunc(got, want, func(got, want string) bool {
		kind, text, _ := strings.Cut(want, ": ")
		return strings.HasPrefix(got, kind) && strings.Contains(got, text)
	})
	if !ok {
		w.t.Errorf("failing: %q, want %q", got, want)
	}
}

// journal are the changes that were told since the last call.
func (w *world) journal(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	for _, c := range w.changes {
		got = append(got, fmt.Sprintf("%s: %s > %s", c.Source, strings.Join(c.Before, " "), strings.Join(c.After, " ")))
	}
	w.changes = nil
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("journal (-want +got):\n%s", diff)
	}
}

// told are the unions that OnChange saw since the last call.
func (w *world) told(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.unions); diff != "" {
		w.t.Errorf("told (-want +got):\n%s", diff)
	}
	w.unions = nil
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func ceiling(t *testing.T, raw string) scope.Ceiling {
	t.Helper()
	c, err := scope.ParseCeiling(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
