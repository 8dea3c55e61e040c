package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/http"
)

// Options of a Daemon or an Engine. Config, Logger and Version are required,
// and Load and LogLevel by a Daemon.
type Options struct {
	Config *config.Config
	// Load reads the configuration anew, for Reload.
	Load func() (*config.Config, []config.Notice, error)
	// EnvFile is the file that Load reads, to be watched; empty: there is none.
	EnvFile string
	// AcceptAudienceChange lets a ledger of another audience be used.
	AcceptAudienceChange bool
	// ReadOnly leaves the ledger as it is, and makes none. For an Engine.
	ReadOnly bool
	Logger   *slog.Logger
	LogLevel *slog.LevelVar // follows the configuration
	Version  string

	transport nethttp.RoundTripper // to Auth0; nil: one of its own
	chat      nethttp.RoundTripper // to GRANTD_NOTIFY_URL; the same
}

// Daemon is grantd, all of it, ready to run.
type Daemon struct {
	*Engine
	logLevel *slog.LevelVar
	load     func() (*config.Config, []config.Notice, error)
	envFile  string

	reloads sync.Mutex     // one reload at a time
	read    *config.Config // as last put into effect, with what of it waits for a restart; guarded by reloads

	poller     *feed.Poller
	secrets    *http.Secrets // of the webhook
	adminToken *http.Secrets

	public, admin, control *http.Server // admin is nil when off
	schedule               *schedule

	polling     sync.Mutex // held while the tenant log is read
	pollFailure dcr.Reason // why the newest poll failed, empty if it did not; guarded by polling

	refused atomic.Value // string: why the configuration as it reads now is not taken over
	restart atomic.Value // string: the variables that wait for a restart

	reloaded chan struct{}
	rebound  chan struct{} // the ledger's bounds may be others
}

const (
	// drain is how long work under way may go on once the daemon is told to
	// stop; systemd kills after 90 s.
	drain = 10 * time.Second
	// flushEvery bounds what of the feeds' statistics a kill can lose.
	flushEvery = 5 * time.Second
	// jwksSchedule is how often the tenant's signing keys are looked at, and
	// streamSchedule how often the log streams are.
	jwksSchedule, streamSchedule = "@every 5m", "@every 1h"
)

// New opens the ledger and binds the listeners. Nothing is called and nothing
// is served before Run. It fails with the errors of store.Open, with
// config.Errors for a certificate that cannot be used, or because an address is
// taken; it then leaves nothing open.
func New(ctx context.Context, o Options) (_ *Daemon, err error) {
	e, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	c := o.Config
	d := &Daemon{
		Engine: e, logLevel: o.LogLevel, load: o.Load, envFile: o.EnvFile, read: c,
		secrets:    http.NewSecrets(c.WebhookSecret.Reveal(), c.WebhookSecretPrevious.Reveal()),
		adminToken: http.NewSecrets(c.AdminToken.Reveal()),
		schedule:   newSchedule(o.Logger),
		reloaded:   make(chan struct{}, 1),
		rebound:    make(chan struct{}, 1),
	}
	d.serving = true
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	d.feeds()
	if err := d.setSchedule(c); err != nil {
		return nil, err
	}
	if err := d.openCertificate(c); err != nil {
		return nil, err
	}
	return d, d.listen(ctx, c)
}

// feeds makes the poller.
func (d *Daemon) feeds() {
	d.poller = feed.NewPoller(feed.PollerOptions{
		Intake: d.intake(), Logs: d.tenant, Checkpoints: d.ledger, Logger: d.log,
		OwnClientID: func() string { return d.config.Load().ClientID },
		OnPolled:    func(p feed.Polled) { d.health.Polled(p.Reason) },
		OnGap:       func(string) { d.sweeper.Request() },
	})
}

// intake is the door through which sightings come in, from both feeds.
func (d *Daemon) intake() *feed.Intake {
	return feed.NewIntake(feed.IntakeOptions{
		Ledger: recorder{d.ledger, d.health}, Logger: d.log, Wake: d.loop.Wake, TenantChanged: d.tenantEdited,
		OnTaken: d.taken, Demote: d.demote, Concerns: d.reconciler.Concerns, GrantOwner: d.reconciler.GrantOwner,
	})
}

