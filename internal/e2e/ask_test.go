package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// health is what GET /health/auth0 says.
type health struct {
	Status  string   `json:"status"`
	Reasons []string `json:"reasons"`
	JWKS    struct {
		CheckedAt *string `json:"checked_at"`
	} `json:"jwks"`
	Management struct {
		OK        bool   `json:"ok"`
		LastError string `json:"last_error"`
	} `json:"management_api"`
	Sweep struct {
		LastSuccessAt *string `json:"last_success_at"`
	} `json:"sweep"`
	Clients map[string]int `json:"clients"`
}

func (w *world) health() health {
	w.Helper()
	var h health
	_, answer, _ := w.send(http.MethodGet, w.url("/health/auth0"), nil)
	if err := json.Unmarshal(answer, &h); err != nil {
		w.Fatal(err)
	}
	return h
}

// receipt is the webhook's answer.
type receipt struct{ Received, Sightings, Registrations, Malformed int }

// post delivers a body as Auth0, or somebody who has its secret, would.
func (w *world) post(body []byte) receipt {
	w.Helper()
	status, answer, _ := w.send(http.MethodPost, w.url("/auth0-log-webhook"), body, "Authorization", secret)
	if status != http.StatusOK {
		w.Fatalf("the webhook answered %d: %s", status, answer)
	}
	var r receipt
	if err := json.Unmarshal(answer, &r); err != nil {
		w.Fatal(err)
	}
	return r
}

func (w *world) send(method, url string, body []byte, header ...string) (int, []byte, http.Header) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.ctx(), method, url, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	for h := range slices.Chunk(header, 2) {
		req.Header.Add(h[0], h[1])
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, answer, resp.Header
}

// register is ChatGPT adding the connector.
func (w *world) register(callback string) tenantsim.Client {
	w.Helper()
	c, err := w.tenant.Register(tenantsim.ChatGPT(callback))
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) registerMany(n int) []string {
	w.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = w.register(fmt.Sprintf("c%d", i)).ID
	}
	return ids
}

// await waits until the client is in the phase.
func (w *world) await(id, phase string) child.Client {
	w.Helper()
	c, err := w.daemon.Await(w.ctx(), id, phase)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) awaitFunc(id string, ok func(child.Client) bool) child.Client {
	w.Helper()
	c, err := w.daemon.AwaitFunc(w.ctx(), id, ok)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// due is how many clients are due in the ledger, those being worked on
// included.
func (w *world) due() int {
	w.Helper()
	_, answer, _ := w.send(http.MethodGet, "http://"+w.daemon.Admin+"/metrics", nil)
	n, found := 0, 0
	for line := range strings.Lines(string(answer)) {
		var class string
		var count int
		if _, err := fmt.Sscanf(line, "grantd_due_clients{class=%q} %d", &class, &count); err == nil {
			n, found = n+count, found+1
		}
	}
	if found != 2 {
		w.Fatalf("no grantd_due_clients in the metrics:\n%s", answer)
	}
	return n
}

// delivered reports whether all that the stream has to bring was acknowledged.
func (w *world) delivered() bool {
	n := 0
	for _, raw := range w.tenant.Logs() {
		var e struct {
			Data struct{ Type string }
			Type string
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			w.Fatal(err)
		}
		if c := tenantsim.Category(e.Type + e.Data.Type); c == streamType || c == "auth.login.fail" {
			n++
		}
	}
	s := w.stream.Stats()
	return s.Delivered+s.Dropped == n
}

// idle waits until there is nothing left to do: nothing due, everything
// logged delivered, that included which was logged by what was due, and
// nothing due by that.
func (w *world) idle() {
	w.Helper()
	w.eventually("nothing is due", func() bool { return w.due() == 0 })
	if w.stream != nil {
		w.eventually("all is delivered", w.delivered)
	}
	w.eventually("nothing is due after the last delivery", func() bool { return w.due() == 0 })
}

// polled waits until a poll that began after now was taken in.
func (w *world) polled() {
	w.Helper()
	since := time.Now()
	w.eventually("two more polls", func() bool {
		n := 0
		for _, c := range w.tenant.Calls() {
			if c.Operation == "GET /logs" && c.At.After(since) {
				n++
			}
		}
		return n >= 2 // the second begins when the first was taken in
	})
	w.eventually("nothing is due after the poll", func() bool { return w.due() == 0 })
}

func (w *world) mark() int { return len(w.tenant.Calls()) }

// routine reports whether a call is made now and then whatever happens: a poll,
// or the count of what the tenant holds, a minute after a start.
func routine(c tenantsim.Call) bool {
	return c.Operation == "GET /logs" || strings.Contains(c.Query+"&", "per_page=1&")
}

// calls are the Management API calls since the mark, sorted, routine apart.
func (w *world) calls(mark int) []string {
	ops := []string{}
	for _, c := range w.tenant.Calls()[mark:] {
		if !routine(c) {
			ops = append(ops, c.Operation)
		}
	}
	slices.Sort(ops)
	return ops
}

// usable fails the test unless the client's users can log in and get exactly
// these scopes, by exactly one grant.
func (w *world) usable(id string, scopes ...string) {
	w.Helper()
	got, err := w.tenant.Login(tenantsim.Login{
		ClientID: id, Audience: audience, Connection: google,
		Scopes: []string{"notes:read", "notes:write", "notes:share"},
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, scopes) {
		w.Errorf("client %s: login gave %q, %v; want %q", id, got, err, scopes)
	}
	if n := len(w.tenant.Grants(id)); n != 1 {
		w.Errorf("client %s has %d grants, want 1", id, n)
	}
}
