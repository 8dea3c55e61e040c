package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"grantd/internal/auth0"
	"grantd/internal/budget"
	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/metrics"
	"grantd/internal/reconcile"
	"grantd/internal/store"
)

// Options of a Daemon. All but AcceptAudienceChange and LogLevel are required.
type Options struct {
	Config *config.Config
	// Load reads the configuration anew, for Reload.
	Load func() (*config.Config, []config.Notice, error)
	// AcceptAudienceChange lets a ledger of another audience be used.
	AcceptAudienceChange bool
	Logger               *slog.Logger
	LogLevel             *slog.LevelVar // follows the configuration
	Version              string
}

// Daemon is grantd, all of it, ready to run.
type Daemon struct {
	log      *slog.Logger
	logLevel *slog.LevelVar
	load     func() (*config.Config, []config.Notice, error)
	version  string

	reloads sync.Mutex // one reload at a time
	config  atomic.Pointer[config.Config]

	ledger     *store.Ledger
	budget     *budget.Budget
	wire       *nethttp.Transport // to Auth0
	tenant     *auth0.Client
	reconciler *reconcile.Reconciler
	loop       *reconcile.Loop
	poller     *feed.Poller
	health     *health.Tracker
	metrics    *metrics.Metrics
	broker     *http.Broker
	secrets    *http.Secrets // of the webhook
	adminToken *http.Secrets

	public, admin, control *http.Server // admin is nil when off
	schedule               *schedule

	polling     sync.Mutex // held while the tenant log is read
	pollFailure dcr.Reason // why the newest poll failed, empty if it did not; guarded by polling

	tokenChanged, reloaded chan struct{}
}

const (
	// ledgerFile and tokenFile are the files in the state directory.
	ledgerFile, tokenFile = "grantd.db", "token.json"
	// drain is how long work under way may go on once the daemon is told to
	// stop; systemd kills after 90 s.
	drain = 10 * time.Second
	// flushEvery bounds what of the feeds' statistics a kill can lose.
	flushEvery = 5 * time.Second
	// jwksSchedule is how often the tenant's signing keys are looked at.
	jwksSchedule = "@every 5m"
	healthFact   = "health"
)

// neededScopes are the Management API scopes without which some client cannot
// become ready. read:resource_servers is used where it is there.
func neededScopes() []string {
	return []string{
		"read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs",
	}
}

// New opens the ledger and binds the listeners. Nothing is called and nothing
// is served before Run. It fails with the errors of store.Open, or because an
// address is taken; it then leaves nothing open.
func New(ctx context.Context, o Options) (_ *Daemon, err error) {
	c := o.Config
	d := &Daemon{
		log: o.Logger, logLevel: o.LogLevel, load: o.Load, version: o.Version,
		broker:       http.NewBroker(),
		secrets:      http.NewSecrets(c.WebhookSecret.Reveal(), c.WebhookSecretPrevious.Reveal()),
		adminToken:   http.NewSecrets(c.AdminToken.Reveal()),
		schedule:     newSchedule(o.Logger),
		tokenChanged: make(chan struct{}, 1), reloaded: make(chan struct{}, 1),
	}
	d.config.Store(c)
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w; GRANTD_STATE_DIR names another", err)
	}
	d.ledger, err = store.Open(ctx, store.Options{
		Path: filepath.Join(c.StateDir, ledgerFile), Tenant: c.Domain, Audience: c.Audience,
		AcceptAudienceChange: o.AcceptAudienceChange,
	})
	if err != nil {
		return nil, err // says what and where
	}
	if err := d.connect(c); err != nil {
		return nil, err
	}
	d.assemble(ctx, c)
	if err := d.setSchedule(c); err != nil {
		return nil, err
	}
	return d, d.listen(ctx, c)
}

// connect makes what talks to Auth0.
func (d *Daemon) connect(c *config.Config) (err error) {
	d.wire = newTransport()
	d.budget = budget.New(budget.Options{RPS: c.MgmtRPS})
	d.tenant, err = auth0.New(auth0.Options{
		Domain: c.Domain, BaseURL: c.MgmtURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(),
		TokenFile: filepath.Join(c.StateDir, tokenFile), Scopes: neededScopes(),
		Budget: d.budget, Transport: d.wire, UserAgent: "grantd/" + d.version,
		OnCall: d.called, OnTokenChange: d.onTokenChange,
	})
	return err
}

