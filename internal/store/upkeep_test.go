package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"grantd/internal/store"
)

// childUpkeep backs up, compacts and restores for ever.
func childUpkeep(path string) {
	ctx := context.Background()
	for {
		_, err := store.Compact(ctx, path)
		must(err)
		fmt.Println("compacted")
		_, err = store.Restore(ctx, store.RestoreOptions{Backup: path + "-backup", Path: path, Now: time.Now()})
		must(err)
		fmt.Println("restored")
		l, err := childOpen(path)
		must(err)
		_, err = l.Backup(ctx, io.Discard)
		must(errors.Join(err, l.Close()))
		fmt.Println("backed up")
	}
}

// TestKillUpkeep: kill -9 in the middle of a backup, a compaction or a restore
// leaves a sound ledger with everything in it, and the next start tidies up.
func TestKillUpkeep(t *testing.T) {
	path := filled(t, 300)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"-backup", good, 0o600); err != nil {
		t.Fatal(err)
	}
	want := content(t, path)
	random := rand.New(rand.NewPCG(1, 2))
	for round := 0; round < 8; {
		size := random.Int64N(int64(len(good)))
		if round%4 == 0 {
			size = -1 // at any moment
		}
		killUpkeep(t, path, 1+random.IntN(4), size)
		if size < 0 || incomplete(path, size) { // else the middle was over before the kill
			round++
		}
		sound(t, path)
		diff(t, content(t, path), want)
		l, err := childOpen(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(path + ".tmp-*"); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
}

// killUpkeep kills upkeep after so many steps, in the middle of the next: an
// incomplete file is there, of at least that size.
func killUpkeep(t *testing.T, path string, steps int, size int64) {
	t.Helper()
	cmd := child(t, "upkeep", path)
	out := lines(t, cmd)
	for range steps {
		<-out
	}
	for size >= 0 && !incomplete(path, size) {
		select {
		case _, going := <-out:
			if !going {
				t.Fatal("the child ended by itself")
			}
		default:
			runtime.Gosched()
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range out { //nolint:revive // until it has ended
	}
	_ = cmd.Wait() // killed, as it should be
}

// incomplete reports whether an incomplete file of that size is there.
func incomplete(path string, size int64) bool {
	names, _ := filepath.Glob(path + ".tmp-*")
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Size() >= size {
			return true
		}
	}
	return false
}

// flipsEnv says how many files TestFlippedBits damages.
const flipsEnv = "GRANTD_STORE_TEST_FLIPS"

// TestFlippedBits: whatever is damaged, every command says so or says that all
// is well, and none panics, hangs or makes it worse.
func TestFlippedBits(t *testing.T) {
	good, err := os.ReadFile(filled(t, 120))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sane := filepath.Join(dir, "sane.db")
	if err := os.WriteFile(sane, good, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "grantd.db")
	seeds, damagedFiles := 24, 0
	if n, err := strconv.Atoi(os.Getenv(flipsEnv)); err == nil {
		seeds = n
	}
	for seed := range seeds {
		bad := flip(good, uint64(seed))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := store.CheckFile(t.Context(), path)
		if err != nil && !errors.Is(err, store.ErrNewerSchema) {
			t.Errorf("seed %d: check: %v", seed, err)
		}
		isBad := err != nil || len(r.Findings) > 0
		if isBad {
			damagedFiles++
		}
		_, _ = store.BackupFile(t.Context(), path, io.Discard)
		unchanged(t, seed, path, bad)
		if _, err := store.Compact(t.Context(), path); (err != nil) != isBad {
			t.Errorf("seed %d: compact: %v, findings %q", seed, err, r.Findings)
		}
		if isBad {
			unchanged(t, seed, path, bad)
		}
		target := filepath.Join(dir, "target.db")
		if err := os.WriteFile(target, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if isBad {
			if _, err := store.Restore(t.Context(), store.RestoreOptions{Backup: path, Path: target, Now: time.Now()}); err == nil {
				t.Errorf("seed %d: a damaged backup was restored", seed)
			}
			unchanged(t, seed, target, good)
			if _, err := store.Restore(t.Context(), store.RestoreOptions{Backup: sane, Path: path, Now: time.Now()}); err != nil {
				t.Errorf("seed %d: restore over a damaged ledger: %v", seed, err)
			}
			unchanged(t, seed, path, good)
		}
	}
	if damagedFiles < seeds/4 {
		t.Errorf("only %d of %d files were found damaged", damagedFiles, seeds)
	}
}

func unchanged(t *testing.T, seed int, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("seed %d: %s was changed, %v", seed, path, err)
	}
}

// flip damages a copy: bits of a page's head or anywhere, a page that is
// another's copy, or a cut.
func flip(good []byte, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 7))
	page := os.Getpagesize()
	bad := bytes.Clone(good)
	pages := len(bad) / page
	for range 1 + random.IntN(4) {
		at := random.IntN(pages) * page
		switch random.IntN(8) {
		case 0:
			copy(bad[at:at+page], bad[random.IntN(pages)*page:])
		case 1, 2, 3: // where the structure is
			bad[at+random.IntN(200)] ^= 1 << random.IntN(8)
		default:
			bad[at+random.IntN(page)] ^= 1 << random.IntN(8)
		}
	}
	if random.IntN(20) == 0 {
		bad = bad[:random.IntN(len(bad))]
	}
	return bad
}
