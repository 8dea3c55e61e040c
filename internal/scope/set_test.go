package scope_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/scope"
	"grantd/internal/store/storetest"
)

// A reload is a person's wish: everything is in force when Set returns, less as
// well as more.
func TestSet(t *testing.T) {
	bubble(t, func(w *world) {
		path := filepath.Join(w.t.TempDir(), "scopes")
		write(w.t, path, "f g")
		c := scope.Config{Fixed: []string{"z"}, URL: location, File: path, Resource: resource}
		w.start(c)
		w.expect("a b f g z")
		w.journal("file:  > f g", "url:  > a b")
		w.gateway.says("a", "c")
		write(w.t, path, "f")
		w.sources.Set(w.t.Context(), c)
		w.expect("a c f z")
		synctest.Wait()
		w.journal("file: f g > f", "url: a b > a c")
		c.Fixed = []string{"y"}
		w.sources.Set(w.t.Context(), c)
		w.expect("a c f y")
		c.File = ""
		w.sources.Set(w.t.Context(), c)
		w.expect("a c y")
		synctest.Wait()
		w.journal("file: f > ")
		c.URL = ""
		w.sources.Set(w.t.Context(), c)
		w.expect("y")
		before := w.gateway.count()
		w.after(time.Hour)
		if n := w.gateway.count(); n != before {
			t.Errorf("%d requests after the URL was taken out", n-before)
		}
	})
}

// Where nobody asked for it, another configuration takes away nothing of what
// file and URL said before: what they leave out waits.
func TestAdjust(t *testing.T) {
	bubble(t, func(w *world) {
		path := filepath.Join(w.t.TempDir(), "scopes")
		write(w.t, path, "f g")
		c := scope.Config{Fixed: []string{"y", "z"}, URL: location, File: path, Resource: resource}
		w.start(c)
		w.expect("a b f g y z")
		w.gateway.says("a", "c")
		write(w.t, path, "f")
		c.Fixed = []string{"y"}
		w.sources.Adjust(w.t.Context(), c)
		w.expect("a b c f g y")
		w.after(29 * time.Second)
		w.expect("a b c f g y")
		w.after(31 * time.Second) // the URL is asked again after a minute
		w.expect("a c f y")
	})
}

func TestRefresh(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		w.gateway.says("a")
		w.sources.Refresh(w.t.Context())
		w.expect("a")
		w.gateway.answers(500, "")
		w.sources.Refresh(w.t.Context())
		w.expect("a")
		w.failing("url: status 500")
	})
}

// A command without a daemon needs no Run.
func TestRefreshWithoutRun(t *testing.T) {
	bubble(t, func(w *world) {
		w.create(scope.Config{URL: location})
		w.sources.Refresh(w.t.Context())
		w.expect("a b")
		w.told()
	})
}

// A scope that moves from one source to another is never gone in between.
func TestSetIsOneStep(t *testing.T) {
	bubble(t, func(w *world) {
		path := filepath.Join(w.t.TempDir(), "scopes")
		write(w.t, path, "f moves")
		c := scope.Config{Fixed: []string{"z"}, File: path, URL: location, Resource: resource}
		w.start(c)
		w.told("f moves z (unknown)", "a b f moves z") // New read the file alone
		for range 3 {
			write(w.t, path, "f")
			w.gateway.says("a", "b", "moves")
			w.sources.Refresh(w.t.Context())
			write(w.t, path, "f moves")
			w.gateway.says("a", "b")
			w.sources.Refresh(w.t.Context())
			w.gateway.says("a")
			c.Fixed = []string{"b", "z"}
			w.sources.Set(w.t.Context(), c)
			w.gateway.says("a", "b")
			c.Fixed = []string{"z"}
			w.sources.Set(w.t.Context(), c)
		}
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, union := range w.unions {
			if union != "a b f moves z" {
				t.Errorf("told of %s in between", union)
			}
		}
	})
}

