package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// canary stands in bodies and headers of attacks that nothing may repeat.
const canary = "canary-7c1f-do-not-print"

// fortress is a world under attack, and how it stood before.
type fortress struct {
	*world
	theirs          map[string]string // of the tenant: all that grantd must not touch
	fds, goroutines int
}

// newFortress starts grantd in a tenant whose log stream brings nothing by
// itself: what arrives is what the test sends.
func newFortress(t *testing.T, s setup) *fortress {
	t.Helper()
	s.delivery.Manual = true
	f := &fortress{world: newWorld(t, s)}
	if !s.unstarted {
		f.besieged()
	}
	return f
}

// besieged takes down how all stands; what comes is an attack.
func (f *fortress) besieged() {
	f.Helper()
	f.theirs = f.snapshot()
	f.fds, f.goroutines = f.openFiles(), f.metric("go_goroutines")
}

// snapshot is everything in the tenant that grantd could write, by name.
func (f *fortress) snapshot() map[string]string {
	f.Helper()
	all := map[string]string{}
	keep := func(name string, v any) {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		all[name] = string(b)
	}
	for _, c := range f.tenant.Clients() {
		keep("client "+c.ID, c)
		keep("grants of "+c.ID, f.tenant.Grants(c.ID))
	}
	keep("connection", []any{f.tenant.DomainLevel(google), f.tenant.ConnectionClients(google)})
	return all
}

func (f *fortress) openFiles() int {
	f.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.daemon.PID()))
	if err != nil {
		f.Skip("this needs /proc: ", err)
	}
	return len(entries)
}

// metric is the value of a metric without labels.
func (f *fortress) metric(name string) int {
	f.Helper()
	_, answer, _ := f.send("GET", "http://"+f.daemon.Admin+"/metrics", nil)
	for line := range strings.Lines(string(answer)) {
		var v float64
		if _, err := fmt.Sscanf(line, name+" %g", &v); err == nil {
			return int(v)
		}
	}
	f.Fatalf("no %s in the metrics", name)
	return 0
}

// unharmed checks, after the attacks, what holds whatever they were: grantd is
// alive and well, has let go what they took, wrote little to its log and disk
// and nothing that is not for it, changed nothing of anybody else's in the
// tenant, still does its work, and its ledger is sound.
func (f *fortress) unharmed() {
	f.Helper()
	f.eventually("nothing is due", func() bool { return f.due() == 0 })
	if status, answer, _ := f.send("GET", f.url("/health/auth0"), nil); status != 200 {
		f.Errorf("health: %d %s", status, answer)
	}
	f.letGo(100)
	now := f.snapshot()
	for name := range now {
		if _, ok := f.theirs[name]; !ok {
			delete(now, name) // came since
		}
	}
	if diff := cmp.Diff(f.theirs, now); diff != "" {
		f.Errorf("the tenant was changed (-before +now):\n%s", diff)
	}
	friend := f.register("friend")
	f.post(body(f.lines()))
	f.await(friend.ID, "ready")
	f.usable(friend.ID, "notes:read", "notes:write")
	f.logIsClean()
	f.soundLedger()
}

// letGo waits until descriptors and goroutines are back near where they were,
// but for that many connections to Auth0 that are kept for the next burst.
func (f *fortress) letGo(kept int) {
	f.Helper()
	f.eventually("descriptors and goroutines are let go", func() bool {
		return f.openFiles() <= f.fds+kept+15 && f.metric("go_goroutines") <= f.goroutines+2*kept+30
	})
}

func (f *fortress) logIsClean() {
	f.Helper()
	logged := f.daemon.Logged()
	if len(logged) > 256<<10 {
		f.Errorf("%d bytes were logged:\n%.4000s", len(logged), logged)
	}
	for _, not := range []string{secret, ownSecret, canary, "panic", "goroutine "} {
		if i := strings.Index(logged, not); i >= 0 {
			f.Errorf("the log has %q: …%s…", not, logged[max(0, i-200):min(len(logged), i+200)])
		}
	}
	f.harmless("the log", logged)
}

// harmless fails for text that plays tricks on a terminal: control characters,
// and marks that reorder or hide text.
func (f *fortress) harmless(what, text string) {
	f.Helper()
	for i, r := range text {
		if r != '\n' && !unicode.IsGraphic(r) {
			f.Errorf("%s has %U raw: %q", what, r, text[max(0, i-60):min(len(text), i+60)])
			return
		}
	}
}

// soundLedger stops grantd and checks its file, and that it is small.
func (f *fortress) soundLedger() {
	f.Helper()
	f.stop()
	dir := f.env["GRANTD_STATE_DIR"]
	size := int64(0)
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	if err != nil || size > 32<<20 {
		f.Errorf("the state directory has %d bytes, %v", size, err)
	}
	l, err := store.Open(f.ctx(), store.Options{Path: filepath.Join(dir, "grantd.db"), Tenant: domain, Audience: audience, ReadOnly: true})
	if err != nil {
		f.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			f.Error(err)
		}
	}()
	if err := l.Check(f.ctx()); err != nil {
		f.Errorf("the ledger: %v", err)
	}
}

// noWrites fails if anything was written to the tenant since the mark.
func (f *fortress) noWrites(mark int) {
	f.Helper()
	for _, c := range f.tenant.Calls()[mark:] {
		if c.Write() {
			f.Errorf("a write: %s %s %s", c.Method, c.Path, c.Body)
		}
	}
}

// announce posts registrations of these clients, as somebody who has the
// webhook's secret.
func (f *fortress) announce(ids ...string) receipt {
	f.Helper()
	var entries []json.RawMessage
	for _, id := range ids {
		entries = append(entries, registration(fmt.Sprintf("log-%d-%s", f.mark(), id), id, otherApp))
	}
	return f.post(body(entries))
}

// stranger adds a third-party client as it is, whatever Auth0 would have said to
// it.
func (f *fortress) stranger(name string, callbacks ...string) string {
	f.Helper()
	return f.tenant.AddClient(tenantsim.Client{
		Name: name, Callbacks: callbacks, AppType: "native", TokenEndpointAuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"},
	}).ID
}
