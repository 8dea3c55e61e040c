package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
	"grantd/internal/tenantsim"
)

const (
	listClients = "GET /clients"
	listMembers = "GET /connections/{id}/clients"
)

// sweeper is a Sweeper over the world, and what it told.
func (w *world) sweeper(edit ...func(*reconcile.SweeperOptions)) *reconcile.Sweeper {
	o := reconcile.SweeperOptions{
		Ledger: w.ledger, Lister: w.client, Reconciler: w.Reconciler, Logger: slog.New(slog.DiscardHandler), Now: w.clock.now,
	}
	for _, e := range edit {
		e(&o)
	}
	return reconcile.NewSweeper(o)
}

// sweep sweeps once.
func (w *world) sweep() reconcile.Sweep {
	w.tb.Helper()
	s, err := w.sweeper().Sweep(w.tb.Context(), nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	return s
}

// running runs a Sweeper until stop is called, which waits for its end.
func (w *world) running(s *reconcile.Sweeper) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.tb.Context()))
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	return func() { cancel(); <-ended }
}

// runSweeper runs a Sweeper that is asked for a sweep, until it has made it.
func (w *world) runSweeper(ask func(*reconcile.Sweeper)) reconcile.Sweep {
	w.tb.Helper()
	swept := make(chan reconcile.Sweep, 1)
	s := w.sweeper(func(o *reconcile.SweeperOptions) {
		o.OnSwept = func(s reconcile.Sweep, err error) {
			if err != nil {
				w.tb.Error(err)
			}
			swept <- s
		}
	})
	ask(s)
	defer w.running(s)()
	return <-swept
}

// asDesired is a client that has all it needs.
func asDesired(n int) tenantsim.Client {
	return tenantsim.Client{
		Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", n)},
		AppType: "regular_web", TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	}
}

// fill puts n clients with a grant into the tenant, of which nobody hears.
func (w *world) fill(n int, scopes ...string) []string {
	w.tb.Helper()
	if scopes == nil {
		scopes = []string{"notes:read", "notes:write"}
	}
	ids := make([]string, n)
	for i := range ids {
		c := w.tenant.AddClient(asDesired(i))
		w.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, Scopes: scopes})
		ids[i] = c.ID
	}
	return ids
}

// recorded is fill, and a first sweep that recorded them all as ready.
func (w *world) recorded(n int) []string {
	w.tb.Helper()
	ids := w.fill(n)
	if s := w.sweep(); s.InSync != n {
		w.tb.Fatalf("first sweep: %+v", s)
	}
	if _, err := w.ledger.SetDigest(w.tb.Context(), desire(w.tb, nil).Desired.Digest()); err != nil {
		w.tb.Fatal(err)
	}
	w.adopt()
	w.clock.advance(2 * time.Minute)
	w.tenant.ResetCalls()
	return ids
}

// sweptBefore makes the ledger one of a tenant that was swept long ago.
func (w *world) sweptBefore() {
	w.tb.Helper()
	if err := w.ledger.SetFeed(w.tb.Context(), dcr.FeedSweep, dcr.FeedStatus{LastSuccessAt: w.clock.now().Add(-time.Hour)}); err != nil {
		w.tb.Fatal(err)
	}
}

// adopt gives grantd the grants that were there before it.
func (w *world) adopt() {
	w.tb.Helper()
	if _, err := w.ledger.Adopt(w.tb.Context()); err != nil {
		w.tb.Fatal(err)
	}
}

// drain does all that is due, whatever its class, and saves it.
func (w *world) drain() {
	w.tb.Helper()
	for {
		var ids []string
		for _, class := range []dcr.Class{dcr.Urgent, dcr.Background} {
			due, _, err := w.ledger.Due(w.tb.Context(), class, w.clock.now(), 10_000)
			if err != nil {
				w.tb.Fatal(err)
			}
			for _, d := range due {
				ids = append(ids, d.ID)
			}
		}
		if len(ids) == 0 {
			return
		}
		for _, id := range ids {
			w.look(id)
		}
	}
}

// counts returns how often each operation was called.
func counts(ops []string) map[string]int {
	n := map[string]int{}
	for _, op := range ops {
		n[op]++
	}
	return n
}

func (w *world) wantCounts(want map[string]int) {
	w.tb.Helper()
	if diff := cmp.Diff(want, counts(w.calls())); diff != "" {
		w.tb.Errorf("calls (-want +got):\n%s", diff)
	}
}

func (w *world) wantGrant(id string, scopes ...string) {
	w.tb.Helper()
	g, ok := w.tenant.UserGrant(id, audience)
	slices.Sort(g.Scopes)
	if !ok || !slices.Equal(g.Scopes, scopes) {
		w.tb.Errorf("grant of %s: %v, %v; want %v", id, g.Scopes, ok, scopes)
	}
}