// Another place inherits nothing, neither while grantd runs nor by way of the
// ledger, so nothing is taken away until it has answered.
func TestAnotherPlace(t *testing.T) {
	bubble(t, func(w *world) {
		dir := w.t.TempDir()
		write(w.t, dir+"/1", "f")
		c := scope.Config{Fixed: []string{"z"}, URL: location, File: dir + "/1", Resource: resource}
		w.start(c)
		w.expect("a b f z")
		w.gateway.answers(503, "")
		c.URL, c.File = location+"2", dir+"/2"
		w.sources.Set(w.t.Context(), c)
		w.expect("z (unknown)")
		w.failing("file: no such file", "url: status 503")
		w.start(c)
		w.expect("z (unknown)")
		w.gateway.says("c")
		w.after(time.Minute)
		w.expect("c z (unknown)")
		write(w.t, dir+"/2", "g")
		w.after(time.Minute)
		w.expect("c g z")
		// And back: what was kept is the other's by now.
		w.gateway.answers(503, "")
		c.URL, c.File = location, ""
		w.start(c)
		w.expect("z (unknown)")
	})
}

// What was in force is in force after a restart, with the source away: also
// what it added while something else was missing.
func TestRestart(t *testing.T) {
	bubble(t, func(w *world) {
		path := filepath.Join(w.t.TempDir(), "scopes")
		write(w.t, path, "f g")
		c := scope.Config{URL: location, File: path}
		w.start(c)
		w.gateway.says("a", "c")
		w.after(time.Minute)
		w.expect("a b c f g")
		write(w.t, path, "")
		w.gateway.answers(500, "")
		w.journal("file:  > f g", "url:  > a b", "url: a b > a c")
		w.start(c)
		w.expect("a b c f g")
		w.failing("file: holds no scopes", "url: status 500")
		w.journal()
		// What a URL said of another API says nothing of this one.
		c.Resource = "urn:other"
		w.start(c)
		w.expect("f g (unknown)")
	})
}

// A request that is under way when the configuration changes tells nothing of
// the new one.
func TestSetWhileFetching(t *testing.T) {
	bubble(t, func(w *world) {
		w.gateway.hangs()
		w.start(scope.Config{Fixed: []string{"z"}, URL: location})
		w.gateway.says("a")
		w.sources.Set(w.t.Context(), scope.Config{Fixed: []string{"z"}, URL: location + "2", Resource: resource})
		w.expect("a z")
		w.after(time.Hour)
		w.failing()
	})
}

// An answer of a place that was left while it was under way is nobody's.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.Open(t))
		o := w.options(scope.Config{URL: location})
		o.Transport = transport(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() == location {
				time.Sleep(time.Second)
			}
			return w.gateway.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		})
		var err error
		if w.sources, err = scope.New(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.sources.Run(ctx); close(ended) }()
		w.after(time.Second / 2)
		w.gateway.says("n")
		w.sources.Set(ctx, scope.Config{URL: location + "2", Resource: resource})
		synctest.Wait()
		w.gateway.says("late")
		w.after(2 * time.Second)
		w.expect("n")
		w.journal("url:  > n")
		cancel()
		<-ended
	})
}

// If there is no time to read, the configuration counts all the same.
func TestSetWithoutTime(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{Fixed: []string{"z"}, URL: location})
		ctx, cancel := context.WithCancel(w.t.Context())
		cancel()
		w.sources.Set(ctx, scope.Config{Fixed: []string{"y"}, URL: location, Resource: resource})
		w.expect("a b y")
		w.sources.Set(ctx, scope.Config{Fixed: []string{"y"}, URL: location + "2", Resource: resource})
		w.after(time.Second) // Run reads it as if it had just started
		w.expect("a b y")
		w.failing()
	})
}

// OnChange may call back whatever it likes, and hears of one thing at a time.
func TestOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.Open(t))
		o := w.options(scope.Config{URL: location})
		var running, calls int // without a lock: the race detector would tell
		var sources *scope.Sources
		o.OnChange = func(ctx context.Context, _ []scope.Change) {
			running++
			if running != 1 {
				t.Error("called while running")
			}
			if calls++; calls == 1 {
				w.gateway.says("a", "b", "c")
				sources.Refresh(ctx)
				sources.Set(ctx, scope.Config{URL: location, Fixed: []string{"z"}, Resource: resource})
				sources.Failing()
			}
			running--
		}
		var err error
		if sources, err = scope.New(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { sources.Run(ctx); close(ended) }()
		synctest.Wait()
		for range 10 {
			go sources.Refresh(t.Context())
		}
		synctest.Wait()
		cancel()
		<-ended
		if got := show(sources.Scopes()); got != "a b c z" || calls != 2 {
			t.Errorf("in force %s after %d calls", got, calls)
		}
	})
}

