package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

// What others did while grantd was stopped, and of which no log entry ever
// comes, is found by lists at the next start, and put right by one write each.
func TestSweepAtStartRepairsWhatWasMissed(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]string{
		"the log was never polled": "GRANTD_POLL_SCHEDULE=@every 1h",
		"a sweep was missed":       "GRANTD_SWEEP_SCHEDULE=@every 1s",
	} {
		t.Run(name, func(t *testing.T) { testGap(t, env) })
	}
}

func testGap(t *testing.T, env string) {
	w := newWorld(t, setup{})
	ids := w.registerMany(205)
	w.converged(ids, "notes:read", "notes:write")
	w.idle()
	w.stop()
	stopped := time.Now()

	// The log tells of none of it: not by stream, and search shows nothing yet.
	w.stream.Pause()
	w.tenant.SetSearchDelay(time.Hour, 0)
	var want []string
	edit := func(repair, method, path string, body any) {
		w.edit(tenantsim.Admin(), method, path, body)
		want = append(want, repair)
	}
	const client, grant = "PATCH /clients/{id}", "PATCH /client-grants/{id}"
	edit("POST /client-grants", "DELETE", w.grantPath(ids[0]), nil)
	edit(grant, "PATCH", w.grantPath(ids[1]), map[string]any{"scope": []string{"notes:read"}})
	edit(grant, "PATCH", w.grantPath(ids[101]), map[string]any{"scope": []string{"notes:read", "notes:share", "notes:write"}})
	edit(client, "PATCH", "/api/v2/clients/"+ids[102], map[string]any{"app_type": "spa"})
	edit(client, "PATCH", "/api/v2/clients/"+ids[204], map[string]any{"grant_types": []string{"authorization_code"}})
	gone := []string{ids[3], ids[203]}
	for _, id := range gone {
		w.tenant.DeleteClient(id)
	}
	fresh := w.registerMany(3)
	unseen := w.settle(2)
	for range 5 {
		want = append(want, "PATCH /clients/{id}", "POST /client-grants")
	}
	// The lists, in pages of 100: 204 or so grants and 207 or so clients.
	want = append(want, "GET /connections", "GET /resource-servers/{id}")
	want = append(want, slices.Repeat([]string{"GET /client-grants", "GET /clients"}, 3)...)
	for range gone { // what is not listed is looked at, once
		want = append(want, "GET /clients/{id}", "GET /client-grants")
	}

	w.past(stopped.Add(time.Second)) // when the schedule wanted a sweep
	mark := w.mark()
	w.set(env)
	w.start()
	w.warm()
	w.eventually("the sweep has ended", func() bool { return w.swept() > 0 })
	all := slices.DeleteFunc(slices.Concat(ids, fresh, unseen), func(id string) bool { return slices.Contains(gone, id) })
	w.converged(all, "notes:read", "notes:write")
	for _, id := range gone {
		w.await(id, "gone")
	}
	w.eventually("nothing is due", func() bool { return w.due() == 0 })
	slices.Sort(want)
	got := w.calls(mark)
	if strings.HasPrefix(env, "GRANTD_SWEEP_SCHEDULE") { // it goes on sweeping, and reads after a minute what all share
		lists := func(op string) bool {
			return slices.Contains([]string{"GET /clients", "GET /client-grants", "GET /connections", "GET /resource-servers/{id}"}, op)
		}
		want, got = slices.DeleteFunc(want, lists), slices.DeleteFunc(got, lists)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	for _, id := range slices.Concat(fresh, unseen) {
		if c := w.await(id, "ready"); c.FirstSeenFeed != "sweep" {
			t.Errorf("%s was first seen by %q, want sweep", id, c.FirstSeenFeed)
		}
	}
	if h := w.health(); h.Clients["ready"] != len(all) || h.Clients["gone"] != len(gone) || h.Clients["pending"] != 0 {
		t.Errorf("clients: %+v", h.Clients)
	}
	if j := w.journal(ids[1]); len(j) == 0 || j[0].Cause.Feed != "sweep" {
		t.Errorf("journal of a repaired client: %+v", j)
	}
	w.stop()
	w.checkLedger()
}

// A tenant in sync is verified by its lists alone, by the schedule and by
// command, and nothing is written.
func TestSweepOfATenantInSyncCostsItsListsAlone(t *testing.T) {
	w := newWorld(t, setup{})
	ids := w.registerMany(120)
	w.converged(ids, "notes:read", "notes:write")
	w.idle()
	mark := w.mark()
	out, code := w.run("sync")
	if code != 0 {
		t.Errorf("sync: exit %d\n%s", code, out)
	}
	want := map[string]int{"GET /clients": 2, "GET /client-grants": 2}
	got := w.counts(mark)
	maps.DeleteFunc(got, func(op string, n int) bool { // known for less than a minute, or read again
		return n == 1 && (op == "GET /connections" || op == "GET /resource-servers/{id}")
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls of a sync (-want +got):\n%s", diff)
	}
	mark = w.mark()
	if out, code := w.run("plan"); code != 0 {
		t.Errorf("plan: exit %d\n%s", code, out)
	}
	if n := w.writes(mark); n != 0 || w.counts(mark)["GET /clients/{id}"] != 0 {
		t.Errorf("calls of a plan: %v", w.counts(mark))
	}
}

// plan shows drift, changes nothing and exits 3; sync puts it right and exits
// 0; then plan has nothing to show. With and without a daemon.
func TestPlanAndSync(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("daemon %v", running), func(t *testing.T) {
			w := newWorld(t, setup{})
			const left = "https://left.example.com"
			w.tenant.AddAPI(left, "notes:read")
			ids := w.registerMany(3)
			w.converged(ids, "notes:read", "notes:write")
			w.idle()
			w.stream.Pause() // nothing but the command tells of it
			w.edit(tenantsim.Admin(), "DELETE", w.grantPath(ids[1]), nil)
			if !running {
				w.stop()
			}
			mark := w.mark()
			for range 2 {
				out, code := w.run("plan")
				if code != 3 || !strings.Contains(out, ids[1]) || strings.Contains(out, ids[0]) {
					t.Errorf("plan: exit %d, want 3 and the one client\n%s", code, out)
				}
			}
			if n := w.writes(mark); n != 0 {
				t.Errorf("plan wrote: %q", w.calls(mark))
			}
			if out, code := w.run("sync", "--json"); code != 0 {
				t.Errorf("sync: exit %d\n%s", code, out)
			}
			if n := w.writes(mark); n != 1 {
				t.Errorf("%d writes, want 1: %q", n, w.calls(mark))
			}
			if left := w.notAsDesired(ids, "notes:read", "notes:write"); len(left) > 0 {
				t.Errorf("when sync had ended, %q were not as desired", left)
			}
			if out, code := w.run("plan"); code != 0 {
				t.Errorf("plan after the sync: exit %d\n%s", code, out)
			}
			if running {
				w.stop()
			}
			w.checkLedger()
		})
	}
}

