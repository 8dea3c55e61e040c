package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestKeepCopy: a ledger is copied before its first migration step, the newest
// two copies are kept, and without a copy nothing is migrated.
func TestKeepCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	steps := migrations()
	first := len(steps)
	nothing := func(tx) error { return nil }
	copies := func() (names []string) {
		all, _ := filepath.Glob(path + ".*")
		for _, name := range all {
			names = append(names, strings.TrimPrefix(name, path))
		}
		slices.Sort(names)
		return names
	}
	for i := range 4 {
		l, err := openVersion(t, path, steps)
		if err != nil {
			t.Fatal(err)
		}
		if v := version(t, l); v != first+i {
			t.Errorf("version %d, want %d", v, first+i)
		}
		if err := l.db.Close(); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, nothing)
	}
	mark := func(n int) string { return schemaMark + string(rune('0'+n)) }
	if got, want := copies(), []string{mark(first + 1), mark(first + 2)}; !slices.Equal(got, want) {
		t.Fatalf("copies %q, want %q", got, want)
	}
	for _, n := range []int{first + 1, first + 2} {
		name := path + mark(n)
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		l, err := openVersion(t, name, steps[:n])
		if err != nil || version(t, l) != n {
			t.Errorf("%s has version %d, %v", name, version(t, l), err)
		}
		_ = l.db.Close()
	}

	// The copy cannot get its name.
	if err := os.MkdirAll(filepath.Join(path+mark(first+3), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := openVersion(t, path, steps)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "nothing was migrated") {
		t.Errorf("%v", err)
	}
	if v := version(t, l); v != first+3 {
		t.Errorf("version %d", v)
	}
}

// TestKeepCopyDiskFull: a full disk is said, and nothing is migrated.
func TestKeepCopyDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "grantd.db")
	l, err := openVersion(t, path, migrations())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600)
	l, err = openVersion(t, path, append(migrations(), func(tx) error { return nil }))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "bytes in "+dir+"; nothing was migrated") {
		t.Errorf("%v", err)
	}
	if v := version(t, l); v != len(migrations()) {
		t.Errorf("version %d", v)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if err := l.db.Close(); err != nil {
		t.Fatal(err)
	}
}
