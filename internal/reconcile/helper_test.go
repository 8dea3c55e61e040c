package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/policy"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
	"grantd/internal/tenantsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	google   = "google-oauth2"
	audience = "https://mcp.example.com/mcp"
	ownID    = "GrantdM2M00000000000000000000000"
	secret   = "management-secret"
)

// The calls that grantd makes, by the names the tenant counts them under.
const (
	getClient         = "GET /clients/{id}"
	patchClient       = "PATCH /clients/{id}"
	listGrants        = "GET /client-grants"
	createGrant       = "POST /client-grants"
	patchGrant        = "PATCH /client-grants/{id}"
	listConnections   = "GET /connections"
	patchConnection   = "PATCH /connections/{id}"
	patchMembers      = "PATCH /connections/{id}/clients"
	clientConnections = "GET /clients/{id}/connections"
	getAPI            = "GET /resource-servers/{id}"
)

func allScopes() []string {
	return []string{
		"read:clients", "update:clients", "read:connections", "update:connections", "read:client_grants",
		"create:client_grants", "update:client_grants", "read:logs", "read:resource_servers",
	}
}

// without is allScopes but for one.
func without(scope string) []string {
	return slices.DeleteFunc(allScopes(), func(s string) bool { return s == scope })
}

// clock is what the ledger and the reconciler take for the time: it stands
// still, or, when zero, is that of the machine or the bubble.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.t.IsZero() {
		return time.Now()
	}
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a tenant over HTTP, a ledger on disk, and a Reconciler between them.
type world struct {
	tb     testing.TB
	tenant *tenantsim.Tenant
	client *auth0.Client
	ledger *store.Ledger
	clock  *clock
	log    *lines
	path   string // of the ledger
	*reconcile.Reconciler
	options reconcile.Options // it was made with
}

type setup struct {
	tenant    tenantsim.Options
	scopes    []string // of the Management API; all when nil
	desired   func(*plan.Desired)
	level     bool // google-oauth2 is domain-level
	transport func(http.RoundTripper) http.RoundTripper
	inProcess bool // without sockets, and on time.Now: for bubbles and benchmarks
}

// inProcess is a tenant that is called instead of sent to.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	p.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

func domainLevel() setup { return setup{level: true} }

func permissive() setup { return setup{tenant: tenantsim.Options{DCR: tenantsim.DCRPermissive}} }

// desire is the usual desired state, edited.
func desire(tb testing.TB, edit func(*plan.Desired)) reconcile.Settings {
	tb.Helper()
	d := plan.Desired{
		Audience: audience, Scopes: []string{"notes:read", "notes:write"}, ScopeMode: plan.Exact,
		Connections: []string{google}, ConnectionLevel: plan.ClientLevel, Allowed: []string{"chatgpt"},
	}
	if edit != nil {
		edit(&d)
	}
	allowed, err := policy.Parse(d.Allowed)
	if err != nil {
		tb.Fatal(err)
	}
	return reconcile.Settings{Desired: d, Policy: allowed, OwnClientID: ownID, StormAfter: 1_000_000}
}

