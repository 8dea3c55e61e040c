package store

import (
	"path/filepath"
	"testing"

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
