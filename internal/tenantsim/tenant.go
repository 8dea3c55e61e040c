package tenantsim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options of a Tenant. The zero value is a usable tenant without limits.
type Options struct {
	// Domain is the canonical domain; "" means "acme.us.auth0.com".
	Domain string
	// Now is the clock of everything the tenant dates or limits; nil means
	// time.Now. Latency and retries of deliveries use real timers.
	Now func() time.Time
	// Plan is the subscription: limits and log retention.
	Plan Plan
	// DCR is the dynamic client registration that the settings begin with.
	DCR DCR
	// Fresh is a tenant as Auth0 makes a new one, whatever DCR says.
	Fresh bool
	// Quirks chooses the behaviour where Auth0's is not known.
	Quirks Quirks
	// TokenLifetime of Management API tokens; 0 means 24 hours.
	TokenLifetime time.Duration
	// TokenQuota is how many Management tokens may be had; 0 is no quota.
	TokenQuota int
	// Delivery is how log streams made over the API deliver.
	Delivery Delivery
	// Webhook is what log streams deliver through; nil means the network. With
	// one of its own a test can have them in simulated time.
	Webhook http.RoundTripper
}

// DCR is the tenant's dynamic client registration.
type DCR int

// The states of dynamic client registration.
const (
	DCRStrict     DCR = iota // on; new clients are strict third-party clients
	DCRPermissive            // on; for tenants that had third-party clients before
	DCROff                   // off
)

// Tenant is a simulated Auth0 tenant. All its methods may be called at once
// from several goroutines.
type Tenant struct {
	domain   string
	now      func() time.Time
	lifetime time.Duration
	leeway   time.Duration // of tokens
	delivery Delivery
	routes   []route
	client   *http.Client // delivers logs

	ctx    context.Context // of the tenant's life
	cancel context.CancelFunc
	work   sync.WaitGroup // goroutines and requests
	server *http.Server
	url    string

	mu      sync.Mutex
	closed  bool
	rand    *rand.Rand
	quirks  Quirks
	plan    Plan
	buckets map[string]*bucket

	clients     *table[Client]
	grants      *grantIndex
	connections *table[connection]
	apis        *table[api]
	settings    settings
	documents   map[string]Document
	secrets     map[string]string // of confidential clients, by client id
	tokens      map[string]token
	tokenQuota  int // left; negative: no quota

	logs        []*Log // by log id
	logSeq      uint64
	searchDelay time.Duration
	searchMore  time.Duration
	limitLogged map[string]time.Time
	streams     *table[Stream]
	atLogin     atLogin
	skew        time.Duration // of the Date header

	faults faults
	calls  calls
	watch  func(Access, View)
}

// New returns a tenant that serves through ServeHTTP only. Close it.
func New(o Options) *Tenant {
	t := &Tenant{
		domain: o.Domain, now: o.Now, lifetime: o.TokenLifetime, delivery: o.Delivery, quirks: o.Quirks,
		rand:    rand.New(rand.NewPCG(1, 2)),
		clients: newTable[Client](), grants: newGrantIndex(), connections: newTable[connection](),
		apis: newTable[api](), streams: newTable[Stream](), atLogin: atLogin{organizations: newTable[organization]()},
		documents: map[string]Document{}, secrets: map[string]string{}, tokens: map[string]token{},
		limitLogged: map[string]time.Time{}, tokenQuota: -1,
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if o.Webhook != nil {
		t.client.Transport = o.Webhook
	}
	if t.domain == "" {
		t.domain = "acme.us.auth0.com"
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.lifetime <= 0 {
		t.lifetime = 24 * time.Hour
	}
	if o.TokenQuota > 0 {
		t.tokenQuota = o.TokenQuota
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.routes = t.table()
	t.settings = newSettings(o.DCR)
	t.setPlan(o.Plan)
	t.seed()
	if o.Fresh {
		t.refresh()
	}
	return t
}

// Start is New, and listens on a free port of 127.0.0.1.
func Start(o Options) (*Tenant, error) {
	t := New(o)
	listener, err := (&net.ListenConfig{}).Listen(t.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("listen for the simulated tenant: %w", err)
	}
	t.url = "http://" + listener.Addr().String()
	t.server = &http.Server{Handler: t, ReadHeaderTimeout: time.Minute}
	t.work.Go(func() {
		// Always an error, and always because of Close.
		_ = t.server.Serve(listener)
	})
	return t, nil
}

// TB is the part of testing.TB that ForTest needs.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// ForTest is Start for a test, which closes the tenant when it ends.
func ForTest(tb TB, o Options) *Tenant {
	tb.Helper()
	t, err := Start(o)
	if err != nil {
		tb.Fatalf("start a tenant: %v", err)
	}
	tb.Cleanup(t.Close)
	return t
}

// URL is the address a started tenant listens on, without a trailing slash.
func (t *Tenant) URL() string { return t.url }

// Domain is the canonical domain.
func (t *Tenant) Domain() string { return t.domain }

// Audience is the audience of Management API tokens.
func (t *Tenant) Audience() string { return "https://" + t.domain + "/api/v2/" }

// Close ends every request and delivery, and returns when all are gone.
func (t *Tenant) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	if t.server != nil {
		_ = t.server.Close() // an error here has nobody to go to
	}
	t.work.Wait()
	t.client.CloseIdleConnections()
}

// enter counts a request or goroutine in; it is false once the tenant closes.
func (t *Tenant) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.work.Add(1)
	return true
}

// SetQuirks edits the quirks of a running tenant.
func (t *Tenant) SetQuirks(edit func(*Quirks)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	edit(&t.quirks)
}

// maxBody is the largest request body, in bytes.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler: fault, latency, limit, token, scopes, and
// then the endpoint.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.enter() {
		abort(w)
		return
	}
	defer t.work.Done()
	call := t.begin(r)
	fault := t.faultFor(r)
	// The body first: only then does the server notice a caller that leaves.
	req, fail := t.read(r)
	if fail != nil {
		res := fail.response()
		t.end(call, res.status)
		res.write(w)
		return
	}
	if !t.pause(r.Context(), fault.Delay+t.latency()) {
		t.end(call, 0)
		abort(w)
		return
	}
	if fault.Kind != NoFault && !fault.After {
		t.spoil(w, r, fault, response{}, call)
		return
	}
	call.Body = req.body
	req.lost = fault.Kind != NoFault
	res := t.serve(req, call)
	if fault.Kind != NoFault {
		t.spoil(w, r, fault, res, call)
		return
	}
	t.end(call, res.status)
	res.write(w)
}

