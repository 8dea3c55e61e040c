package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// room is a chat: what takes the posts of a daemon in simulated time.
type room struct {
	mu    sync.Mutex
	posts []string
	at    []string // the paths
	hangs bool
}

func (r *room) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var m struct{ Text string }
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.posts, r.at = append(r.posts, m.Text), append(r.at, req.URL.Path)
	hangs := r.hangs
	r.mu.Unlock()
	if hangs {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
}

// heard is what was posted since it was last asked.
func (r *room) heard() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := strings.Join(r.posts, "\n")
	r.posts = nil
	return all
}

const roomURL = "https://hooks.example.com/services/room-secret"

// chatting is a world whose daemon tells a room.
func newChatting(t *testing.T, o tenantsim.Options, environ ...string) (*world, *room) {
	w, r := newWorld(t, o), &room{}
	w.chat, w.environ["GRANTD_NOTIFY_URL"] = r, roomURL
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		w.environ[name] = value
	}
	w.start()
	t.Cleanup(w.stop)
	time.Sleep(time.Minute)
	if got := r.heard(); got != "" {
		t.Errorf("after a start: %s", got)
	}
	return w, r
}

func (w *world) register(reg tenantsim.Registration) string {
	w.Helper()
	c, err := w.tenant.Register(reg)
	if err != nil {
		w.Fatal(err)
	}
	return c.ID
}

func stranger(i int) tenantsim.Registration {
	reg := tenantsim.ChatGPT("x")
	reg.ClientName, reg.RedirectURIs = "@channel", []string{fmt.Sprintf("https://evil.example/%d", i)}
	return reg
}

// expect waits for something to be told, and for nothing else.
func (r *room) expect(t *testing.T, wait time.Duration, wants ...string) {
	t.Helper()
	time.Sleep(wait)
	got := r.heard()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if len(wants) == 0 && got != "" {
		t.Errorf("told: %q", got)
	}
	if strings.Contains(got, "room-secret") || strings.Contains(got, "@") {
		t.Errorf("told: %q", got)
	}
}

// What becomes of clients is told once: when they are ready, refused, blocked
// or turn bad; neither a restart nor a sweep nor another configuration tells it
// again.
func TestClientsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{})
		id := w.register(tenantsim.ChatGPT("one"))
		r.expect(t, 10*time.Second, "grantd, acme.eu.auth0.com: “ChatGPT” ("+id+") is ready")
		for i := range 12 {
			w.register(stranger(i))
		}
		r.expect(t, 30*time.Second, "clients are refused: callback_not_allowed", "“(at)channel” (tpc_")
		w.tenant.SetDomainLevel("google-oauth2", false)
		time.Sleep(20 * time.Minute) // for so long it is remembered
		blocked := w.register(tenantsim.ChatGPT("two"))
		r.expect(t, 30*time.Second, "("+blocked+") is blocked: connection_not_domain_level")
		time.Sleep(3 * time.Hour) // with sweeps
		r.heard()

		w.stop()
		w.environ["TOOL_SCOPES"] = "notes:read"
		w.start()
		r.expect(t, 3*time.Hour)

		w.tenant.SetDomainLevel("google-oauth2", true)
		r.expect(t, 3*time.Hour, blocked+") is ready")
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, map[string]any{"callbacks": []string{"https://evil.example/x"}})
		r.expect(t, time.Minute, id+") was ready and is refused now: callback_not_allowed")
		r.expect(t, 3*time.Hour)
		w.stop()
		if log := w.log.about("room-secret", "hooks.example"); log != "" {
			t.Error(log)
		}
	})
}

// What only a sweep finds is told too.
func TestSweptClientsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{})
		w.stop()
		for i := range 3 {
			w.tenant.AddClient(tenantsim.Client{Name: "Evil", Callbacks: []string{fmt.Sprintf("https://evil.example/%d", i)}})
		}
		w.start()
		r.expect(t, 2*time.Hour, "3 clients are refused: callback_not_allowed")
		w.stop()
	})
}