// kill -9 in the middle of a sweep, and twice in the middle of the repair that
// it asked for: each next start goes on with what is left. Nothing that was
// repaired is written again.
func TestKillInTheMiddleOfASweepAndOfARepair(t *testing.T) {
	const clients, pages, kills = 850, 9, 3
	const underWay = 128 // writes at a kill at the most, one a worker
	w := newWorld(t, setup{unstarted: true, delivery: tenantsim.Delivery{Manual: true}})
	ids := w.settle(clients)
	const list, write = "GET /clients", "POST /client-grants"
	var log string
	for _, middle := range []struct { // of a sweep whose pages hold 100 clients
		operation string
		after     int
	}{{list, 2}, {write, 250}, {write, 200}} {
		stalled := w.stall(middle.operation, middle.after)
		w.start()
		w.eventually(fmt.Sprintf("%d times %s", middle.after, middle.operation), stalled)
		w.daemon.Kill()
		log += w.daemon.Logged()
	}
	if left := len(w.notAsDesired(ids, "notes:read", "notes:write")); left < 200 {
		t.Errorf("%d clients were left to repair at the last kill: this shows nothing", left)
	}
	w.tenant.Faults(nil)
	w.start()
	w.converged(ids, "notes:read", "notes:write")
	w.eventually("all are ready", func() bool { return w.health().Clients["ready"] == clients })
	w.eventually("the sweep that was cut short has ended", func() bool {
		return strings.Contains(log+w.daemon.Logged(), `"resumed":true`)
	})
	if n := w.writes(0); n > 2*clients+kills*underWay {
		t.Errorf("%d writes for %d clients, want two each, and at most the %d more that were under way at a kill", n, clients, kills*underWay)
	}
	if n := w.counts(0)[list]; n > pages+2*kills {
		t.Errorf("%d pages of clients were listed in all, want %d and one or two more a kill: kills do not ask for sweeps", n, pages)
	}
	w.stop()
	w.checkLedger()
}

