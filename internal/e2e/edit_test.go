package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// feeds are the two ways in which a tenant's log reaches grantd.
func feeds(s setup) map[string]setup {
	poll := s
	poll.noStream = true
	poll.env = append(slices.Clone(s.env), "GRANTD_POLL_SCHEDULE=@every 1s")
	return map[string]setup{"webhook": s, "poll": poll}
}

// A permissive client that somebody takes off the connection's list is put on it
// again, at once, and the journal says who it was.
func TestConnectionMemberRemovedIsRepaired(t *testing.T) {
	t.Parallel()
	for feed, s := range feeds(setup{perClient: true, tenant: tenantsim.Options{
		DCR: tenantsim.DCRPermissive, Quirks: tenantsim.Quirks{PerClientLogin: true}}}) {
		t.Run(feed, func(t *testing.T) {
			w := newWorld(t, s)
			ids := w.registerMany(3)
			for _, id := range ids {
				w.await(id, "ready")
			}
			w.idle()
			mark := w.mark()
			w.edit(tenantsim.App(otherApp), "PATCH", w.connectionPath(google)+"/clients", []map[string]any{{"client_id": ids[1], "status": false}})
			w.eventually("it is a member again", func() bool { return slices.Contains(w.tenant.ConnectionClients(google), ids[1]) })
			w.await(ids[1], "ready")
			w.idle()
			j := w.journal(ids[1])[0]
			if a := j.Cause.Actor; j.Step != "connect" || j.Cause.Feed != feed || a == nil || a.Kind != "application" || a.ID != otherApp {
				t.Errorf("journal %+v, actor %+v", j, a)
			}
			if n := w.writes(mark); n != 1 {
				t.Errorf("%d writes, want 1: %q", n, w.calls(mark))
			}
			for _, id := range []string{ids[0], ids[2]} {
				if n := w.looks(id); n != 1 {
					t.Errorf("%s, of which nothing was said, was looked at %d times", id, n)
				}
			}
			w.usable(ids[1], "notes:read", "notes:write")
		})
	}
}

// A connection that is no longer domain-level concerns every client: one sweep
// finds out, however many edits there are, and tells what to do. Back again, all
// are ready.
func TestConnectionDemotedIsOneSweep(t *testing.T) {
	t.Parallel()
	for feed, s := range feeds(setup{}) {
		t.Run(feed, func(t *testing.T) {
			w := newWorld(t, s)
			ids := w.registerMany(60)
			w.converged(ids, "notes:read", "notes:write")
			w.idle()
			mark, began := w.mark(), time.Now()
			path := w.connectionPath(google)
			w.edit(tenantsim.Admin(), "PATCH", path, map[string]any{"is_domain_connection": false})
			for _, id := range ids {
				if c := w.await(id, "blocked"); c.Reason != "connection_not_domain_level" {
					t.Fatalf("blocked for %q", c.Reason)
				}
			}
			w.degraded("clients_blocked")
			for i := range 20 {
				w.edit(tenantsim.Admin(), "PATCH", path, map[string]any{"display_name": fmt.Sprintf("Google %d", i)})
			}
			w.idle()
			if s.noStream {
				w.polled()
			}
			got := w.counts(mark)
			// Those that are blocked for it are looked at once more, by themselves.
			again, sweeps := got["GET /clients/{id}"], got["GET /clients"]
			if sweeps < 1 || sweeps > oneAMinute(began) || got["GET /client-grants"] != sweeps+again || w.writes(mark) != 0 {
				t.Errorf("calls: %v; want the lists once, and no write", got)
			}
			if again > 2*len(ids)*oneAMinute(began) {
				t.Errorf("%d looks at %d clients for 20 edits in a row", again, len(ids))
			}
			w.edit(tenantsim.Admin(), "PATCH", path, map[string]any{"is_domain_connection": true})
			w.eventually("some are ready at once", func() bool { return w.health().Clients["ready"] > 0 })
			// The next sweep that an edit leads to is up to a minute away.
			if out, code := w.run("sync"); code != 0 {
				t.Errorf("sync: exit %d\n%s", code, out)
			}
			for _, id := range ids {
				w.await(id, "ready")
			}
			w.usable(ids[0], "notes:read", "notes:write")
		})
	}
}

// oneAMinute is how often something was done that is done once a minute.
func oneAMinute(since time.Time) int { return 1 + int(time.Since(since)/time.Minute) }

// However an admin's edits of a connection are spread, they are one sweep a
// minute.
func TestEditsOfAConnectionAreOneSweepAMinute(t *testing.T) {
	w := newWorld(t, setup{})
	w.await(w.register("first").ID, "ready")
	w.idle()
	mark, began := w.mark(), time.Now()
	for i := range 9 {
		w.edit(tenantsim.Admin(), "PATCH", w.connectionPath(google), map[string]any{"display_name": fmt.Sprint("Google ", i)})
		w.idle() // it is told of
	}
	w.eventually("it is followed up", func() bool { return w.swept() >= 2 })
	w.idle()
	if n := w.counts(mark)["GET /clients"]; n < 1 || n > oneAMinute(began) || w.writes(mark) != 0 {
		t.Errorf("%d sweeps for 9 edits in %v, want one a minute", n, time.Since(began))
	}
}

