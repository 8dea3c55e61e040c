package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

const (
	domain     = "shop.eu.auth0.com"
	audience   = "https://mcp.example.com/mcp"
	connection = "google-oauth2"
	secret     = "browser-webhook-secret-5c1f"
	daemonApp  = "GrantdBrowserM2M0000000000000000"
)

// startTime bounds a start of grantd, and its first look at the tenant.
const startTime = 4 * time.Minute

// permissions are all that grantd needs of the Management API.
func permissions() []string {
	return []string{
		"read:clients", "update:clients", "read:connections", "update:connections", "read:client_grants",
		"create:client_grants", "update:client_grants", "read:logs", "read:resource_servers",
	}
}

// world is a tenant and the grantd that looks after it.
type world struct {
	options
	tenant *tenantsim.Tenant
	front  *front
	daemon *child.Process
	dir    string
}

// place is where everything listens.
type place struct {
	Tenant string `json:"tenant"` // a URL
	Public string `json:"public"` // host:port, as is Admin
	Admin  string `json:"admin"`
	PID    int    `json:"pid"` // of grantd
}

func (w *world) where() place {
	return place{w.tenant.URL(), w.daemon.Public, w.daemon.Admin, w.daemon.PID()}
}

// open makes a tenant as its owner would have set it up, and starts grantd.
func open(ctx context.Context, o options) (_ *world, err error) {
	w := &world{options: o}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.dir, err = os.MkdirTemp("", "grantd-world-"); err != nil {
		return nil, err
	}
	if w.tenant, err = tenantsim.Start(tenantsim.Options{Domain: domain, Plan: tenantsim.Enterprise}); err != nil {
		return nil, err
	}
	if w.front, err = openFront(w.tenant); err != nil {
		return nil, err
	}
	w.tenant.AddM2M(daemonApp, "browser-management-secret", permissions()...)
	w.tenant.AddConnection(connection, true)
	w.tenant.AddAPI(audience, "notes:read", "notes:write")
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	if w.fill > 0 {
		if err := w.filled(ctx); err != nil {
			return nil, fmt.Errorf("fill the ledger: %w", err)
		}
	}
	w.tenant.AddLogStream(tenantsim.LogStream{
		URL: "http://" + w.daemon.Public + "/auth0-log-webhook", Authorization: secret,
		Filters: []string{"management.success", "auth.login.fail"},
	})
	return w, nil
}

// start starts grantd and waits until it knows the tenant. It comes back at
// the addresses it had.
func (w *world) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	public, admin := "127.0.0.1:0", "127.0.0.1:0"
	if w.daemon != nil {
		public, admin = w.daemon.Public, w.daemon.Admin
	}
	for started := false; !started; started = err == nil {
		w.daemon, err = child.Start(ctx, child.Options{
			Exe: w.exe, Args: []string{"serve"}, Env: append(w.environ(public, admin), w.env...), Log: w.log,
		})
		// Somebody's connection may have taken an address in between, for a while.
		if err != nil && (ctx.Err() != nil || !strings.Contains(err.Error(), "address already in use")) {
			return err
		}
	}
	var health struct {
		Poll, Sweep struct {
			LastSuccessAt *string `json:"last_success_at"`
		}
	}
	known := child.Poll(ctx, func() bool {
		err = w.daemon.Get(ctx, "http://"+w.daemon.Public+"/health/auth0", &health)
		return err == nil && health.Poll.LastSuccessAt != nil && health.Sweep.LastSuccessAt != nil
	})
	if !known {
		return fmt.Errorf("wait for the first poll and the first sweep: %w (last: %w)", ctx.Err(), err)
	}
	return nil
}

func (w *world) environ(public, admin string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir,
		"MGMT_DOMAIN=" + domain,
		"MGMT_CLIENT_ID=" + daemonApp,
		"MGMT_CLIENT_SECRET=browser-management-secret",
		"GRANTD_MGMT_URL=" + w.front.url,
		"LOG_WEBHOOK_SECRET=" + secret,
		"OAUTH_AUDIENCE=" + audience,
		"TOOL_SCOPES=notes:read notes:write",
		"GRANTD_LISTEN=" + public,
		"GRANTD_ADMIN_LISTEN=" + admin,
		"GRANTD_STATE_DIR=" + w.state(),
		"GRANTD_POLL_SCHEDULE=@every 1s",
	}
}

func (w *world) state() string { return filepath.Join(w.dir, "state") }

// close may be called more than once.
func (w *world) close() {
	if w.daemon != nil {
		w.daemon.Kill()
	}
	if w.front != nil {
		w.front.close()
	}
	if w.tenant != nil {
		w.tenant.Close()
	}
	_ = os.RemoveAll(w.dir) // it is in the system's folder for such things
}