// newWorld returns a world that is warm: it has its token and knows the
// connection and the API. Nothing is counted yet.
func newWorld(tb testing.TB, s setup) *world {
	tb.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wire := &http.Transport{MaxIdleConnsPerHost: 100}
	tb.Cleanup(wire.CloseIdleConnections)
	var transport http.RoundTripper = wire
	var tenant *tenantsim.Tenant
	url := "http://127.0.0.1"
	if s.inProcess {
		tenant = tenantsim.New(s.tenant)
		tb.Cleanup(tenant.Close)
		transport, start = inProcess{tenant}, time.Time{}
	} else {
		tenant = tenantsim.ForTest(tb, s.tenant)
		url = tenant.URL()
	}
	if s.transport != nil {
		transport = s.transport(transport)
	}
	if s.scopes == nil {
		s.scopes = allScopes()
	}
	tenant.AddM2M(ownID, secret, s.scopes...)
	tenant.AddConnection(google, s.level)
	tenant.AddAPI(audience, "notes:read", "notes:write", "notes:delete")

	w := &world{tb: tb, tenant: tenant, clock: &clock{t: start}, log: &lines{}}
	var err error
	w.client, err = auth0.New(auth0.Options{
		Domain: tenant.Domain(), BaseURL: url, ClientID: ownID, ClientSecret: secret, Transport: transport,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.client.Close)
	w.ledger = storetest.Open(tb, func(o *store.Options) {
		o.Tenant, o.Audience, o.Now = tenant.Domain(), audience, w.clock.now
		w.path = filepath.Join(storetest.Dir(tb), "grantd.db")
		o.Path = w.path
	})
	w.options = reconcile.Options{
		Tenant: w.client, Prefix: w.ledger.Prefix(), Settings: desire(tb, s.desired),
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: w.clock.now,
	}
	w.Reconciler = reconcile.New(w.options)
	if err := w.Warm(tb.Context()); err != nil && s.scopes == nil {
		tb.Fatal(err)
	}
	tenant.ResetCalls()
	return w
}

// rebuild makes the Reconciler anew, with other options.
func (w *world) rebuild(edit func(*reconcile.Options)) {
	edit(&w.options)
	w.Reconciler = reconcile.New(w.options)
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// register registers a client as ChatGPT does and returns its id.
func (w *world) register(n int) string {
	w.tb.Helper()
	c, err := w.tenant.Register(tenantsim.ChatGPT(fmt.Sprintf("cb%d", n)))
	if err != nil {
		w.tb.Fatal(err)
	}
	return c.ID
}

// sight records that a client registered just now, or was changed.
func (w *world) sight(id string, kind dcr.SightingKind) {
	w.tb.Helper()
	w.sightBy(id, kind, dcr.Actor{})
}

// sightBy is sight of what somebody did.
func (w *world) sightBy(id string, kind dcr.SightingKind, by dcr.Actor) {
	w.tb.Helper()
	_, err := w.ledger.Record(context.WithoutCancel(w.tb.Context()), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{{
		Kind: kind, Class: dcr.Urgent, ClientID: id, Actor: by, LogID: fmt.Sprint(kind, id, w.clock.now().UnixNano()), At: w.clock.now(),
	}}})
	if err != nil {
		w.tb.Error(err)
	}
}

// onboard registers a client, lets grantd hear of it, and returns its id.
func (w *world) onboard(n int) string {
	w.tb.Helper()
	id := w.register(n)
	w.sight(id, dcr.Registered)
	return id
}

func (w *world) record(id string) dcr.Record {
	w.tb.Helper()
	r, err := w.ledger.Client(w.tb.Context(), id)
	if err != nil {
		w.tb.Fatal(err)
	}
	return r
}

// look reconciles a client once, saves the outcome, and returns it.
func (w *world) look(id string) dcr.Outcome {
	w.tb.Helper()
	o := w.Reconcile(w.tb.Context(), w.record(id))
	if _, err := w.ledger.Save(w.tb.Context(), o); err != nil {
		w.tb.Fatal(err)
	}
	return o
}

// calls returns the operations since it was last asked, sorted.
func (w *world) calls() []string {
	ops := []string{}
	for _, c := range w.tenant.Calls() {
		ops = append(ops, c.Operation)
	}
	w.tenant.ResetCalls()
	slices.Sort(ops)
	return ops
}

func (w *world) wantCalls(want ...string) {
	w.tb.Helper()
	if want == nil {
		want = []string{}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, w.calls()); diff != "" {
		w.tb.Errorf("calls (-want +got):\n%s", diff)
	}
}

func (w *world) wantPhase(o dcr.Outcome, p dcr.Phase, r dcr.Reason) {
	w.tb.Helper()
	if got := o.Record; got.Phase != p || got.Reason != r {
		w.tb.Errorf("phase %s, reason %q (%s), want %s, %q", got.Phase, got.Reason, got.Message, p, r)
	}
}

// together lets no request that matches go on before n have arrived: unless
// they are made at the same time, they fail.
func together(n int, match func(*http.Request) bool) func(*http.Request) tenantsim.Fault {
	var mu sync.Mutex
	arrived, all := 0, make(chan struct{})
	return func(r *http.Request) tenantsim.Fault {
		if !match(r) {
			return tenantsim.Fault{}
		}
		mu.Lock()
		if arrived++; arrived == n {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
		case <-r.Context().Done():
		}
		return tenantsim.Fault{}
	}
}

func isWrite(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/v2/") && r.Method != http.MethodGet
}

// told is what a person is told of a record: what is wrong, and what to do.
func told(r dcr.Record) string { return r.Reason.Told(r.Message, r.Fix) }

// await asks until ok says so.
func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("wait until %s: %v", what, ctx.Err())
		}
	}
}

func journalOf(id string) store.JournalQuery { return store.JournalQuery{ClientID: id} }

func levelDomain(d *plan.Desired) { d.ConnectionLevel = plan.DomainLevel }