// newTransport keeps connections to Auth0 for a burst of calls. It is the
// daemon's own, so that they are closed with it.
func newTransport() *nethttp.Transport {
	return &nethttp.Transport{
		Proxy:             nethttp.ProxyFromEnvironment,
		ForceAttemptHTTP2: true,
		MaxIdleConns:      100, MaxIdleConnsPerHost: 100,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
}

// assemble makes what is between the tenant, the ledger and the listeners.
func (d *Daemon) assemble(ctx context.Context, c *config.Config) {
	d.health = health.New(health.Options{Ledger: d.ledger, RateLimit: d.rateLimit})
	if snapshot, err := d.ledger.Fact(ctx, healthFact); err == nil {
		if err := d.health.Restore(snapshot); err != nil {
			d.log.Warn("restore health", "error", err)
		}
	}
	d.metrics = metrics.New(metrics.Sources{Ledger: d.ledger, RateLimitRemaining: d.remaining})
	d.reconciler = reconcile.New(reconcile.Options{
		Tenant: d.tenant, Prefix: d.ledger.Prefix(), Settings: settings(c), Logger: d.log,
	})
	d.loop = reconcile.NewLoop(reconcile.LoopOptions{
		Ledger: recorder{d.ledger, d.health}, Reconciler: d.reconciler, Logger: d.log, Drain: drain, OnSaved: d.saved,
	})
}

// settings are what the reconciler needs of a configuration.
func settings(c *config.Config) reconcile.Settings {
	return reconcile.Settings{Desired: desired(c), Policy: c.Policy, OwnClientID: c.ClientID}
}

// listen binds the listeners.
func (d *Daemon) listen(ctx context.Context, c *config.Config) (err error) {
	intake := feed.NewIntake(feed.IntakeOptions{
		Ledger: recorder{d.ledger, d.health}, Logger: d.log,
		Wake: d.loop.Wake, TenantChanged: d.reconciler.TenantChanged, OnTaken: d.taken, Demote: d.demote,
	})
	d.poller = feed.NewPoller(feed.PollerOptions{
		Intake: intake, Logs: d.tenant, Checkpoints: d.ledger, Logger: d.log,
		OnPolled: func(p feed.Polled) { d.health.Polled(p.Reason) },
	})
	d.public, err = http.Listen(ctx, c.Listen, http.ServerOptions{Logger: d.log, Handler: http.Public(http.PublicOptions{
		Intake: intake, Secrets: d.secrets, Health: d.health, WebhookPath: c.WebhookPath, Logger: d.log,
	})})
	if err != nil {
		return fmt.Errorf("listen on GRANTD_LISTEN: %w", err)
	}
	api := http.APIOptions{Ledger: d.ledger, Events: d.broker, Logger: d.log, Config: d.configuration}
	if c.AdminListen != "" {
		d.admin, err = http.Listen(ctx, c.AdminListen, http.ServerOptions{
			Logger: d.log, OnShutdown: d.broker.Close,
			Handler: http.Admin(http.AdminOptions{API: api, Metrics: d.metrics.Handler(d.log), Token: d.adminToken}),
		})
		if err != nil {
			return fmt.Errorf("listen on GRANTD_ADMIN_LISTEN: %w", err)
		}
	}
	d.control, err = http.ListenUnix(ctx, c.Socket, http.ServerOptions{
		Logger: d.log, OnShutdown: d.broker.Close, Handler: http.Control(api),
	})
	if err != nil {
		return fmt.Errorf("listen on the control socket: %w", err)
	}
	return nil
}

// Addr is the address of the public listener.
func (d *Daemon) Addr() net.Addr { return d.public.Addr() }

// AdminAddr is the address of the admin listener, nil when it is off.
func (d *Daemon) AdminAddr() net.Addr {
	if d.admin == nil {
		return nil
	}
	return d.admin.Addr()
}

// Run serves until ctx ends or something fails for good. It then takes no more
// requests, lets work under way finish within bounds, and closes everything.
// What was not finished is due in the ledger.
func (d *Daemon) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, d.close()) }()
	requeued, err := d.ledger.SetDigest(ctx, desired(d.config.Load()).Digest())
	switch {
	case ctx.Err() != nil:
		return nil // told to stop before it began; the next start goes on
	case err != nil:
		return fmt.Errorf("check ledger against configuration: %w", err)
	}
	if requeued > 0 {
		d.log.Info("configuration changed since the last run", "clients_due", requeued)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range []*http.Server{d.public, d.admin, d.control} {
		if s != nil {
			g.Go(func() error { return s.Serve(ctx) })
		}
	}
	g.Go(func() error { return d.loop.Run(ctx) })
	g.Go(func() error { d.tenant.Run(ctx); return nil })
	g.Go(func() error { d.keepHouse(ctx); return nil })
	g.Go(func() error { d.followToken(ctx); return nil })
	g.Go(func() error { d.start(ctx); return nil })
	g.Go(func() error { <-ctx.Done(); notify(d.log, sd.SdNotifyStopping); return nil })
	d.serving()
	err = g.Wait()
	d.schedule.stop()
	return err
}