// pause waits in real time; it is false if the caller or the tenant is gone.
func (t *Tenant) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-t.ctx.Done():
	}
	return false
}

// read takes the request apart.
func (t *Tenant) read(r *http.Request) (*request, *Error) {
	req := &request{
		method: r.Method, path: r.URL.Path, query: r.URL.Query(), header: r.Header, base: "http://" + r.Host,
		actor: Actor{UserAgent: r.UserAgent(), CorrelationID: r.Header.Get("X-Correlation-ID")},
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		req.actor.IP = host
	}
	req.route, req.vars = t.match(r.Method, r.URL.EscapedPath())
	if r.Body == nil {
		return req, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, &Error{http.StatusBadRequest, "invalid_body", "Invalid request payload"}
	}
	if len(body) > maxBody {
		return nil, &Error{http.StatusRequestEntityTooLarge, "", "Payload content length greater than maximum allowed: 1048576"}
	}
	req.body = body
	return req, nil
}

// serve answers a request that no fault has ended, all of it under the lock.
func (t *Tenant) serve(r *request, call *Call) response {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.route == nil {
		return (&Error{http.StatusNotFound, "", "Not Found"}).response()
	}
	headers, fail := t.limit(r.route.bucketFor(r))
	call.Bucket = r.route.bucketFor(r)
	res := func() response {
		if fail != nil {
			if r.route.public {
				return oauthError(fail.Status, "too_many_requests", fail.Message)
			}
			return fail.response()
		}
		if !r.route.public {
			if fail := t.authenticate(r); fail != nil {
				return fail.unauthorized()
			}
			call.Caller = r.actor.ClientID
		}
		return t.watched(r)
	}()
	for k, v := range headers {
		res.set(k, v[0])
	}
	if t.skew != 0 { // else the server dates it
		res.set("Date", time.Now().Add(t.skew).UTC().Format(http.TimeFormat))
	}
	return res
}

// dispatch checks scopes, runs the endpoint and logs the write.
func (t *Tenant) dispatch(r *request) response {
	if fail := r.authorize(); fail != nil {
		return t.refused(r, fail)
	}
	if fail := r.decode(); fail != nil {
		return t.refused(r, fail)
	}
	res, fail := r.route.handle(t, r)
	if fail != nil {
		return t.refused(r, fail)
	}
	if r.route.description != "" && !res.silent {
		t.logWrite(r, res)
	}
	return res
}

func (t *Tenant) refused(r *request, fail *Error) response {
	res := fail.response()
	if t.quirks.FailuresLogged && !r.route.public && r.method != http.MethodGet {
		t.logFailure(r, res, fail)
	}
	return res
}

func mgmtPath(path string) bool { return strings.HasPrefix(path, "/api/v2/") }
