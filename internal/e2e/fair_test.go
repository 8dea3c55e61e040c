package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// One address that registers as fast as it may does not keep another waiting:
// the sources take turns, also at two calls a second.
func TestStrangerWhoRegistersManyDoesNotDelayOthers(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, delivery: tenantsim.Delivery{Manual: true}})
	register := func(name, ip string) string {
		r := tenantsim.ChatGPT(name)
		r.IP = ip
		c, err := w.tenant.Register(r)
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	var strangers []string
	for i := range 80 {
		strangers = append(strangers, register(fmt.Sprint("s", i), "198.51.100.7"))
	}
	flood := w.lines()
	victim := register("victim", "203.0.113.80")
	delivery := w.lines()[len(flood):]
	w.tenant.SetPlan(tenantsim.Free) // which holds ten applications; more are here
	w.start()
	w.eventually("grantd has its token", func() bool { return w.mark() > 0 })
	if r := w.post(body(flood)); r.Registrations != len(strangers) {
		t.Fatalf("receipt: %+v", r)
	}
	w.eventually("the flood is being worked on", func() bool { return w.counts(0)["GET /clients/{id}"] >= 2 })
	w.post(body(delivery))
	taken := time.Now()
	w.await(victim, "ready")
	var before, mine, served int
	for _, c := range w.tenant.Calls() {
		switch {
		case c.Status == 429: // a machine that stalls has calls arrive together
		case strings.Contains(c.Path+string(c.Body), victim):
			mine++
		case mine < 3 && c.At.After(taken):
			before++
		}
		if mine < 3 && c.Operation == "POST /client-grants" {
			served++
		}
	}
	// Its three calls take turns with the stranger's, whose clients under way may
	// each have one call in the queue that cannot be called back.
	if mine != 3 || before > 10 {
		t.Errorf("%d calls for the client, after %d of the stranger's; want 3 after a few", mine, before)
	}
	if served > len(strangers)/2 {
		t.Errorf("%d clients were served before: the stranger's were not held up by the limit, so this shows nothing", served)
	}
}

// A person who waits goes before the repair of everything.
func TestRegistrationGoesBeforeRepair(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, delivery: tenantsim.Delivery{Manual: true}})
	ids := w.settle(60)
	w.tenant.SetPlan(tenantsim.EnterpriseNonProduction) // 10 at once, 2 a second
	w.start()
	w.eventually("repair is under way", func() bool { return w.writes(0) >= 4 })
	c := w.register("first")
	w.post(body(w.lines()))
	taken := time.Now()
	w.await(c.ID, "ready")
	var before, mine, repaired int
	for _, call := range w.tenant.Calls() {
		switch {
		case call.Status == 429: // as above
		case strings.Contains(call.Path+string(call.Body), c.ID):
			mine++
		case mine < 3 && call.At.After(taken):
			before++
		}
		if mine < 3 && call.Operation == "POST /client-grants" {
			repaired++
		}
	}
	if mine != 3 || before > 12 {
		t.Errorf("%d calls for a fresh registration, after %d of the repair; want 3 after a few", mine, before)
	}
	if len(ids)-repaired < 20 {
		t.Errorf("%d of %d clients were repaired before: this shows nothing", repaired, len(ids))
	}
}
