package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

const (
	audience   = "https://mcp.example.com/mcp"
	connection = "google-oauth2"
	secret     = "demo-webhook-secret-9f27c1"
	latency    = 50 * time.Millisecond
	botClient  = "NightlyReportsM2M0000000000000000" // somebody's machine-to-machine application
	daemonApp  = "GrantdDemoM2M00000000000000000000"
)

// world is the simulated tenant, the daemon, and the daemon's files.
type world struct {
	tenant *tenantsim.Tenant
	stream *tenantsim.Stream
	daemon *child.Process
	exe    string
	dir    string
	scopes string // TOOL_SCOPES
	mark   int    // Management API calls before the present act
}

// newWorld makes a tenant as its owner would have set it up, and starts grantd.
func newWorld(ctx context.Context, o Options) (_ *world, err error) {
	dir, err := os.MkdirTemp("", "grantd-demo-")
	if err != nil {
		return nil, err
	}
	w := &world{exe: o.Exe, dir: dir, scopes: "notes:read notes:write"}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	w.tenant, err = tenantsim.Start(tenantsim.Options{Domain: "demo.eu.auth0.com", Plan: tenantsim.Enterprise})
	if err != nil {
		return nil, err
	}
	w.tenant.AddM2M(daemonApp, "demo-management-secret", "read:clients", "update:clients", "read:connections",
		"update:connections", "read:client_grants", "create:client_grants", "update:client_grants",
		"read:logs", "read:resource_servers")
	w.tenant.AddM2M(botClient, "not-yours", "read:users")
	w.tenant.AddConnection(connection, true)
	w.tenant.AddAPI(audience, "notes:read", "notes:write", "notes:share")
	w.tenant.SetLatency(latency)
	if o.Prepare != nil {
		o.Prepare(w.tenant)
	}
	if err := w.writeEnv(); err != nil {
		return nil, err
	}
	if err := w.startDaemon(ctx); err != nil {
		return nil, err
	}
	w.stream = w.tenant.AddLogStream(tenantsim.LogStream{
		URL: "http://" + w.daemon.Public + "/auth0-log-webhook", Authorization: secret,
		Filters: []string{"management.success", "auth.login.fail"},
	})
	return w, w.warm(ctx)
}

func (w *world) envFile() string { return filepath.Join(w.dir, "grantd.env") }

// writeEnv writes the daemon's configuration: all there is to it.
func (w *world) writeEnv() error {
	lines := []string{
		"MGMT_DOMAIN=" + w.tenant.Domain(),
		"MGMT_CLIENT_ID=" + daemonApp,
		"MGMT_CLIENT_SECRET=demo-management-secret",
		"GRANTD_MGMT_URL=" + w.tenant.URL(),
		"LOG_WEBHOOK_SECRET=" + secret,
		"OAUTH_AUDIENCE=" + audience,
		"TOOL_SCOPES=" + w.scopes,
		"GRANTD_PLAN=professional",
		"GRANTD_LISTEN=" + w.listen(),
		"GRANTD_ADMIN_LISTEN=127.0.0.1:0",
		"GRANTD_STATE_DIR=" + filepath.Join(w.dir, "state"),
		"GRANTD_POLL_SCHEDULE=@every 1s",
	}
	return os.WriteFile(w.envFile(), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// listen is the public address: any free port at first, the same ever after,
// because the log stream knows it.
func (w *world) listen() string {
	if w.daemon == nil {
		return "127.0.0.1:0"
	}
	return w.daemon.Public
}

func (w *world) startDaemon(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	w.daemon, err = child.Start(ctx, child.Options{
		Exe: w.exe, Args: []string{"serve", "--env-file", w.envFile()},
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir},
	})
	return err
}

func (w *world) close() {
	if w.daemon != nil {
		w.daemon.Kill()
	}
	if w.tenant != nil {
		w.tenant.Close()
	}
	os.RemoveAll(w.dir)
}

// calls are the Management API calls of the present act, without those that go
// on whatever happens: the polls, and a minute after a start the count of what
// the tenant holds.
func (w *world) calls() []tenantsim.Call {
	return slices.DeleteFunc(slices.Clone(w.tenant.Calls()[w.mark:]), func(c tenantsim.Call) bool {
		return c.Operation == "GET /logs" || strings.Contains(c.Query+"&", "per_page=1&")
	})
}

// receipt is the webhook's answer.
type receipt struct {
	Received, Sightings, Registrations, Malformed int
}

// post sends a body to the webhook as Auth0, or somebody who has its secret,
// would.
func (w *world) post(ctx context.Context, body []byte) (receipt, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.daemon.Public+"/auth0-log-webhook", bytes.NewReader(body))
	if err != nil {
		return receipt{}, err
	}
	req.Header.Set("Authorization", secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return receipt{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return receipt{}, fmt.Errorf("the webhook answered %s", resp.Status)
	}
	var r receipt
	return r, json.NewDecoder(resp.Body).Decode(&r)
}

// login tries what a user would: to log in through the client with Google.
func (w *world) login(clientID string) ([]string, error) {
	return w.tenant.Login(tenantsim.Login{
		ClientID: clientID, Audience: audience, Connection: connection,
		Scopes: []string{"notes:read", "notes:write", "notes:share"},
	})
}

// warm waits until grantd has its token and knows the tenant, as it does long
// before anybody registers.
func (w *world) warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	return w.await(ctx, "the first poll and the first sweep", func() (bool, error) {
		h, err := w.health(ctx)
		return h.Poll.LastSuccessAt != "" && h.Sweep.LastSuccessAt != "", err
	})
}

// polled waits until another poll has ended well.
func (w *world) polled(ctx context.Context) error {
	before, err := w.lastPoll(ctx)
	if err != nil {
		return err
	}
	return w.await(ctx, "the next poll", func() (bool, error) {
		at, err := w.lastPoll(ctx)
		return at != before, err
	})
}

// health is when a feed last ended well; empty times never were.
type health struct {
	Poll, Sweep struct {
		LastSuccessAt string `json:"last_success_at"`
	}
}

func (w *world) health(ctx context.Context) (h health, err error) {
	return h, w.daemon.Get(ctx, "http://"+w.daemon.Public+"/health/auth0", &h)
}

// lastPoll is when a poll last ended well, empty if none did.
func (w *world) lastPoll(ctx context.Context) (string, error) {
	h, err := w.health(ctx)
	return h.Poll.LastSuccessAt, err
}

// delivering waits until the log stream has nothing left to send.
func (w *world) delivering(ctx context.Context) error {
	return w.await(ctx, "the log stream", func() (bool, error) { return w.stream.Pending() == 0, nil })
}

// await asks until the answer is yes or ctx ends.
func (w *world) await(ctx context.Context, what string, ok func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ok(); yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-w.daemon.Done():
			return errors.New("grantd has ended")
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}

// delivered is all of the tenant's log as one delivery.
func (w *world) delivered() []byte {
	var b bytes.Buffer
	for _, entry := range w.tenant.Logs() {
		b.Write(entry)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// managementDown is an outage of the Management API alone.
func managementDown(r *http.Request) tenantsim.Fault {
	if strings.HasPrefix(r.URL.Path, "/api/v2/") {
		return tenantsim.Fault{Kind: tenantsim.Unavailable}
	}
	return tenantsim.Fault{}
}
