package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func saveSwept(t *testing.T, l *store.Ledger, found ...store.Swept) []uint64 {
	t.Helper()
	seqs, err := l.SaveSwept(t.Context(), found)
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

func TestRecords(t *testing.T) {
	l := storetest.Open(t)
	record(t, l, registered("tpc_a", "1"), registered("tpc_b", "2"))
	got, err := l.Records(t.Context(), []string{"tpc_b", "stranger", "tpc_a", "tpc_b"})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, map[string]dcr.Record{"tpc_a": client(t, l, "tpc_a"), "tpc_b": client(t, l, "tpc_b")})
}

// A sweep makes records of clients that were never sighted.
func TestSaveSweptCreates(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	sweep := dcr.Cause{Feed: dcr.FeedSweep, Digest: "d1"}
	fine := dcr.Condition{Status: true, Since: c.at}
	ready := dcr.Record{
		ClientID: "tpc_ready", Name: "Ready", SecurityMode: dcr.Strict, Phase: dcr.Ready, Registration: dcr.RegistrationCIMD,
		ReadyAt: c.at, LastCheckedAt: c.at, Digest: "d1", GrantID: "cgr_a", Conditions: dcr.Conditions{Granted: fine}, Cause: sweep,
	}
	drifted := dcr.Record{ClientID: "tpc_drifted", Name: "Drifted", Callbacks: []string{"https://a/"}, GrantID: "cgr_b", Cause: sweep}
	place := c.at.Add(-time.Minute)
	seqs := saveSwept(t, l, store.Swept{Record: ready, ObservedAt: c.at}, store.Swept{Record: drifted, ObservedAt: c.at, Due: true, DueAt: place})
	diff(t, seqs, []uint64{1, 2})

	ready.Seq, ready.FirstSeenAt, ready.FirstSeenFeed, ready.Unadopted = 1, c.at, dcr.FeedSweep, true
	diff(t, client(t, l, "tpc_ready"), ready)
	drifted.Seq, drifted.FirstSeenAt, drifted.FirstSeenFeed, drifted.Unadopted = 2, c.at, dcr.FeedSweep, true
	drifted.Registration, drifted.Phase, drifted.Reason = dcr.RegistrationUnknown, dcr.Pending, dcr.Drifted
	drifted.NextAttemptAt, drifted.Class = place, dcr.Background
	diff(t, client(t, l, "tpc_drifted"), drifted)

	if seqs := saveSwept(t, l, store.Swept{Record: dcr.Record{ClientID: "tpc_forgotten", Seq: 7, Phase: dcr.Ready}, ObservedAt: c.at}); seqs[0] != 0 {
		t.Errorf("a forgotten client got number %d", seqs[0])
	}
	if _, err := l.Client(t.Context(), "tpc_forgotten"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the forgotten client: %v", err)
	}
	// Sighted since the list was read: judged without a record, it has one.
	record(t, l, registered("tpc_new", "log1"))
	before := client(t, l, "tpc_new")
	if seqs := saveSwept(t, l, store.Swept{Record: dcr.Record{ClientID: "tpc_new", Phase: dcr.Ready}, ObservedAt: c.at}); seqs[0] != 0 {
		t.Errorf("a client sighted meanwhile got number %d", seqs[0])
	}
	diff(t, client(t, l, "tpc_new"), before)
}