// Where /clients knows no checkpoints and ends at the 1,000th, no request goes
// past the end, and those beyond it are found by their grants and read singly.
func TestTenantThatListsTheFirstThousandOnly(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, delivery: tenantsim.Delivery{Manual: true},
		tenant: tenantsim.Options{Quirks: tenantsim.Quirks{ClientPaging: tenantsim.PagingRefused}}})
	ids := w.settle(1050, "notes:read")
	w.start()
	w.converged(ids, "notes:read", "notes:write")
	w.eventually("all are ready", func() bool { return w.health().Clients["ready"] == len(ids) })
	bad := 0
	for _, c := range w.tenant.Calls() {
		if c.Status >= 400 {
			bad++
			if !strings.Contains(c.Query, "take=") {
				t.Errorf("%s?%s was answered with %d", c.Operation, c.Query, c.Status)
			}
		}
	}
	if bad != 1 { // whether there are checkpoints must be asked once
		t.Errorf("%d requests were refused, want 1", bad)
	}
	// A sweep that a stall made fail goes on with the page where it was.
	count, failed := w.counts(0), strings.Count(w.daemon.Logged(), `"msg":"sweep failed"`)
	looks, pages := count["GET /clients/{id}"], count["GET /clients"]
	if looks < 50 || looks > 50*(1+failed) || pages < 11 || pages > 11+failed {
		t.Errorf("calls: %v; want 50 clients read singly, and ten pages after the refusal", count)
	}
	if n := w.writes(0); n != 2*len(ids) {
		t.Errorf("%d writes, want %d", n, 2*len(ids))
	}
	// The next sweep finds all in order; those beyond the end are read once more.
	mark := w.mark()
	if out, code := w.run("sync"); code != 0 {
		t.Errorf("sync: exit %d\n%s", code, out)
	}
	if n := w.writes(mark); n != 0 {
		t.Errorf("%d writes in sync", n)
	}
	if n := w.counts(mark)["GET /clients"]; n != 10 {
		t.Errorf("%d pages of clients, want 10", n)
	}
}