// serving says where, to people and to systemd.
func (d *Daemon) serving() {
	c := d.config.Load()
	admin := "off"
	if a := d.AdminAddr(); a != nil {
		admin = a.String()
	}
	d.log.Info("serving", "public", d.Addr().String(), "admin", admin, "version", d.version,
		"tenant", c.Domain, "audience", c.Audience, "state", c.StateDir)
	if c.Policy.AllowsAny() {
		d.log.Warn("GRANTD_ALLOWED_CLIENTS has any: every third-party client is promoted and granted, whoever registered it")
	}
	if c.DryRun {
		d.log.Warn("GRANTD_DRY_RUN is on: nothing is written to Auth0")
	}
	notify(d.log, sd.SdNotifyReady)
}

// start does what would make the first client wait, and the first poll.
func (d *Daemon) start(ctx context.Context) {
	if err := d.reconciler.Warm(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("read connections and API", "error", err)
	}
	d.jwks(ctx)
	if d.schedule.on(pollJob) {
		d.poll(ctx)
	}
	d.schedule.start(ctx)
	<-ctx.Done()
}

// close closes what New opened, the ledger last.
func (d *Daemon) close() error {
	var errs []error
	for _, s := range []*http.Server{d.public, d.admin, d.control} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if d.tenant != nil {
		d.tenant.Close()
		d.wire.CloseIdleConnections()
	}
	if d.ledger != nil {
		if d.health != nil {
			errs = append(errs, d.ledger.SetFact(context.Background(), healthFact, d.health.Snapshot()))
		}
		errs = append(errs, d.ledger.Close())
	}
	return errors.Join(errs...)
}

// recorder tells health how writing to the ledger goes.
type recorder struct {
	*store.Ledger
	health *health.Tracker
}

// Record implements feed.Ledger.
func (r recorder) Record(ctx context.Context, b store.Batch) (store.Recorded, error) {
	rec, err := r.Ledger.Record(ctx, b)
	r.health.Recorded(err)
	return rec, err
}

// Save implements reconcile.Ledger.
func (r recorder) Save(ctx context.Context, o dcr.Outcome) (bool, error) {
	settled, err := r.Ledger.Save(ctx, o)
	if !errors.Is(err, store.ErrNotFound) {
		r.health.Recorded(err)
	}
	return settled, err
}

var _ reconcile.Tenant = (*auth0.Client)(nil)

// saved tells everybody of an outcome that is kept.
func (d *Daemon) saved(was dcr.Record, o dcr.Outcome, settled bool) {
	rec := o.Record
	if was.ReadyAt.IsZero() && !rec.ReadyAt.IsZero() && !rec.RegisteredAt.IsZero() {
		d.metrics.TimeToReady(rec.TimeToReady)
	}
	for _, step := range reconcile.Repaired(was, o) {
		d.metrics.DriftRepaired(metrics.ConditionOf(step))
	}
	if settled { // else it is due again, and the outcome of that will tell
		d.publish(http.EventClient, http.ClientView(rec))
	}
	for _, c := range o.Changes {
		d.publish(http.EventJournal, http.JournalView(dcr.JournalEntry{ClientID: rec.ClientID, Change: c, Cause: rec.Cause}))
	}
}

func (d *Daemon) publish(event string, data any) {
	if err := d.broker.Publish(event, data); err != nil {
		d.log.Error("publish event", "event", event, "error", err)
	}
}
