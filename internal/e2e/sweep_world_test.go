package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"grantd/internal/child"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// dialog is a callback of ChatGPT's.
const dialog = "https://chatgpt.com/connector_platform_oauth_redirect"

// settle adds n clients that were there before grantd, and no log entry of
// them. Each has a grant of the scopes, or none where there are none.
func (w *world) settle(n int, scopes ...string) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = w.tenant.AddClient(tenantsim.Client{Name: fmt.Sprintf("ChatGPT %d", i), Callbacks: []string{dialog}}).ID
		if len(scopes) > 0 {
			w.tenant.AddGrant(tenantsim.Grant{ClientID: ids[i], Audience: audience, Scopes: scopes})
		}
	}
	return ids
}

// swept is how many sweeps the running daemon has ended.
func (w *world) swept() int { return strings.Count(w.daemon.Logged(), `"msg":"swept"`) }

// stall lets the tenant answer an operation n times, and from then on not at
// all. What it returns tells whether somebody waits in vain.
func (w *world) stall(operation string, n int) (stalled func() bool) {
	var seen atomic.Int64
	is := w.tenant.On(operation)
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if is(r) && seen.Add(1) > int64(n) {
			return tenantsim.Fault{Kind: tenantsim.Timeout}
		}
		return tenantsim.Fault{}
	})
	return func() bool { return seen.Load() > int64(n) }
}

// counts is how often each operation was called since the mark, routine apart.
func (w *world) counts(mark int) map[string]int {
	count := map[string]int{}
	for _, op := range w.calls(mark) {
		count[op]++
	}
	return count
}

func (w *world) writes(mark int) (n int) {
	for _, c := range w.tenant.Calls()[mark:] {
		if c.Write() {
			n++
		}
	}
	return n
}

// asDesired reports whether the client has exactly one grant, of exactly these
// scopes. It costs nothing and logs nothing, unlike a login.
func (w *world) asDesired(id string, scopes ...string) bool {
	grants := w.tenant.Grants(id)
	if len(grants) != 1 || grants[0].AllowAllScopes {
		return false
	}
	got := slices.Clone(grants[0].Scopes)
	slices.Sort(got)
	return slices.Equal(got, scopes)
}

// notAsDesired are those of the clients that are not.
func (w *world) notAsDesired(ids []string, scopes ...string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return w.asDesired(id, scopes...) })
}

// converged waits until all clients are as desired and nothing is due, without
// waiting for deliveries.
func (w *world) converged(ids []string, scopes ...string) {
	w.Helper()
	left := ids
	ok := child.Poll(w.ctx(), func() bool {
		left = w.notAsDesired(left, scopes...)
		return len(left) == 0
	})
	if !ok {
		w.Fatalf("%d of %d clients never had %q, such as %s: %+v", len(left), len(ids), scopes, left[0], w.tenant.Grants(left[0]))
	}
	w.eventually("nothing is due", func() bool { return w.due() == 0 })
}

// checkLedger has the ledger's own check look at the file. No daemon may run.
func (w *world) checkLedger() {
	w.Helper()
	l, err := store.Open(w.ctx(), store.Options{Path: w.dir + "/state/grantd.db", ReadOnly: true})
	if err != nil {
		w.Fatal(err)
	}
	if err := l.Check(w.ctx()); err != nil {
		w.Errorf("the ledger: %v", err)
	}
	if err := l.Close(); err != nil {
		w.Error(err)
	}
}

// edit is a call of somebody else's that must succeed.
func (w *world) edit(as tenantsim.Actor, method, path string, body any) []byte {
	w.Helper()
	status, answer := w.tenant.Do(as, method, path, body)
	if status >= 300 {
		w.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// grantPath is the path of the client's only grant.
func (w *world) grantPath(id string) string {
	w.Helper()
	grants := w.tenant.Grants(id)
	if len(grants) != 1 {
		w.Fatalf("client %s has %d grants", id, len(grants))
	}
	return "/api/v2/client-grants/" + grants[0].ID
}

// connectionPath is the path of the connection.
func (w *world) connectionPath(name string) string {
	w.Helper()
	var found []struct{ ID string }
	if err := json.Unmarshal(w.edit(tenantsim.Admin(), "GET", "/api/v2/connections?name="+name, nil), &found); err != nil || len(found) != 1 {
		w.Fatalf("look up connection %s: %v, %d found", name, err, len(found))
	}
	return "/api/v2/connections/" + found[0].ID
}

// logged waits until the running daemon has logged all of it.
func (w *world) logged(parts ...string) {
	w.Helper()
	for _, part := range parts {
		w.eventually("the log says "+part, func() bool { return strings.Contains(w.daemon.Logged(), part) })
	}
}

// degraded waits until health gives the reason.
func (w *world) degraded(reason string) {
	w.Helper()
	w.eventually("health is degraded for "+reason, func() bool {
		h := w.health()
		return h.Status == "degraded" && slices.Contains(h.Reasons, reason)
	})
}

// well waits until health is ok.
func (w *world) well() {
	w.Helper()
	w.eventually("health is ok", func() bool { return w.health().Status == "ok" })
}

// past waits until the clock is past t.
func (w *world) past(t time.Time) {
	w.Helper()
	w.eventually("it is "+t.Format(time.TimeOnly), func() bool { return time.Now().After(t) })
}