// listen binds the listeners.
func (d *Daemon) listen(ctx context.Context, c *config.Config) (err error) {
	d.public, err = http.Listen(ctx, c.Listen, http.ServerOptions{Logger: d.log, TLS: d.publicTLS(c), Handler: http.Public(http.PublicOptions{
		Intake: d.intake(), Secrets: d.secrets, Health: d.health, WebhookPath: c.WebhookPath, Logger: d.log,
		OnDelivery: d.metrics.Delivery, Proxies: func() []netip.Prefix { return d.config.Load().TrustedProxies },
	})})
	if err != nil {
		return fmt.Errorf("listen on GRANTD_LISTEN: %w", err)
	}
	api := http.APIOptions{Ledger: d.ledger, Events: d.broker, Logger: d.log, Config: d.configuration, Holds: d.holds}
	if c.AdminListen != "" {
		d.admin, err = http.Listen(ctx, c.AdminListen, http.ServerOptions{
			Logger: d.log, OnShutdown: d.broker.Close, TLS: d.adminTLS(c),
			Handler: http.Admin(http.AdminOptions{API: api, Page: d.page(), Metrics: d.metrics.Handler(d.log), Token: d.adminToken}),
		})
		if err != nil {
			return fmt.Errorf("listen on GRANTD_ADMIN_LISTEN: %w", err)
		}
	}
	api.Snapshot = d.ledger.Snapshot
	d.control, err = http.ListenUnix(ctx, c.Socket, http.ServerOptions{
		Logger: d.log, OnShutdown: func() { d.broker.Close(); d.stop() }, Handler: http.Control(api, d.Engine),
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
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range []*http.Server{d.public, d.admin, d.control} {
		if s != nil {
			g.Go(func() error { return s.Serve(ctx) })
		}
	}
	d.run(ctx, g)
	g.Go(func() error {
		<-ctx.Done()
		notify(d.log, sd.SdNotifyStopping+"\nSTATUS=stopping: finishing work under way")
		return nil
	})
	d.announce(ctx)
	err = g.Wait()
	d.schedule.stop()
	return err
}

// run starts everything but the listeners.
func (d *Daemon) run(ctx context.Context, g *errgroup.Group) {
	d.work(ctx, g)
	d.lasting(ctx, g, "keep house", d.keepHouse)
	d.lasting(ctx, g, "follow token", d.followToken)
	d.lasting(ctx, g, "watch clock", d.watchClock)
	d.lasting(ctx, g, "keep bounds", d.keepBounds)
	d.lasting(ctx, g, "ping watchdog", d.watchdog)
	d.lasting(ctx, g, "notify", d.notifier.Run)
	if d.certificate != nil {
		d.lasting(ctx, g, "keep certificate", d.certificate.Run)
	}
	g.Go(func() error { d.start(ctx); return nil })
	if d.envFile != "" {
		d.lasting(ctx, g, "watch env file", d.watchEnvFile)
	}
}

// announce says where it serves, to people and to systemd.
func (d *Daemon) announce(ctx context.Context) {
	c := d.config.Load()
	admin := "off"
	if a := d.AdminAddr(); a != nil {
		admin = a.String()
	}
	d.log.Info("serving", "public", d.Addr().String(), "admin", admin, "tls", tlsBy(c), "version", d.version,
		"tenant", c.Domain, "audience", c.Audience, "state", c.StateDir)
	if c.Policy.AllowsAny() {
		d.log.Warn("GRANTD_ALLOWED_CLIENTS has any: every third-party client is promoted and granted, whoever registered it")
	}
	if c.DryRun {
		d.log.Warn("GRANTD_DRY_RUN is on: nothing is written to Auth0")
	}
	notify(d.log, sd.SdNotifyReady+"\n"+counts("starting", d.health.Report(ctx).Clients))
}

// start does what would make the first client wait, the first poll, and a sweep
// if one was missed. The desired state comes first: a large ledger takes a
// while to be marked, and clients that register meanwhile need not wait for it.
func (d *Daemon) start(ctx context.Context) {
	d.contain("check ledger against configuration", func() {
		if err := d.desire(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("check ledger against configuration", "error", err)
		}
	})
	d.contain("read connections and API", func() {
		if err := d.reconciler.Warm(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("read connections and API", "error", err)
		}
	})
	d.schedule.run(ctx, jwksJob)
	d.schedule.run(ctx, pollJob)
	switch due, err := d.sweeper.Due(ctx, d.missedSweep); {
	case err != nil && ctx.Err() == nil:
		d.log.Error("look for a missed sweep", "error", err)
	case due:
		d.sweeper.Resume()
	}
	d.schedule.run(ctx, streamJob)
	d.schedule.start(ctx)
	// Only now, so that all that asked for a sweep so far gets one.
	d.last(ctx, "sweep", d.sweeper.Run)
}

// close closes what New opened, the ledger last.
func (d *Daemon) close() error {
	var errs []error
	for _, s := range []*http.Server{d.public, d.admin, d.control} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(append(errs, d.Close())...)
}
