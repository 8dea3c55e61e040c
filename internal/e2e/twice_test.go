package e2e_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

// lines is the tenant's whole log as entries of a delivery.
func (w *world) lines() []json.RawMessage { return w.tenant.Logs() }

func body(entries []json.RawMessage) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		b.Write(e)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// The same delivery twice costs one set of writes and then no call at all, in
// any order and after a restart.
func TestSameDeliveryTwiceIsOneSetOfWrites(t *testing.T) {
	w := newWorld(t, setup{})
	ids := w.registerMany(4)
	for _, id := range ids {
		w.await(id, "ready")
	}
	w.idle()
	if got, want := len(w.tenant.Writes()), 2*len(ids); got != want {
		t.Fatalf("%d writes for %d clients, want %d", got, len(ids), want)
	}
	mark := w.mark()
	entries := w.lines()
	again := func(order string) {
		t.Helper()
		r := w.post(body(entries))
		if r.Received != len(entries) || r.Sightings != 0 || r.Registrations != 0 {
			t.Errorf("%s: %+v, want %d received and nothing new", order, r, len(entries))
		}
	}
	again("as before")
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	again("in another order")
	w.daemon.Kill()
	w.start()
	again("after a restart")
	w.warm()
	w.idle()
	if diff := cmp.Diff([]string{"GET /connections", "GET /resource-servers/{id}"}, w.calls(mark)); diff != "" {
		t.Errorf("calls, of the restart alone (-want +got):\n%s", diff)
	}
}

// The same delivery many times at once: one of them brings something new, the
// others find it known.
func TestSameDeliveryConcurrentlyIsOneSetOfWrites(t *testing.T) {
	w := newWorld(t, setup{delivery: tenantsim.Delivery{Manual: true}})
	ids := w.registerMany(10)
	delivery := body(w.lines())
	receipts := make([]receipt, 8)
	var wg sync.WaitGroup
	for i := range receipts {
		wg.Go(func() { receipts[i] = w.post(delivery) })
	}
	wg.Wait()
	registrations := 0
	for _, r := range receipts {
		registrations += r.Registrations
	}
	if registrations != len(ids) {
		t.Errorf("%d registrations were counted as new in all, want %d", registrations, len(ids))
	}
	for _, id := range ids {
		w.await(id, "ready")
	}
	if _, err := w.stream.Flush(w.ctx()); err != nil {
		t.Fatal(err)
	}
	w.idle()
	if got, want := len(w.tenant.Writes()), 2*len(ids); got != want {
		t.Errorf("%d writes for %d clients, want %d: %q", got, len(ids), want, w.calls(0))
	}
	for _, id := range ids {
		w.usable(id, "notes:read", "notes:write")
	}
}

// Auth0 delivers at least once and in no order.
func TestShuffledDeliveriesWithCopies(t *testing.T) {
	w := newWorld(t, setup{delivery: tenantsim.Delivery{Copies: 2, Shuffle: true, Batch: 3, Gzip: true}})
	ids := w.registerMany(10)
	for _, id := range ids {
		w.await(id, "ready")
	}
	w.idle()
	if got, want := len(w.tenant.Writes()), 2*len(ids); got != want {
		t.Errorf("%d writes for %d clients, want %d", got, len(ids), want)
	}
}

// Webhook and poll both bring every entry: one set of writes. And what the
// webhook lost, the poll finds.
func TestWebhookAndPollBothAreOneSetOfWrites(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}})
	mark := w.mark()
	both := w.registerMany(3)
	for _, id := range both {
		if c := w.await(id, "ready"); c.FirstSeenFeed != "webhook" {
			t.Logf("the poll was faster: %s", c.FirstSeenFeed)
		}
	}
	w.stream.Hold()
	late := w.register("late")
	if c := w.await(late.ID, "ready"); c.FirstSeenFeed != "poll" {
		t.Errorf("first seen by %q, want poll", c.FirstSeenFeed)
	}
	w.stream.Release()
	w.idle()
	w.polled()
	want := []string{
		"GET /clients/{id}", "GET /clients/{id}", "GET /clients/{id}", "GET /clients/{id}",
		"PATCH /clients/{id}", "PATCH /clients/{id}", "PATCH /clients/{id}", "PATCH /clients/{id}",
		"POST /client-grants", "POST /client-grants", "POST /client-grants", "POST /client-grants",
	}
	if diff := cmp.Diff(want, w.calls(mark)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// Our own writes, coming back as log entries by webhook and by poll, cause no
// call; an admin's write to the same client does.
func TestOwnWritesComingBackCauseNoCalls(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}, perClient: true, tenant: tenantsim.Options{DCR: tenantsim.DCRPermissive}})
	mark := w.mark()
	c := w.register("first")
	w.await(c.ID, "ready")
	w.idle()
	w.polled()
	want := []string{
		"GET /clients/{id}", "GET /clients/{id}/connections",
		"PATCH /clients/{id}", "PATCH /connections/{id}/clients", "POST /client-grants",
	}
	if diff := cmp.Diff(want, w.calls(mark)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	mark = w.mark()
	w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"description": "mine"})
	w.eventually("the admin's write is looked at", func() bool { return len(w.calls(mark)) > 0 })
}
