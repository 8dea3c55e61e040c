package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// stormWorld is a world whose alarms are counted, where a storm is more than n.
func stormWorld(t *testing.T, s setup, n int, hold bool) (*world, map[reconcile.Alarm]int) {
	t.Helper()
	w := fightWorld(t, s)
	alarms := map[reconcile.Alarm]int{}
	w.rebuild(func(o *reconcile.Options) {
		o.Settings.StormAfter, o.Settings.StormHold = n, hold
		o.OnAlarm = func(a reconcile.Alarm) { alarms[a]++ }
	})
	if err := w.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.tenant.ResetCalls()
	return w, alarms
}

// Those beyond wait behind everything else, with what was read of them: nothing
// is lost, and no call is made twice.
func TestRegistrationStorm(t *testing.T) {
	for name, s := range map[string]setup{"strict": domainLevel(), "permissive": permissive()} {
		t.Run(name, func(t *testing.T) {
			w, alarms := stormWorld(t, s, 3, false)
			var ids []string
			for i := range 6 {
				id := w.onboard(i)
				ids = append(ids, id)
				o := w.look(id)
				if i < 3 {
					w.wantPhase(o, dcr.Ready, "")
					continue
				}
				w.wantPhase(o, dcr.Pending, dcr.RegistrationStorm)
				if r := w.record(id); r.Class != dcr.Background || !r.NextAttemptAt.Equal(w.clock.now()) || len(o.Changes) > 0 || r.Attempts != 0 {
					t.Errorf("record %+v", r)
				}
			}
			if !w.Storm() || alarms[reconcile.AlarmStorm] != 1 || !w.log.has(`level=ERROR msg="[dcr] registration storm" registrations=4`) {
				t.Errorf("storm %v, alarms %v", w.Storm(), alarms)
			}
			w.tenant.ResetCalls()
			w.drain()
			calls := []string{patchClient, createGrant}
			if name == "permissive" {
				calls = append(calls, patchMembers, clientConnections)
			}
			w.wantCalls(append(append(append([]string{}, calls...), calls...), calls...)...)
			for _, id := range ids {
				if r := w.record(id); r.Phase != dcr.Ready || r.Unread {
					t.Errorf("%s: %s %s", id, r.Phase, r.Reason)
				}
			}
			w.clock.advance(10*time.Minute - time.Second)
			if !w.Storm() {
				t.Error("over too early")
			}
			w.clock.advance(time.Second)
			if w.Storm() || w.Crowded() || !w.log.has(`level=INFO msg="[dcr] registration storm is over"`) || alarms[reconcile.AlarmStorm] != 1 {
				t.Errorf("not over: alarms %v", alarms)
			}
		})
	}
}

// A registration counts once, when it is new and the client is eligible.
func TestWhatCountsForAStorm(t *testing.T) {
	w, alarms := stormWorld(t, domainLevel(), 2, false)
	at := func(n int, registered time.Duration) string {
		id := w.register(n)
		if _, err := w.ledger.Record(t.Context(), store.Batch{Feed: dcr.FeedPoll, Sightings: []dcr.Sighting{{
			Kind: dcr.Registered, Class: dcr.Urgent, ClientID: id, LogID: fmt.Sprint("at", n), At: w.clock.now().Add(-registered),
		}}}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	for i := range 5 { // found late
		w.wantPhase(w.look(at(i, 11*time.Minute)), dcr.Ready, "")
	}
	for i := range 5 { // not eligible
		c := w.tenant.AddClient(tenantsim.Client{Callbacks: []string{fmt.Sprintf("https://evil.example.com/%d", i)}})
		w.sight(c.ID, dcr.Registered)
		w.wantPhase(w.look(c.ID), dcr.Refused, dcr.CallbackNotAllowed)
	}
	w.fill(5) // found by a sweep
	w.sweep()
	w.drain()
	if w.Crowded() {
		t.Fatal("something counted")
	}
	id := at(10, -time.Minute) // the clock of Auth0 is ahead
	for range 5 {
		w.wantPhase(w.look(id), dcr.Ready, "")
		w.sight(id, dcr.Registered)
	}
	if w.Crowded() || w.Storm() {
		t.Error("one counted more than once")
	}
	w.wantPhase(w.look(at(11, 9*time.Minute)), dcr.Ready, "")
	if !w.Crowded() || w.Storm() {
		t.Error("two do not count as two")
	}
	w.wantPhase(w.look(at(12, 0)), dcr.Pending, dcr.RegistrationStorm)
	if alarms[reconcile.AlarmStorm] != 1 {
		t.Errorf("alarms %v", alarms)
	}
	s := w.options.Settings
	s.StormAfter = 100 // by reload
	w.SetSettings(s)
	if w.Storm() || w.Crowded() {
		t.Error("the new limit is not in force")
	}
}

// With StormHold those beyond are held until somebody releases them, and then
// let through.
func TestStormHold(t *testing.T) {
	w, alarms := stormWorld(t, domainLevel(), 1, true)
	w.wantPhase(w.look(w.onboard(1)), dcr.Ready, "")
	id := w.onboard(2)
	w.tenant.ResetCalls()
	w.wantPhase(w.look(id), dcr.Blocked, dcr.Held)
	w.wantCalls(getClient)
	holds, err := w.ledger.Holds(t.Context())
	if err != nil || len(holds) != 1 || holds[0].Reason != dcr.RegistrationStorm || holds[0].ClientID != id || holds[0].Scope != dcr.HoldClient {
		t.Fatalf("holds %+v, %v", holds, err)
	}
	w.clock.advance(time.Second)
	w.sight(id, dcr.Changed)
	w.tenant.ResetCalls()
	w.wantPhase(w.look(id), dcr.Blocked, dcr.Held)
	w.wantCalls()
	released := holds[0]
	released.Until = w.clock.now()
	w.hold(id, released)
	w.sight(id, dcr.Changed)
	w.wantPhase(w.look(id), dcr.Ready, "")
	if holds, _ := w.ledger.Holds(t.Context()); len(holds) != 1 || alarms[reconcile.AlarmStorm] != 1 {
		t.Errorf("held again: %+v, %v", holds, alarms)
	}
}

// In a crowd too, everything becomes ready, and for everybody one look is enough.
func TestStormInTheLoop(t *testing.T) {
	w, _ := stormWorld(t, domainLevel(), 20, false)
	var ids []string
	for i := range 60 {
		ids = append(ids, w.onboard(i))
	}
	loop := reconcile.NewLoop(reconcile.LoopOptions{Ledger: w.ledger, Reconciler: w.Reconciler, Logger: slog.New(slog.DiscardHandler), Now: w.clock.now})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	await(t, "all are ready", func() bool {
		c, err := w.ledger.Counts(t.Context())
		return err == nil && c[dcr.Ready] == len(ids)
	})
	w.wantCounts(map[string]int{getClient: 60, patchClient: 60, createGrant: 60})
}
