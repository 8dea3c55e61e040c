package store

import (
	"path/filepath"
	"testing"
	"time"

	"grantd/internal/dcr"
)

// A write that is reported after something newer settled the record makes the
// client due: whoever settled it may not have seen the write. So does a look by
// an older desired state, which the record would be of.
func TestSaveOfOvertakenWrites(t *testing.T) {
	l, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "grantd.db"), Tenant: "t", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	looked := dcr.Outcome{Record: dcr.Record{Phase: dcr.Ready, Seq: 4, Digest: "new"}}
	wrote, older := looked, looked
	wrote.Changes, older.Record.Digest = []dcr.Change{{Step: dcr.StepGrant}}, "old"
	for id, o := range map[string]dcr.Outcome{"tpc_wrote": wrote, "tpc_looked": looked, "tpc_older": older} {
		o.Record.ClientID = id
		err := l.update(t.Context(), func(t tx) error {
			return t.put(dcr.Record{}, dcr.Record{ClientID: id, Phase: dcr.Ready, Seq: 5, Digest: "new"})
		})
		if err != nil {
			t.Fatal(err)
		}
		settled, err := l.Save(t.Context(), o)
		if err != nil || settled {
			t.Fatalf("settled %v, %v", settled, err)
		}
		r, err := l.Client(t.Context(), id)
		if due := !r.NextAttemptAt.IsZero(); err != nil || due == (id == "tpc_looked") {
			t.Errorf("%s: due %v, %v", id, due, err)
		}
	}
}

// So does a write to a client that is refused by then: what it was given may have
// to be taken away. A look alone is no reason.
func TestSaveOfWritesToRefused(t *testing.T) {
	l, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "grantd.db"), Tenant: "t", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for id, changes := range map[string][]dcr.Change{"tpc_wrote": {{Step: dcr.StepGrant}}, "tpc_looked": nil} {
		err := l.update(t.Context(), func(t tx) error {
			return t.put(dcr.Record{}, dcr.Record{ClientID: id, Phase: dcr.Refused, Reason: dcr.CallbackNotAllowed, Seq: 5, Digest: "new"})
		})
		if err != nil {
			t.Fatal(err)
		}
		o := dcr.Outcome{Record: dcr.Record{ClientID: id, Phase: dcr.Ready, Seq: 4, Digest: "old"}, Changes: changes}
		if settled, err := l.Save(t.Context(), o); err != nil || settled {
			t.Fatalf("settled %v, %v", settled, err)
		}
		r, err := l.Client(t.Context(), id)
		if due := !r.NextAttemptAt.IsZero(); err != nil || due != (len(changes) > 0) || r.Phase != dcr.Refused {
			t.Errorf("%s: due %v, %s, %v", id, due, r.Phase, err)
		}
	}
}

// A desired state that was in force only for a while settles nothing after it:
// neither a client that had been checked against the one that is in force again,
// and that a worker is at.
func TestSaveByStateOfAWhile(t *testing.T) {
	l, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "grantd.db"), Tenant: "t", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := l.SetDigest(t.Context(), "lasting"); err != nil {
		t.Fatal(err)
	}
	r := dcr.Record{ClientID: "tpc_a", Phase: dcr.Ready, Seq: 1, Digest: "lasting", SecurityMode: dcr.Strict, LastCheckedAt: time.Now()}
	if err := l.update(t.Context(), func(t tx) error { return t.put(dcr.Record{}, r) }); err != nil {
		t.Fatal(err)
	}
	if _, err := l.SetDigest(t.Context(), "brief"); err != nil {
		t.Fatal(err)
	}
	if r, err = l.Client(t.Context(), "tpc_a"); err != nil {
		t.Fatal(err)
	}
	if seqs, err := l.SaveSwept(t.Context(), []Swept{{Record: r, ObservedAt: time.Now(), Due: true}}); err != nil || seqs[0] == 0 {
		t.Fatal(seqs, err)
	}
	working, err := l.Client(t.Context(), "tpc_a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.SetDigest(t.Context(), "lasting"); err != nil {
		t.Fatal(err)
	}
	working.Phase, working.Digest, working.NextAttemptAt = dcr.Ready, "brief", time.Time{}
	settled, err := l.Save(t.Context(), dcr.Outcome{Record: working, Changes: []dcr.Change{{Step: dcr.StepGrant}}})
	if err != nil || settled {
		t.Errorf("what the state of a while brought settled (%v), %v", settled, err)
	}
	if r, err = l.Client(t.Context(), "tpc_a"); err != nil || r.NextAttemptAt.IsZero() {
		t.Errorf("nobody looks again: %+v, %v", r, err)
	}
}
