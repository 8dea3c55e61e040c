package store

import (
	"path/filepath"
	"testing"

	"grantd/internal/dcr"
)

// A write that is reported after something newer settled the record makes the
// client due: whoever settled it may not have seen the write.
func TestSaveOfOvertakenWrites(t *testing.T) {
	l, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "grantd.db"), Tenant: "t", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for id, changes := range map[string][]dcr.Change{"tpc_wrote": {{Step: dcr.StepGrant}}, "tpc_looked": nil} {
		err := l.update(t.Context(), func(t tx) error {
			return t.put(dcr.Record{}, dcr.Record{ClientID: id, Phase: dcr.Ready, Seq: 5})
		})
		if err != nil {
			t.Fatal(err)
		}
		settled, err := l.Save(t.Context(), dcr.Outcome{Record: dcr.Record{ClientID: id, Phase: dcr.Ready, Seq: 4}, Changes: changes})
		if err != nil || settled {
			t.Fatalf("settled %v, %v", settled, err)
		}
		r, err := l.Client(t.Context(), id)
		if due := !r.NextAttemptAt.IsZero(); err != nil || due != (changes != nil) {
			t.Errorf("%s: due %v, %v", id, due, err)
		}
	}
}
