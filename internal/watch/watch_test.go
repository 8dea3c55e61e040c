package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grantd/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 5 * time.Minute

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reader watches a file, reads it at each call, and hands out what it read.
type reader struct {
	calls atomic.Int64
	texts chan string
	read  []string // what await was handed
}

const absent = "(absent)"

func start(t *testing.T, path string) *reader {
	r := &reader{texts: make(chan string, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// The look by clock does not help.
		watch.FileEvery(ctx, path, time.Hour, slog.New(slog.DiscardHandler), func() {
			r.calls.Add(1)
			data, err := os.ReadFile(path)
			if err != nil {
				data = []byte(absent)
			}
			r.texts <- string(data)
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return r
}

func (r *reader) await(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(patience)
	for last := "nothing"; last != want; {
		select {
		case last = <-r.texts:
			r.read = append(r.read, last)
		case <-deadline:
			t.Fatalf("waited for %q, last read %q", want, last)
		}
	}
}

// Whatever way the content changes, it is told of.
func TestFile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		setup  func(t *testing.T, dir string)
		change func(t *testing.T, dir string)
		before string
		after  string
	}{
		{"written in place", func(t *testing.T, dir string) { write(t, dir+"/f", "a") },
			func(t *testing.T, dir string) { write(t, dir+"/f", "b") }, "a", "b"},
		{"written with its time kept", func(t *testing.T, dir string) { write(t, dir+"/f", "a") },
			func(t *testing.T, dir string) { // as two writes in one tick of the system's clock do
				info, err := os.Stat(dir + "/f")
				must(t, err)
				write(t, dir+"/f", "b")
				must(t, os.Chtimes(dir+"/f", time.Time{}, info.ModTime()))
			}, "a", "b"},
		{"appended to", func(t *testing.T, dir string) { write(t, dir+"/f", "a") },
			func(t *testing.T, dir string) {
				f, err := os.OpenFile(dir+"/f", os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				_, err = f.WriteString("b")
				must(t, err)
				must(t, f.Close())
			}, "a", "ab"},
		{"renamed over", func(t *testing.T, dir string) { write(t, dir+"/f", "a") },
			func(t *testing.T, dir string) {
				write(t, dir+"/f.new", "b")
				must(t, os.Rename(dir+"/f.new", dir+"/f"))
			}, "a", "b"},
		{"removed", func(t *testing.T, dir string) { write(t, dir+"/f", "a") },
			func(t *testing.T, dir string) { must(t, os.Remove(dir+"/f")) }, "a", absent},
		{"created", func(*testing.T, string) {},
			func(t *testing.T, dir string) { write(t, dir+"/f", "b") }, absent, "b"},
		{"link turned", func(t *testing.T, dir string) { // as Kubernetes updates a mounted ConfigMap
			for _, version := range []string{"..1", "..2"} {
				must(t, os.Mkdir(dir+"/"+version, 0o700))
				write(t, dir+"/"+version+"/f", version)
			}
			must(t, os.Symlink("..1", dir+"/..data"))
			must(t, os.Symlink("..data/f", dir+"/f"))
		}, func(t *testing.T, dir string) {
			must(t, os.Symlink("..2", dir+"/..data_tmp"))
			must(t, os.Rename(dir+"/..data_tmp", dir+"/..data"))
			must(t, os.RemoveAll(dir+"/..1"))
		}, "..1", "..2"},
		{"written behind a link", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/elsewhere", 0o700))
			write(t, dir+"/elsewhere/g", "a")
			must(t, os.Symlink("elsewhere/g", dir+"/f"))
		}, func(t *testing.T, dir string) { write(t, dir+"/elsewhere/g", "b") }, "a", "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.setup(t, dir)
			r := start(t, filepath.Join(dir, "f"))
			r.await(t, tt.before)
			tt.change(t, dir)
			r.await(t, tt.after)
		})
	}
}

// It goes on after a change, also when the file was gone in between, and after
// a link was turned the new target's folder is watched.
func TestFileAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	r := start(t, path)
	r.await(t, absent)
	for i := range 3 {
		write(t, path, strconv.Itoa(i))
		r.await(t, strconv.Itoa(i))
		must(t, os.Remove(path))
		r.await(t, absent)
	}
	for _, sub := range []string{"x", "y"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
		write(t, filepath.Join(dir, sub, "g"), sub+"1")
		must(t, os.Symlink(filepath.Join(sub, "g"), path+".new"))
		must(t, os.Rename(path+".new", path))
		r.await(t, sub+"1")
		write(t, filepath.Join(dir, sub, "g"), sub+"2")
		r.await(t, sub+"2")
	}
}

// Other files of the folder are nobody's business.
func TestFileAlone(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "f"), filepath.Join(dir, "other")
	write(t, path, "a")
	r, noise := start(t, path), start(t, other)
	r.await(t, "a")
	noise.await(t, absent)
	for i := range 3 {
		write(t, other, strconv.Itoa(i))
		noise.await(t, strconv.Itoa(i))
	}
	write(t, path, "b")
	r.await(t, "b")
	if n := len(r.read); r.read[1] == "a" {
		t.Errorf("read %d times, and nothing new for the second time", n)
	}
}

// A burst is a few calls, and its end is among what is told.
func TestFileGathers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "first")
	r := start(t, path)
	r.await(t, "first")
	const writes = 500
	began := time.Now()
	for i := range writes {
		write(t, path, fmt.Sprint(i))
	}
	r.await(t, fmt.Sprint(writes-1))
	if most := int64(time.Since(began)/(200*time.Millisecond)) + 2; r.calls.Load() > most {
		t.Errorf("%d calls for %d writes, want at most %d", r.calls.Load(), writes, most)
	}
}

// The look by clock finds what no event told of, and nothing where nothing is.
func TestPoll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var calls atomic.Int64
		go watch.Poll(ctx, path, time.Minute, func() { calls.Add(1) })
		expect := func(what string, want int64) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := calls.Load(); got != want {
				t.Errorf("%s: %d calls, want %d", what, got, want)
			}
		}
		expect("absent", 1)
		write(t, path, "a")
		expect("created", 2)
		expect("unchanged", 2)
		write(t, path, "longer")
		expect("written", 3)
		write(t, path+".new", "LONGER")
		must(t, os.Rename(path+".new", path))
		expect("renamed over", 4)
		must(t, os.Remove(path))
		expect("removed", 5)
		cancel()
		synctest.Wait()
	})
}
