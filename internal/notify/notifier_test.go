package notify_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/notify"
)

func refused(id, name string) notify.Event {
	e, ok := notify.Changed(dcr.Record{ClientID: id}, dcr.Record{
		ClientID: id, Name: name, Phase: dcr.Refused, Reason: dcr.CallbackNotAllowed, Message: "https://evil.example/cb is not on the allow-list",
	})
	if !ok {
		panic("not told of")
	}
	return e
}

func ready(id, name string) notify.Event {
	return notify.Ready(dcr.Record{ClientID: id, Name: name, TimeToReady: 2100 * time.Millisecond})
}

// One thing is one line, a second later, and once in an hour.
func TestOneLineOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		c.Tell(ready("tpc_a", "ChatGPT"))
		time.Sleep(900 * time.Millisecond)
		if got := c.got(); len(got) != 0 {
			t.Errorf("%v", got)
		}
		time.Sleep(time.Second)
		const want = "grantd, acme.eu.auth0.com: “ChatGPT” (tpc_a) is ready: people can log in with it, 2.1s after it registered."
		if got := c.got(); len(got) != 1 || got[0].text != want {
			t.Errorf("%v", got)
		}
		for range 11 {
			c.Tell(ready("tpc_a", "ChatGPT"))
			time.Sleep(5 * time.Minute)
		}
		if got := c.got(); len(got) != 0 {
			t.Errorf("told again: %v", got)
		}
		time.Sleep(10 * time.Minute)
		c.Tell(ready("tpc_a", "ChatGPT"))
		time.Sleep(10 * time.Second)
		if got := c.got(); len(got) != 1 {
			t.Errorf("after an hour: %v", got)
		}
		if n := c.counted(notify.Sent); n != 2 {
			t.Errorf("%d sent", n)
		}
		c.stop()
	})
}

// Many of one kind and reason are one line with their number and some of them;
// of another reason they are another line of the same message.
func TestManyAreOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		for i := range 12 {
			c.Tell(refused(fmt.Sprintf("tpc_%d", i), "Evil"))
		}
		c.Tell(ready("tpc_good", "ChatGPT"))
		time.Sleep(3 * time.Second)
		got := c.got()
		if len(got) != 1 {
			t.Fatalf("%d posts", len(got))
		}
		for _, want := range []string{
			"\n• 12 clients are refused: callback_not_allowed. ", "Among them: “Evil” (tpc_0), “Evil” (tpc_1), “Evil” (tpc_2) and 9 more",
			"\n• “ChatGPT” (tpc_good) is ready", "GRANTD_ALLOWED_CLIENTS", "grantd clients list --phase refused",
		} {
			if !strings.Contains(got[0].text, want) {
				t.Errorf("no %q in\n%s", want, got[0].text)
			}
		}
		c.stop()
	})
}

// Whoever registers clients all day long does not fill a channel: what goes on
// is told ever more seldom, and none of it is lost. What is new meanwhile is
// told at once.
func TestWhatGoesOnIsToldSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		const n = 24 * 60 * 60 / 5
		for i := range n {
			c.Tell(refused(fmt.Sprintf("tpc_%d", i), "Evil"))
			time.Sleep(5 * time.Second)
		}
		posts := c.got()
		if len(posts) > 40 || len(posts) < 24 {
			t.Errorf("%d posts a day", len(posts))
		}
		c.Tell(ready("tpc_good", "ChatGPT"))
		time.Sleep(10 * time.Second)
		if got := texts(c.got()); !strings.Contains(got, "tpc_good") {
			t.Errorf("the new client waits: %s", got)
		}
		time.Sleep(2 * time.Hour)
		if sent := c.counted(notify.Sent); sent != n+1 || c.counted(notify.Dropped) > 0 {
			t.Errorf("%d sent, want %d", sent, n+1)
		}
		// After some quiet it is told at once again.
		time.Sleep(3 * time.Hour)
		c.got()
		c.Tell(refused("tpc_new", "Evil"))
		time.Sleep(2 * time.Second)
		if got := c.got(); len(got) != 1 {
			t.Errorf("%v", got)
		}
		c.stop()
	})
}

// No two posts within 5 seconds, whatever there is to tell, and no more than 20
// lines in one.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		for i := range 60 {
			c.Tell(notify.Event{Line: fmt.Sprintf("line %d", i)})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		var last time.Time
		lines := 0
		for _, p := range c.got() {
			if gap := p.at.Sub(last); gap < 5*time.Second {
				t.Errorf("%v after the last", gap)
			}
			last = p.at
			n := strings.Count(p.text, "line ")
			if lines += n; n > 20 {
				t.Errorf("%d lines", n)
			}
		}
		if lines != 60 {
			t.Errorf("%d lines", lines)
		}
		c.stop()
	})
}

// What waits is bounded; the oldest goes, and how much that was is told.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		for i := range 1000 {
			c.Tell(notify.Event{Line: fmt.Sprintf("line %d.", i)})
		}
		time.Sleep(time.Minute)
		all := texts(c.got())
		if strings.Contains(all, "line 899.") || !strings.Contains(all, "line 900.") || !strings.Contains(all, "line 999.") ||
			!strings.Contains(all, "• 900 more could not be told in time; the log has them") {
			t.Error(all)
		}
		if c.counted(notify.Dropped) != 900 || c.counted(notify.Sent) != 100 {
			t.Errorf("%v", c.counts)
		}
		c.stop()
	})
}

