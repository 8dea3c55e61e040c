package scope_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/scope"
	"grantd/internal/store/storetest"
)

// A defect while a source is read is a failure of the source: what it said last
// stays, and it is read again.
func TestDefectWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.Open(t))
		w.start(scope.Config{Fixed: []string{"x"}, URL: location})
		w.expect("a b x")
		w.gateway.does(func(http.ResponseWriter, *http.Request) { panic("lost its head") })
		w.after(time.Minute)
		w.expect("a b x")
		w.failing("url: a defect in grantd")
		calls := w.gateway.count()
		w.after(10 * time.Minute)
		if n := w.gateway.count() - calls; n < 9 || n > 11 {
			t.Errorf("read %d times in ten minutes", n)
		}
		w.sources.Refresh(t.Context())
		w.gateway.says("a", "b", "c")
		w.after(time.Minute)
		w.expect("a b c x")
		w.failing()
		if w.logs.with("lost its head") == 0 {
			t.Error("the log does not tell")
		}
	})
}

// A defect in who is told, or in the watch, leaves the sources at work.
func TestDefectInOnChangeAndWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.Open(t))
		path := filepath.Join(t.TempDir(), "scopes")
		write(t, path, "a")
		o := w.options(scope.Config{File: path})
		told := 0
		o.OnChange = func(context.Context, []scope.Change) { told++; panic("lost its head") }
		o.Watch = func(context.Context, string, func()) { panic("lost its eyes") }
		s, err := scope.New(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		w.sources = s
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		for _, next := range []string{"a b", "a b c"} {
			write(t, path, next)
			w.after(2 * time.Minute)
			w.expect(next)
		}
		cancel()
		<-ended
		if told < 2 || w.logs.with("lost its head") != told || w.logs.with("lost its eyes") != 1 {
			t.Errorf("told %d times; %d and %d lines", told, w.logs.with("lost its head"), w.logs.with("lost its eyes"))
		}
	})
}