// Holds are told, whoever sets them, and storms.
func TestHoldsAndStormsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{})
		id := w.register(tenantsim.ChatGPT("one"))
		r.expect(t, 30*time.Second, "is ready")
		other := w.register(tenantsim.ChatGPT("two"))
		r.expect(t, 30*time.Second, "is ready")
		w.tenant.SetScopes(bubbleApp, append(w.permissions(), "delete:client_grants")...)
		journal, _, err := w.d.ledger.Journal(t.Context(), store.JournalQuery{ClientID: other, Limit: 10})
		for _, e := range journal {
			if e.Step == dcr.StepGrant {
				_, err = w.d.Revert(t.Context(), e.Seq, false)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		r.expect(t, time.Minute, "client "+other+" alone until it is released: reverted. ")
		if _, err := w.d.Hold(t.Context(), api.HoldRequest{ClientID: id, For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		r.expect(t, 30*time.Second, "grantd leaves client "+id+" alone until 0", ": held. ")
		if _, err := w.d.Hold(t.Context(), api.HoldRequest{}); err != nil {
			t.Fatal(err)
		}
		r.expect(t, 30*time.Second, "grantd leaves everything alone until it is released: held.")
		r.expect(t, time.Hour, "The hold on client "+id+" has run out: held. What is still held: grantd hold list")
		if _, err := w.d.Release(t.Context(), store.HoldSelector{All: true}); err != nil {
			t.Fatal(err)
		}
		r.expect(t, 3*time.Second, "The hold on everything was released: held.", "The hold on client "+other+" was released: reverted.")
		for range 8 { // somebody undoes the grant again and again
			time.Sleep(10 * time.Second)
			for _, g := range w.tenant.Grants(id) {
				w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+g.ID, map[string]any{"scope": []string{}})
			}
		}
		r.expect(t, time.Minute, "the step grant of client "+id, ": fighting. ")
		for i := range 40 {
			w.register(tenantsim.ChatGPT(fmt.Sprintf("storm%d", i)))
		}
		r.expect(t, time.Minute, "A registration storm has begun.", "clients are ready")
		w.stop()
	})
}

// What is wrong with grantd is told, and that it is over; a restart meanwhile
// tells nothing again.
func TestTroublesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{TokenLifetime: 2 * time.Hour}, "GRANTD_POLL_SCHEDULE=off")
		time.Sleep(time.Hour)
		w.stream.Pause()
		r.expect(t, 2*time.Hour, "log_stream_stopped: ")
		w.stop()
		w.start()
		r.expect(t, 30*time.Minute)
		w.stream.Resume()
		r.expect(t, 2*time.Hour, "log_stream_stopped is over.")

		w.tenant.OutageBy(tenantsim.InternalError)
		r.expect(t, 3*time.Hour, "management_api_failing: ")
		w.stop()
		w.start()
		r.expect(t, 30*time.Minute)
		w.tenant.Outage(false)
		r.expect(t, 3*time.Hour, "management_api_failing is over.")

		w.tenant.SetSecret(bubbleApp, "another")
		r.expect(t, 4*time.Hour, "token_refused: ") // when the present one ends
		w.tenant.SetSecret(bubbleApp, "management-secret")
		r.expect(t, 4*time.Hour, "token_refused is over.")
		w.stop()
	})
}

// Another grantd's log stream, of the same path at another host, does not hide
// that this one's was stopped.
func TestOthersStreamHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{}, "GRANTD_PUBLIC_URL=https://grantd.example.com", "GRANTD_POLL_SCHEDULE=off")
		w.tenant.AddLogStream(tenantsim.LogStream{
			URL: "https://staging.example.com/auth0-log-webhook", Authorization: "another-secret-0123456789", Delivery: tenantsim.Delivery{Manual: true},
		})
		time.Sleep(time.Hour)
		w.stream.Pause()
		r.expect(t, 2*time.Hour, "log_stream_stopped: ")
		w.stop()
	})
}

// A webhook that brings nothing is told, and that it brings something again.
func TestSilentWebhookIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{})
		w.stream.Hold()
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/tenants/settings", map[string]any{"friendly_name": "Acme"})
		id := w.register(tenantsim.ChatGPT("one"))
		r.expect(t, 15*time.Minute, id+") is ready", "webhook_silent: ")
		w.stream.Release()
		r.expect(t, 15*time.Minute, "webhook_silent is over.")
		w.stop()
	})
}