// A server that fails is tried again, ever later, and then given up; the log
// says so once, and once when it is over.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		c.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		for range 2 {
			began := time.Now()
			c.Tell(notify.Event{Line: "hello"})
			time.Sleep(2 * time.Minute)
			var at []time.Duration
			for _, p := range c.got() {
				at = append(at, p.at.Sub(began).Round(100*time.Millisecond))
			}
			if got := fmt.Sprint(at); got != "[1s 3s 7s 15s 31s]" {
				t.Errorf("tried at %s", got)
			}
		}
		if n := strings.Count(c.logged(), "notifications do not arrive"); n != 1 || !strings.Contains(c.logged(), "status 502") {
			t.Errorf("%s", c.logged())
		}
		if c.counted(notify.Failed) != 2 || c.counted(notify.Sent) != 0 {
			t.Errorf("%v", c.counts)
		}
		c.answers(nil)
		c.Tell(notify.Event{Line: "hello again"})
		time.Sleep(2 * time.Second)
		if got := texts(c.got()); got != "grantd, acme.eu.auth0.com: hello again" || !strings.Contains(c.logged(), "arrive again") {
			t.Errorf("%s\n%s", got, c.logged())
		}
		c.stop()
	})
}

// How long to wait is the server's to say.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		c.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		began := time.Now()
		c.Tell(notify.Event{Line: "hello"})
		time.Sleep(80 * time.Second)
		c.answers(nil)
		c.Tell(notify.Event{Line: "and this"})
		time.Sleep(80 * time.Second)
		got := c.got()
		if len(got) != 3 || got[1].at.Sub(began).Round(time.Second) != 91*time.Second || got[1].text != got[0].text || !strings.Contains(got[2].text, "and this") {
			t.Errorf("%v", got)
		}
		c.stop()
	})
}

// What a server refuses for good is not tried again; a redirect is such, and is
// not followed.
func TestRefusedForGood(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		why    string
	}{
		{http.StatusNotFound, "no_service", "status 404 (no_service)"},
		{http.StatusForbidden, "<html>" + address, "status 403\""},
		{http.StatusBadRequest, "s3cr3tpath", "status 400\""},
		{http.StatusTemporaryRedirect, "", "redirect, which is not followed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newChat(t)
			c.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://elsewhere.example.com/")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})
			c.Tell(notify.Event{Line: "hello"})
			time.Sleep(time.Hour)
			if got := c.got(); len(got) != 1 || !strings.Contains(c.logged(), tt.why) {
				t.Errorf("%d: %v\n%s", tt.status, got, c.logged())
			}
			c.stop()
		})
	}
}

// Whoever tells does not wait for a server that hangs, nor does a stop, by more
// than a second. What came meanwhile is in one last message.
func TestHangingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		hang := make(chan struct{})
		c.answers(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		})
		began := time.Now()
		for i := range 20_000 {
			c.Tell(refused(fmt.Sprintf("tpc_%d", i), "Evil"))
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("telling took %v", took)
		}
		time.Sleep(5 * time.Minute)
		if got := c.got(); len(got) < 5 || len(got) > 12 {
			t.Errorf("%d posts", len(got))
		}
		c.Tell(notify.Event{Line: "hello"})
		time.Sleep(2 * time.Second)
		began = time.Now()
		c.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the stop took %v", took)
		}
		if !strings.Contains(c.logged(), "does not answer within 10s") {
			t.Error(c.logged())
		}
		close(hang)
	})
}

// What waits when grantd stops is posted at once, within a second.
func TestStopPosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		c.answers(func(http.ResponseWriter, *http.Request) { time.Sleep(700 * time.Millisecond) })
		c.Tell(refused("tpc_a", "Evil"))
		time.Sleep(3 * time.Second)
		c.Tell(refused("tpc_b", "Evil")) // would wait
		for i := range 50 {
			c.Tell(notify.Event{Line: fmt.Sprintf("line %d.", i)})
		}
		c.got()
		began := time.Now()
		c.stop()
		if got := texts(c.got()); !strings.Contains(got, "tpc_b") || !strings.Contains(got, "line 18.") || !strings.Contains(got, "31 more") {
			t.Error(got)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

// Another address counts from the next post on, also for what waits after a
// failure; without one nothing is kept.
func TestAddressChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		c.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		c.Tell(notify.Event{Line: "hello"})
		time.Sleep(10 * time.Second)
		c.answers(nil)
		c.got()
		c.move("http://chat.example.com/other")
		c.Changed()
		time.Sleep(time.Second)
		if got := c.got(); len(got) != 1 || got[0].path != "/other" {
			t.Errorf("%v", got)
		}
		c.move("")
		c.Changed()
		c.Tell(notify.Event{Line: "nobody hears"})
		c.move(address)
		time.Sleep(time.Minute)
		if got := c.got(); len(got) != 0 {
			t.Errorf("%v", got)
		}
		c.stop()
	})
}

// The address is in no log line.
func TestAddressIsShownNowhere(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.Path, http.StatusNotFound) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?"+r.URL.Path, http.StatusFound)
		},
		"hang up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte("SSH-2.0 " + address + "\r\n"))
				conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChat(t)
				c.answers(answer)
				c.Tell(notify.Event{Line: "hello"})
				time.Sleep(5 * time.Minute)
				c.stop()
				log := c.logged()
				if !strings.Contains(log, "do not arrive") || strings.Contains(log, "chat.example") || strings.Contains(log, "SECRET") || strings.Contains(log, "s3cr3t") {
					t.Error(log)
				}
			})
		})
	}
}
