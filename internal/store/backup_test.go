package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// content is every key and value of a ledger.
func content(t testing.TB, path string) map[string]string {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string]string{}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			all[string(name)] = fmt.Sprint(b.Sequence())
			return b.ForEach(func(k, v []byte) error {
				all[string(name)+"/"+string(k)] = string(v)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// filled is a closed ledger with so many clients, some of them settled.
func filled(t testing.TB, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "grantd.db")
	l, err := childOpen(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []dcr.Sighting
	for i := range n {
		all = append(all, registered(fmt.Sprintf("tpc_%04d", i), fmt.Sprint(i)))
	}
	record(t, l, all...)
	for i := range min(n, 20) {
		settle(t, l, fmt.Sprintf("tpc_%04d", i), dcr.Ready, func(r *dcr.Record) { r.GrantID = fmt.Sprint("cgr_", i) })
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func sound(t testing.TB, path string) store.Report {
	t.Helper()
	r, err := store.CheckFile(t.Context(), path)
	if err != nil || len(r.Findings) > 0 {
		t.Fatalf("%s: %q, %v", path, r.Findings, err)
	}
	return r
}

// TestBackupUnderLoad: each copy is sound and has all that was acknowledged
// before it was asked for, while writers go on.
func TestBackupUnderLoad(t *testing.T) {
	l := storetest.Open(t)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var acknowledged atomic.Int64
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("tpc_%d_%d", w, i)
				if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{registered(id, id)}}); err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	for i := range 6 {
		for before := acknowledged.Load(); acknowledged.Load() < before+20; {
			if t.Failed() {
				t.FailNow()
			}
			_, _ = l.Counts(t.Context())
		}
		before := acknowledged.Load()
		var b bytes.Buffer
		n, err := l.Backup(t.Context(), &b)
		if err != nil || n != int64(b.Len()) {
			t.Fatalf("%d of %d bytes, %v", n, b.Len(), err)
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := sound(t, path); int64(r.Clients) < before || r.Tenant != storetest.Tenant || r.Schema != store.Schema() {
			t.Errorf("%+v, acknowledged %d", r, before)
		}
	}
	stop()
	writers.Wait()
}

// TestSlowBackup: whoever reads a backup slowly neither stalls writers nor
// makes the file grow, is alone, and leaves nothing behind.
func TestSlowBackup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "grantd.db")
	l := storetest.Open(t, at(path))
	write := func(n int) int64 {
		for i := range n {
			if err := l.SetFact(t.Context(), "k", bytes.Repeat([]byte{byte(i)}, 20_000)); err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := write(50)
	s, err := l.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Snapshot(t.Context()); !errors.Is(err, store.ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := s.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if after := write(200); after > before+1<<20 {
		t.Errorf("the file grew from %d to %d bytes", before, after)
	}
	if rest, err := io.Copy(io.Discard, s); err != nil || rest+1 != s.Size() {
		t.Errorf("%d of %d bytes, %v", rest+1, s.Size(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("left %v, %v", names, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Backup(gone, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("one that nobody wants any more: %v", err)
	}
	if _, err := l.Backup(t.Context(), io.Discard); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// TestRestore: what was backed up is there again, and what was there is kept.
func TestRestore(t *testing.T) {
	path := filled(t, 100)
	want := content(t, path)
	backup := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(backup)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.BackupFile(t.Context(), path, f); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	diff(t, content(t, backup), want)

	l := storetest.Open(t, at(path))
	record(t, l, registered("tpc_late", "late"))
	o := store.RestoreOptions{Backup: backup, Path: path, Tenant: storetest.Tenant, Audience: storetest.Audience, Now: newClock().at}
	if _, err := store.Restore(t.Context(), o); !errors.Is(err, store.ErrLocked) {
		t.Errorf("beside a daemon: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	late := content(t, path)
	for name, edit := range map[error]func(*store.RestoreOptions){
		store.ErrOtherTenant:   func(o *store.RestoreOptions) { o.Tenant = "other" },
		store.ErrOtherAudience: func(o *store.RestoreOptions) { o.Audience = "other" },
		os.ErrNotExist:         func(o *store.RestoreOptions) { o.Backup += "x" },
	} {
		bad := o
		edit(&bad)
		if _, err := store.Restore(t.Context(), bad); !errors.Is(err, name) {
			t.Errorf("%v, want %v", err, name)
		}
	}
	for i, aside := range []string{"", "-2"} {
		r, err := store.Restore(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, content(t, path), want)
		if r.SetAside != path+".replaced-20261120T120000Z"+aside || r.Path != path || r.Clients != 100 {
			t.Errorf("%+v", r)
		}
		if i == 0 {
			diff(t, content(t, r.SetAside), late)
		}
	}
	private(t, path)
	names, _ := filepath.Glob(path + ".tmp-*")
	if len(names) > 0 {
		t.Errorf("left %v", names)
	}
}

func private(t testing.TB, path string) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestCompact gives back what is free and loses nothing.
func TestCompact(t *testing.T) {
	path := filled(t, 100)
	l := storetest.Open(t, at(path))
	for _, v := range [][]byte{make([]byte, 1<<20), nil} {
		if err := l.SetFact(t.Context(), "large", v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Compact(t.Context(), path); !errors.Is(err, store.ErrLocked) {
		t.Errorf("beside a daemon: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := content(t, path)
	if r := sound(t, path); r.Free < 1<<20 {
		t.Errorf("%d bytes are free", r.Free)
	}
	c, err := store.Compact(t.Context(), path)
	if err != nil || c.Before < 1<<20 || c.After > c.Before/2 {
		t.Errorf("%+v, %v", c, err)
	}
	diff(t, content(t, path), want)
	sound(t, path)
	private(t, path)
	if _, err := store.Compact(t.Context(), path+"x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("compacting made a ledger")
	}
}

func TestSetAside(t *testing.T) {
	path := filled(t, 5)
	now := newClock().at
	if _, err := store.SetAside(t.Context(), path, false, now); !errors.Is(err, store.ErrSound) {
		t.Errorf("a sound one: %v", err)
	}
	name, err := store.SetAside(t.Context(), path, true, now)
	if err != nil || name != path+".set-aside-20261120T120000Z" {
		t.Errorf("%s, %v", name, err)
	}
	sound(t, name)
	for _, want := range []string{"", "-2", "-3"} {
		if err := os.WriteFile(path, []byte("garbage"+want), 0o600); err != nil {
			t.Fatal(err)
		}
		name, err := store.SetAside(t.Context(), path, false, now)
		if b, _ := os.ReadFile(name); err != nil || name != path+".corrupt-20261120T120000Z"+want || string(b) != "garbage"+want {
			t.Errorf("%s %q, %v", name, b, err)
		}
	}
	if _, err := store.SetAside(t.Context(), path, true, now); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
}
