package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/failpoint"
	"grantd/internal/plan"
)

// Options of a Reconciler. Tenant, Prefix, Settings and Logger are required.
type Options struct {
	Tenant Tenant
	// Brakes are asked before anything is written; nil: there are none.
	Brakes Brakes
	Fights Fights
	// Prefix begins every correlation id; at most 48 bytes. Auth0 cuts the
	// header at 64. https://auth0.com/docs/api/management/v2
	Prefix   string
	Settings Settings
	Logger   *slog.Logger
	Now      func() time.Time
	// OnAlarm is told of each alarm. It must not block.
	OnAlarm func(Alarm)
}

// Reconciler brings one client at a time to the desired state. It is safe for
// concurrent use by different clients.
type Reconciler struct {
	tenant   Tenant
	prefix   string
	log      *slog.Logger
	now      func() time.Time
	settings atomic.Pointer[Settings]
	facts    *facts
	enabler  *enabler
	brakes   Brakes
	fights   Fights
	// promoting is held while a connection is promoted to domain level.
	promoting chan struct{}
	// promotions are those that others undid.
	promotions repairs
	// storm counts registrations.
	storm storm
	alarm func(Alarm)
	// observed is what a sweep saw of clients that are due since.
	observed observations
	// grants are those that were made and may not be in the ledger yet.
	grants madeGrants
}

// New returns a Reconciler.
func New(o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Reconciler{
		tenant: o.Tenant, prefix: o.Prefix, log: o.Logger, now: o.Now, promoting: make(chan struct{}, 1),
		brakes: o.Brakes, fights: o.Fights.withDefaults(), alarm: o.OnAlarm,
	}
	if r.alarm == nil {
		r.alarm = func(Alarm) {}
	}
	r.facts = newFacts(o.Tenant, o.Now)
	r.enabler = newEnabler(o.Tenant, o.Logger, r.correlationID, o.Now)
	r.settings.Store(&o.Settings)
	return r
}

// SetSettings replaces the settings. Clients being worked on are
// written to by the old ones no more; making the others due is the ledger's part.
func (r *Reconciler) SetSettings(s Settings) { r.settings.Store(&s) }

// TenantChanged forgets what is known of connections and the API.
func (r *Reconciler) TenantChanged() { r.facts.invalidate() }

// Concerns reports whether an edited connection or API, of which the sighting
// tells, can be one that configuration names.
func (r *Reconciler) Concerns(s dcr.Sighting) bool {
	return r.facts.concerns(r.settings.Load().Desired, s.ConnectionID, s.APIID)
}

// GrantOwner is the client that an edited grant was just made for, empty if it
// was not: then the ledger knows it, or nobody.
func (r *Reconciler) GrantOwner(grantID string) string { return r.grants.owner(grantID) }

// Warm fetches the facts ahead of the first client, who would wait for them.
func (r *Reconciler) Warm(ctx context.Context) error {
	return contain(r.log, func() error {
		_, _, _, err := r.facts.get(ctx, r.settings.Load().Desired, factsTTL)
		return err
	})
}

func (r *Reconciler) correlationID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails, see its documentation
	return r.prefix + hex.EncodeToString(b[:])
}

// Reconcile brings the record's client to the desired state, or finds out why
// it cannot be. It never fails: what went wrong is in the outcome.
func (r *Reconciler) Reconcile(ctx context.Context, rec dcr.Record) dcr.Outcome {
	j := r.job(r.settings.Load(), rec, r.log.With("client_id", rec.ClientID, "cause", rec.Cause))
	j.ended = ctx.Err
	ctx = auth0.WithCall(ctx, rec.Class, rec.Source)
	j.pass = r.enabler.expect()
	defer j.pass()
	if err := contain(j.log, func() error { j.run(ctx); return nil }); err != nil {
		j.failed(err)
	}
	return dcr.Outcome{Record: j.rec, Changes: j.changes, Holds: j.setHolds}
}

func (r *Reconciler) job(s *Settings, rec dcr.Record, log *slog.Logger) *job {
	return &job{r: r, s: s, log: log, rec: rec, was: rec, doubtful: doubtful(rec.Plan), started: r.now(), tell: func(say func()) { say() }, pass: func() {}, ended: func() error { return nil }}
}

// holds are the brakes that are set.
func (r *Reconciler) holds(ctx context.Context) ([]dcr.Hold, error) {
	if r.brakes == nil {
		return nil, nil
	}
	return r.brakes.Holds(ctx)
}

