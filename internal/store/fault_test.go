package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// TestKill: what was acknowledged survives kill -9 at a random moment.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	var acknowledged []string
	for round := range 5 {
		cmd := child(t, "write", path)
		out := lines(t, cmd)
		for range 100 + 37*round {
			id, ok := <-out
			if !ok {
				t.Fatal("the child ended by itself")
			}
			acknowledged = append(acknowledged, id)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for id := range out {
			acknowledged = append(acknowledged, id)
		}
		_ = cmd.Wait() // killed, as it should be

		l := storetest.Open(t, func(o *store.Options) { o.Path = path })
		ready := 0
		for _, id := range acknowledged {
			r := client(t, l, id)
			if r.Phase == dcr.Ready {
				ready++
			} else if r.NextAttemptAt.IsZero() {
				t.Errorf("client %s is %s and not due", id, r.Phase)
			}
			if got := record(t, l, registered(id, id)); got.Sightings != 0 {
				t.Errorf("the entry of client %s was forgotten", id)
			}
		}
		counts, err := l.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		journalled := 0
		for q := (store.JournalQuery{Limit: 1000}); ; {
			page, next, err := l.Journal(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			journalled += len(page)
			if q.After = next; next == "" {
				break
			}
		}
		if counts[dcr.Ready] < ready || journalled != counts[dcr.Ready] {
			t.Errorf("%d clients are ready and %d journalled, %d acknowledged", counts[dcr.Ready], journalled, ready)
		}
		if err := l.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileLimit(t *testing.T) {
	out, err := child(t, "limited", filepath.Join(t.TempDir(), "grantd.db")).Output()
	if err != nil || strings.TrimSpace(string(out)) != "held" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k,mode=700"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	l, err := childOpen(filepath.Join(dir, "grantd.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(l, func() error { return syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=8m") }); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	// A new ledger on a full disk.
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=600k"); err != nil {
		t.Skip(err)
	}
	_ = os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600)
	if _, err := childOpen(filepath.Join(dir, "other.db")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a new ledger on a full disk: %v", err)
	}
}

func TestReadOnlyFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs to become another user")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "grantd.db")
	l := storetest.Open(t, func(o *store.Options) { o.Path = path })
	record(t, l, registered("tpc_a", "log1"))
	if err := errors.Join(l.Close(), os.Chmod(path, 0o644), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	out, err := child(t, "nobody", path).Output()
	want := fmt.Sprintf("true open ledger %[1]s: the ledger is unavailable: open %[1]s: permission denied\nread\n", path)
	if string(out) != want || err != nil {
		t.Errorf("%s, %v", out, err)
	}
}

// TestDamage: whatever happened to the file, nothing panics, and what cannot
// be read is reported as such.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	l := storetest.Open(t, func(o *store.Options) { o.Path = path })
	var all []dcr.Sighting
	for i := range 2000 {
		all = append(all, registered(fmt.Sprintf("tpc_%04d", i), fmt.Sprint(i)))
	}
	record(t, l, all...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	garbage := func(from, to int) func([]byte) []byte {
		return func(b []byte) []byte {
			for i := from; i < min(to, len(b)); i++ {
				b[i] = byte(i*7 + 13)
			}
			return b
		}
	}
	zeros := func(from int) func([]byte) []byte {
		return func(b []byte) []byte { clear(b[from:]); return b }
	}
	tests := []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"text", func([]byte) []byte { return []byte("not a ledger\n") }},
		{"long text", func(b []byte) []byte { return []byte(strings.Repeat("not a ledger\n", 10000)) }},
		{"zeros", zeros(0)},
		{"cut after the first page", func(b []byte) []byte { return b[:page] }},
		{"cut after four pages", func(b []byte) []byte { return b[:4*page] }},
		{"cut in half", func(b []byte) []byte { return b[:len(b)/2] }},
		{"both meta pages", garbage(0, 2*page)},
		{"all but the meta pages", garbage(2*page, len(good))},
		{"all but the meta pages zero", zeros(2 * page)},
		{"the second half", garbage(len(good)/2, len(good))},
		{"branches that lead nowhere", func(b []byte) []byte {
			const branch, header, pgid = 1, 16, 8 // see bbolt's internal/common/page.go
			for p := 2 * page; p < len(b); p += page {
				if binary.NativeEndian.Uint16(b[p+8:]) == branch {
					binary.NativeEndian.PutUint64(b[p+header+pgid:], 1<<34)
				}
			}
			return b
		}},
	}
	for i := 2; i < len(good)/page; i += 37 {
		tests = append(tests, struct {
			name   string
			damage func([]byte) []byte
		}{fmt.Sprint("page ", i), garbage(i*page, (i+1)*page)})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "grantd.db")
			bad := tt.damage(append([]byte(nil), good...))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(tt.name, "cut") {
				if l, err := childOpen(path, readOnly); !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("open for reading: %v, %v", l, err)
				}
			}
			l, err := childOpen(path)
			if err != nil {
				if !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("open: %v", err)
				}
				if l, err := childOpen(path); !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("open again: %v, %v", l, err)
				}
				return
			}
			whole := !strings.HasPrefix(tt.name, "page")
			if err := l.Check(t.Context()); whole && !errors.Is(err, store.ErrCorrupt) || err != nil && !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("check: %v", err)
			}
			for _, s := range all[:50] { // some fail, none panics
				if _, err := l.Client(t.Context(), s.ClientID); err != nil && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("client: %v", err)
				}
			}
			s := registered("tpc_new", "new")
			if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedPoll, Sightings: []dcr.Sighting{s}}); err != nil && !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("record: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
