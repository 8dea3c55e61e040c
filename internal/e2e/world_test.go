package e2e_test

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

const (
	domain     = "acme.us.auth0.com"
	audience   = "https://mcp.example.com/mcp"
	google     = "google-oauth2"
	secret     = "e2e-webhook-secret-41d7"
	ownApp     = "GrantdM2M000000000000000000000000"
	ownSecret  = "e2e-management-secret"
	otherApp   = "NightlyReportsM2M0000000000000000" // somebody's machine-to-machine application
	patience   = 2 * time.Minute
	streamType = "management.success"
)

// allScopes are the Management API scopes that docs/auth0-setup.md lists.
func allScopes() []string {
	return []string{
		"read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs", "read:resource_servers",
	}
}

// setup is how a world differs from the usual one: a strict tenant without
// limits, set up as documented, with a log stream and without polling.
type setup struct {
	tenant    tenantsim.Options
	perClient bool     // the connection is not domain-level
	scopes    []string // of grantd's application; nil is allScopes
	env       []string // NAME=value
	delivery  tenantsim.Delivery
	noStream  bool
	unstarted bool
	trust     *tls.Config // of the public listener, which speaks TLS then; nil: it does not
}

// world is a tenant, a grantd and its files.
type world struct {
	*testing.T
	tenant *tenantsim.Tenant
	stream *tenantsim.Stream
	daemon *child.Process
	dir    string
	env    map[string]string
	hook   *httptest.Server        // where the stream delivers to
	target atomic.Pointer[url.URL] // of the hook: the running daemon
	trust  *tls.Config             // see setup
	client *http.Client            // of the public listener
	extra  []string                // of the daemon's environment, beside the env file
}

func newWorld(t *testing.T, s setup) *world {
	t.Helper()
	t.Parallel()
	s.tenant.Domain = domain
	w := &world{T: t, tenant: tenantsim.ForTest(t, s.tenant), dir: t.TempDir(), trust: s.trust, client: http.DefaultClient}
	if s.trust != nil {
		w.trustAll(s.trust)
	}
	if s.scopes == nil {
		s.scopes = allScopes()
	}
	w.tenant.AddM2M(ownApp, ownSecret, s.scopes...)
	w.tenant.AddM2M(otherApp, "not-yours", "read:users")
	w.tenant.AddConnection(google, !s.perClient)
	w.tenant.AddAPI(audience, "notes:read", "notes:write", "notes:share")
	w.env = map[string]string{
		"MGMT_DOMAIN": domain, "MGMT_CLIENT_ID": ownApp, "MGMT_CLIENT_SECRET": ownSecret,
		"GRANTD_MGMT_URL": w.tenant.URL(), "LOG_WEBHOOK_SECRET": secret,
		"OAUTH_AUDIENCE": audience, "TOOL_SCOPES": "notes:read notes:write",
		"GRANTD_LISTEN": "127.0.0.1:0", "GRANTD_ADMIN_LISTEN": "127.0.0.1:0",
		"GRANTD_STATE_DIR":     filepath.Join(w.dir, "state"),
		"GRANTD_POLL_SCHEDULE": "off",
	}
	for _, e := range s.env {
		name, value, _ := strings.Cut(e, "=")
		w.env[name] = value
	}
	w.writeEnv()
	w.listenForStream(s)
	if !s.unstarted {
		w.start()
		w.warm()
	}
	return w
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// trustAll makes the clients of the public listener trust so.
func (w *world) trustAll(trust *tls.Config) {
	wire := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	w.trust, w.client = trust, &http.Client{Transport: wire}
	w.Cleanup(wire.CloseIdleConnections)
}

// listenForStream stands in for the reverse proxy of a real installation: its
// address stays while daemons come and go.
func (w *world) listenForStream(s setup) {
	w.hook = httptest.NewServer(&httputil.ReverseProxy{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if w.client.Transport == nil {
				return http.DefaultTransport.RoundTrip(r)
			}
			return w.client.Transport.RoundTrip(r)
		}),
		Rewrite: func(r *httputil.ProxyRequest) {
			if u := w.target.Load(); u != nil {
				r.SetURL(u)
			}
		},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) },
	})
	w.Cleanup(w.hook.Close)
	if s.noStream {
		return
	}
	if s.delivery.Retries == nil {
		s.delivery.Retries = slices.Repeat([]time.Duration{20 * time.Millisecond}, 10)
	}
	s.delivery.Cycle = 50 * time.Millisecond
	w.stream = w.tenant.AddLogStream(tenantsim.LogStream{
		URL: w.hook.URL + "/auth0-log-webhook", Authorization: secret,
		Filters: []string{streamType, "auth.login.fail"}, Delivery: s.delivery,
	})
}

