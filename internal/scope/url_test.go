package scope_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/scope"
	"grantd/internal/store/storetest"
)

// bubble runs a test with a simulated clock and a ledger of its own.
func bubble(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.Open(t))
		test(w)
		w.stop()
	})
}

// The URL is asked at once and then every minute, and joins the fixed scopes.
func TestURL(t *testing.T) {
	bubble(t, func(w *world) {
		c := scope.Config{Fixed: []string{"z", "a"}, URL: location}
		w.create(c)
		w.expect("a z (unknown)") // an earlier grant may hold what the URL says
		if n := w.gateway.count(); n != 0 {
			t.Errorf("New made %d requests", n)
		}
		w.start(c)
		w.expect("a b z")
		w.failing()
		w.after(2*time.Minute + 30*time.Second)
		if n := w.gateway.count(); n != 3 {
			t.Errorf("%d requests in 2:30 minutes, want 3", n)
		}
		w.told("a b z")
		w.journal("url:  > a b")
	})
}

// What is added is in force at once, what is missing only after it was missing
// for 30 s, and what it adds meanwhile does not wait for that.
func TestURLNarrows(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		w.gateway.says("a", "b", "c")
		w.after(time.Minute)
		w.expect("a b c")
		w.gateway.says("a", "d")
		w.after(time.Minute)
		w.expect("a b c d")
		w.after(29 * time.Second)
		w.expect("a b c d")
		w.after(time.Second) // asked again for this, in the middle of the minute
		w.expect("a d")
		w.told("a b", "a b c", "a b c d", "a d")
		w.journal("url:  > a b", "url: a b > a b c", "url: a b c > a d")
	})
}

// What comes back in time was never gone, and a source that says something else
// each time takes nothing away.
func TestURLFlaps(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		w.gateway.says("a")
		w.after(time.Minute)
		w.gateway.says("a", "b")
		w.after(time.Hour)
		w.told("a b", "a b", "a b") // it read otherwise, and the union did not change
		w.expect("a b")
		for range 20 {
			w.gateway.says("a")
			w.after(20 * time.Second)
			w.gateway.says("b")
			w.after(20 * time.Second)
			w.expect("a b")
		}
	})
}

// Whatever goes wrong takes nothing away, for however long, is told by Failing
// and logged once.
func TestURLFails(t *testing.T) {
	for name, tt := range map[string]struct {
		fail func(*gateway)
		want string
	}{
		"status":            {func(g *gateway) { g.answers(http.StatusBadGateway, "") }, "status 502"},
		"not modified":      {func(g *gateway) { g.answers(http.StatusNoContent, "") }, "status 204"},
		"empty":             {func(g *gateway) { g.says() }, "holds no scopes"},
		"login scopes only": {func(g *gateway) { g.says("openid", "profile", "email", "address", "phone", "offline_access") }, "holds no scopes"},
		"no scopes":         {func(g *gateway) { g.answers(200, `{"resource":"`+resource+`"}`) }, `no "scopes_supported"`},
		"null":              {func(g *gateway) { g.answers(200, `{"resource":"`+resource+`","scopes_supported":null}`) }, "holds no scopes"},
		"cut":               {func(g *gateway) { g.answers(200, `{"resource":"`+resource+`","scopes_supported":["a"`) }, "not a JSON object"},
		"html":              {func(g *gateway) { g.answers(200, `<html>`) }, "not a JSON object"},
		"bad scope":         {func(g *gateway) { g.says("a", "b c") }, `"b c"`},
		"another resource":  {func(g *gateway) { g.answers(200, `{"resource":"`+resource+`/","scopes_supported":["a"]}`) }, "about the resource"},
		"hangs":             {func(g *gateway) { g.hangs() }, "does not answer within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.start(scope.Config{URL: location})
				tt.fail(w.gateway)
				w.after(time.Hour)
				w.expect("a b")
				w.failing("url: " + tt.want)
				if since := time.Since(w.sources.Failing()[0].Since); since < 58*time.Minute {
					t.Errorf("failing for %v", since)
				}
				if n := w.logs.with("scope source fails"); n != 1 {
					t.Errorf("%d log lines, want 1", n)
				}
				// A restart during the outage changes nothing.
				w.start(scope.Config{URL: location})
				w.after(time.Hour)
				w.expect("a b")
				w.gateway.says("a", "b")
				w.after(time.Minute)
				w.failing()
				w.told("a b")
				if n := w.logs.with("good again"); n != 1 {
					t.Errorf("%d log lines of the recovery, want 1", n)
				}
			})
		})
	}
}

// A failure in between makes the wait begin anew: the answers around it may be
// part of it.
func TestFailureRestartsWait(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		w.gateway.says("a")
		w.after(time.Minute)
		w.gateway.answers(500, "")
		w.after(time.Minute)
		w.failing("url: status 500")
		w.gateway.says("a")
		w.after(31 * time.Second) // this is the first good answer, at the latest
		w.expect("a b")
		w.after(30 * time.Second)
		w.expect("a")
	})
}