// TestSaveSwept: what becomes of a record by what a sweep found of its client.
func TestSaveSwept(t *testing.T) {
	c := newClock()
	failing := func(class dcr.Class) func(*dcr.Record) {
		return func(r *dcr.Record) {
			r.Phase, r.NextAttemptAt, r.Class, r.Attempts, r.LastError = dcr.Pending, c.at.Add(time.Minute), class, 3, dcr.ServerError
		}
	}
	due := func(class dcr.Class) func(*dcr.Record) {
		return func(r *dcr.Record) {
			r.Phase, r.NextAttemptAt, r.Class, r.Attempts = dcr.Pending, c.at.Add(-time.Minute), class, 2
		}
	}
	blocked := func(r *dcr.Record) {
		r.Phase, r.NextAttemptAt, r.Class, r.Attempts = dcr.Blocked, c.at.Add(time.Minute), dcr.Background, 3
	}
	refused := func(r *dcr.Record) { r.Phase, r.Reason, r.Message = dcr.Refused, dcr.CallbackNotAllowed, "no" }
	tests := []struct {
		name    string
		sighted time.Time // last; the list was asked for a second ago
		before  func(*dcr.Record)
		swept   func(*store.Swept)
		dueAt   time.Duration // asked for, from now
		alone   bool          // left alone
		waits   bool          // only what was seen changes
		settled bool
		place   time.Duration // from now
		class   dcr.Class     // background when empty
	}{
		{name: "ready and as desired", settled: true},
		{name: "ready and not", dueAt: -time.Hour, place: -time.Hour},
		{name: "its place is not in the future", dueAt: time.Hour, place: 0},
		{name: "refused and not", before: refused, dueAt: -time.Hour, place: -time.Hour},
		{name: "blocked and as desired", before: blocked, settled: true},
		{name: "blocked, and mended", before: blocked, dueAt: -time.Hour, place: -time.Hour},
		{name: "due already, later", before: due(dcr.Background), dueAt: -time.Hour, place: -time.Hour},
		{name: "due already, earlier", before: due(dcr.Background), dueAt: -time.Second, place: -time.Minute},
		{name: "due already and as desired", before: due(dcr.Background), settled: true},
		{name: "somebody waits", before: due(dcr.Urgent), dueAt: -time.Hour, alone: true},
		{name: "somebody waits and it is as desired", before: due(dcr.Urgent), settled: true, alone: true},
		{name: "failed before", before: failing(dcr.Background), dueAt: -time.Hour, waits: true},
		{name: "failed before, urgent", before: failing(dcr.Urgent), dueAt: -time.Hour, waits: true},
		{name: "failed before and as desired", before: failing(dcr.Urgent), settled: true},
		{name: "made due meanwhile", swept: func(s *store.Swept) { s.Record.Seq-- }, dueAt: -time.Hour, alone: true},
		{name: "made due meanwhile, as desired", swept: func(s *store.Swept) { s.Record.Seq-- }, settled: true, alone: true},
		{name: "checked since", before: func(r *dcr.Record) { r.LastCheckedAt = c.at.Add(-time.Second + 1) }, dueAt: -time.Hour, alone: true},
		{name: "checked in a future that a clock took back", before: func(r *dcr.Record) { r.LastCheckedAt = c.at.Add(time.Hour) }, dueAt: -time.Hour, place: -time.Hour},
		{name: "sighted since and failed", sighted: c.at, before: failing(dcr.Urgent), dueAt: -time.Hour, alone: true},
		{name: "sighted since and failed, as desired", sighted: c.at, before: failing(dcr.Urgent), settled: true, alone: true},
		{name: "sighted since, due in the background", sighted: c.at, before: due(dcr.Background), settled: true, alone: true},
		{name: "sighted in a future that a clock took back", sighted: c.at.Add(time.Hour), settled: true},
		{name: "checked before", before: func(r *dcr.Record) { r.LastCheckedAt = c.at.Add(-time.Second) }, settled: true},
		{name: "urgent, later, not as desired", before: func(r *dcr.Record) {
			r.Phase, r.NextAttemptAt, r.Class = dcr.Pending, c.at.Add(time.Second), dcr.Urgent
		}, dueAt: -time.Hour, place: -time.Hour, class: dcr.Urgent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := storetest.Open(t, c.option)
			now := c.at
			if c.at = now.Add(-time.Minute); !tt.sighted.IsZero() {
				c.at = tt.sighted
			}
			record(t, l, registered("tpc_a", "log1"))
			c.at = now
			settle(t, l, "tpc_a", dcr.Ready, func(r *dcr.Record) {
				r.LastCheckedAt, r.Digest, r.GrantID, r.GrantMade = c.at.Add(-time.Hour), "d0", "cgr_a", true
				r.Undone = map[dcr.StepKind][]time.Time{dcr.StepGrant: {c.at}}
				if tt.before != nil {
					tt.before(r)
				}
			})
			before := client(t, l, "tpc_a")
			s := store.Swept{Record: before, ObservedAt: c.at.Add(-time.Second), Due: !tt.settled, DueAt: c.at.Add(tt.dueAt)}
			s.Record.Name, s.Record.SecurityMode, s.Record.Callbacks = "Seen", dcr.Strict, []string{"https://seen/"}
			s.Record.Cause = dcr.Cause{Feed: dcr.FeedSweep, Digest: "d1"}
			s.Record.Conditions.Promoted, s.Record.Digest = dcr.Condition{Reason: dcr.MissingScope, Since: c.at}, "d1"
			s.Record.GrantMade, s.Record.Undone = false, nil // a sweep does not know
			s.Record.Phase, s.Record.Reason, s.Record.Message = dcr.Ready, "", ""
			if tt.settled {
				s.Record.NextAttemptAt, s.Record.Class, s.Record.Attempts, s.Record.LastError, s.Record.LastCheckedAt = time.Time{}, "", 0, "", c.at
			}
			if tt.swept != nil {
				tt.swept(&s)
			}
			seq := saveSwept(t, l, s)[0]

			seen := before
			seen.Name, seen.SecurityMode, seen.Callbacks = "Seen", dcr.Strict, []string{"https://seen/"}
			want, wantSeq := before, uint64(0)
			switch {
			case tt.alone:
			case tt.waits:
				want, wantSeq = seen, before.Seq
			case tt.settled:
				want, wantSeq = s.Record, before.Seq
				want.GrantMade, want.Undone = before.GrantMade, before.Undone
			default:
				want, wantSeq = seen, before.Seq+1
				want.Phase, want.Reason, want.Message, want.Attempts = dcr.Pending, dcr.Drifted, "", 0
				want.NextAttemptAt, want.Class, want.Cause, want.Seq = c.at.Add(tt.place), dcr.Background, s.Record.Cause, wantSeq
				if tt.class != "" {
					want.Class = tt.class
				}
			}
			diff(t, client(t, l, "tpc_a"), want)
			diff(t, seq, wantSeq)
		})
	}
}

