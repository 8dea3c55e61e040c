package e2e_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

func without(scopes []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(drop, s) })
}

// Missing Management scope: the client is blocked with the scope's name and
// where to grant it, and recovers by itself when it is granted: no restart, no
// token storm.
func TestMissingScopeIsNamedAndRecoversByItself(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"update:clients", "create:client_grants", "read:clients"} {
		t.Run(scope, func(t *testing.T) {
			began := time.Now()
			w := newWorld(t, setup{scopes: without(allScopes(), scope)})
			c := w.register("first")
			rec := w.await(c.ID, "blocked")
			if rec.Reason != "missing_scope" || !strings.Contains(rec.Message, scope) || !strings.Contains(rec.Message, "Machine to Machine") {
				t.Errorf("blocked for %q: %q; want the scope's name and where to grant it", rec.Reason, rec.Message)
			}
			w.degraded("clients_blocked")
			w.tenant.SetScopes(ownApp, allScopes()...)
			granted, most := time.Now(), 2+doublings(began)
			w.await(c.ID, "ready")
			w.usable(c.ID, "notes:read", "notes:write")
			before, after := 0, 0
			for _, r := range w.tenant.TokenRequests() {
				if r.At.After(granted) {
					after++
				} else {
					before++
				}
			}
			if before > most || after > 1 {
				t.Errorf("%d token requests before it was granted and %d after, want at most %d and 1", before, after, most)
			}
		})
	}
}

// Wrong secret: the status is down with that reason, and recovers by itself
// once the secret is right on Auth0's side.
func TestWrongSecretIsDownAndRecoversByItself(t *testing.T) {
	w := newWorld(t, setup{unstarted: true})
	w.tenant.SetSecret(ownApp, "another-secret")
	began := time.Now()
	w.start()
	c := w.register("first")
	w.eventually("the status is down", func() bool {
		h := w.health()
		return h.Status == "down" && slices.Contains(h.Reasons, "token_refused")
	})
	if status, _, _ := w.send("GET", "http://"+w.daemon.Public+"/health/auth0", nil); status != 503 {
		t.Errorf("GET /health/auth0: %d, want 503 while down", status)
	}
	if rec := w.awaitFunc(c.ID, func(c child.Client) bool { return c.LastError != "" }); rec.Phase != "pending" || rec.LastError != "token_refused" {
		t.Errorf("client: %+v", rec)
	}
	w.tenant.SetSecret(ownApp, ownSecret)
	w.await(c.ID, "ready")
	w.eventually("the status is ok", func() bool { return w.health().Status == "ok" })
	if n := len(w.tenant.TokenRequests()); n > 2+doublings(began) {
		t.Errorf("%d token requests, want few", n)
	}
}

// A wrong secret of ours is mended by SIGHUP at once.
func TestWrongSecretIsMendedByReload(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, env: []string{"MGMT_CLIENT_SECRET=wrong-secret-of-ours"}})
	began := time.Now()
	w.start()
	c := w.register("first")
	w.awaitFunc(c.ID, func(c child.Client) bool { return c.LastError == "token_refused" })
	w.reload("MGMT_CLIENT_SECRET=" + ownSecret)
	w.await(c.ID, "ready")
	if n := len(w.tenant.TokenRequests()); n > 3+doublings(began) {
		t.Errorf("%d token requests, want few", n)
	}
	if strings.Contains(w.daemon.Logged(), ownSecret) || strings.Contains(w.daemon.Logged(), "wrong-secret-of-ours") {
		t.Error("a secret was logged")
	}
}