// Four fifths of the tenant's applications: told once, soon after clients came,
// by the limit that is configured or guessed; and shown as metrics.
func TestCapacityIsTold(t *testing.T) {
	for _, plan := range []string{"", "free", "enterprise"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, tenantsim.Options{Plan: tenantsim.Free})
			r := &room{}
			w.chat, w.environ["GRANTD_NOTIFY_URL"], w.environ["GRANTD_PLAN"] = r, roomURL, plan
			w.environ["GRANTD_POLL_SCHEDULE"] = "off"
			w.start()
			t.Cleanup(w.stop)
			time.Sleep(time.Hour)
			r.expect(t, 0)
			apps := 0
			for _, c := range w.tenant.Clients() {
				if !c.Global {
					apps++
				}
			}
			for i := range 8 - apps {
				w.register(tenantsim.ChatGPT(fmt.Sprint(i)))
			}
			if plan == "enterprise" {
				r.expect(t, 12*time.Minute, "clients are ready")
				r.expect(t, 2*time.Hour)
			} else {
				r.expect(t, 12*time.Minute, "clients are ready", "The tenant has 8 of 10 applications")
				r.expect(t, 23*time.Hour)
				if n := strings.Count(w.log.about("nearly full"), "\n"); n != 1 {
					t.Errorf("%d lines a day", n)
				}
			}
			if c, known := w.d.capacityKnown(); !known || c.Applications != 8 || c.Limits.Guessed != (plan == "") {
				t.Errorf("%+v", c)
			}
			w.stop()
		})
	}
}

// How full the tenant is is known a minute after a start, and not asked all the
// time while clients come, or while it cannot be told.
func TestCapacityIsKnownSoon(t *testing.T) {
	for _, lacking := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, tenantsim.Options{})
			w.environ["GRANTD_PLAN"] = "enterprise"
			w.start()
			t.Cleanup(w.stop)
			counts := func() (n int) {
				for _, c := range w.tenant.Calls() {
					if c.Operation == "GET /clients" && strings.Contains(c.Query, "include_totals=true") {
						n++
					}
				}
				return n
			}
			if lacking {
				time.Sleep(30 * time.Second)
				w.tenant.FailNext(1000, tenantsim.Unavailable, w.tenant.On("GET /clients"))
			}
			time.Sleep(75 * time.Second)
			if _, known := w.d.capacityKnown(); known == lacking {
				t.Errorf("known: %t", known)
			}
			first := counts()
			for i := range 8 {
				w.register(tenantsim.ChatGPT(fmt.Sprint(i)))
				time.Sleep(time.Minute)
			}
			if n := counts() - first; first == 0 || n != 1 && !lacking || n > 4 {
				t.Errorf("counted %d times, then %d times in 8 minutes", first, n)
			}
			w.stop()
		})
	}
}

// Another plan counts soon, although the tenant was counted lately, and also
// where it could not be counted at once.
func TestReloadChangesPlan(t *testing.T) {
	for _, fails := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			w, r := newChatting(t, tenantsim.Options{}, "GRANTD_PLAN=enterprise")
			for i := range 8 {
				w.register(tenantsim.ChatGPT(fmt.Sprint(i)))
			}
			r.expect(t, 12*time.Minute, "clients are ready")
			w.tenant.FailNext(fails, tenantsim.Unavailable, w.tenant.On("GET /clients"))
			w.environ["GRANTD_PLAN"] = "free"
			if err := w.d.Reload(context.Background()); err != nil { //nolint:usetesting // it is the daemon's
				t.Fatal(err)
			}
			r.expect(t, time.Duration(6+6*fails)*time.Minute, " of 10 applications")
			w.stop()
		})
	}
}

// A chat that hangs costs nothing: clients become ready as soon as without one,
// and grantd stops as soon.
func TestHangingChat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{})
		r.hangs = true
		took := func(i int) time.Duration {
			id, began := w.register(tenantsim.ChatGPT(fmt.Sprint(i))), time.Now()
			for w.records()[id].Phase != dcr.Ready {
				time.Sleep(10 * time.Millisecond)
			}
			return time.Since(began)
		}
		for i := range 5 {
			if d := took(i); d > 3*time.Second {
				t.Errorf("ready after %v", d)
			}
			time.Sleep(5 * time.Second)
		}
		began := time.Now()
		w.stop()
		if d := time.Since(began); d > time.Second {
			t.Errorf("stopped after %v", d)
		}
	})
}

// By a reload it is another room, or none.
func TestReloadChangesChat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newChatting(t, tenantsim.Options{})
		w.environ["GRANTD_NOTIFY_URL"] = "https://hooks.example.com/other"
		if err := w.d.Reload(context.Background()); err != nil { //nolint:usetesting // it is the daemon's
			t.Fatal(err)
		}
		w.register(tenantsim.ChatGPT("one"))
		r.expect(t, time.Minute, "is ready")
		if got := fmt.Sprint(r.at); got != "[/other]" {
			t.Error(got)
		}
		delete(w.environ, "GRANTD_NOTIFY_URL")
		if err := w.d.Reload(context.Background()); err != nil { //nolint:usetesting // the same
			t.Fatal(err)
		}
		w.register(tenantsim.ChatGPT("two"))
		r.expect(t, time.Minute)
		w.stop()
	})
}