// What a sweep found of the grant: another one is not grantd's.
func TestSaveSweptGrant(t *testing.T) {
	for _, due := range []bool{false, true} {
		c := newClock()
		l := storetest.Open(t, c.option)
		record(t, l, registered("tpc_a", "log1"))
		settle(t, l, "tpc_a", dcr.Ready, func(r *dcr.Record) { r.GrantID, r.GrantMade = "cgr_a", true })
		s := store.Swept{Record: client(t, l, "tpc_a"), ObservedAt: c.at, Due: due}
		s.Record.GrantID = "cgr_b"
		saveSwept(t, l, s)
		if r := client(t, l, "tpc_a"); r.GrantMade || r.GrantID != "cgr_b" {
			t.Errorf("due %v: grant %s, made %v", due, r.GrantID, r.GrantMade)
		}
		record(t, l, dcr.Sighting{Kind: dcr.Deleted, Class: dcr.Urgent, GrantID: "cgr_b", LogID: "log2"})
		if r := client(t, l, "tpc_a"); r.Class != dcr.Urgent {
			t.Errorf("due %v: the new grant does not lead to the client", due)
		}
	}
}

func TestSaveSweptRejects(t *testing.T) {
	l := storetest.Open(t)
	for name, s := range map[string]store.Swept{
		"no client":          {Record: dcr.Record{Phase: dcr.Ready}},
		"not a client":       {Record: dcr.Record{ClientID: "../x", Phase: dcr.Ready}},
		"not a client, due":  {Record: dcr.Record{ClientID: "../x"}, Due: true},
		"settled in nothing": {Record: dcr.Record{ClientID: "tpc_b"}},
	} {
		good := store.Swept{Record: dcr.Record{ClientID: "tpc_a", Phase: dcr.Ready}}
		if seqs, err := l.SaveSwept(t.Context(), []store.Swept{good, s}); err == nil || seqs != nil {
			t.Errorf("%s: %v, error %v", name, seqs, err)
		}
	}
	if got, err := l.Records(t.Context(), []string{"tpc_a"}); len(got) != 0 || err != nil {
		t.Errorf("half of a page was kept: %v, error %v", got, err)
	}
	before := l.Commits()
	if seqs := saveSwept(t, l); len(seqs) != 0 || l.Commits() != before {
		t.Errorf("an empty page: %v, %d commits", seqs, l.Commits()-before)
	}
}

// Records made before a sweep ever ended count as there before grantd, unless
// grantd made their grant.
func TestUnadopted(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("before", "log1"), registered("made", "log2"))
	saveSwept(t, l, store.Swept{Record: dcr.Record{ClientID: "swept", Phase: dcr.Ready, GrantID: "cgr_s"}, ObservedAt: c.at})
	saveSwept(t, l, store.Swept{Record: dcr.Record{ClientID: "refused", Phase: dcr.Refused}, ObservedAt: c.at}) // protected, and not counted
	settle(t, l, "made", dcr.Ready, func(r *dcr.Record) { r.GrantID, r.GrantMade = "cgr_m", true })
	settle(t, l, "before", dcr.Ready, func(r *dcr.Record) { r.Unadopted = false }) // who saves does not decide
	if l.FirstSweepEnded() {
		t.Error("a sweep ended, it is said")
	}
	if err := l.SetFeed(t.Context(), dcr.FeedSweep, dcr.FeedStatus{LastSuccessAt: c.at}); err != nil || !l.FirstSweepEnded() {
		t.Errorf("a sweep ended: %v, error %v", l.FirstSweepEnded(), err)
	}
	record(t, l, registered("after", "log3"))
	saveSwept(t, l, store.Swept{Record: dcr.Record{ClientID: "sweptafter", Phase: dcr.Ready, Unadopted: true}, ObservedAt: c.at})
	unadopted := func() (ids []string) {
		page, _, err := l.Clients(t.Context(), store.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if r.Unadopted {
				ids = append(ids, r.ClientID)
			}
		}
		return ids
	}
	diff(t, unadopted(), []string{"before", "refused", "swept"})

	working, judged := client(t, l, "before"), client(t, l, "swept")
	if n, err := l.Adopt(t.Context()); n != 2 || err != nil {
		t.Errorf("%d adopted, error %v", n, err)
	}
	diff(t, len(unadopted()), 0)
	if settled, err := l.Save(t.Context(), dcr.Outcome{Record: working}); settled || err != nil {
		t.Errorf("a save from before settled (%v) or failed: %v", settled, err)
	}
	if seqs := saveSwept(t, l, store.Swept{Record: judged, ObservedAt: c.at}); !slices.Equal(seqs, []uint64{0}) {
		t.Errorf("what was judged before was kept as %v", seqs)
	}
	diff(t, len(unadopted()), 0)
	if n, err := l.Adopt(t.Context()); n != 0 || err != nil {
		t.Errorf("%d adopted again, error %v", n, err)
	}
}
