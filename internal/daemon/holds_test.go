package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grantd/internal/daemon"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
)

// A hold and its release are in the log, and a release of nothing is none.
func TestHoldIsLogged(t *testing.T) {
	_, o := setup(t)
	log := &output{}
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	e := engine(t, o)
	set, err := e.Hold(t.Context(), api.HoldRequest{ClientID: "tpc_a", For: time.Hour})
	if err != nil || set.Known || set.Hold.Until.Sub(set.Hold.Since.Time) != time.Hour || set.Hold.Reason != dcr.Held {
		t.Errorf("%+v, %v", set, err)
	}
	set, err = e.Hold(t.Context(), api.HoldRequest{})
	if err != nil || !set.Known || set.Hold.Scope != dcr.HoldAll || !set.Hold.Until.IsZero() {
		t.Errorf("%+v, %v", set, err)
	}
	released, err := e.Release(t.Context(), store.HoldSelector{All: true})
	if err != nil || len(released.Holds) != 2 {
		t.Errorf("%+v, %v", released, err)
	}
	if _, err := e.Release(t.Context(), store.HoldSelector{All: true}); !errors.Is(err, api.ErrNoHold) {
		t.Error(err)
	}
	text := log.take()
	for _, want := range []string{`msg="hold set" scope=client reason=held client_id=tpc_a until=`, `msg="hold set" scope=all`, `msg="hold released" scope=all`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
}

// While everything is held, a sync writes nothing and tells so; letting go,
// known to the ledger alone, makes the next start sweep.
func TestSyncHeld(t *testing.T) {
	tenant, o := setup(t)
	fill(tenant, 20)
	e, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Hold(t.Context(), api.HoldRequest{}); err != nil {
		t.Fatal(err)
	}
	s, err := e.Sync(t.Context(), false, nobody)
	if err != nil || s.Clients[dcr.Blocked] != 20 || len(s.Left) != 1 || s.Left[0].Reason != dcr.Held {
		t.Errorf("%+v, %v", s, err)
	}
	if n := len(tenant.Writes()); n > 0 {
		t.Errorf("%d writes", n)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := store.Open(t.Context(), store.Options{Path: filepath.Join(o.Config.StateDir, "grantd.db"), Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	released, err := daemon.NewBrakes(l, slog.New(slog.DiscardHandler)).Release(t.Context(), store.HoldSelector{Scope: dcr.HoldAll})
	if err != nil || released.ClientsToCheck != 20 {
		t.Errorf("%+v, %v", released, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, stop := run(t, o)
	defer stop()
	eventually(t, "all were put right", func() bool { return len(tenant.Writes()) >= 40 })
}

// The journal's limits are those of the configuration: at the start, and by a
// reload.
func TestJournalLimits(t *testing.T) {
	_, o := setup(t)
	old := func(n int) {
		t.Helper()
		l, err := store.Open(t.Context(), store.Options{
			Path: filepath.Join(o.Config.StateDir, "grantd.db"), Tenant: o.Config.Domain, Audience: o.Config.Audience,
			Now: func() time.Time { return time.Now().Add(-50 * 24 * time.Hour) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := l.AddJournal(t.Context(), dcr.JournalEntry{Change: dcr.Change{Step: dcr.StepScopes}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(e *daemon.Engine) int {
		t.Helper()
		page, _, err := daemon.LedgerOf(e).Journal(context.WithoutCancel(t.Context()), store.JournalQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return len(page)
	}
	old(20)
	o.Load = loader(o, "GRANTD_JOURNAL_MAX_DAYS=40")
	d, stop := run(t, o)
	if n := kept(d.Engine); n != 20 {
		t.Errorf("%d entries of 20", n)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old ones are forgotten", func() bool { return kept(d.Engine) == 1 })
	stop()
	old(20)
	o.Config.JournalMaxDays = 40
	d, stop = run(t, o)
	defer stop()
	eventually(t, "they are forgotten by a start", func() bool { return kept(d.Engine) == 1 })
}
