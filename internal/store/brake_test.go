package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func setHolds(t testing.TB, l *store.Ledger, holds ...dcr.Hold) {
	t.Helper()
	if err := l.SetHolds(t.Context(), holds...); err != nil {
		t.Fatal(err)
	}
}

func release(t testing.TB, l *store.Ledger, s store.HoldSelector) store.Released {
	t.Helper()
	done, err := l.Release(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// holdClient is a hold as a person sets it.
func holdClient(id string) dcr.Hold {
	return dcr.Hold{Scope: dcr.HoldClient, ClientID: id, Reason: dcr.Held}
}

// showHeld does what the loop does with held clients that are due.
func showHeld(t testing.TB, l *store.Ledger, ids ...string) {
	t.Helper()
	for _, id := range ids {
		settle(t, l, id, dcr.Blocked, func(r *dcr.Record) { r.Reason, r.Digest = dcr.Held, "d1" })
	}
}

// inEachPhase makes a client of every phase, named after it.
func inEachPhase(t testing.TB, l *store.Ledger) {
	t.Helper()
	for _, p := range dcr.Phases() {
		record(t, l, registered(string(p), "log-"+string(p)))
		settle(t, l, string(p), p)
	}
}

func dueOf(t testing.TB, l *store.Ledger, class dcr.Class, now time.Time) []string {
	t.Helper()
	due, _, err := l.Due(t.Context(), class, now, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	ids := idsOf(due)
	slices.Sort(ids)
	return ids
}

// A hold makes what it covers due in the background, so that it is shown as
// held; what is not written to anyway is left alone.
func TestSetHolds(t *testing.T) {
	for name, tt := range map[string]struct {
		hold dcr.Hold
		due  []string
	}{
		"all":             {dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held}, []string{"blocked", "pending", "ready"}},
		"ready":           {holdClient("ready"), []string{"ready"}},
		"refused":         {holdClient("refused"), nil},
		"gone":            {holdClient("gone"), nil},
		"nobody":          {holdClient("nobody"), nil},
		"field":           {dcr.Hold{Scope: dcr.HoldField, ClientID: "blocked", Field: dcr.StepGrant}, []string{"blocked"}},
		"field of nobody": {dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepDomainLevel}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			l := storetest.Open(t, c.option)
			inEachPhase(t, l)
			before := client(t, l, "ready")
			setHolds(t, l, tt.hold)
			diff(t, holdsOf(t, l), []dcr.Hold{tt.hold})
			diff(t, dueOf(t, l, dcr.Background, c.at), tt.due)
			diff(t, dueOf(t, l, dcr.Urgent, c.at), []string(nil))
			diff(t, client(t, l, "refused").Phase, dcr.Refused)
			for _, id := range tt.due {
				r := client(t, l, id)
				diff(t, r.Cause, dcr.Cause{Feed: dcr.FeedCommand})
				diff(t, r.Phase, dcr.Pending)
			}
			// What was being worked on meanwhile does not settle it.
			if slices.Contains(tt.due, "ready") {
				if settled, err := l.Save(t.Context(), dcr.Outcome{Record: before}); settled || err != nil {
					t.Errorf("settled %v, error %v", settled, err)
				}
			}
		})
	}
}

func TestSetHoldsRejects(t *testing.T) {
	l := storetest.Open(t)
	if err := l.SetHolds(t.Context(), holdClient("a/b")); err == nil {
		t.Error("taken")
	}
	diff(t, len(holdsOf(t, l)), 0)
}

// Many records are marked in transactions of bounded size, each of which others
// can go between.
func TestSetHoldsOfMany(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	ids := many(t, l, 2500)
	before := l.Commits()
	setHolds(t, l, dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held})
	diff(t, l.Commits()-before, 1+3)
	diff(t, len(dueOf(t, l, dcr.Background, c.at)), len(ids))
}

