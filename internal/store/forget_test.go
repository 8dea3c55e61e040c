package store_test

import (
	"errors"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// What is forgotten leaves nothing behind in indexes and counters (storetest
// checks the ledger at the end), whatever state it was in; what is in use stays
// unless somebody insists.
func TestForget(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		phase  dcr.Phase
		change func(*dcr.Record)
		why    error
	}{
		"gone":             {phase: dcr.Gone},
		"gone, kept grant": {phase: dcr.Gone, change: func(r *dcr.Record) { r.GrantID, r.Unadopted = "cgr_1", true }},
		"refused":          {phase: dcr.Refused},
		"refused and due": {phase: dcr.Refused, change: func(r *dcr.Record) {
			r.NextAttemptAt, r.Class = at, dcr.Background
		}},
		"refused, served once": {phase: dcr.Refused, change: func(r *dcr.Record) { r.GrantID, r.GrantMade, r.ReadyAt = "cgr_1", true, at }},
		"kept grant":           {phase: dcr.Refused, change: func(r *dcr.Record) { r.GrantID = "cgr_1" }, why: store.ErrGrantKept},
		"ready":                {phase: dcr.Ready, change: func(r *dcr.Record) { r.GrantID, r.GrantMade = "cgr_1", true }, why: store.ErrInUse},
		"pending": {phase: dcr.Pending, change: func(r *dcr.Record) {
			r.NextAttemptAt, r.Class = at, dcr.Urgent
		}, why: store.ErrInUse},
		"blocked": {phase: dcr.Blocked, change: func(r *dcr.Record) {
			r.NextAttemptAt, r.Class = at.Add(time.Hour), dcr.Background
		}, why: store.ErrInUse},
	} {
		t.Run(name, func(t *testing.T) {
			l := storetest.Open(t, newClock().option)
			record(t, l, registered("tpc_a", "log-1"), registered("tpc_b", "log-2"))
			settle(t, l, "tpc_b", dcr.Refused)
			settle(t, l, "tpc_a", tt.phase, func(r *dcr.Record) {
				if tt.change != nil {
					tt.change(r)
				}
			})
			was := client(t, l, "tpc_a")
			got, err := l.Forget(t.Context(), "tpc_a", false)
			if !errors.Is(err, tt.why) {
				t.Fatalf("%v, want %v", err, tt.why)
			}
			if err != nil {
				diff(t, client(t, l, "tpc_a"), was)
				if got, err = l.Forget(t.Context(), "tpc_a", true); err != nil {
					t.Fatal(err)
				}
			}
			diff(t, got, was)
			if _, err := l.Client(t.Context(), "tpc_a"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("it is still there: %v", err)
			}
			counts, err := l.Counts(t.Context())
			if err != nil || counts[tt.phase] != map[bool]int{true: 1}[tt.phase == dcr.Refused] {
				t.Errorf("%v, %v", counts, err)
			}
			if _, err := l.Forget(t.Context(), "tpc_a", true); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("twice: %v", err)
			}
			entries, _, err := l.Journal(t.Context(), store.JournalQuery{ClientID: "tpc_a"})
			if err != nil || len(entries) != 1 || entries[0].Step != dcr.StepForget || entries[0].Before["phase"] != string(tt.phase) {
				t.Errorf("journal %+v, %v", entries, err)
			}
		})
	}
}

// A worker that has a client while its record is forgotten does not bring it
// back, nor does a sweep that judged the record. What they wrote in Auth0 is
// journalled all the same, and a client that registers anew is looked at anew.
func TestForgottenUnderWay(t *testing.T) {
	l := storetest.Open(t, newClock().option)
	record(t, l, registered("tpc_a", "log-1"))
	under := client(t, l, "tpc_a")
	if _, err := l.Forget(t.Context(), "tpc_a", true); err != nil {
		t.Fatal(err)
	}
	under.Phase, under.NextAttemptAt, under.GrantID, under.GrantMade = dcr.Ready, time.Time{}, "cgr_1", true
	done := dcr.Outcome{Record: under, Changes: []dcr.Change{{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"a"}}}}}
	if _, err := l.Save(t.Context(), done); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("saved: %v", err)
	}
	diff(t, journalled(t, l, "tpc_a"), []uint64{2, 1})
	seqs, err := l.SaveSwept(t.Context(), []store.Swept{{Record: under, ObservedAt: newClock().at}})
	if err != nil || seqs[0] != 0 {
		t.Fatalf("swept: %v, %v", seqs, err)
	}
	if counts, err := l.Counts(t.Context()); err != nil || counts[dcr.Ready]+counts[dcr.Pending] != 0 {
		t.Fatalf("%v, %v", counts, err)
	}

	record(t, l, registered("tpc_a", "log-2"))
	if settled, err := l.Save(t.Context(), done); err != nil || settled {
		t.Errorf("the old outcome settled the new record: %v, %v", settled, err)
	}
	if r := client(t, l, "tpc_a"); r.Phase != dcr.Pending || r.NextAttemptAt.IsZero() || r.Seq <= under.Seq {
		t.Errorf("%+v", r)
	}
}

// A queue of which a forgotten client was a part goes on without it, and nothing
// is mended that is not broken.
func TestForgottenIsNotDue(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log-1"), registered("tpc_b", "log-2"))
	if _, err := l.Forget(t.Context(), "tpc_a", true); err != nil {
		t.Fatal(err)
	}
	due, _, err := l.Due(t.Context(), dcr.Urgent, c.at, 10)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, idsOf(due), []string{"tpc_b"})
	if mended, err := l.Mend(t.Context(), "tpc_a"); err != nil || mended {
		t.Errorf("mended %v, %v", mended, err)
	}
}

func TestRequeueByHand(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log-1"), registered("tpc_b", "log-2"), registered("tpc_c", "log-3"), registered("tpc_d", "log-4"))
	settle(t, l, "tpc_a", dcr.Ready)
	settle(t, l, "tpc_b", dcr.Refused)
	settle(t, l, "tpc_c", dcr.Gone)
	settle(t, l, "tpc_d", dcr.Blocked, func(r *dcr.Record) { r.NextAttemptAt, r.Class = c.at.Add(time.Hour), dcr.Background })
	command := dcr.Cause{Feed: dcr.FeedCommand}

	was := client(t, l, "tpc_a")
	r, err := l.RequeueClient(t.Context(), "tpc_a", command)
	if err != nil || r.Seq <= was.Seq || r.Phase != dcr.Pending || r.Class != dcr.Urgent || r.Cause.Feed != dcr.FeedCommand {
		t.Errorf("%+v, %v", r, err)
	}
	diff(t, client(t, l, "tpc_a"), r)
	if _, err := l.RequeueClient(t.Context(), "tpc_x", command); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	for _, tt := range []struct {
		phase dcr.Phase
		want  int
	}{{dcr.Blocked, 1}, {dcr.Ready, 0}, {dcr.Gone, 1}, {"", 4}} {
		if n, err := l.RequeuePhase(t.Context(), tt.phase, dcr.Background, command); err != nil || n != tt.want {
			t.Errorf("%s: %d, %v; want %d", tt.phase, n, err, tt.want)
		}
	}
}
