package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func holdsOf(t *testing.T, l *store.Ledger) []dcr.Hold {
	t.Helper()
	holds, err := l.Holds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return holds
}

// hold saves an outcome of tpc_a that sets holds.
func hold(t *testing.T, l *store.Ledger, holds ...dcr.Hold) {
	t.Helper()
	if _, err := l.Save(t.Context(), dcr.Outcome{Record: client(t, l, "tpc_a"), Holds: holds}); err != nil {
		t.Fatal(err)
	}
}

func TestHolds(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log1"))
	if holds := holdsOf(t, l); len(holds) != 0 {
		t.Errorf("a new ledger holds %v", holds)
	}
	all := dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held, Since: c.at}
	one := dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_b", Reason: dcr.Held, Until: c.at.Add(time.Hour), Actor: &dcr.Actor{Kind: dcr.ActorUser, ID: "u"}}
	every := dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepDomainLevel, Reason: dcr.Fighting, Until: c.at.Add(time.Hour)}
	grant := dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Reason: dcr.Fighting, Until: c.at.Add(10 * time.Minute), Times: 1}
	hold(t, l, grant, every)
	hold(t, l, one, all)
	diff(t, holdsOf(t, l), []dcr.Hold{all, one, every, grant})

	c.advance(time.Hour)
	grant.Times, grant.Until = 2, c.at.Add(20*time.Minute)
	hold(t, l, grant)
	diff(t, holdsOf(t, l), []dcr.Hold{all, one, every, grant}) // those ended are kept

	c.advance(store.HoldKept)
	grant.Until = c.at.Add(20 * time.Minute)
	hold(t, l, grant)
	diff(t, holdsOf(t, l), []dcr.Hold{all, one, every, grant}) // to the moment
	c.advance(1)
	hold(t, l)
	diff(t, len(holdsOf(t, l)), 4) // forgotten when another is put
	hold(t, l, grant)
	diff(t, holdsOf(t, l), []dcr.Hold{all, grant})
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// Who asks for the holds gets a list of his own, that of the moment.
func TestHoldsFresh(t *testing.T) {
	l := storetest.Open(t)
	record(t, l, registered("tpc_a", "log1"))
	h := dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant}
	for n := range 3 {
		h.Times = n + 1
		hold(t, l, h)
		for range 2 {
			got := holdsOf(t, l)
			diff(t, got, []dcr.Hold{h})
			got[0].Times = 99
		}
	}
}

// Holds are set whether or not the outcome settles its record, as its changes
// are journalled.
func TestHoldsOfEveryOutcome(t *testing.T) {
	l := storetest.Open(t)
	record(t, l, registered("tpc_a", "log1"))
	working := client(t, l, "tpc_a")
	record(t, l, dcr.Sighting{Kind: dcr.Changed, ClientID: "tpc_a", LogID: "log2"})
	h := dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Reason: dcr.Fighting}
	if settled, err := l.Save(t.Context(), dcr.Outcome{Record: working, Holds: []dcr.Hold{h}}); settled || err != nil {
		t.Errorf("settled %v, error %v", settled, err)
	}
	g := dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_b", Field: dcr.StepGrant, Reason: dcr.Fighting}
	unknown := dcr.Outcome{Record: dcr.Record{ClientID: "tpc_b", Phase: dcr.Ready}, Holds: []dcr.Hold{g}}
	if _, err := l.Save(t.Context(), unknown); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	diff(t, holdsOf(t, l), []dcr.Hold{h, g})
}

func TestHoldsRejects(t *testing.T) {
	l := storetest.Open(t)
	record(t, l, registered("tpc_a", "log1"))
	before := client(t, l, "tpc_a")
	for _, h := range []dcr.Hold{
		{},
		{Scope: "some", ClientID: "tpc_a"},
		{Scope: dcr.HoldClient},
		{Scope: dcr.HoldClient, ClientID: "../a"},
		{Scope: dcr.HoldClient, ClientID: "tpc_a", Field: dcr.StepGrant},
		{Scope: dcr.HoldField, ClientID: "tpc_a"},
		{Scope: dcr.HoldField, Field: "a\x00b"},
		{Scope: dcr.HoldField, Field: dcr.StepKind(strings.Repeat("a", 65))},
		{Scope: dcr.HoldAll, ClientID: "tpc_a"},
		{Scope: dcr.HoldAll, Field: dcr.StepGrant},
	} {
		r := before
		r.Phase = dcr.Ready
		if _, err := l.Save(t.Context(), dcr.Outcome{Record: r, Holds: []dcr.Hold{h}}); err == nil {
			t.Errorf("%+v was taken", h)
		}
	}
	diff(t, client(t, l, "tpc_a"), before)
	diff(t, len(holdsOf(t, l)), 0)
}