// Another failure is another line.
func TestFailureChangesAreLogged(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		for _, status := range []int{500, 500, 503, 503, 500} {
			w.gateway.answers(status, "")
			w.after(time.Minute)
		}
		if n := w.logs.with("scope source fails"); n != 3 {
			t.Errorf("%d log lines, want 3", n)
		}
	})
}

// Until it has answered once, it is asked again soon: nobody gets anything
// before. After that a failure is asked about every minute.
func TestFirstAnswerIsSoughtSoon(t *testing.T) {
	bubble(t, func(w *world) {
		w.gateway.answers(503, "")
		w.start(scope.Config{Fixed: []string{"z"}, URL: location})
		w.after(30 * time.Second)
		w.expect("z (unknown)")
		if n := w.gateway.count(); n != 5 { // at 0, 1, 3, 7 and 15 s
			t.Errorf("%d requests in 30 s, want 5", n)
		}
		w.gateway.says("a")
		w.after(2 * time.Second)
		w.expect("a z")
		before := w.gateway.count()
		w.gateway.answers(503, "")
		w.after(10*time.Minute + time.Second)
		if n := w.gateway.count() - before; n != 10 {
			t.Errorf("%d requests in 10 minutes, want 10", n)
		}
	})
}

// An answer of 304 is a reading of the same, and lets what is missing go.
func TestNotModified(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		w.gateway.says("a")
		w.after(time.Minute)
		w.after(30 * time.Second)
		w.expect("a")
		last := w.gateway.seen[len(w.gateway.seen)-1]
		if got := last.Header.Get("If-None-Match"); got != `"a"` {
			t.Errorf("If-None-Match: %q", got)
		}
	})
}

// A first look after a start is a person's wish: less is in force at once. If it
// fails, the next look is one like any other.
func TestStartNarrowsAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.start(scope.Config{URL: location})
		w.gateway.says("a")
		w.start(scope.Config{URL: location})
		w.expect("a")
		w.gateway.answers(500, "")
		w.start(scope.Config{URL: location})
		w.gateway.says("x")
		w.after(time.Minute)
		w.expect("a x")
		w.after(30 * time.Second)
		w.expect("x")
	})
}

// The clock on the wall does not count for waiting.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-48 * time.Hour, 48 * time.Hour} {
		bubble(t, func(w *world) {
			w.start(scope.Config{URL: location})
			w.gateway.says("a")
			w.after(time.Minute)
			w.now = func() time.Time { return time.Now().Add(jump) }
			w.after(29 * time.Second)
			w.expect("a b")
			w.after(time.Second)
			w.expect("a")
		})
	}
}

// An end in the middle of a request is no failure of the gateway, and the end
// does not wait for it.
func TestStopWhileFetching(t *testing.T) {
	bubble(t, func(w *world) {
		w.gateway.hangs()
		w.start(scope.Config{URL: location})
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("stopped after %v", took)
		}
		w.failing()
	})
}

// failingKeeper is a ledger that cannot be read or written.
type failingKeeper struct{ read, write error }

func (k failingKeeper) Fact(context.Context, string) ([]byte, error)  { return nil, k.read }
func (k failingKeeper) SetFact(context.Context, string, []byte) error { return k.write }

func TestKeeperFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("disk is gone")
		w := newWorld(t, failingKeeper{read: broken})
		if _, err := scope.New(t.Context(), w.options(scope.Config{URL: location})); !errors.Is(err, broken) {
			t.Errorf("New: %v", err)
		}
		w = newWorld(t, failingKeeper{write: broken})
		w.start(scope.Config{URL: location})
		w.expect("a b") // it counts all the same
		w.after(time.Minute)
		if n := w.logs.with("keep scopes"); n != 2 {
			t.Errorf("%d log lines, want one for each of two attempts", n)
		}
		w.stop()
	})
}

// What is kept and cannot be read counts as nothing.
func TestUnreadableFact(t *testing.T) {
	for _, kept := range []string{"{", "null", `{"from":"` + location + `","scopes":["b ad"]}`, `{"from":"` + location + `"}`} {
		bubble(t, func(w *world) {
			if err := w.keeper.SetFact(w.t.Context(), "scopes/url", []byte(kept)); err != nil {
				t.Fatal(err)
			}
			w.create(scope.Config{Fixed: []string{"z"}, URL: location})
			w.expect("z (unknown)")
		})
	}
}

// What others write is cut before it is logged or kept in an error.
func TestLongAnswers(t *testing.T) {
	bubble(t, func(w *world) {
		w.gateway.says(strings.Repeat("x", 70_000))
		w.start(scope.Config{URL: location})
		w.failing("url: longer than 65536 bytes")
		w.gateway.says(strings.Repeat("ä", 20_000))
		w.after(time.Minute)
		if n := len(w.sources.Failing()[0].Err.Error()); n > 1000 {
			t.Errorf("the error has %d bytes", n)
		}
	})
}
