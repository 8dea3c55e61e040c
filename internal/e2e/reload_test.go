package e2e_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// SIGHUP applies changed scopes, a changed allow-list and changed secrets
// without a restart.
func TestReloadAppliesScopesAllowListAndSecrets(t *testing.T) {
	w := newWorld(t, setup{})
	pid := w.daemon.PID()
	c := w.register("first")
	digest := w.await(c.ID, "ready").Digest
	stranger, err := w.tenant.Register(tenantsim.Registration{ClientName: "Inspector", RedirectURIs: []string{"http://localhost:6274/oauth/callback"}})
	if err != nil {
		t.Fatal(err)
	}
	w.await(stranger.ID, "refused")

	w.reload("TOOL_SCOPES=notes:read")
	w.awaitFunc(c.ID, func(c child.Client) bool { return c.Phase == "ready" && c.Digest != digest })
	w.usable(c.ID, "notes:read")

	w.reload("GRANTD_ALLOWED_CLIENTS=chatgpt,mcp-inspector")
	w.await(stranger.ID, "ready")
	w.reload("GRANTD_ALLOWED_CLIENTS=chatgpt")
	w.await(stranger.ID, "refused")

	url := "http://" + w.daemon.Public + "/auth0-log-webhook"
	accepted := func(secret string) int {
		status, _, _ := w.send("POST", url, []byte("[]"), "Authorization", secret)
		return status
	}
	const next = "the-next-webhook-secret"
	w.reload("LOG_WEBHOOK_SECRET="+next, "LOG_WEBHOOK_SECRET_PREVIOUS="+secret)
	w.eventually("the next secret is accepted", func() bool { return accepted(next) == 200 })
	if got := accepted(secret); got != 200 {
		t.Errorf("the previous secret: %d, want 200 while it is rotated", got)
	}
	w.reload("LOG_WEBHOOK_SECRET_PREVIOUS=")
	w.eventually("the previous secret is refused", func() bool { return accepted(secret) == 403 })
	if w.daemon.PID() != pid {
		t.Error("it was restarted")
	}
	for _, s := range []string{secret, next, ownSecret} {
		if strings.Contains(w.daemon.Logged(), s) {
			t.Error("a secret was logged")
		}
	}
}

// A shorter allow-list holds at once, though a gateway hangs whose scopes the
// same reload asks for.
func TestShorterAllowListDoesNotWaitForTheGateway(t *testing.T) {
	g := newGateway(t)
	g.offers(share)
	w := newWorld(t, setup{env: []string{"TOOL_SCOPES_URL=" + g.URL}})
	asked := g.hangs()
	w.reload("GRANTD_ALLOWED_CLIENTS=claude")
	<-asked
	mark := w.mark()
	id := w.register("meanwhile").ID
	w.await(id, "refused")
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes", n)
	}
	w.logged("[dcr] refused client")
	if before, _, _ := strings.Cut(w.daemon.Logged(), "[dcr] refused client"); strings.Contains(before, `"msg":"reloaded"`) {
		t.Error("the reload did not wait for the gateway, so this shows nothing")
	}
}

// A gateway that does not answer holds up a reload, and nothing else: deliveries
// are taken, clients become ready, and a stop does not wait for it.
func TestReloadWhileTheGatewayHangs(t *testing.T) {
	g := newGateway(t)
	g.offers(share)
	w := newWorld(t, setup{env: []string{"TOOL_SCOPES_URL=" + g.URL}})
	asked := g.hangs()
	w.reload("TOOL_SCOPES=" + read)
	<-asked
	id := w.register("meanwhile").ID
	w.await(id, "ready")
	w.health() // answers
	w.logged("promoted+enabled+granted")
	if before, _, _ := strings.Cut(w.daemon.Logged(), "promoted+enabled+granted"); strings.Contains(before, `"msg":"reloaded"`) {
		t.Error("the reload did not wait for the gateway")
	}
	began := time.Now()
	w.stop()
	if took := time.Since(began); took > 8*time.Second { // of the ten that it waits for an answer
		t.Errorf("the stop took %v", took)
	}
}

// A broken env file is refused with its line, and the running configuration
// stays.
func TestBrokenReloadIsRefusedAndTheRunningConfigurationStays(t *testing.T) {
	w := newWorld(t, setup{})
	broken := "# a comment\nTOOL_SCOPES=notes:share\nthis is not an assignment\n"
	if err := os.WriteFile(w.envFile(), []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	w.eventually("the reload is refused", func() bool {
		return strings.Contains(w.daemon.Logged(), "refused, the running one stays") && strings.Contains(w.daemon.Logged(), "grantd.env:3")
	})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.usable(c.ID, "notes:read", "notes:write")
	if status, _, _ := w.send("GET", "http://"+w.daemon.Public+"/readyz", nil); status != 200 {
		t.Errorf("GET /readyz: %d", status)
	}
	w.reload("TOOL_SCOPES=notes:share") // mended
	w.eventually("the mended file is applied", func() bool {
		g, ok := w.tenant.UserGrant(c.ID, audience)
		return ok && len(g.Scopes) == 1 && g.Scopes[0] == "notes:share"
	})
}