// There is an end to holds: the one that ends first makes room, and those that
// people set without an end stay.
func TestHoldsBound(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log1"))
	field := func(n int, until time.Time) dcr.Hold {
		return dcr.Hold{Scope: dcr.HoldField, ClientID: fmt.Sprint("tpc_", n), Field: dcr.StepGrant, Until: until}
	}
	holds := []dcr.Hold{{Scope: dcr.HoldAll}}
	for n := range store.MaxHolds - 1 {
		holds = append(holds, field(n, c.at.Add(time.Duration(1+(n+500)%1000)*time.Hour)))
	}
	hold(t, l, holds...)
	hold(t, l, field(-1, c.at.Add(time.Hour)), field(-2, c.at.Add(time.Hour)))
	kept := map[string]bool{}
	for _, h := range holdsOf(t, l) {
		kept[h.ClientID] = true
	}
	if len(kept) != store.MaxHolds || !kept[""] || !kept["tpc_-2"] || kept["tpc_1500"] && kept["tpc_500"] {
		t.Errorf("%d are kept; the one on all: %v, the newest: %v", len(kept), kept[""], kept["tpc_-2"])
	}
}

// What a worker sets of itself takes the place of no hold that a person set while
// it was at the client: that would go with the others of its reason, or in time.
func TestSaveKeepsHoldsOfPersons(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log-1"))
	working := client(t, l, "tpc_a")
	person := holdClient("tpc_a")
	undone := dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepDomainLevel, Reason: dcr.Reverted}
	over := dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Reason: dcr.Held, Until: c.at.Add(time.Minute)}
	setHolds(t, l, person, undone, over)
	c.advance(time.Hour)
	storm, fight, again := person, undone, over
	storm.Reason = dcr.RegistrationStorm
	fight.Reason, fight.Until = dcr.Fighting, c.at.Add(10*time.Minute)
	again.Reason, again.Until = dcr.Fighting, c.at.Add(10*time.Minute)
	if _, err := l.Save(t.Context(), dcr.Outcome{Record: working, Holds: []dcr.Hold{storm, fight, again}}); err != nil {
		t.Fatal(err)
	}
	holds, err := l.Holds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, holds, []dcr.Hold{person, undone, again})
}

// Whoever registers clients, in a storm that is held, has no other hold
// forgotten, and what grantd sets of itself none that a person set for a while.
func TestHoldsOfPersonsAreKept(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log1"))
	person := holdClient("tpc_person")
	person.Until = c.at.Add(time.Hour)
	fight := func(id string) dcr.Hold {
		return dcr.Hold{Scope: dcr.HoldField, ClientID: id, Field: dcr.StepGrant, Reason: dcr.Fighting, Until: c.at.Add(2 * time.Hour)}
	}
	storm := func(id string) dcr.Hold {
		return dcr.Hold{Scope: dcr.HoldClient, ClientID: id, Reason: dcr.RegistrationStorm}
	}
	holds := []dcr.Hold{person, fight("tpc_fight")}
	for n := range store.MaxHolds - 2 {
		holds = append(holds, storm(fmt.Sprint("tpc_", n)))
	}
	hold(t, l, holds...)
	of := func() map[string]dcr.Reason {
		kept := map[string]dcr.Reason{}
		for _, h := range holdsOf(t, l) {
			kept[h.ClientID] = h.Reason
		}
		return kept
	}
	hold(t, l, storm("tpc_more"))
	if kept := of(); len(kept) != store.MaxHolds || kept["tpc_person"] == "" || kept["tpc_fight"] == "" || kept["tpc_more"] != "" {
		t.Errorf("%d are kept; a person's %q, of a fight %q, one more %q", len(kept), kept["tpc_person"], kept["tpc_fight"], kept["tpc_more"])
	}
	hold(t, l, fight("tpc_other"))
	if kept := of(); kept["tpc_person"] == "" || kept["tpc_fight"] != "" || kept["tpc_other"] == "" {
		t.Errorf("a person's %q, of fights %q and %q", kept["tpc_person"], kept["tpc_fight"], kept["tpc_other"])
	}
}
