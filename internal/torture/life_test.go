package torture_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

const (
	domain    = "acme.us.auth0.com"
	audience  = "https://mcp.example.com/mcp"
	google    = "google-oauth2"
	secret    = "torture-webhook-secret-93b1"
	ownApp    = "GrantdM2M000000000000000000000000"
	ownSecret = "torture-management-secret"
	patience  = 3 * time.Minute
)

// life is a tenant and a ledger, through many starts and ends of grantd.
type life struct {
	*testing.T
	rand    *rand.Rand
	traits  traits
	round   string // what is being done, for messages
	rounds  int    // done in this life
	tally   *tally
	exe     string
	tenant  *tenantsim.Tenant
	streams []*tenantsim.Stream
	dir     string
	env     map[string]string
	daemon  *child.Process // nil while none runs
	// kept are clients whose grant counts as one from before grantd, and is not
	// narrowed: the kill took the news that grantd had made it, before any sweep
	// had ended.
	kept  map[string]bool
	began time.Time // when it was started
	tail  string    // what the one before logged last
	swept bool      // a first sweep has ended

	hook *hook
	book
}

func newLife(t *testing.T, r *rand.Rand, tr traits, tl *tally) *life {
	t.Helper()
	o := tenantsim.Options{Domain: domain}
	if tr.permissive {
		o.DCR = tenantsim.DCRPermissive
	}
	tenant, err := tenantsim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{T: t, exe: os.Getenv(binaryEnv), rand: r, traits: tr, tally: tl, tenant: tenant, kept: map[string]bool{}, dir: t.TempDir(), book: newBook()}
	tenant.AddM2M(ownApp, ownSecret, "read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs", "read:resource_servers")
	tenant.AddConnection(google, !tr.permissive && !tr.promote)
	tenant.AddAPI(audience, "notes:read", "notes:write", "notes:share")
	tenant.SetLatency(time.Duration(r.IntN(4)) * time.Millisecond)
	l.scopes = []string{"notes:read", "notes:write"}
	l.env = map[string]string{
		"MGMT_DOMAIN": domain, "MGMT_CLIENT_ID": ownApp, "MGMT_CLIENT_SECRET": ownSecret,
		"GRANTD_MGMT_URL": tenant.URL(), "LOG_WEBHOOK_SECRET": secret, "OAUTH_AUDIENCE": audience,
		"TOOL_SCOPES": strings.Join(l.scopes, " "), "GRANTD_LISTEN": "127.0.0.1:0", "GRANTD_ADMIN_LISTEN": "127.0.0.1:0",
		"GRANTD_STATE_DIR": l.state(), "GRANTD_POLL_SCHEDULE": "off",
	}
	if tr.poll {
		l.env["GRANTD_POLL_SCHEDULE"] = "@every 1s"
	}
	if tr.promote {
		l.env["GRANTD_CONNECTION_LEVEL"] = "domain"
	}
	l.populate()
	l.listen()
	return l
}

// populate puts into the tenant who was there before.
func (l *life) populate() {
	l.untouchable(tenantsim.Client{Name: "Intranet", FirstParty: true, AppType: "regular_web", Callbacks: []string{chatGPT(0)}})
	l.untouchable(tenantsim.Client{
		Name: "Nightly reports", FirstParty: true, AppType: "non_interactive", GrantTypes: []string{"client_credentials"},
	})
	l.untouchable(tenantsim.Client{Name: "Stranger", Callbacks: []string{"https://chatgpt.com.example/connector/oauth/1"}})
	if l.traits.crowd {
		for range 110 {
			l.untouchable(tenantsim.Client{Name: "Crowd", Callbacks: []string{"https://crowd.example/callback"}})
		}
	}
	if l.traits.old {
		l.must(os.MkdirAll(l.state(), 0o700))
		for i := range 40 {
			c := l.tenant.AddClient(tenantsim.Client{
				ID: fmt.Sprintf("tpc_first%017d", i), Name: "ChatGPT", Callbacks: []string{chatGPT(i)}, TokenEndpointAuthMethod: "none",
			})
			l.expect(c.ID, "ready")
			l.acked[c.ID] = true
		}
		l.must(unpack("testdata/first.db.gz", l.ledger()))
	}
}

func unpack(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	z, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, z)
	return errors.Join(err, out.Close())
}

func chatGPT(i int) string { return fmt.Sprintf("https://chatgpt.com/connector/oauth/c%d", i) }

func (l *life) state() string  { return filepath.Join(l.dir, "state") }
func (l *life) ledger() string { return filepath.Join(l.state(), "grantd.db") }

// listen sets up two log streams to the same address: what one delivers, the
// other does too, at about the same time.
func (l *life) listen() {
	l.hook = newHook(&l.book)
	server := httptest.NewServer(l.hook)
	l.hook.close = server.Close
	for i := range 2 {
		l.streams = append(l.streams, l.tenant.AddLogStream(tenantsim.LogStream{
			URL: server.URL, Authorization: secret, Headers: map[string]string{streamHeader: fmt.Sprint(i)}, Filters: []string{"management.success"}, Delivery: l.delivery(),
		}))
	}
}