// Without any scope there is nothing to grant, which is not known to be so.
func TestNoScopes(t *testing.T) {
	bubble(t, func(w *world) {
		w.create(scope.Config{})
		w.expect("(unknown)")
	})
}

// The ceiling holds for the sources and not for what is fixed. What is beyond
// is logged once.
func TestCeilingOfSources(t *testing.T) {
	bubble(t, func(w *world) {
		path := filepath.Join(w.t.TempDir(), "scopes")
		write(w.t, path, "read:f write:f")
		w.gateway.says("read:u", "write:u", "admin")
		c := scope.Config{Fixed: []string{"fixed"}, URL: location, File: path, Ceiling: ceiling(t, "read:*"), Resource: resource}
		w.start(c)
		w.expect("fixed read:f read:u")
		w.after(10 * time.Minute)
		if n := w.logs.with("beyond GRANTD_SCOPE_CEILING"); n != 2 {
			t.Errorf("%d log lines, want one a source", n)
		}
		w.journal("file:  > read:f", "url:  > read:u")

		// Opened: an answer of 304 has to do, and what was beyond is there.
		c.Ceiling = ceiling(t, "read:* write:*")
		w.sources.Set(w.t.Context(), c)
		w.expect("fixed read:f read:u write:f write:u")
		synctest.Wait()
		w.journal("file: read:f > read:f write:f", "url: read:u > read:u write:u")

		// Closed: at once, even if nobody answers, also after a restart.
		w.gateway.answers(500, "")
		write(w.t, path, "")
		c.Ceiling = ceiling(t, "write:*")
		w.sources.Set(w.t.Context(), c)
		w.expect("fixed write:f write:u")
		synctest.Wait()
		w.journal("file: read:f write:f > write:f", "url: read:u write:u > write:u")
		c.Ceiling = ceiling(t, "write:f")
		w.start(c)
		w.expect("fixed write:f")
	})
}

// A source that offers nothing within the ceiling is one that fails, and not a
// wish to have nothing.
func TestAllBeyondCeiling(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location, Ceiling: ceiling(t, "a b")})
		w.gateway.says("admin")
		w.after(time.Hour)
		w.expect("a b")
		w.failing("url: within GRANTD_SCOPE_CEILING")
	})
}

func TestLogsAreBounded(t *testing.T) {
	bubble(t, func(w *world) {
		var many []string
		for i := range 2000 {
			many = append(many, "x:"+strconv.Itoa(i))
		}
		w.gateway.says(append(many, "a")...)
		w.start(scope.Config{URL: location, Ceiling: ceiling(t, "a")})
		w.expect("a")
		w.logs.mu.Lock()
		defer w.logs.mu.Unlock()
		if n := w.logs.buf.Len(); n > 2000 {
			t.Errorf("%d bytes of log", n)
		}
	})
}

// That nothing changed is no news about another resource.
func TestNotModifiedForAnotherResource(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		w.sources.Set(w.t.Context(), scope.Config{URL: location, Resource: "urn:other"})
		w.failing("url: about the resource")
		w.expect("a b")
	})
}

// transport is one that does not look at the context.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What comes in while Run ends is kept, so it is told as well: the next start
// will not find it new.
func TestToldAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.Open(t))
		o := w.options(scope.Config{URL: location})
		o.Transport = transport(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return w.gateway.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		})
		var told []scope.Change
		o.OnChange = func(ctx context.Context, changes []scope.Change) {
			if ctx.Err() != nil {
				t.Error("told with a context that has ended")
			}
			told = append(told, changes...)
		}
		s, err := scope.New(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		s.Run(ctx)
		if len(told) != 1 {
			t.Errorf("told of %v", told)
		}
		w.create(scope.Config{URL: location})
		w.expect("a b")
	})
}
