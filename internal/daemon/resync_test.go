package daemon_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grantd/internal/daemon"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// resyncBound is far more than a resync takes that waits for nothing, and less
// than anything that it could wait for.
const resyncBound = 2 * time.Minute

// swept opens an engine over a tenant with n clients, all ready, and returns
// their ids.
func swept(t *testing.T, n int) (*daemon.Engine, *tenantsim.Tenant, daemon.Options, []string) {
	t.Helper()
	tenant, o := setup(t)
	ids := fill(tenant, n)
	e := engine(t, o)
	if s, err := e.Sync(t.Context(), false, nobody); err != nil || s.Clients[dcr.Ready] != n {
		t.Fatalf("%+v, %v", s, err)
	}
	return e, tenant, o, ids
}

func revoke(tenant *tenantsim.Tenant, o daemon.Options, id string) {
	g, _ := tenant.UserGrant(id, o.Config.Audience)
	tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+g.ID, nil)
}

// Without a daemon, one client is put right and no other is looked at.
func TestResyncAlone(t *testing.T) {
	e, tenant, o, ids := swept(t, 3)
	revoke(tenant, o, ids[0])
	revoke(tenant, o, ids[1])
	tenant.ResetCalls()
	r, err := e.Resync(t.Context(), ids[0])
	if err != nil || r.Client.Phase != dcr.Ready || len(r.Changes) != 1 || r.Changes[0].Step != dcr.StepGrant || r.Changes[0].Cause.Feed != dcr.FeedCommand {
		t.Errorf("%+v, %v", r, err)
	}
	if _, ok := tenant.UserGrant(ids[0], o.Config.Audience); !ok {
		t.Error("the grant is still missing")
	}
	if _, ok := tenant.UserGrant(ids[1], o.Config.Audience); ok {
		t.Error("another client was worked on")
	}
	if _, err := e.Resync(t.Context(), "tpc_nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown client: %v", err)
	}
}

// What is refused, gone or failing ends so, and a resync does not wait for ever.
func TestResyncEnds(t *testing.T) {
	e, tenant, _, ids := swept(t, 3)
	tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/clients/"+ids[0], nil)
	tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/clients/"+ids[1], map[string]any{"callbacks": []string{"https://evil.example/"}})
	for i, want := range []dcr.Phase{dcr.Gone, dcr.Refused} {
		if r, err := e.Resync(t.Context(), ids[i]); err != nil || r.Client.Phase != want {
			t.Errorf("%+v, %v; want %s", r.Client, err, want)
		}
	}
	tenant.OutageBy(tenantsim.InternalError)
	if r, err := e.Resync(t.Context(), ids[2]); err != nil || r.Client.Phase != dcr.Pending || r.Client.LastError != dcr.ServerError {
		t.Errorf("%+v, %v", r.Client, err)
	}
}

// What a hold that ends by itself covers is blocked until then, and nobody waits
// for that.
func TestResyncOfAHeldClient(t *testing.T) {
	tenant, o := setup(t)
	ids := fill(tenant, 1)
	held := func(e *daemon.Engine) {
		t.Helper()
		if _, err := e.Hold(t.Context(), api.HoldRequest{ClientID: ids[0], For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), resyncBound)
		defer cancel()
		for range 2 {
			if r, err := e.Resync(ctx, ids[0]); err != nil || r.Client.Phase != dcr.Blocked || r.Client.Reason != dcr.Held {
				t.Errorf("%s %s, %v", r.Client.Phase, r.Client.Reason, err)
			}
		}
	}
	d, stop := run(t, o)
	eventually(t, "the client is ready", func() bool {
		r, err := d.Resync(t.Context(), ids[0])
		return err == nil && r.Client.Phase == dcr.Ready
	})
	held(d.Engine)
	stop()
	held(engine(t, o)) // without a daemon
}