// delivery is one of the ways in which Auth0 may deliver.
func (l *life) delivery() tenantsim.Delivery {
	return tenantsim.Delivery{
		Batch: []int{1, 1, 5, 100}[l.rand.IntN(4)], Copies: l.rand.IntN(5) / 4, Shuffle: l.rand.IntN(3) == 0, Gzip: l.rand.IntN(4) == 0,
		Wait:    time.Duration(l.rand.IntN(5)) * time.Millisecond,
		Retries: slices.Repeat([]time.Duration{5 * time.Millisecond}, 20), Cycle: 5 * time.Millisecond,
	}
}

// end is that of the life: nothing of it is left.
func (l *life) end() {
	if l.daemon != nil {
		l.daemon.Kill()
	}
	l.tenant.Close()
	l.hook.end()
}

func (l *life) writeEnv() {
	l.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		b.WriteString(name + "=" + l.env[name] + "\n")
	}
	l.must(os.WriteFile(filepath.Join(l.dir, "grantd.env"), []byte(b.String()), 0o600))
}

func (l *life) must(err error) {
	l.Helper()
	if err != nil {
		l.fatalf("%v", err)
	}
}

// fatalf says what went wrong, and all that is needed to look into it.
func (l *life) fatalf(format string, args ...any) {
	l.Helper()
	now := "none runs"
	if l.daemon != nil {
		now = l.daemon.Tail(30)
	}
	l.Fatalf("%s, %s, %+v: %s\n--- the grantd before logged last:\n%s\n--- the one of now:\n%s",
		l.tally.name(), l.round, l.traits, fmt.Sprintf(format, args...), l.tail, now)
}

// start starts grantd with a failpoint, if any, and kills it if it does not
// serve within limit, unless that is 0. It reports whether it serves.
func (l *life) start(failpoint string, limit time.Duration) bool {
	l.Helper()
	l.writeEnv()
	within := patience
	if limit > 0 {
		within = limit
	}
	ctx, cancel := context.WithTimeout(l.Context(), within)
	defer cancel()
	l.began = time.Now()
	p, err := child.Start(ctx, child.Options{
		Exe: l.exe, Args: []string{"serve", "--env-file", filepath.Join(l.dir, "grantd.env")},
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "FAILPOINT=" + failpoint},
	})
	switch {
	case err == nil:
		l.daemon = p
		l.hook.target("http://" + p.Public + "/auth0-log-webhook")
		return true
	case killed(err) && failpoint != "", errors.Is(err, context.DeadlineExceeded) && limit > 0:
		l.tail = err.Error()
	default:
		l.fatalf("start: %v", err)
	}
	return false
}

// killed reports whether a process ended by kill -9.
func killed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// bury takes note that the process is dead.
func (l *life) bury() {
	l.Helper()
	l.hook.target("")
	l.tail = l.daemon.Tail(30)
	p := l.daemon
	l.daemon = nil
	<-p.Done()
	if err := p.Stop(); !killed(err) {
		l.fatalf("it ended by itself: %v", err)
	}
}

// stop ends it as an operator would.
func (l *life) stop() {
	l.Helper()
	if l.daemon == nil {
		return
	}
	l.hook.target("")
	if err := l.daemon.Stop(); err != nil {
		l.fatalf("it ended with %v", err)
	}
	l.tail, l.daemon = l.daemon.Tail(30), nil
}

// wait waits for d, or until the process is dead.
func (l *life) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.daemon.Done():
	}
}

// dead reports whether the process has ended.
func (l *life) dead() bool {
	select {
	case <-l.daemon.Done():
		return true
	default:
		return false
	}
}

// book is what is known of the tenant's clients.
type book struct {
	mu    *sync.Mutex
	acked map[string]bool // registrations that were answered with 200, by client id

	want        map[string]string // phase by client id
	untouched   map[string]tenantsim.Client
	scopes      []string
	edits       map[string]int
	serial      int             // of registrations
	unjournaled map[string]bool // writes of which a kill took the journal entry
	journaled   map[string]bool
	due         map[string]bool // clients, at the last death
}

func newBook() book {
	return book{
		mu: &sync.Mutex{}, acked: map[string]bool{}, want: map[string]string{}, untouched: map[string]tenantsim.Client{},
		edits: map[string]int{}, unjournaled: map[string]bool{}, journaled: map[string]bool{}, due: map[string]bool{},
	}
}

func (b *book) expect(id, phase string) { b.want[id] = phase }

// untouchable adds a client that grantd is never to change.
func (l *life) untouchable(c tenantsim.Client) {
	added := l.tenant.AddClient(c)
	l.untouched[added.ID] = added
}
