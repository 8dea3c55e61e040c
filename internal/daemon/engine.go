package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	nethttp "net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"grantd/internal/auth0"
	"grantd/internal/budget"
	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/metrics"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/scope"
	"grantd/internal/store"
)

// Engine is what grantd does, without listeners, schedules and feeds: the
// ledger, the way to Auth0, and what observes, decides and writes. The daemon
// runs one; commands that find no daemon open one for themselves.
type Engine struct {
	log     *slog.Logger
	version string
	config  atomic.Pointer[config.Config]

	ledger     *store.Ledger
	budget     *budget.Budget
	wire       nethttp.RoundTripper // to Auth0
	tenant     *auth0.Client
	scopes     *scope.Sources
	reconciler *reconcile.Reconciler
	loop       *reconcile.Loop
	sweeper    *reconcile.Sweeper
	health     *health.Tracker
	metrics    *metrics.Metrics
	broker     *http.Broker

	desiring  sync.Mutex // held while a desired state is put in force
	setting   sync.Mutex // held while the reconciler's settings are made and put in force
	reverting sync.Mutex // held while a change is undone: one that cannot be takes back its hold, and no other's
	serving   bool       // a daemon: the loop is running
	scratch   string     // a folder to remove in the end; empty: none

	stopping context.Context // ends when commands are to end
	stop     context.CancelFunc

	tokenChanged chan struct{}
	chatting
	certificate certificate // of the listeners; nil without TLS, and set before anything runs
}

const (
	// ledgerFile and tokenFile are the files in the state directory.
	ledgerFile, tokenFile = "grantd.db", "token.json"
	healthFact            = "health"
)

// neededScopes are the Management API scopes without which some client cannot
// become ready. read:resource_servers and read:log_streams are used where they
// are there.
func neededScopes() []string {
	return []string{
		"read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs",
	}
}

// Open opens the ledger and what is between it and Auth0. Nothing is called
// yet. It fails with the errors of store.Open and then leaves nothing open.
func Open(ctx context.Context, o Options) (_ *Engine, err error) {
	e := &Engine{
		log: o.Logger, version: o.Version, wire: o.transport,
		broker: http.NewBroker(), tokenChanged: make(chan struct{}, 1),
	}
	e.config.Store(o.Config)
	e.stopping, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if err := e.openLedger(ctx, o); err != nil {
		return nil, err
	}
	if err := e.connect(o.Config); err != nil {
		return nil, err
	}
	return e, e.assemble(ctx, o)
}

func (e *Engine) openLedger(ctx context.Context, o Options) (err error) {
	c := o.Config
	so := store.Options{
		Path: filepath.Join(c.StateDir, ledgerFile), Tenant: c.Domain, Audience: c.Audience,
		AcceptAudienceChange: o.AcceptAudienceChange, ReadOnly: o.ReadOnly, Journal: journalLimits(c),
	}
	tightened, err := store.SecureDir(c.StateDir, o.ReadOnly)
	if err != nil {
		return err // says what and where
	}
	if tightened {
		e.log.Info("closed the state directory to others", "state", c.StateDir, "mode", "0700")
	}
	if !o.ReadOnly {
		if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
			return fmt.Errorf("make state directory: %w; GRANTD_STATE_DIR names another", err)
		}
	} else if _, err := os.Stat(so.Path); errors.Is(err, fs.ErrNotExist) {
		// There is nothing to read yet, and nothing is to be left behind.
		if e.scratch, err = os.MkdirTemp("", "grantd-"); err != nil {
			return fmt.Errorf("make a temporary ledger: %w", err)
		}
		so.Path, so.ReadOnly = filepath.Join(e.scratch, ledgerFile), false
	}
	e.ledger, err = store.Open(ctx, so)
	switch {
	case errors.Is(err, store.ErrCorrupt):
		return fmt.Errorf("%w\nNothing was touched. grantd ledger check lists what is wrong. Then either put a backup back, "+
			"grantd ledger restore FILE, or set the file aside, grantd ledger rebuild, and the next start makes a new one from the tenant", err)
	case errors.Is(err, store.ErrUnavailable) && errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; give what is in the state directory to whom it belongs: sudo chown -R --reference=%s %[2]s", err, c.StateDir)
	}
	return err // says what and where
}

