package daemon

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/plan"
	"grantd/internal/policy"
	"grantd/internal/store"
)

const (
	// growth is over how long doctor looks how fast clients come.
	growth = 7 * 24 * time.Hour
	// sample is how many records it reads for that; of a larger ledger they are
	// taken for typical, since ids are random.
	sample = 10_000
)

// Doctor implements http.Doctor.
func (e *Engine) Doctor(ctx context.Context) (doctor.Report, error) {
	ctx, done := e.untilStop(ctx)
	defer done()
	if !e.serving {
		e.scopes.Refresh(ctx)
	}
	ctx, done = e.standBack(ctx, doctorWaits)
	defer done()
	r, err := e.examine(ctx, false)
	if err != nil {
		return doctor.Report{}, failed(ctx, "doctor", err)
	}
	return r, nil
}

// examine looks at the tenant as a whole, by the token at hand if that is to be
// kept.
func (e *Engine) examine(ctx context.Context, keepToken bool) (doctor.Report, error) {
	o, err := e.doctorOptions(ctx)
	if err != nil {
		return doctor.Report{}, err
	}
	o.KeepToken = keepToken
	f, err := doctor.Look(ctx, e.tenant, o)
	if err != nil {
		return doctor.Report{}, err
	}
	return doctor.Diagnose(f), nil
}

// doctorOptions are what doctor needs of the configuration in force and of the
// ledger.
func (e *Engine) doctorOptions(ctx context.Context) (doctor.Options, error) {
	c := e.config.Load()
	scopes, known := e.scopes.Scopes()
	o := doctor.Options{
		Domain: c.Domain, ClientID: c.ClientID, Audience: c.Audience,
		Scopes: scopes, ScopesKnown: known, ScopesURL: c.ScopesURL,
		Connections: c.Connections, Promotes: c.ConnectionLevel == plan.DomainLevel && !c.DryRun,
		Documents: documents(c), Needed: neededScopes(), Useful: []string{"delete:client_grants"},
		PublicURL: c.PublicURL, WebhookPath: c.WebhookPath, Plan: string(c.TenantPlan),
		Burst: func() int { return e.budget.Snapshot().Burst },
	}
	if e.serving {
		feeds, err := e.ledger.Feeds(ctx)
		if err != nil {
			return o, err
		}
		o.DeliveredAt = feeds[dcr.FeedWebhook].LastDeliveryAt
	}
	for _, s := range []config.Secret{c.WebhookSecret, c.WebhookSecretPrevious} {
		if s.Reveal() != "" {
			o.Secrets = append(o.Secrets, sha256.Sum256([]byte(s.Reveal())))
		}
	}
	return o, e.addGrowth(ctx, &o, time.Now())
}

// documents are the client id metadata documents of those that the allow-list
// lets in.
func documents(c *config.Config) []doctor.Document {
	var all []doctor.Document
	for _, preset := range policy.Presets() {
		if slices.Contains(c.AllowedClients, preset) || slices.Contains(c.AllowedClients, policy.Any) {
			all = append(all, doctor.Documents()[preset]...)
		}
	}
	return all
}

// addGrowth adds how fast clients and grants come, and how the newest client
// registered, by the ledger.
func (e *Engine) addGrowth(ctx context.Context, o *doctor.Options, now time.Time) error {
	counts, err := e.ledger.Counts(ctx)
	if err != nil {
		return err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	c := census{now: now, began: now}
	for after, more := "", true; more && c.read < sample; {
		page, next, err := e.ledger.Clients(ctx, store.Query{Limit: 1000, After: after})
		if err != nil {
			return err
		}
		for _, r := range page {
			c.add(r)
		}
		after, more = next, next != ""
	}
	o.Mode = c.mode
	o.ClientsPerDay, o.GrantsPerDay = c.perDay(total)
	return nil
}

// census counts the records of clients that came lately.
type census struct {
	now                   time.Time
	read, clients, grants int
	began, newest         time.Time // when the first client of all, and the newest by DCR, came
	mode                  dcr.SecurityMode
}

func (c *census) add(r dcr.Record) {
	c.read++
	at := came(r)
	if at.IsZero() {
		return
	}
	if at.Before(c.began) {
		c.began = at
	}
	if r.Registration == dcr.RegistrationDCR && r.SecurityMode != "" && at.After(c.newest) {
		c.newest, c.mode = at, r.SecurityMode
	}
	if r.Reason == dcr.OwnClient {
		return
	}
	if r.FirstSeenFeed == dcr.FeedSweep && r.RegisteredAt.IsZero() || r.Phase == dcr.Gone || at.Before(c.now.Add(-growth)) {
		return // nobody knows when it came, or it takes no room, or it was long ago
	}
	c.clients++
	if r.GrantID != "" {
		c.grants++
	}
}

// perDay is by how many clients and grants grow, total being the size of the
// ledger. Less than a day is taken for one.
func (c *census) perDay(total int) (clients, grants float64) {
	if c.read == 0 {
		return 0, 0
	}
	days := max(min(c.now.Sub(c.began), growth).Hours()/24, 1)
	scale := float64(total) / float64(c.read) / days
	return float64(c.clients) * scale, float64(c.grants) * scale
}

// came is when a client registered, as far as that is known.
func came(r dcr.Record) time.Time {
	if !r.RegisteredAt.IsZero() {
		return r.RegisteredAt
	}
	return r.FirstSeenAt
}