// many are ready clients.
func many(t testing.TB, l *store.Ledger, n int) (ids []string) {
	t.Helper()
	var found []store.Swept
	for i := range n {
		id := fmt.Sprintf("tpc_%05d", i)
		ids = append(ids, id)
		found = append(found, store.Swept{Record: dcr.Record{ClientID: id, Phase: dcr.Ready, Digest: "d1", SecurityMode: dcr.Strict, LastCheckedAt: time.Unix(1, 0)}, ObservedAt: time.Now()})
	}
	for page := range slices.Chunk(found, 1000) {
		if _, err := l.SaveSwept(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

func TestSelector(t *testing.T) {
	all := dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held}
	one := holdClient("tpc_a")
	storm := dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_b", Reason: dcr.RegistrationStorm}
	fight := dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Reason: dcr.Fighting}
	for _, tt := range []struct {
		store.HoldSelector
		want []dcr.Hold
	}{
		{store.HoldSelector{}, nil},
		{store.HoldSelector{All: true}, []dcr.Hold{all, one, storm, fight}},
		{store.HoldSelector{Scope: dcr.HoldAll}, []dcr.Hold{all}},
		{store.HoldSelector{ClientID: "tpc_a"}, []dcr.Hold{one, fight}},
		{store.HoldSelector{ClientID: "tpc_a", Field: dcr.StepGrant}, []dcr.Hold{fight}},
		{store.HoldSelector{ClientID: "tpc_a", Scope: dcr.HoldClient}, []dcr.Hold{one}},
		{store.HoldSelector{Reason: dcr.RegistrationStorm}, []dcr.Hold{storm}},
		{store.HoldSelector{Reason: dcr.Held}, []dcr.Hold{all, one}},
		{store.HoldSelector{Field: dcr.StepConnect}, nil},
	} {
		l := storetest.Open(t)
		setHolds(t, l, all, one, storm, fight)
		done := release(t, l, tt.HoldSelector)
		diff(t, done.Holds, tt.want)
		diff(t, len(holdsOf(t, l)), 4-len(tt.want))
	}
}

// A few clients that are released are looked at now, with urgency: somebody
// may be waiting.
func TestReleaseFew(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	inEachPhase(t, l)
	for _, id := range []string{"ready", "pending", "blocked", "refused", "gone", "nobody"} {
		setHolds(t, l, holdClient(id))
	}
	showHeld(t, l, "ready", "blocked")
	c.advance(time.Minute)
	done := release(t, l, store.HoldSelector{Reason: dcr.Held})
	diff(t, len(done.Holds), 6)
	diff(t, done.Due, 3)
	diff(t, done.Unchecked, 0)
	diff(t, dueOf(t, l, dcr.Urgent, c.at), []string{"blocked", "pending", "ready"})
	r := client(t, l, "ready")
	diff(t, r.Cause, dcr.Cause{Feed: dcr.FeedCommand})
	diff(t, r.Phase, dcr.Pending)
	diff(t, release(t, l, store.HoldSelector{All: true}), store.Released{}) // nothing more
}

// A client that was ready before it was refused may have scopes to lose, which
// a hold kept for it.
func TestReleaseTurnedBad(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("bad", "log1"))
	settle(t, l, "bad", dcr.Refused, func(r *dcr.Record) { r.ReadyAt = c.at })
	setHolds(t, l, holdClient("bad"))
	diff(t, release(t, l, store.HoldSelector{ClientID: "bad"}).Due, 1)
	diff(t, dueOf(t, l, dcr.Urgent, c.at), []string{"bad"})
	diff(t, client(t, l, "bad").Phase, dcr.Refused)
}

