package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"grantd/internal/dcr"
)

// TestGroup: of calls that share a commit, one that fails or panics takes
// nothing of the others with it, and what it said of its feed is not kept.
func TestGroup(t *testing.T) {
	l, err := openVersion(t, filepath.Join(t.TempDir(), "grantd.db"), migrations())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.read(l.feeds.load); err != nil {
		t.Fatal(err)
	}
	put := func(key string) func(tx) error {
		return func(t tx) error { return t.facts().Put([]byte(key), []byte("kept")) }
	}
	broken := errors.New("broken")
	calls := []struct {
		fn   func(tx) error
		want error
	}{
		{put("a"), nil},
		{func(t tx) error { return errors.Join(put("b")(t), broken) }, broken},
		{put("c"), nil},
		{func(t tx) error { panic(put("d")(t)) }, ErrCorrupt},
		{put("e"), nil},
	}
	before := l.Commits()
	l.group.lead <- struct{}{} // nobody leads until all are waiting
	var wg sync.WaitGroup
	for i, c := range calls {
		wg.Go(func() {
			d := feedDelta{feed: dcr.FeedPoll, status: dcr.FeedStatus{Events: 1}}
			if err := l.updateFeed(t.Context(), d, c.fn); !errors.Is(err, c.want) {
				t.Errorf("call %d: error %v, want %v", i, err, c.want)
			}
		})
	}
	for len(l.group.queue) < len(calls) {
		runtime.Gosched()
	}
	<-l.group.lead
	wg.Wait()
	if n := l.Commits() - before; n != 1 {
		t.Errorf("%d commits", n)
	}
	for key, want := range map[string]string{"a": "kept", "b": "", "c": "kept", "d": "", "e": "kept"} {
		if v, err := l.Fact(t.Context(), key); string(v) != want || err != nil {
			t.Errorf("fact %s is %q, error %v", key, v, err)
		}
	}
	if feeds, err := l.Feeds(t.Context()); err != nil || feeds[dcr.FeedPoll].Events != 3 {
		t.Errorf("feeds %v, error %v", feeds, err)
	}
}

// TestPanicInCommit: once a commit panicked, nothing is written any more, and
// reading and closing still work.
func TestPanicInCommit(t *testing.T) {
	l, err := openVersion(t, filepath.Join(t.TempDir(), "grantd.db"), migrations())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.read(l.feeds.load); err != nil {
		t.Fatal(err)
	}
	put := func(t tx) error { return t.facts().Put([]byte("k"), nil) }
	if err := l.update(t.Context(), func(t tx) error { panic("in a call") }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a call that panics: %v", err)
	}
	if err := l.update(t.Context(), put); err != nil {
		t.Errorf("the next call: %v", err)
	}
	err = l.update(t.Context(), func(t tx) error {
		t.OnCommit(func() { panic("in commit") })
		return nil
	})
	if !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a commit that panics: %v", err)
	}
	if err := l.update(t.Context(), put); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a call after that: %v", err)
	}
	if err := l.read(func(t tx) error { return nil }); err != nil {
		t.Errorf("reading after that: %v", err)
	}
	if err := l.db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestGuardFault: reading where nothing is mapped, as bbolt does when it
// follows a damaged page, is an error and not the end of the process.
func TestGuardFault(t *testing.T) {
	mem, err := syscall.Mmap(-1, 0, syscall.Getpagesize(), syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(mem) }()
	var read byte
	if err := guard(func() error { read = mem[0]; return nil }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("read %d, error %v", read, err)
	}
}

func TestComplete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	l, err := openVersion(t, path, migrations())
	if err != nil {
		t.Fatal(err)
	}
	if err := complete(l.db); err != nil {
		t.Errorf("a whole file: %v", err)
	}
	var size int64
	_ = l.read(func(t tx) error { size = t.Size(); return nil })
	if err := os.Truncate(path, size-1); err != nil {
		t.Fatal(err)
	}
	if err := complete(l.db); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a file that lacks its last byte: %v", err)
	}
}