// job is one record on its way through the reconciler.
type job struct {
	r       *Reconciler
	s       *Settings
	log     *slog.Logger
	was     dcr.Record // as it came
	rec     dcr.Record // as it will be saved
	changes []dcr.Change
	started time.Time
	ended   func() error     // why the work is to end now, nil while it may go on
	tell    func(say func()) // raises an alarm, or leaves that to be done later
	pass    func()           // says that no connection will be needed

	holds    []dcr.Hold // that are kept
	setHolds []dcr.Hold // that are to be set
	earlier  bool       // what is acted on was seen before this job
	swept    bool       // and by a sweep
	// doubtful are revocations that were sent and may have been made: until the
	// client was looked at, the record keeps them.
	doubtful []dcr.Change
}

func (j *job) run(ctx context.Context) {
	j.rec.Cause.Digest = j.s.Desired.Digest()
	var err error
	if j.holds, err = j.r.holds(ctx); err != nil {
		j.failed(fmt.Errorf("read holds: %w", err))
		return
	}
	if h, held := j.heldWhole(); held {
		j.heldBack(h)
		return
	}
	o, err := j.look(ctx)
	if errors.Is(err, errClientGone) {
		j.gone()
		return
	}
	if err != nil {
		j.failed(err)
		return
	}
	j.describe(o.Client)
	if v := j.verdict(o); !v.Eligible {
		j.turnedAway(ctx, o, v)
		return
	}
	j.doubtful = nil // it may have what it had
	if j.rec.Off {
		j.switchedOff()
		return
	}
	if j.excess(o) {
		return
	}
	p, err := j.plan(ctx, &o)
	if err == nil && j.earlier && p.ReadsBefore(j.s.Desired, o) {
		// What stands there is kept, so it must be what stands there now.
		j.earlier, j.swept = false, false
		if o.Grant, err = j.grant(ctx); err == nil {
			p.Grant = plan.ComputeGrant(j.s.Desired, o)
		}
	}
	if err != nil {
		j.failed(err)
		return
	}
	p = j.brake(p)
	j.rec.Unread = false
	if !p.Connect.Has(dcr.StepConnect) {
		j.pass()
	}
	if j.s.Desired.DryRun && len(p.Steps()) > 0 {
		j.planned(p)
		return
	}
	failpoint.Hit("reconcile.planned")
	j.settle(j.apply(ctx, o, p))
	failpoint.Hit("reconcile.parts-made")
	j.noteRepairs()
}

// look is what is known of the client: what a sweep saw just now, or else what
// Auth0 says when asked.
func (j *job) look(ctx context.Context) (plan.Observed, error) {
	o, ok := j.r.observed.take(j.rec, j.s.Desired.Digest(), j.r.now())
	if !ok || !j.verdict(o.seen).Eligible { // a verdict against a client is of a fresh look
		return j.observe(ctx)
	}
	j.earlier, j.swept = true, !o.own
	return o.seen, nil
}

// plan computes the plan. Before a cached fact is blamed for a client that
// cannot become ready, it is read again.
func (j *job) plan(ctx context.Context, o *plan.Observed) (plan.Plan, error) {
	conns, api, age, err := j.r.facts.get(ctx, j.s.Desired, factsTTL)
	if err != nil {
		return plan.Plan{}, err
	}
	p := plan.Compute(j.s.Desired, withFacts(o, conns, api))
	if age <= factsRecheck || !blamesFacts(p) {
		return p, nil
	}
	if conns, api, _, err = j.r.facts.get(ctx, j.s.Desired, factsRecheck); err != nil {
		return plan.Plan{}, err
	}
	return plan.Compute(j.s.Desired, withFacts(o, conns, api)), nil
}

// withFacts lays the facts into what was observed of the client itself.
func withFacts(o *plan.Observed, conns []plan.Connection, api plan.API) plan.Observed {
	enabledFor := o.Connections
	o.API, o.Connections = api, conns
	for _, e := range enabledFor {
		for i := range o.Connections {
			if o.Connections[i].Name == e.Name {
				o.Connections[i].Enabled = e.Enabled
			}
		}
	}
	return *o
}

func blamesFacts(p plan.Plan) bool {
	return !p.Connect.Result.Status || !p.Grant.Result.Status || p.Grant.Result.Reason == dcr.ScopesUndefined
}

// describe copies to the record what people want to see of the client.
func (j *job) describe(c dcr.Client) {
	j.rec.Name, j.rec.Callbacks, j.rec.SecurityMode, j.rec.Off = c.Name, c.Callbacks, c.Mode(), c.Off
	switch {
	case c.FirstParty:
		// It did not register itself, whatever a log entry said.
		j.rec.Registration, j.rec.SecurityMode = dcr.RegistrationUnknown, ""
	case c.CIMD():
		j.rec.Registration = dcr.RegistrationCIMD
	}
}