// With GRANTD_CONNECTION_LEVEL=domain it is promoted again, by one write.
func TestConnectionDemotedIsPromotedAgain(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_CONNECTION_LEVEL=domain"}})
	ids := w.registerMany(30)
	w.converged(ids, "notes:read", "notes:write")
	w.idle()
	mark := w.mark()
	w.edit(tenantsim.Admin(), "PATCH", w.connectionPath(google), map[string]any{"is_domain_connection": false})
	w.eventually("it is promoted again", func() bool { return w.tenant.DomainLevel(google) })
	for _, id := range ids {
		w.await(id, "ready")
	}
	w.eventually("the sweep has ended", func() bool { return w.swept() >= 2 })
	w.idle()
	if n := w.counts(mark); n["PATCH /connections/{id}"] != 1 || w.writes(mark) != 1 || n["GET /clients"] != 1 {
		t.Errorf("calls: %v", n)
	}
}

// What concerns no client of ours costs no call: edits of other connections,
// other APIs, first-party clients, machine-to-machine grants, users.
func TestForeignEditsCostNothing(t *testing.T) {
	t.Parallel()
	for feed, s := range feeds(setup{}) {
		t.Run(feed, func(t *testing.T) {
			w := newWorld(t, s)
			w.tenant.AddConnection("okta", true)
			const other = "https://other.example.com"
			w.tenant.AddAPI(other, "x:read")
			shop := w.tenant.AddClient(tenantsim.Client{Name: "Shop", FirstParty: true, Callbacks: []string{dialog}}).ID
			c := w.register("first")
			w.await(c.ID, "ready")
			w.idle()
			mark := w.mark()
			for i := range 10 {
				w.edit(tenantsim.Admin(), "PATCH", w.connectionPath("okta"), map[string]any{"display_name": fmt.Sprint("Okta ", i)})
				w.edit(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+shop, map[string]any{"description": fmt.Sprint(i)})
			}
			w.edit(tenantsim.Admin(), "PATCH", w.connectionPath("okta"), map[string]any{"is_domain_connection": false})
			w.edit(tenantsim.Admin(), "POST", "/api/v2/client-grants", map[string]any{"client_id": shop, "audience": other, "scope": []string{"x:read"}})
			w.tenant.AddLog(tenantsim.Log{Type: "f", Description: `Client "` + shop + `" is not authorized to access resource server "` + audience + `"`, ClientID: shop})
			w.tenant.AddLog(tenantsim.Log{Type: "f", Description: `Client "` + c.ID + `" is not authorized to access resource server "` + other + `"`, ClientID: c.ID})
			w.idle()
			if s.noStream {
				w.polled()
			}
			if got := w.calls(mark); len(got) != 0 {
				t.Errorf("calls: %q", got)
			}
		})
	}
}

// A login that fails for want of a grant makes the client due at once: the
// user's next try works. It is a lever in a stranger's hand: once in ten
// minutes, and never for a client that is refused.
func TestDeniedLoginIsRepaired(t *testing.T) {
	t.Parallel()
	for feed, s := range feeds(setup{}) {
		t.Run(feed, func(t *testing.T) {
			w := newWorld(t, s)
			c, quiet := w.register("first"), w.register("second")
			evil := tenantsim.ChatGPT("x")
			evil.RedirectURIs = []string{"https://evil.example/callback"}
			refused, err := w.tenant.Register(evil)
			if err != nil {
				t.Fatal(err)
			}
			w.await(c.ID, "ready")
			w.await(quiet.ID, "ready")
			w.await(refused.ID, "refused")
			w.idle()

			// The deletion itself is never told of.
			if s.noStream {
				w.tenant.SetSearchDelay(time.Hour, 0)
			} else {
				w.stream.Drop(1)
			}
			w.edit(tenantsim.Admin(), "DELETE", w.grantPath(c.ID), nil)
			if s.noStream {
				w.tenant.SetSearchDelay(0, 0)
			} else {
				w.eventually("the entry is lost", func() bool { return w.stream.Stats().Dropped == 1 })
			}
			mark := w.mark()
			try := func(id string) error {
				_, err := w.tenant.Login(tenantsim.Login{ClientID: id, Audience: audience, Connection: google, Scopes: []string{"notes:read"}})
				return err
			}
			if try(c.ID) == nil {
				t.Fatal("the login works without a grant")
			}
			w.converged([]string{c.ID}, "notes:read", "notes:write")
			if err := try(c.ID); err != nil {
				t.Errorf("the next try: %v", err)
			}
			w.awaitFunc(c.ID, func(c child.Client) bool { return c.Phase == "ready" })
			w.idle()
			want := []string{"GET /client-grants", "GET /clients/{id}", "POST /client-grants"}
			if diff := cmp.Diff(want, w.calls(mark)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if j := w.journal(c.ID)[0]; j.Step != "grant" || j.Cause.Feed != feed || j.Cause.LogID == "" {
				t.Errorf("journal: %+v", j)
			}

			mark = w.mark()
			for range 30 { // somebody pulls the lever
				for _, id := range []string{c.ID, quiet.ID, refused.ID} {
					w.tenant.AddLog(tenantsim.Log{Type: "f", Description: `Client "` + id + `" is not authorized to access resource server "` + audience + `"`, ClientID: id})
				}
			}
			w.idle()
			if s.noStream {
				w.polled()
			}
			want = []string{"GET /client-grants", "GET /clients/{id}"} // of the quiet one
			if diff := cmp.Diff(want, w.calls(mark)); diff != "" {
				t.Errorf("calls for 90 failed logins (-want +got):\n%s", diff)
			}
		})
	}
}
