package daemon_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"grantd/internal/daemon"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/tenantsim"
)

func nobody(api.Progress) {}

// fill puts n clients into the tenant that lack everything.
func fill(tenant *tenantsim.Tenant, n int) (ids []string) {
	for i := range n {
		ids = append(ids, tenant.AddClient(tenantsim.Client{
			Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", i)},
		}).ID)
	}
	return ids
}

// engine opens an engine, as commands do that find no daemon.
func engine(t *testing.T, o daemon.Options) *daemon.Engine {
	t.Helper()
	e, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Without a daemon a sync does the work itself, tells how far it is, and leaves
// nothing running.
func TestSyncAlone(t *testing.T) {
	tenant, o := setup(t)
	ids := fill(tenant, 120)
	var seen []api.Progress
	s, err := engine(t, o).Sync(t.Context(), false, func(p api.Progress) { seen = append(seen, p) })
	if err != nil {
		t.Fatal(err)
	}
	if s.Listed != 120 || s.Due != 120 || s.Clients[dcr.Ready] != 120 || len(s.Left) > 0 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
	for _, id := range ids {
		if _, ok := tenant.UserGrant(id, o.Config.Audience); !ok {
			t.Fatalf("%s has no grant", id)
		}
	}
	done := 0
	for i, p := range seen {
		if p.Done < done || p.Done > 120 || p.Listed == 0 {
			t.Errorf("progress %d: %+v after %d", i, p, done)
		}
		done = p.Done
	}
	if done != 120 || seen[0].Listed != 100 || seen[0].Due != 0 {
		t.Errorf("progress %+v", seen)
	}
}

// A sync that adopts does so also where nothing was ever swept before.
func TestSyncAdoptsAtOnce(t *testing.T) {
	tenant, o := setup(t)
	id := fill(tenant, 1)[0]
	tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: o.Config.Audience, AllowAllScopes: true})
	s, err := engine(t, o).Sync(t.Context(), true, nobody)
	if err != nil || s.Adopted != 1 || s.NotAdopted != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if g, _ := tenant.UserGrant(id, o.Config.Audience); g.AllowAllScopes {
		t.Errorf("the grant is as it was: %+v", g)
	}
}

// A plan of a ledger that is not there leaves nothing, not even a folder.
func TestPlanLeavesNothing(t *testing.T) {
	tenant, o := setup(t)
	fill(tenant, 1)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	o.Config.StateDir += "/sub"
	o.ReadOnly = true
	e, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Plan(t.Context(), nobody)
	if err != nil || !p.Drift() {
		t.Errorf("%+v, %v", p, err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(o.Config.StateDir); err == nil {
		t.Error("the state directory was made")
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if n := len(tenant.Writes()); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// A client that failed in the urgent class is waited for as well.
func TestSyncWaitsForUrgentFailures(t *testing.T) {
	tenant, o := setup(t)
	d, stop := run(t, o)
	defer stop()
	eventually(t, "a good call", func() bool { return report(t, d).ManagementAPI.OK })
	tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/clients/tpc_") {
			return tenantsim.Fault{Kind: tenantsim.InternalError}
		}
		return tenantsim.Fault{}
	})
	c, err := tenant.Register(tenantsim.ChatGPT("x"))
	if err != nil {
		t.Fatal(err)
	}
	entry := fmt.Sprintf(`[{"log_id":"l1","data":{"type":"sapi","date":%q,"log_id":"l1","details":{"request":{"method":"post","path":"/oidc/register","body":{}},`+
		`"response":{"statusCode":201,"body":{"client_id":%q,"redirect_uris":["https://chatgpt.com/connector/oauth/x"]}}}}}]`, time.Now().UTC().Format(time.RFC3339), c.ID)
	post(t, d, entry)
	eventually(t, "it failed", func() bool { return tenant.Count("GET /clients/{id}") > 0 })
	s, err := d.Sync(t.Context(), false, func(api.Progress) { tenant.Faults(nil) }) // it is mended while the sync lists
	if err != nil || s.Clients[dcr.Ready] != 1 || len(s.Left) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func post(t *testing.T, d *daemon.Daemon, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.Addr().String()+"/auth0-log-webhook", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer webhook-secret-0123456789")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// In a dry run a sync writes nothing, and does not call that done.
func TestSyncDryRun(t *testing.T) {
	tenant, o := setup(t)
	fill(tenant, 2)
	o.Config.DryRun = true
	s, err := engine(t, o).Sync(t.Context(), true, nobody)
	if err != nil {
		t.Fatal(err)
	}
	if s.Waiting != 2 || s.Pending != 0 || len(s.Left) != 1 || s.Left[0].Reason != dcr.DryRun || s.Left[0].Clients != 2 {
		t.Errorf("%+v", s)
	}
	if n := len(tenant.Writes()); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// A daemon that is told to stop ends commands at once, and says why.
func TestStopEndsCommands(t *testing.T) {
	tenant, o := setup(t)
	fill(tenant, 1)
	d, stop := run(t, o)
	eventually(t, "nobody else lists", func() bool { return !report(t, d).Sweep.LastSuccessAt.IsZero() })
	arrived := make(chan struct{}, 100)
	lists := tenant.On("GET /client-grants")
	tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if !lists(r) {
			return tenantsim.Fault{}
		}
		arrived <- struct{}{}
		return tenantsim.Fault{Kind: tenantsim.Timeout}
	})
	ended := make(chan error, 1)
	go func() {
		_, err := d.Plan(t.Context(), nobody)
		ended <- err
	}()
	<-arrived
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "the daemon is stopping") {
		t.Error(err)
	}
}

// An interrupted sync says only that, and the next goes on with it.
func TestSyncInterrupted(t *testing.T) {
	tenant, o := setup(t)
	fill(tenant, 50)
	e := engine(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := e.Sync(ctx, false, func(p api.Progress) {
		if p.Listed > 0 {
			cancel()
		}
	}); ctx.Err() == nil || err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("%v", err)
	}
	s, err := e.Sync(t.Context(), false, nobody)
	if err != nil || s.Clients[dcr.Ready] != 50 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Whoever gives a command may have mended the credentials: they are tried at
// once, whenever that would have been done by itself.
func TestPlanTriesTheTokenAgain(t *testing.T) {
	tenant, o := setup(t)
	tenant.SetSecret("grantd", "another-secret")
	d, stop := run(t, o)
	defer stop()
	// Refused, and not only asked for: a request on its way would be waited for.
	eventually(t, "the token is refused twice", func() bool {
		return len(tenant.TokenRequests()) > 1 && time.Until(daemon.NextToken(d.Engine)) > 6*time.Second
	})
	tenant.SetSecret("grantd", "management-secret")
	if _, err := d.Plan(t.Context(), nobody); err != nil {
		t.Error(err)
	}
}