// A resync of many puts all of them right where no daemon does.
func TestResyncAllAlone(t *testing.T) {
	e, tenant, o, ids := swept(t, 5)
	for _, id := range ids {
		revoke(tenant, o, id)
	}
	if r, err := e.ResyncAll(t.Context(), dcr.Blocked, nobody); err != nil || r.Due != 0 || !r.Done {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := e.ResyncAll(t.Context(), "", nobody); err != nil || r.Due != 5 || !r.Done || len(r.Left) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, id := range ids {
		if _, ok := tenant.UserGrant(id, o.Config.Audience); !ok {
			t.Errorf("%s has no grant", id)
		}
	}
}

// Forgetting touches nothing in Auth0, and a sweep finds the client again, as
// it says.
func TestForgetAndFindAgain(t *testing.T) {
	e, tenant, o, ids := swept(t, 1)
	tenant.ResetCalls()
	if _, err := e.Forget(t.Context(), ids[0], false); !errors.Is(err, store.ErrInUse) {
		t.Fatal(err)
	}
	f, err := e.Forget(t.Context(), ids[0], true)
	if err != nil || f.Client.ClientID != ids[0] || f.Client.Phase != dcr.Ready {
		t.Fatalf("%+v, %v", f, err)
	}
	if n := len(tenant.AllCalls()); n > 0 {
		t.Errorf("%d calls", n)
	}
	if _, ok := tenant.UserGrant(ids[0], o.Config.Audience); !ok {
		t.Error("the grant is gone")
	}
	if s, err := e.Sync(t.Context(), false, nobody); err != nil || s.New != 1 || s.Clients[dcr.Ready] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// While a daemon runs, its loop looks at the client, and whoever listens hears
// of the writes by the numbers that they have in the journal.
func TestResyncServing(t *testing.T) {
	tenant, o := setup(t)
	ids := fill(tenant, 1)
	d, stop := run(t, o)
	defer stop()
	eventually(t, "the client is ready", func() bool {
		r, err := d.Resync(t.Context(), ids[0])
		return err == nil && r.Client.Phase == dcr.Ready
	})
	events := listen(t, o.Config.Socket)
	revoke(tenant, o, ids[0])
	r, err := d.Resync(t.Context(), ids[0])
	if err != nil || r.Client.Phase != dcr.Ready || len(r.Changes) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Changes[0].Seq == 0 {
		t.Errorf("%+v", r.Changes)
	}
	events("journal", fmt.Sprintf(`"seq":%d,`, r.Changes[0].Seq))
	if all, err := d.ResyncAll(t.Context(), dcr.Ready, nobody); err != nil || all.Due != 1 || all.Done {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := d.Forget(t.Context(), ids[0], true); err != nil {
		t.Fatal(err)
	}
	events("journal", `"step":"forget"`)
	if _, err := d.Resync(t.Context(), ids[0]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("forgotten: %v", err)
	}
}

// listen follows the daemon's events from the moment it returns, of what was done
// before perhaps too; what it returns waits for one of a name that has a text.
func listen(t *testing.T, socket string) func(event, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://grantd/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close(); c.CloseIdleConnections() })
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() { // its first comment: it has subscribed
		t.Fatal(lines.Err())
	}
	return func(event, text string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "event: "+event && lines.Scan() && strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("no event %s with %s: %v", event, text, lines.Err())
	}
}

// Whoever asks for a resync may have mended the credentials: a token that was
// refused is asked for at once.
func TestResyncTriesTheTokenAgain(t *testing.T) {
	tenant, o := setup(t)
	id := fill(tenant, 1)[0]
	d, stop := run(t, o)
	defer stop()
	eventually(t, "the client is ready", func() bool {
		r, err := d.Resync(t.Context(), id)
		return err == nil && r.Client.Phase == dcr.Ready
	})
	stop()
	if err := os.Remove(filepath.Join(o.Config.StateDir, "token.json")); err != nil {
		t.Fatal(err)
	}
	tenant.SetSecret("grantd", "another-secret")
	asked := len(tenant.TokenRequests())
	d, stop = run(t, o)
	defer stop()
	eventually(t, "the token is refused", func() bool {
		return len(tenant.TokenRequests()) > asked && time.Until(daemon.NextToken(d.Engine)) > 2*time.Second
	})
	tenant.SetSecret("grantd", "management-secret")
	if r, err := d.Resync(t.Context(), id); err != nil || r.Client.Phase != dcr.Ready {
		t.Errorf("%+v, %v", r.Client, err)
	}
}