// Many that are released are left to a sweep, also those that no list shows and
// those that were not yet shown as held; who waits for another reason still
// does.
func TestReleaseMany(t *testing.T) {
	for name, hold := range map[string]func(ids []string) []dcr.Hold{
		"all": func([]string) []dcr.Hold { return []dcr.Hold{{Scope: dcr.HoldAll, Reason: dcr.Held}} },
		"each": func(ids []string) (holds []dcr.Hold) {
			for _, id := range ids {
				holds = append(holds, holdClient(id))
			}
			return holds
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			l := storetest.Open(t, c.option)
			ids := many(t, l, 150)
			setHolds(t, l, hold(ids)...)
			showHeld(t, l, ids[:130]...)
			record(t, l, registered("tpc_new", "log1"))
			done := release(t, l, store.HoldSelector{All: true})
			diff(t, done.Due, 0)
			diff(t, done.Unchecked, 150)
			diff(t, dueOf(t, l, dcr.Background, c.at), []string(nil))
			diff(t, dueOf(t, l, dcr.Urgent, c.at), []string{"tpc_new"})
			for _, id := range []string{ids[0], ids[149]} {
				r := client(t, l, id)
				diff(t, []any{r.Phase, r.Reason, r.NextAttemptAt.IsZero()}, []any{dcr.Pending, dcr.Unchecked, true})
			}
			// A sweep that lists some and not others: those are read, without bound.
			c.advance(time.Minute)
			since := c.at
			r := client(t, l, ids[0])
			r.Phase, r.Reason, r.LastCheckedAt, r.Digest = dcr.Ready, "", since, "d1"
			if _, err := l.SaveSwept(t.Context(), []store.Swept{{Record: r, ObservedAt: since}}); err != nil {
				t.Fatal(err)
			}
			unchecked, others, err := l.QueueUnlisted(t.Context(), since, "d1", 0, dcr.Cause{Feed: dcr.FeedSweep})
			if err != nil {
				t.Fatal(err)
			}
			diff(t, []int{unchecked, others}, []int{149, 0})
		})
	}
}

// A release of what is over tells nothing and forgets that it was.
func TestReleaseExpired(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	h := holdClient("tpc_a")
	h.Until = c.at.Add(time.Hour)
	setHolds(t, l, h)
	c.advance(time.Hour)
	diff(t, len(holdsOf(t, l)), 1)
	diff(t, len(release(t, l, store.HoldSelector{All: true}).Holds), 0)
	diff(t, len(holdsOf(t, l)), 0)
}

// Holds survive a restart.
func TestHoldsReopened(t *testing.T) {
	path := populate(t)
	h := dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held}
	l := storetest.Open(t, at(path))
	setHolds(t, l, h)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// Whoever has nothing but the file can release it.
	l, err := store.Open(t.Context(), store.Options{Path: path, Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	diff(t, release(t, l, store.HoldSelector{Scope: dcr.HoldAll}).Holds, []dcr.Hold{h})
}

// Open with Existing makes nothing.
func TestOpenExisting(t *testing.T) {
	path := t.TempDir() + "/grantd.db"
	if _, err := store.Open(t.Context(), store.Options{Path: path, Existing: true}); err == nil {
		t.Error("opened")
	}
	if _, err := store.Open(t.Context(), store.Options{Path: path, ReadOnly: true}); err == nil {
		t.Error("it is there")
	}
}

func TestSwitchedOff(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	inEachPhase(t, l)
	for _, p := range []dcr.Phase{dcr.Ready, dcr.Blocked} {
		settle(t, l, string(p), p, func(r *dcr.Record) { r.Off, r.LastCheckedAt = true, c.at })
	}
	got, err := l.SwitchedOff(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, []dcr.Hold{{Scope: dcr.HoldClient, ClientID: "blocked", Reason: dcr.SwitchedOff, Since: c.at}})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.SwitchedOff(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}

// Anybody can register: the holds of a storm have an end, and those that people
// set are kept.
func TestStormHoldsBound(t *testing.T) {
	l := storetest.Open(t)
	var holds []dcr.Hold
	for n := range store.MaxHolds + 5 {
		holds = append(holds, dcr.Hold{Scope: dcr.HoldClient, ClientID: fmt.Sprint("tpc_", n), Reason: dcr.RegistrationStorm})
	}
	setHolds(t, l, holds...)
	diff(t, len(holdsOf(t, l)), store.MaxHolds)
	setHolds(t, l, dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held})
	diff(t, len(holdsOf(t, l)), store.MaxHolds+1)
	diff(t, len(release(t, l, store.HoldSelector{Reason: dcr.RegistrationStorm}).Holds), store.MaxHolds)
}
