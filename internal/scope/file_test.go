package scope_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/scope"
	"grantd/internal/store/storetest"
)

func TestParseFile(t *testing.T) {
	for _, tt := range []struct{ text, want, err string }{
		{"", "", ""},
		{"b a", "a b", ""},
		{"a,b\nc\td\r\ne,,f\n", "a b c d e f", ""},
		{"# all of it\na # and this: \"é\"\n#b", "a", ""},
		{"a#b", "a", ""},
		{"\ufeffa", "a", ""},
		{"a a\na", "a", ""},
		{"openid a profile offline_access", "a", ""},
		{"a\n\"b\"\nc", "", `line 2: "\"b\"" is not a scope`},
		{"a\nb \u00e9", "", `line 2: "\u00e9" is not a scope`},
		{"a\n\nb\x00c", "", `line 3: "b\x00c" is not a scope`},
		{"a\nb\xff", "", "line 2: is not UTF-8"},
		{"a # \xff", "", "line 1: is not UTF-8"},
		{"a\n" + strings.Repeat("é", 500), "", "line 2: "},
		{strings.Repeat("a\n", 32<<10) + "a", "", "longer than 65536 bytes"},
	} {
		got, err := scope.ParseFile([]byte(tt.text))
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%.40q: -want +got\n%s", tt.text, diff)
		}
		if (err != nil) != (tt.err != "") || err != nil && (!strings.Contains(err.Error(), tt.err) || len(err.Error()) > 1000) {
			t.Errorf("%.40q: error %v, want %q", tt.text, err, tt.err)
		}
	}
}

// The file is read by New, and followed like the URL, even if no event comes.
func TestFileIsFollowed(t *testing.T) {
	bubble(t, func(w *world) {
		path := filepath.Join(w.t.TempDir(), "scopes")
		write(w.t, path, "a b")
		w.start(scope.Config{File: path})
		w.expect("a b")
		write(w.t, path, "a b c")
		w.after(30 * time.Second)
		w.expect("a b c")
		write(w.t, path, "a d")
		w.after(30 * time.Second)
		w.expect("a b c d")
		w.after(29 * time.Second)
		w.expect("a b c d")
		w.after(time.Second)
		w.expect("a d")
		w.journal("file:  > a b", "file: a b > a b c", "file: a b c > a d")
		// A start is a person's wish.
		write(w.t, path, "a")
		w.start(scope.Config{File: path})
		w.expect("a")
	})
}

// Whatever is wrong with the file takes nothing away.
func TestFileFails(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"gone":      {func(*testing.T, string) {}, "no such file"},
		"empty":     {func(t *testing.T, path string) { write(t, path, "\n# nothing\n") }, "holds no scopes"},
		"bad":       {func(t *testing.T, path string) { write(t, path, "a\nb\\") }, "line 2"},
		"long":      {func(t *testing.T, path string) { write(t, path, strings.Repeat("a ", 40_000)) }, "longer than"},
		"folder":    {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "not a regular file"},
		"pipe":      {func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) }, "not a regular file"},
		"endless":   {func(t *testing.T, path string) { must(t, os.Symlink("/dev/zero", path)) }, "not a regular file"},
		"in a loop": {func(t *testing.T, path string) { must(t, os.Symlink(path, path)) }, "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				path := filepath.Join(w.t.TempDir(), "scopes")
				write(w.t, path, "a b")
				w.start(scope.Config{File: path})
				must(w.t, os.Remove(path))
				tt.spoil(w.t, path)
				w.after(time.Hour)
				w.expect("a b")
				w.failing("file: " + tt.want)
				w.start(scope.Config{File: path})
				w.expect("a b")
				w.failing("file: " + tt.want)
			})
		})
	}
}

// With real events and a real clock: more at once, less when it has settled.
func TestFileWatched(t *testing.T) {
	for _, tt := range []struct {
		settle time.Duration
		want   string
	}{{time.Hour, "a b c d"}, {time.Second, "a d"}} {
		t.Run(tt.settle.String(), func(t *testing.T) { fileWatched(t, tt.settle, tt.want) })
	}
}

// fileWatched changes a file from a b c to a d.
func fileWatched(t *testing.T, settle time.Duration, want string) {
	path := filepath.Join(t.TempDir(), "scopes")
	write(t, path, "a b")
	news := make(chan struct{}, 100)
	s, err := scope.New(t.Context(), scope.Options{
		Config: scope.Config{File: path}, Keeper: storetest.Open(t), Logger: slog.New(slog.DiscardHandler),
		Settle:   settle,
		Interval: time.Hour, // so that nothing but events and the end of the wait lead to a look
		OnChange: func(context.Context, []scope.Change) { news <- struct{}{} },
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	await := func(want string) {
		t.Helper()
		deadline := time.After(5 * time.Minute)
		for show(s.Scopes()) != want {
			select {
			case <-news:
			case <-deadline:
				t.Fatalf("in force: %s, want %s", show(s.Scopes()), want)
			}
		}
	}
	write(t, path, "a b c")
	await("a b c")
	write(t, path+".new", "a d")
	began := time.Now()
	must(t, os.Rename(path+".new", path))
	await(want)
	if took := time.Since(began); want == "a d" && took < settle {
		t.Errorf("settled after %v", took)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