// What is none of grantd's business is as it was, after all that a sweep does.
func TestOthersAreUntouchedBySweeps(t *testing.T) {
	w := newWorld(t, setup{unstarted: true})
	add := func(c tenantsim.Client, scopes ...string) string {
		id := w.tenant.AddClient(c).ID
		if len(scopes) > 0 {
			w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, Scopes: scopes})
			w.tenant.AddGrant(tenantsim.Grant{ClientID: id, Audience: audience, SubjectType: tenantsim.SubjectClient, Scopes: scopes})
		}
		return id
	}
	for i := range 120 {
		add(tenantsim.Client{Name: fmt.Sprintf("Shop %d", i), FirstParty: true, Callbacks: []string{dialog}}, "notes:read", "notes:share")
	}
	add(tenantsim.Client{Name: "Bot", AppType: "non_interactive", Callbacks: []string{dialog}}, "notes:share")
	add(tenantsim.Client{Name: "Bot", GrantTypes: []string{"authorization_code", "client_credentials"}, Callbacks: []string{dialog}}, "notes:share")
	add(tenantsim.Client{Name: "Bare", Callbacks: []string{}}, "notes:share")
	add(tenantsim.Client{Name: "Evil", Callbacks: []string{"https://evil.example/callback"}}, "notes:share")
	add(tenantsim.Client{Name: "Half", Callbacks: []string{dialog, "https://evil.example/callback"}})
	w.tenant.AddGrant(tenantsim.Grant{DefaultFor: tenantsim.DefaultThirdParty, Audience: audience, Scopes: []string{"notes:share"}})
	mine := w.settle(10)
	machine := w.settle(1)[0] // one of ours with a machine-to-machine grant besides
	m2m := w.tenant.AddGrant(tenantsim.Grant{ClientID: machine, Audience: audience, SubjectType: tenantsim.SubjectClient, Scopes: []string{"notes:share"}})

	type other struct {
		Client tenantsim.Client
		Grants []tenantsim.Grant
	}
	others := func() map[string]other {
		all := map[string]other{"": {Grants: w.tenant.Grants("")}}
		for _, c := range w.tenant.Clients() {
			if !slices.Contains(mine, c.ID) && c.ID != machine {
				all[c.ID] = other{c, w.tenant.Grants(c.ID)}
			}
		}
		return all
	}
	before := others()
	w.start()
	w.warm()
	w.converged(mine, "notes:read", "notes:write")
	for _, step := range []func(){
		func() { w.run("sync", "--adopt") },
		func() { w.reloadAndWait("TOOL_SCOPES=notes:read notes:share notes:write") },
		func() { w.reloadAndWait("TOOL_SCOPES=notes:read", "GRANTD_SCOPE_MODE=exact") },
		func() { w.daemon.Kill(); w.start() },
		func() { w.run("sync", "--adopt") },
	} {
		step()
		w.idle()
	}
	w.converged(mine, "notes:read")
	if diff := cmp.Diff(before, others(), cmp.AllowUnexported(tenantsim.Client{}, tenantsim.Grant{})); diff != "" {
		t.Errorf("what is others' changed (-before +after):\n%s", diff)
	}
	if i := slices.IndexFunc(w.tenant.Grants(machine), func(g tenantsim.Grant) bool { return g.ID == m2m.ID }); i < 0 ||
		!slices.Equal(w.tenant.Grants(machine)[i].Scopes, m2m.Scopes) {
		t.Errorf("the machine-to-machine grant: %+v", w.tenant.Grants(machine))
	}
	for _, c := range w.tenant.Writes() {
		if strings.HasPrefix(c.Operation, "PATCH /clients/") && !slices.ContainsFunc(append(mine, machine), func(id string) bool { return strings.HasSuffix(c.Path, id) }) {
			t.Errorf("a write to another client: %s %s", c.Method, c.Path)
		}
	}
}

// A client that registers while a sweep is at the tenant's lists is not found
// wanting what the lists were too early for.
func TestSweepDoesNotDisturbClientsThatRegisterMeanwhile(t *testing.T) {
	w := newWorld(t, setup{})
	w.settle(150, "notes:read", "notes:write")
	var release sync.Once
	listing, goOn := make(chan struct{}, 9), make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.URL.Path == "/api/v2/clients" { // the grants were listed before
			listing <- struct{}{}
			<-goOn
		}
		return tenantsim.Fault{}
	})
	defer release.Do(func() { close(goOn) })
	ended := make(chan int)
	go func() {
		_, code := w.run("sync")
		ended <- code
	}()
	<-listing
	mark := w.mark()
	c := w.register("meanwhile")
	w.await(c.ID, "ready")
	release.Do(func() { close(goOn) })
	if code := <-ended; code != 0 {
		t.Errorf("sync: exit %d", code)
	}
	w.idle()
	n := 0
	for _, call := range w.tenant.Calls()[mark:] {
		if strings.Contains(call.Path+call.Query+string(call.Body), c.ID) {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d calls for the client, want the 3 of its registration: %q", n, w.calls(mark))
	}
	w.usable(c.ID, "notes:read", "notes:write")
}
