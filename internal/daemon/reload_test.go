package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/certs/certstest"
	"grantd/internal/config"
	"grantd/internal/daemon"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// output is a log that can be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.b.Reset()
	return o.b.String()
}

// reloadable is a running daemon whose environment can be changed.
type reloadable struct {
	*daemon.Daemon
	tenant *tenantsim.Tenant
	base   daemon.Options
	log    *output
	mu     sync.Mutex
	load   func() (*config.Config, []config.Notice, error)
}

func startReloadable(t *testing.T, environ ...string) *reloadable {
	t.Helper()
	tenant, o := setup(t)
	r := &reloadable{tenant: tenant, log: &output{}}
	tenant.AddAPI("https://mcp.example.com/mcp", "notes:read", "notes:write")
	o = with(t, o, environ...)
	o.LogLevel = new(slog.LevelVar)
	o.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: o.LogLevel}))
	r.base, r.load = o, o.Load
	o.Load = func() (*config.Config, []config.Notice, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.load()
	}
	var stop func()
	r.Daemon, stop = run(t, o)
	t.Cleanup(stop)
	return r
}

func (r *reloadable) reload(t *testing.T, environ ...string) error {
	t.Helper()
	r.mu.Lock()
	r.load = loader(r.base, environ...)
	r.mu.Unlock()
	return r.Reload(t.Context())
}