// With exactly the seven scopes a fresh client becomes ready; only what needs
// update:client_grants is blocked, by name; the check of the API's scopes is
// skipped.
func TestSevenScopesSuffice(t *testing.T) {
	w := newWorld(t, setup{scopes: tenantsim.SevenScopes(), env: []string{"TOOL_SCOPES=notes:read notes:write"}})
	c := w.register("first")
	rec := w.await(c.ID, "ready")
	if rec.Conditions["granted"].Reason != "" {
		t.Errorf("granted: %+v", rec.Conditions["granted"])
	}
	w.usable(c.ID, "notes:read", "notes:write")
	w.reload("TOOL_SCOPES=notes:read notes:share notes:write")
	rec = w.await(c.ID, "blocked")
	if rec.Reason != "missing_scope" || !strings.Contains(rec.Message, "update:client_grants") {
		t.Errorf("blocked for %q: %q", rec.Reason, rec.Message)
	}
	if !rec.Conditions["promoted"].Status || !rec.Conditions["connected"].Status || rec.Conditions["granted"].Status {
		t.Errorf("conditions: %+v", rec.Conditions)
	}
	fresh := w.register("second")
	w.await(fresh.ID, "ready")
	w.usable(fresh.ID, "notes:read", "notes:share", "notes:write")
}

// What SECURITY.md says of running with fewer scopes, and it names all there are.
func TestFewerScopes(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range allScopes() {
		if !strings.Contains(string(doc), "| `"+scope+"` |") {
			t.Errorf("SECURITY.md does not say what %s allows", scope)
		}
	}
	least := []string{"read:clients", "update:clients", "read:connections", "read:client_grants", "create:client_grants", "update:client_grants"}
	t.Run("the least", func(t *testing.T) {
		w := newWorld(t, setup{scopes: least})
		c := w.register("first")
		w.await(c.ID, "ready")
		w.usable(c.ID, "notes:read", "notes:write")
		w.reload("TOOL_SCOPES=notes:read")
		w.eventually("the grant is repaired", func() bool {
			g, ok := w.tenant.UserGrant(c.ID, audience)
			return ok && slices.Equal(g.Scopes, []string{"notes:read"})
		})
		w.await(c.ID, "ready")
	})
	t.Run("without read:logs", func(t *testing.T) {
		w := newWorld(t, setup{scopes: without(allScopes(), "read:logs"), env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}})
		w.await(w.register("first").ID, "ready")
		w.eventually("it is said", func() bool { return slices.Contains(w.health().Reasons, "poll_missing_scope") })
		if s := w.health().Status; s != "degraded" {
			t.Errorf("status %q", s)
		}
	})
	t.Run("without update:clients, as it should be already", func(t *testing.T) {
		w := newWorld(t, setup{scopes: without(allScopes(), "update:clients"), noStream: true})
		c := w.register("first")
		status, answer := w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"app_type": "regular_web"})
		if status != 200 {
			t.Fatalf("PATCH: %d %s", status, answer)
		}
		w.post(body(w.lines()))
		w.await(c.ID, "ready")
	})
	t.Run("looking only", func(t *testing.T) {
		w := newWorld(t, setup{
			scopes: []string{"read:clients", "read:connections", "read:client_grants", "read:logs"},
			env:    []string{"GRANTD_DRY_RUN=true", "GRANTD_POLL_SCHEDULE=@every 1s"},
		})
		c := w.register("first")
		w.awaitFunc(c.ID, func(c child.Client) bool { return c.Reason == "dry_run" })
		if n := len(w.tenant.Writes()); n > 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// Scopes that the API lacks are left out of the grant and named; without
// read:resource_servers that check is skipped.
func TestScopesTheAPILacks(t *testing.T) {
	t.Parallel()
	env := []string{"TOOL_SCOPES=notes:read notes:nonsense"}
	t.Run("left out and named", func(t *testing.T) {
		w := newWorld(t, setup{env: env})
		c := w.register("first")
		rec := w.await(c.ID, "ready")
		if g := rec.Conditions["granted"]; !g.Status || g.Reason != "scopes_undefined" || !strings.Contains(g.Message, "notes:nonsense") {
			t.Errorf("granted: %+v", g)
		}
		w.usable(c.ID, "notes:read")
	})
	t.Run("check skipped", func(t *testing.T) {
		w := newWorld(t, setup{env: env, scopes: without(allScopes(), "read:resource_servers")})
		c := w.register("first")
		if rec := w.await(c.ID, "blocked"); rec.Reason != "scopes_rejected" {
			t.Errorf("blocked for %q: %q; want Auth0's own word", rec.Reason, rec.Message)
		}
	})
}