func (w *world) envFile() string { return filepath.Join(w.dir, "grantd.env") }

// set changes variables of the env file.
func (w *world) set(env ...string) {
	w.Helper()
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		w.env[name] = value
	}
	w.writeEnv()
}

func (w *world) writeEnv() {
	w.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.env)) {
		b.WriteString(name + "=" + w.env[name] + "\n")
	}
	if err := os.WriteFile(w.envFile(), []byte(b.String()), 0o600); err != nil {
		w.Fatal(err)
	}
}

// options are those of a grantd that runs a command in this world.
func (w *world) options(args ...string) child.Options {
	return child.Options{
		Exe: binary(), Args: append(args, "--env-file", w.envFile()),
		Env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir}, w.extra...),
	}
}

func (w *world) start(args ...string) {
	w.Helper()
	if err := w.tryStart(w.options(append([]string{"serve"}, args...)...)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tryStart(o child.Options) error {
	p, err := child.Start(w.ctx(), o)
	if err != nil {
		return err
	}
	w.daemon = p
	w.Cleanup(p.Kill)
	to := &url.URL{Scheme: w.scheme(), Host: w.address()}
	w.target.Store(to)
	go func() { // its port may be another's next
		<-p.Done()
		w.target.CompareAndSwap(to, nil)
	}()
	w.Cleanup(func() {
		if w.Failed() {
			w.Logf("grantd %d logged:\n%s", p.PID(), tail(p.Logged(), 60))
		}
	})
	return nil
}

func (w *world) scheme() string {
	if w.trust != nil {
		return "https"
	}
	return "http"
}

// address is where the public listener can be reached.
func (w *world) address() string {
	_, port, err := net.SplitHostPort(w.daemon.Public)
	if err != nil {
		w.Fatal(err)
	}
	return "127.0.0.1:" + port
}

// url is a URL of the public listener.
func (w *world) url(path string) string { return w.scheme() + "://" + w.address() + path }

func (w *world) stop() {
	w.Helper()
	ended := make(chan error, 1)
	go func() { ended <- w.daemon.Stop() }()
	select {
	case err := <-ended:
		if err != nil {
			w.Fatalf("grantd ended with %v", err)
		}
	case <-w.ctx().Done():
		w.Fatal("grantd does not end")
	}
}

func (w *world) reload(env ...string) {
	w.Helper()
	w.set(env...)
	if err := w.daemon.Reload(); err != nil {
		w.Fatal(err)
	}
}

// ctx bounds a wait.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	w.Cleanup(cancel)
	return ctx
}

// eventually waits until ok.
func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	if !child.Poll(w.ctx(), ok) {
		w.Fatalf("never happened: %s", what)
	}
}

// warm waits until grantd knows connection, API and signing keys, and has swept
// the tenant or found that it cannot.
func (w *world) warm() {
	w.Helper()
	w.eventually("grantd is warm", func() bool {
		h := w.health()
		swept := h.Sweep.LastSuccessAt != nil || strings.Contains(w.daemon.Logged(), "sweep failed")
		return h.JWKS.CheckedAt != nil && swept
	})
}

func tail(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