// deliver posts an entry that no feed knows with a secret and returns the
// status.
func (r *reloadable) deliver(t *testing.T, secret, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.Addr().String()+"/auth0-log-webhook", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func (r *reloadable) onboard(t *testing.T) string {
	t.Helper()
	c, err := r.tenant.Register(tenantsim.ChatGPT("cb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range r.tenant.Logs() { // others may be logged meanwhile
		if strings.Contains(string(entry), c.ID) {
			if status := r.deliver(t, "webhook-secret-0123456789", string(entry)); status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
		}
	}
	return c.ID
}

func (r *reloadable) scopes(id string) string {
	g, _ := r.tenant.UserGrant(id, "https://mcp.example.com/mcp")
	return strings.Join(g.Scopes, " ")
}

// Scopes and policy take effect for the clients there are.
func TestReloadDesired(t *testing.T) {
	r := startReloadable(t)
	id := r.onboard(t)
	eventually(t, "the grant", func() bool { return r.scopes(id) == "notes:read" })
	if err := r.reload(t, "TOOL_SCOPES=notes:read notes:write"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the wider grant", func() bool { return r.scopes(id) == "notes:read notes:write" })
	if log := r.log.take(); !strings.Contains(log, "changed=TOOL_SCOPES") {
		t.Errorf("log %s", log)
	}
	if err := r.reload(t, "GRANTD_ALLOWED_CLIENTS=claude"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is refused", func() bool { return report(t, r.Daemon).Clients.Refused == 1 })
	if err := r.reload(t, "GRANTD_ALLOWED_CLIENTS=claude,chatgpt"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is ready", func() bool { return report(t, r.Daemon).Clients.Ready == 1 })
}

func TestReloadSecret(t *testing.T) {
	r := startReloadable(t)
	const old, fresh = "webhook-secret-0123456789", "another-secret-9876543210"
	if err := r.reload(t, "LOG_WEBHOOK_SECRET="+fresh, "LOG_WEBHOOK_SECRET_PREVIOUS="+old); err != nil {
		t.Fatal(err)
	}
	if a, b := r.deliver(t, old, "[]"), r.deliver(t, fresh, "[]"); a != http.StatusOK || b != http.StatusOK {
		t.Errorf("status %d with the old secret, %d with the new", a, b)
	}
	if err := r.reload(t, "LOG_WEBHOOK_SECRET="+fresh); err != nil {
		t.Fatal(err)
	}
	if a, b := r.deliver(t, old, "[]"), r.deliver(t, fresh, "[]"); a != http.StatusForbidden || b != http.StatusOK {
		t.Errorf("status %d with the old secret, %d with the new", a, b)
	}
}

func TestReloadSchedule(t *testing.T) {
	r := startReloadable(t, "GRANTD_POLL_SCHEDULE=@every 24h")
	eventually(t, "the first poll has ended", func() bool { return !report(t, r.Daemon).Poll.LastSuccessAt.IsZero() })
	before := r.tenant.Count("GET /logs")
	if err := r.reload(t, "GRANTD_POLL_SCHEDULE=@every 1s"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a poll by the new schedule", func() bool { return r.tenant.Count("GET /logs") > before })
}

func TestReloadLogLevel(t *testing.T) {
	r := startReloadable(t)
	if err := r.reload(t, "GRANTD_LOG_LEVEL=error"); err != nil {
		t.Fatal(err)
	}
	if got := r.base.LogLevel.Level(); got != slog.LevelError {
		t.Errorf("level %v", got)
	}
}

// Who asks for it is told of every call.
func TestReloadToDebug(t *testing.T) {
	r := startReloadable(t)
	if err := r.reload(t, "GRANTD_LOG_LEVEL=debug", "GRANTD_POLL_SCHEDULE=@every 1s"); err != nil {
		t.Fatal(err)
	}
	all := ""
	eventually(t, "a call in the log", func() bool {
		all += r.log.take()
		return strings.Contains(all, `level=DEBUG msg="called the Management API" operation=search_logs status=200`)
	})
}

// What needs a restart is named, at every reload, and stays as it is.
func TestReloadNamesRestarts(t *testing.T) {
	r := startReloadable(t)
	cert, key := certstest.New(t).Files(t.TempDir(), time.Hour, "grantd.example.com")
	changes := map[string]string{
		"GRANTD_LISTEN": "127.0.0.1:1", "GRANTD_ADMIN_LISTEN": "127.0.0.1:1",
		"GRANTD_WEBHOOK_PATH": "/elsewhere", "GRANTD_STATE_DIR": t.TempDir(), "GRANTD_LOG_FORMAT": "json",
		"OAUTH_AUDIENCE": "https://other.example.com/", "MGMT_DOMAIN": "other.us.auth0.com",
		"GRANTD_MGMT_URL": "http://127.0.0.1:1", "GRANTD_SOCKET": t.TempDir() + "/s",
		"GRANTD_TLS_CERT_FILE": cert, "GRANTD_TLS_KEY_FILE": key, "GRANTD_ACME_DOMAIN": "grantd.example.com",
		"GRANTD_ACME_DIRECTORY_URL": "https://ca.example.com/directory", "GRANTD_ACME_EMAIL": "ops@example.com",
	}
	// These make sense beside others only.
	beside := map[string][]string{
		"GRANTD_TLS_CERT_FILE": {"GRANTD_TLS_KEY_FILE=" + key}, "GRANTD_TLS_KEY_FILE": {"GRANTD_TLS_CERT_FILE=" + cert},
		"GRANTD_ACME_DOMAIN":        {"GRANTD_LISTEN=0.0.0.0:1"},
		"GRANTD_ACME_DIRECTORY_URL": {"GRANTD_LISTEN=0.0.0.0:1", "GRANTD_ACME_DOMAIN=grantd.example.com"},
		"GRANTD_ACME_EMAIL":         {"GRANTD_LISTEN=0.0.0.0:1", "GRANTD_ACME_DOMAIN=grantd.example.com"},
	}
	for _, v := range config.Variables() {
		if _, ok := changes[v.Name]; v.Restart != ok {
			t.Errorf("%s: restart %v, tested %v", v.Name, v.Restart, ok)
		}
	}
	for name, value := range changes {
		for range 2 {
			r.log.take()
			if err := r.reload(t, append(beside[name], name+"="+value)...); err != nil {
				t.Fatal(err)
			}
			if log := r.log.take(); !strings.Contains(log, "a restart is needed") || !strings.Contains(log, name) {
				t.Errorf("%s is not named: %s", name, log)
			}
		}
	}
	id := r.onboard(t) // it works as before
	eventually(t, "the grant", func() bool { return r.scopes(id) == "notes:read" })
}

// A broken configuration is refused as a whole.
func TestReloadRefused(t *testing.T) {
	r := startReloadable(t)
	err := r.reload(t, "LOG_WEBHOOK_SECRET=another-secret-9876543210", "GRANTD_SCOPE_MODE=loose")
	var field *config.FieldError
	if !errors.As(err, &field) || field.Name != "GRANTD_SCOPE_MODE" || !strings.Contains(err.Error(), "the running one stays") {
		t.Errorf("error %v", err)
	}
	if a, b := r.deliver(t, "webhook-secret-0123456789", "[]"), r.deliver(t, "another-secret-9876543210", "[]"); a != http.StatusOK || b != http.StatusForbidden {
		t.Errorf("status %d with the running secret, %d with the refused", a, b)
	}
}

// A scope that was missing is granted: the reload finds out at once, and the
// clients that waited for it get theirs.
func TestReloadAfterScopeWasGranted(t *testing.T) {
	r := startReloadable(t)
	eventually(t, "a token", func() bool { return len(r.tenant.TokenRequests()) > 0 })
	scopes := []string{"read:clients", "read:connections", "update:connections", "read:client_grants",
		"create:client_grants", "update:client_grants", "read:logs", "read:resource_servers"}
	r.tenant.SetScopes("grantd", scopes...)
	r.tenant.RevokeTokens()
	r.onboard(t)
	eventually(t, "the client is blocked", func() bool { return report(t, r.Daemon).Clients.Blocked == 1 })
	r.tenant.SetScopes("grantd", append(scopes, "update:clients")...)
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is ready", func() bool { return report(t, r.Daemon).Clients.Ready == 1 })
}

// A connection that was promoted is seen by a reload at once, whatever is
// remembered of it.
func TestReloadAfterAConnectionWasPromoted(t *testing.T) {
	r := startReloadable(t)
	eventually(t, "the connection is known", func() bool { return r.tenant.Count("GET /connections") > 0 })
	r.tenant.SetDomainLevel("google-oauth2", false)
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	r.onboard(t)
	eventually(t, "the client is blocked", func() bool { return report(t, r.Daemon).Clients.Blocked == 1 })
	r.tenant.SetDomainLevel("google-oauth2", true)
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is ready", func() bool { return report(t, r.Daemon).Clients.Ready == 1 })
}

// asked is a context that does something when it is asked whether it ended.
type asked struct {
	context.Context
	do func()
}

func (c asked) Err() error {
	c.do()
	return c.Context.Err()
}

// A change of scopes that is under way when a reload says that nothing may be
// written does not bring the configuration of before back.
func TestReloadDuringAChangeOfScopes(t *testing.T) {
	tenant, o := setup(t)
	id := fill(tenant, 1)[0]
	e := engine(t, o)
	dry := *o.Config
	dry.DryRun = true
	ctx := asked{t.Context(), sync.OnceFunc(func() { daemon.Configure(e, &dry) })}
	if err := daemon.Desire(ctx, e); err != nil {
		t.Fatal(err)
	}
	tenant.ResetCalls()
	out := daemon.Reconcile(t.Context(), e, dcr.Record{ClientID: id, Phase: dcr.Pending, Class: dcr.Urgent, Seq: 1})
	if out.Record.Reason != dcr.DryRun || len(tenant.Writes()) > 0 {
		t.Errorf("%s %s, %d writes", out.Record.Phase, out.Record.Reason, len(tenant.Writes()))
	}
}
