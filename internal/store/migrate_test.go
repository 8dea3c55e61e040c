package store

import (
	"errors"
	"path/filepath"
	"testing"
)

// openVersion opens a ledger with the schema that the steps make.
func openVersion(t *testing.T, path string, steps []migration) (*Ledger, error) {
	t.Helper()
	db, err := openFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l := &Ledger{db: db, path: path, group: newGroup(db)}
	return l, l.migrate(steps)
}

func version(t *testing.T, l *Ledger) (v int) {
	t.Helper()
	if err := l.read(func(t tx) (err error) { v, err = t.version(); return err }); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestMigrate: each step runs once and alone; one that fails leaves the
// version before it, from which the next start goes on.
func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	ran := []int{}
	step := func(n int, err error) migration {
		return func(t tx) error {
			ran = append(ran, n)
			return errors.Join(t.facts().Put([]byte{byte(n)}, nil), err)
		}
	}
	old := migrations()
	l, err := openVersion(t, path, old)
	if err != nil {
		t.Fatal(err)
	}
	first := len(old)
	if v := version(t, l); v != first {
		t.Errorf("a new ledger has version %d, want %d", v, first)
	}
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}

	broken := errors.New("broken")
	l, err = openVersion(t, path, append(migrations(), step(1, nil), step(2, broken), step(3, nil)))
	if !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	if v := version(t, l); v != first+1 {
		t.Errorf("version %d after the second step failed, want %d", v, first+1)
	}
	_ = l.read(func(tx tx) error {
		if tx.facts().Get([]byte{1}) == nil || tx.facts().Get([]byte{2}) != nil {
			t.Error("the first step was not kept, or the second was")
		}
		return nil
	})
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}

	l, err = openVersion(t, path, append(migrations(), step(1, nil), step(2, nil), step(3, nil)))
	if err != nil || version(t, l) != first+3 {
		t.Errorf("version %d, error %v", version(t, l), err)
	}
	if want := []int{1, 2, 2, 3}; len(ran) != len(want) {
		t.Errorf("steps %v, want %v", ran, want)
	}
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openVersion(t, path, migrations()); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("the older program on it: %v", err)
	}
}
