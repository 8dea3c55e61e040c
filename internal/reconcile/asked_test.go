package reconcile_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/reconcile"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// A sweep by the clock leaves a client alone that waits for a person; one that
// a person asks for does not, and neither does one for which something was
// edited that may have been what the client waited for.
func TestSweepAskedForTriesBlockedAgain(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.fill(1, "notes:read")[0]
	w.tenant.SetScopes(ownID, without("update:client_grants")...)
	w.tenant.RevokeTokens()
	w.sweep()
	w.drain()
	if r := w.record(id); r.Phase != dcr.Blocked {
		t.Fatalf("%+v", r)
	}
	found := w.runSweeper((*reconcile.Sweeper).Request)
	if r := w.record(id); r.Phase != dcr.Blocked || found.Blocked != 1 || found.Due != 0 {
		t.Errorf("by the clock: %+v, %+v", r, found)
	}
	other := desire(t, func(d *plan.Desired) { d.Scopes = []string{"notes:write"} })
	w.SetSettings(other)
	w.runSweeper((*reconcile.Sweeper).Request)
	if r := w.record(id); r.Phase != dcr.Pending {
		t.Errorf("another desired state: %+v", r)
	}
	w.drain()
	w.sweep()
	if r := w.record(id); r.Phase != dcr.Pending || r.Reason != dcr.Drifted {
		t.Errorf("asked for: %+v", r)
	}
	w.drain()
	if r := w.record(id); r.Phase != dcr.Blocked {
		t.Fatalf("%+v", r)
	}
	w.runSweeper((*reconcile.Sweeper).Follow)
	if r := w.record(id); r.Phase != dcr.Pending || r.Reason != dcr.Drifted {
		t.Errorf("after an edit of a connection or the API: %+v", r)
	}
}

// Blocked clients are tried again for an edit also when the sweep that follows it
// fails at first.
func TestFollowFailsAtFirst(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.fill(1, "notes:read")[0]
	w.tenant.SetScopes(ownID, without("update:client_grants")...)
	w.tenant.RevokeTokens()
	w.sweep()
	w.drain()
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if strings.HasSuffix(r.URL.Path, "/client-grants") {
			return tenantsim.Fault{Kind: tenantsim.InternalError}
		}
		return tenantsim.Fault{}
	})
	swept := make(chan error, 2)
	s := w.sweeper(func(o *reconcile.SweeperOptions) { o.OnSwept = func(_ reconcile.Sweep, err error) { swept <- err } })
	s.Follow()
	defer w.running(s)()
	if err := <-swept; err == nil {
		t.Fatal("the sweep did not fail")
	}
	w.tenant.Faults(nil)
	s.Resume()
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	if r := w.record(id); r.Phase != dcr.Pending || r.Reason != dcr.Drifted {
		t.Errorf("%+v", r)
	}
}

// listerWith does something once grants were listed.
type listerWith struct {
	reconcile.Lister
	then func()
}

func (l listerWith) UserGrants(ctx context.Context, audience, from string) (auth0.GrantPage, error) {
	page, err := l.Lister.UserGrants(ctx, audience, from)
	l.then()
	return page, err
}

// A client that got its grant while the sweep listed is not taken for one
// without: its grant is newer than the list of grants.
func TestSweepAndAClientOnboardedMeanwhile(t *testing.T) {
	w := newWorld(t, domainLevel())
	w.sweptBefore()
	var id string
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.Lister = listerWith{Lister: w.client, then: func() {
			w.clock.advance(time.Second)
			id = w.onboard(1)
			w.look(id)
			w.clock.advance(time.Second)
		}}
	})
	if _, err := s.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if r := w.record(id); r.Phase != dcr.Ready {
		t.Errorf("%s %s", r.Phase, r.Reason)
	}
}

// Where a worker writes while a sweep looks, what the sweep saw may be older.
func TestSweepAndAWorkerMeanwhile(t *testing.T) {
	for name, later := range map[string]time.Duration{"at the same moment": 0, "and has done since": time.Second} {
		t.Run(name, func(t *testing.T) { sweepAndAWorker(t, later) })
	}
}

// sweepAndAWorker lets a worker save that much later than a sweep looked.
func sweepAndAWorker(t *testing.T, later time.Duration) {
	w := newWorld(t, domainLevel())
	id := w.recorded(1)[0]
	w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
	created, swept := make(chan struct{}), make(chan struct{})
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		// The worker's last call waits for the sweep, which lists before it is made.
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/client-grants") {
			close(created)
			<-swept
			w.tenant.Faults(nil)
		}
		return tenantsim.Fault{}
	})
	if _, err := w.ledger.Requeue(t.Context(), store.All, dcr.Background, dcr.Cause{}); err != nil {
		t.Fatal(err)
	}
	w.start(nil)
	<-created
	w.sweep()
	w.clock.advance(later)
	close(swept)
	await(t, "the client is ready", func() bool { return w.ready(id) })
	if n := w.tenant.Count(createGrant); later > 0 && n != 1 {
		t.Errorf("the grant was created %d times, though the worker looked after the sweep", n)
	}
	if w.log.has("changed_meanwhile") {
		t.Error("a conflict with our own write counts as a failure")
	}
}

// sweptLedger does something once what a sweep found is kept.
type sweptLedger struct {
	*store.Ledger
	then func()
}

func (l sweptLedger) SaveSwept(ctx context.Context, found []store.Swept) ([]uint64, error) {
	seqs, err := l.Ledger.SaveSwept(ctx, found)
	l.then()
	return seqs, err
}

// A worker that comes between a page being kept and what was seen of it being
// put aside waits for the latter, and need not look again.
func TestWorkerComesWhileASweepSaves(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.recorded(1)[0]
	w.tenant.Do(tenantsim.Admin(), "DELETE", "/api/v2/client-grants/"+w.tenant.Grants(id)[0].ID, nil)
	w.tenant.ResetCalls()
	worked := make(chan dcr.Outcome, 1)
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.Ledger = sweptLedger{w.ledger, func() {
			go func() { worked <- w.Reconcile(context.WithoutCancel(t.Context()), w.record(id)) }()
			// Nobody can tell that the worker waits; only that it does not go on.
			select {
			case o := <-worked:
				worked <- o
			case <-time.After(50 * time.Millisecond):
			}
		}}
	})
	if _, err := s.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.wantPhase(<-worked, dcr.Ready, "")
	if n := w.tenant.Count(getClient); n > 0 {
		t.Errorf("the client was read %d times though the sweep had seen it", n)
	}
}