// connect makes what talks to Auth0.
func (e *Engine) connect(c *config.Config) (err error) {
	if e.wire == nil {
		e.wire = newTransport()
	}
	e.budget = budget.New(budget.Options{RPS: c.MgmtRPS})
	e.tenant, err = auth0.New(auth0.Options{
		Domain: c.Domain, BaseURL: c.MgmtURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(),
		TokenFile: filepath.Join(c.StateDir, tokenFile), Scopes: neededScopes(),
		Budget: e.budget, Transport: e.wire, UserAgent: "grantd/" + e.version,
		OnCall: e.called, OnTokenChange: func() { signal(e.tokenChanged) },
		OnDefect: func(err error) { e.log.Error("get Management API token", "error", err) },
	})
	return err
}

// newTransport keeps connections to Auth0 for a burst of calls. It is the
// engine's own, so that they are closed with it.
func newTransport() *nethttp.Transport {
	return &nethttp.Transport{
		Proxy:             nethttp.ProxyFromEnvironment,
		ForceAttemptHTTP2: true,
		MaxIdleConns:      100, MaxIdleConnsPerHost: 100,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
}

// assemble makes what is between the tenant and the ledger.
func (e *Engine) assemble(ctx context.Context, o Options) (err error) {
	e.health = health.New(health.Options{Ledger: e.ledger, RateLimit: e.rateLimit, Holds: e.ledger.Holds, Storm: e.storm})
	if snapshot, err := e.ledger.Fact(ctx, healthFact); err == nil {
		if err := e.health.Restore(snapshot); err != nil {
			e.log.Warn("restore health", "error", err)
		}
	}
	e.notifier = e.newNotifier(o.chat)
	e.metrics = metrics.New(e.sources())
	e.scopes, err = scope.New(ctx, scope.Options{
		Config: scopeConfig(o.Config), Keeper: keeper{e.ledger, o.ReadOnly}, Logger: e.log, OnChange: e.scopesChanged,
	})
	if err != nil {
		return err
	}
	e.reconciler = reconcile.New(reconcile.Options{
		Tenant: e.tenant, Brakes: e.ledger, Prefix: e.ledger.Prefix(), Settings: e.settings(), Logger: e.log,
		OnAlarm: e.alarmed,
	})
	ledger := recorder{e.ledger, e.health}
	e.loop = reconcile.NewLoop(reconcile.LoopOptions{
		Ledger: ledger, Reconciler: e.reconciler, Logger: e.log, Drain: drain, OnSaved: e.saved,
	})
	e.sweeper = reconcile.NewSweeper(reconcile.SweeperOptions{
		Ledger: e.ledger, Lister: e.tenant, Reconciler: e.reconciler, Logger: e.log,
		Wake: e.loop.Wake, OnSwept: e.swept, OnChanged: e.tellChanged,
	})
	return nil
}

// keeper keeps the last good scopes, where the ledger may be written.
type keeper struct {
	*store.Ledger
	readOnly bool
}

// SetFact implements scope.Keeper.
func (k keeper) SetFact(ctx context.Context, key string, value []byte) error {
	if k.readOnly {
		return nil
	}
	return k.Ledger.SetFact(ctx, key, value)
}

func scopeConfig(c *config.Config) scope.Config {
	return scope.Config{
		Fixed: c.Scopes(), File: c.ScopesFile, URL: c.ScopesURL, Resource: c.Audience, Ceiling: c.ScopeCeiling,
	}
}

// settings are what the reconciler needs of the configuration in force.
func (e *Engine) settings() reconcile.Settings {
	c := e.config.Load()
	return reconcile.Settings{
		Desired: e.desired(c), Policy: c.Policy, OwnClientID: c.ClientID,
		StormAfter: c.StormAfter, StormHold: c.StormHold,
	}
}

// desired is the desired state that a configuration asks for, with the scopes
// that its sources tell.
func (e *Engine) desired(c *config.Config) plan.Desired {
	scopes, known := e.scopes.Scopes()
	return desiredWith(c, scopes, known)
}

func desiredWith(c *config.Config, scopes []string, known bool) plan.Desired {
	return plan.Desired{
		Audience: c.Audience, Scopes: scopes, ScopesUnknown: !known, ScopeMode: c.ScopeMode,
		Connections: c.Connections, ConnectionLevel: c.ConnectionLevel,
		Allowed: c.Policy.Rules(), DryRun: c.DryRun, Revoke: c.Revoke,
	}
}

// configure makes c the configuration in force.
func (e *Engine) configure(c *config.Config) {
	e.setting.Lock()
	defer e.setting.Unlock()
	e.config.Store(c)
	e.reconciler.SetSettings(e.settings())
}

// renewSettings puts the settings in force that are right now, and returns them:
// none of before the newest configuration take the place of its own.
func (e *Engine) renewSettings() reconcile.Settings {
	e.setting.Lock()
	defer e.setting.Unlock()
	s := e.settings()
	e.reconciler.SetSettings(s)
	return s
}

// DesiredDigest is the digest of the desired state that a configuration asks
// for, empty where a file or a URL has a say in its scopes.
func DesiredDigest(c *config.Config) string {
	if c.ScopesFile != "" || c.ScopesURL != "" {
		return ""
	}
	return desiredWith(c, c.Scopes(), true).Digest()
}

// desire puts the desired state in force that configuration and scope sources
// ask for. A new one makes a sweep due, and until it was held against it every
// record is pending.
func (e *Engine) desire(ctx context.Context) error {
	e.desiring.Lock()
	defer e.desiring.Unlock()
	scopes, known := e.scopes.Scopes()
	e.health.ScopeSources(len(e.scopes.Failing()) > 0, known)
	before, err := e.ledger.Digest(ctx)
	if err != nil {
		return err
	}
	// The new settings come first: an outcome of the old ones that is saved
	// after the digest was set does not settle its record.
	digest := e.renewSettings().Desired.Digest()
	if digest == before {
		return nil
	}
	pending, err := e.ledger.SetDigest(ctx, digest)
	if err != nil {
		return fmt.Errorf("set the desired state: %w", err)
	}
	if before != "" {
		e.log.Info("desired state changed", "clients_to_check", pending, "scopes", scopes)
	}
	e.sweeper.Request()
	return nil
}

// scopesChanged journals what a scope source tells, and puts it in force.
func (e *Engine) scopesChanged(ctx context.Context, changes []scope.Change) {
	var entries []dcr.JournalEntry
	for _, c := range changes {
		entries = append(entries, dcr.JournalEntry{Cause: dcr.Cause{Feed: dcr.FeedConfig}, Change: dcr.Change{
			Step: dcr.StepScopes, At: c.At,
			Before: map[string]any{"source": string(c.Source), "scope": c.Before},
			After:  map[string]any{"source": string(c.Source), "scope": c.After},
		}})
	}
	if err := e.ledger.AddJournal(ctx, entries...); err == nil {
		e.publishJournal("", len(entries), func(entry dcr.JournalEntry) bool { return entry.Step == dcr.StepScopes })
	} else if ctx.Err() == nil {
		e.log.Error("journal a change of scopes", "error", err)
	}
	if err := e.desire(ctx); err != nil && ctx.Err() == nil {
		e.log.Error("apply a change of scopes", "error", err)
	}
}

// swept tells of a sweep that ended or failed.
func (e *Engine) swept(s reconcile.Sweep, err error) {
	e.health.Swept(failureOf(err))
	e.metrics.Swept(err == nil, s.Took)
	if err != nil {
		return // the sweeper logs it, and tries again
	}
	e.log.Info("swept", "listed", s.Listed, "in_sync", s.InSync, "due", s.Due, "new", s.New, "blocked", s.Blocked,
		"refused", s.Refused, "unlisted", s.Unlisted, "resumed", s.Resumed, "took", s.Took.Round(time.Millisecond))
	if s.NotAdopted > 0 {
		e.log.Warn("grants that were there before grantd hold more than is desired, and are left as they are",
			"clients", s.NotAdopted, "see", "grantd plan", "to_take_away", "grantd sync --adopt")
	}
	if s.Capped {
		e.log.Warn("Auth0 lists the first 1,000 clients or grants only; those beyond are read one by one, a bounded number a day")
	}
}

// work runs everything that needs neither listener nor schedule, until ctx ends.
func (e *Engine) work(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return e.loop.Run(ctx) })
	e.lasting(ctx, g, "renew token", e.tenant.Run)
	e.lasting(ctx, g, "follow scope sources", e.scopes.Run)
}

// Close closes everything, the ledger last.
func (e *Engine) Close() error {
	e.stop()
	var errs []error
	if e.tenant != nil {
		e.tenant.Close()
	}
	if t, ok := e.wire.(*nethttp.Transport); ok {
		t.CloseIdleConnections()
	}
	if e.ledger != nil {
		if e.serving {
			errs = append(errs, e.ledger.SetFact(context.Background(), healthFact, e.health.Snapshot()))
		}
		errs = append(errs, e.ledger.Close())
	}
	if e.scratch != "" {
		errs = append(errs, os.RemoveAll(e.scratch))
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

var (
	_ reconcile.Tenant = (*auth0.Client)(nil)
	_ feed.Ledger      = recorder{}
	_ http.Commands    = (*Engine)(nil)
)
