package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
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
	if err := l.group.transact(func(t tx) error { return putFirst(t, old) }); err != nil {
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
	if f, err := l.Newest(t.Context(), Search{Phase: dcr.Pending}); err != nil || len(f.Clients) != 1 {
		t.Errorf("newest %v, error %v", f, err)
	}
	if holds, err := l.Holds(t.Context()); err != nil || len(holds) != 0 {
		t.Errorf("holds %v, error %v", holds, err)
	}
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// putFirst stores a record that is due as version 1 did.
func putFirst(t tx, r dcr.Record) error {
	v, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return errors.Join(t.clients().Put([]byte(r.ClientID), v), t.phases().Put(phaseKey(r.Phase, r.ClientID), nil),
		t.addCount(string(r.Phase), 1), t.due().Put(dueKey(r), nil))
}

// TestWriteFirst writes the ledger of version 1 that package torture starts
// from, where GRANTD_WRITE_FIRST names the file: forty clients that wait, as a
// grantd of that version would have left them.
func TestWriteFirst(t *testing.T) {
	path := os.Getenv("GRANTD_WRITE_FIRST")
	if path == "" {
		t.Skip("GRANTD_WRITE_FIRST names no file")
	}
	l, err := openVersion(t, path, migrations()[:1])
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	l.clock = func() time.Time { return at }
	if err := l.identify(t.Context(), Options{Tenant: "acme.us.auth0.com", Audience: "https://mcp.example.com/mcp"}); err != nil {
		t.Fatal(err)
	}
	err = l.group.transact(func(t tx) error {
		for i := range 40 {
			r := dcr.Record{
				ClientID: fmt.Sprintf("tpc_first%017d", i), Phase: dcr.Pending, Registration: dcr.RegistrationDCR,
				FirstSeenAt: at, FirstSeenFeed: dcr.FeedWebhook, RegisteredAt: at,
				NextAttemptAt: at, Class: dcr.Urgent, Cause: dcr.Cause{Feed: dcr.FeedWebhook},
			}
			if r.Seq, err = t.clients().NextSequence(); err != nil {
				return err
			}
			if err := putFirst(t, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMigrateBounds: a ledger of version 2 gets its counters and its index
// right, whatever is in it. GRANTD_JOURNAL says how many entries, such as
// 1000000.
func TestMigrateBounds(t *testing.T) {
	n := 2000
	if v, err := strconv.Atoi(os.Getenv("GRANTD_JOURNAL")); err == nil {
		n = v
	}
	path := filepath.Join(t.TempDir(), "grantd.db")
	l, err := openVersion(t, path, migrations()[:2])
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < n; from += 50_000 {
		if err := l.group.transact(func(t tx) error { return fillJournal(t, min(50_000, n-from)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.group.transact(putOldRecords); err != nil {
		t.Fatal(err)
	}
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	l, err = Open(t.Context(), Options{Path: path, Tenant: "t", Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	defer func() { _ = l.Close() }()
	t.Logf("%d entries migrated in %s, %d KiB allocated", n, took, (after.TotalAlloc-before.TotalAlloc)>>10)
	if alloc := after.TotalAlloc - before.TotalAlloc; alloc > 64<<20 {
		t.Errorf("%d bytes allocated", alloc)
	}
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := l.pruneSome(t.Context()); err != nil || n != (Pruned{}) {
		t.Errorf("%+v, %v", n, err)
	}
	if err := l.read(func(tx tx) error {
		if n := tx.resting().Stats().KeyN; n != 2 {
			t.Errorf("%d clients rest, want 2", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// fillJournal writes entries as version 2 did.
func fillJournal(t tx, n int) error {
	for range n {
		seq, err := t.journal().NextSequence()
		if err != nil {
			return err
		}
		e := dcr.JournalEntry{Seq: seq, ClientID: "tpc_a", Change: dcr.Change{
			At:   time.Unix(int64(seq), 0).UTC(),
			Step: dcr.StepGrant, After: map[string]any{"scope": []string{"notes:read", "notes:write"}}, CorrelationID: "grantd-0123456789ab-0011223344556677",
		}}
		v, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := errors.Join(t.journal().Put(seqKey(seq), v), t.journalClients().Put(journalClientKey("tpc_a", seq), nil)); err != nil {
			return err
		}
	}
	return nil
}

// putOldRecords writes one of each kind as version 2 did.
func putOldRecords(t tx) error {
	for _, r := range []dcr.Record{
		{ClientID: "tpc_a", Phase: dcr.Ready}, {ClientID: "tpc_b", Phase: dcr.Refused}, {ClientID: "tpc_c", Phase: dcr.Gone},
		{ClientID: "tpc_d", Phase: dcr.Refused, GrantMade: true},
	} {
		v, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := errors.Join(t.clients().Put([]byte(r.ClientID), v), t.phases().Put(phaseKey(r.Phase, r.ClientID), nil), t.addCount(string(r.Phase), 1)); err != nil {
			return err
		}
	}
	return nil
}
