package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"grantd/internal/dcr"
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

// TestMigrateFirst: a ledger of version 1 with something due becomes one of
// today, and loses nothing.
func TestMigrateFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	l, err := openVersion(t, path, migrations()[:1])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	old := dcr.Record{ClientID: "tpc_a", Phase: dcr.Pending, NextAttemptAt: now, Class: dcr.Urgent}
	if err := l.group.transact(func(t tx) error { return t.put(dcr.Record{}, old) }); err != nil {
		t.Fatal(err)
	}
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Path: path, ReadOnly: true}); !errors.Is(err, ErrOlderSchema) {
		t.Errorf("opened for reading: %v", err)
	}
	l, err = Open(t.Context(), Options{Path: path, Tenant: "t", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if v := version(t, l); v != len(migrations()) {
		t.Errorf("version %d", v)
	}
	if due, _, err := l.Due(t.Context(), dcr.Urgent, now, 10); err != nil || len(due) != 1 || due[0] != (DueClient{ID: "tpc_a"}) {
		t.Errorf("due %v, error %v", due, err)
	}
	if holds, err := l.Holds(t.Context()); err != nil || len(holds) != 0 {
		t.Errorf("holds %v, error %v", holds, err)
	}
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
