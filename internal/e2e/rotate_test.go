package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// reloadAndWait is reload, and waits until it is in force.
func (w *world) reloadAndWait(env ...string) {
	w.Helper()
	reloads := func() int { return strings.Count(w.daemon.Logged(), `"msg":"reloaded"`) }
	before := reloads()
	w.reload(env...)
	w.eventually("the reload is in force", func() bool { return reloads() > before })
}

// The webhook's secret is rotated as SECURITY.md says, while deliveries come in
// without a pause: none is refused, none is lost.
func TestWebhookSecretIsRotatedWithoutARefusedDelivery(t *testing.T) {
	w := newWorld(t, setup{noStream: true})
	const next = "the-next-webhook-secret-7c21"
	url := "http://" + w.daemon.Public + "/auth0-log-webhook"
	var sending sync.RWMutex
	sends := secret         // what the log stream sends
	use := func(s string) { // and nothing of the one before is under way any more
		sending.Lock()
		defer sending.Unlock()
		sends = s
	}
	deliver := func() int {
		sending.RLock()
		defer sending.RUnlock()
		return post(url, sends)
	}
	var sent, refused atomic.Int64
	var running sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		running.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if deliver() != http.StatusOK {
					refused.Add(1)
				}
				sent.Add(1)
			}
		})
	}
	settled := func(about string) {
		t.Helper()
		before := sent.Load()
		w.eventually("deliveries go on "+about, func() bool { return sent.Load() > before+20 })
		id := w.register(about).ID
		if status, _, _ := w.send("POST", url, body(w.lines()), "Authorization", sends); status != 200 {
			t.Errorf("%s: %d", about, status)
		}
		w.await(id, "ready")
	}
	settled("before")
	w.reloadAndWait("LOG_WEBHOOK_SECRET="+next, "LOG_WEBHOOK_SECRET_PREVIOUS="+secret)
	settled("both")
	use(next)
	settled("stream-changed")
	w.reloadAndWait("LOG_WEBHOOK_SECRET_PREVIOUS=")
	settled("after")
	close(done)
	running.Wait()
	if refused.Load() > 0 {
		t.Errorf("%d of %d deliveries were refused", refused.Load(), sent.Load())
	}
	if status := post(url, secret); status != http.StatusForbidden {
		t.Errorf("the old secret is answered with %d", status)
	}
}

// post delivers nothing with a secret, and returns the status; 0 is no answer.
func post(url, secret string) int {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("[]"))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// The Management secret is rotated in Auth0, then here, by each way a secret can
// be given: clients become ready at every step, the old secret is sent no more,
// and the process stays.
func TestManagementSecretIsRotatedByReload(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"variable", "file", "credential"} {
		t.Run(way, func(t *testing.T) {
			const next = "rotated-management-secret-5b"
			w := newWorld(t, setup{unstarted: true})
			o := w.options("serve")
			set := func(secret string) { w.set("MGMT_CLIENT_SECRET=" + secret) }
			if way != "variable" {
				w.set("MGMT_CLIENT_SECRET=")
				path := filepath.Join(w.dir, "mgmt_client_secret")
				set = func(secret string) {
					if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if way == "file" {
					w.set("MGMT_CLIENT_SECRET_FILE=" + path)
				} else {
					o.Env = append(o.Env, "CREDENTIALS_DIRECTORY="+w.dir)
				}
			}
			set(ownSecret)
			if err := w.tryStart(o); err != nil {
				t.Fatal(err)
			}
			w.warm()
			pid := w.daemon.PID()
			w.await(w.register("first").ID, "ready")

			w.tenant.SetSecret(ownApp, next) // in Auth0: the token at hand stays good
			w.await(w.register("between").ID, "ready")
			set(next)
			w.reloadAndWait()
			w.eventually("a token of the new secret", func() bool { return len(w.tenant.TokenRequests()) == 2 })
			w.tenant.RevokeTokens() // so that the next one cannot be an old one
			w.await(w.register("after").ID, "ready")
			for _, c := range w.tenant.TokenRequests() {
				if c.Status != 200 {
					t.Errorf("a token request was answered with %d: the old secret was used again", c.Status)
				}
			}
			w.well()
			if w.daemon.PID() != pid {
				t.Error("it was restarted")
			}
			for _, s := range []string{ownSecret, next} {
				if strings.Contains(w.daemon.Logged(), s) {
					t.Error("a secret was logged")
				}
			}
		})
	}
}

// A new secret with a typing error is reported, costs nothing while the token at
// hand is valid, and is healed at once by the right one.
func TestWrongNewManagementSecretCostsNothing(t *testing.T) {
	const next = "rotated-management-secret-5b"
	w := newWorld(t, setup{})
	w.await(w.register("first").ID, "ready")
	w.tenant.SetSecret(ownApp, next)
	began := time.Now()
	w.reloadAndWait("MGMT_CLIENT_SECRET=" + next + "-mistyped")
	w.eventually("it is reported", func() bool { return slices.Contains(w.health().Reasons, "token_refused") })
	w.await(w.register("second").ID, "ready")
	if h := w.health(); h.Status != "degraded" || !slices.Contains(h.Reasons, "token_refused") {
		t.Errorf("a client became ready, and it is no longer reported: %+v", h)
	}
	if logged := w.daemon.Logged(); !strings.Contains(logged, "renew token") || strings.Contains(logged, next) {
		t.Error("the log does not say so, or says too much")
	}
	w.reloadAndWait("MGMT_CLIENT_SECRET=" + next)
	w.eventually("the status is ok", func() bool { return w.health().Status == "ok" })
	w.await(w.register("third").ID, "ready")
	if n := len(w.tenant.TokenRequests()); n > 4+doublings(began) {
		t.Errorf("%d token requests, want few", n)
	}
	w.stop()
	w.start() // the kept token is that of the new secret
	n := len(w.tenant.TokenRequests())
	w.await(w.register("fourth").ID, "ready")
	if got := len(w.tenant.TokenRequests()); got != n {
		t.Errorf("%d token requests after a restart", got-n)
	}
}

// A wrong new secret and a token that is no good any more: down, until the right
// one comes.
func TestWrongNewManagementSecretAndNoToken(t *testing.T) {
	const next = "rotated-management-secret-5b"
	w := newWorld(t, setup{})
	w.tenant.SetSecret(ownApp, next)
	w.reloadAndWait("MGMT_CLIENT_SECRET=" + next + "-mistyped")
	w.tenant.RevokeTokens()
	c := w.register("first")
	w.awaitFunc(c.ID, func(c child.Client) bool { return c.LastError == "token_refused" })
	w.eventually("it is down", func() bool { return w.health().Status == "down" })
	w.reloadAndWait("MGMT_CLIENT_SECRET=" + next)
	w.await(c.ID, "ready")
	w.eventually("the status is ok", func() bool { return w.health().Status == "ok" })
}

// A sweep that is repairing the tenant goes on through a rotation, and ends well.
func TestRotationDuringASweep(t *testing.T) {
	const next = "rotated-management-secret-5b"
	w := newWorld(t, setup{})
	ids := w.registerMany(30)
	for _, id := range ids {
		w.await(id, "ready")
	}
	var repaired atomic.Int32
	repair, goOn := w.tenant.On("PATCH /client-grants/{id}"), make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if repair(r) && repaired.Add(1) > 10 {
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		}
		return tenantsim.Fault{}
	})
	w.reloadAndWait("TOOL_SCOPES=notes:read")
	w.eventually("the repair is in its middle", func() bool { return repaired.Load() > 10 })
	w.tenant.SetSecret(ownApp, next)
	w.reloadAndWait("MGMT_CLIENT_SECRET=" + next)
	w.eventually("a token of the new secret", func() bool { return len(w.tenant.TokenRequests()) > 1 })
	close(goOn)
	for _, id := range ids {
		w.eventually("the narrower grant of "+id, func() bool {
			g, ok := w.tenant.UserGrant(id, audience)
			return ok && slices.Equal(g.Scopes, []string{"notes:read"})
		})
	}
	if n := len(w.tenant.TokenRequests()); n != 2 {
		t.Errorf("%d token requests, want one for each secret", n)
	}
	if n := w.unauthorized(); n != 0 {
		t.Errorf("%d calls were answered with 401", n)
	}
	if strings.Contains(w.daemon.Logged(), "sweep failed") {
		t.Error("a sweep failed")
	}
}

// A move to another application, id and secret together, needs no restart
// either. The new one is never touched, and its own entries cause no call.
func TestManagementApplicationIsReplacedByReload(t *testing.T) {
	const newApp, newSecret = "GrantdM2M111111111111111111111111", "the-new-application-secret"
	w := newWorld(t, setup{env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}})
	w.tenant.AddM2M(newApp, newSecret, allScopes()...)
	w.await(w.register("first").ID, "ready")
	w.reloadAndWait("MGMT_CLIENT_ID="+newApp, "MGMT_CLIENT_SECRET="+newSecret)
	if strings.Contains(w.daemon.Logged(), "a restart is needed") {
		t.Error("a restart is asked for")
	}
	w.eventually("a token of the new application", func() bool { return len(w.tenant.TokenRequests()) == 2 })
	w.tenant.SetSecret(ownApp, "gone")
	w.tenant.RevokeTokens()
	w.await(w.register("second").ID, "ready")
	w.eventually("the poll leaves the new application's entries out", func() bool {
		return slices.ContainsFunc(w.tenant.Calls(), func(c tenantsim.Call) bool {
			return c.Operation == "GET /logs" && strings.Contains(c.Query, newApp)
		})
	})
	for _, c := range w.tenant.TokenRequests() {
		if c.Status != 200 {
			t.Errorf("a token request was answered with %d", c.Status)
		}
	}
	for _, c := range w.tenant.Writes() {
		if strings.Contains(c.Path, newApp) {
			t.Errorf("it wrote to its own application: %+v", c)
		}
	}
}
