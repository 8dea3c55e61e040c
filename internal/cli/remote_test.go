package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	api "grantd/internal/http"
)

// answering is a daemon that answers as it is told.
func answering(t *testing.T, answer http.HandlerFunc) remote {
	t.Helper()
	return answeringAt(t, filepath.Join(t.TempDir(), "s"), answer)
}

func answeringAt(t *testing.T, path string, answer http.HandlerFunc) remote {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: answer} //nolint:gosec // it has one caller, this test
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	r := newRemote(path)
	t.Cleanup(func() {
		r.http.CloseIdleConnections()
		_ = s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return r
}

// A daemon that is stuck does not make a person wait for ever, who is told what
// to do.
func TestStuckDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := answeringAt(t, path, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	r.wait = 10 * time.Millisecond
	if _, err := r.Hold(t.Context(), api.HoldRequest{}); !errors.Is(err, errStuck) {
		t.Errorf("hold: %v", err)
	}
	s := socketReader{&http.Client{Transport: r.http.Transport, Timeout: r.wait}}
	if _, err := s.Holds(t.Context()); !errors.Is(err, errStuck) {
		t.Errorf("list: %v", err)
	}
	if _, err := openEvents(t.Context(), path, r.wait); !errors.Is(err, errStuck) {
		t.Errorf("watch: %v", err)
	}
	if _, err := r.Plan(t.Context(), func(api.Progress) {}); !errors.Is(err, errStuck) {
		t.Errorf("plan: %v", err)
	}
	if err := r.backup(t.Context(), io.Discard); !errors.Is(err, errStuck) {
		t.Errorf("backup: %v", err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if _, err := r.Plan(ctx, func(api.Progress) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := r.Hold(ctx, api.HoldRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := s.Holds(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// One that is stopped in the middle of an answer is found to be so, whatever it
// was asked.
func TestDaemonThatStopsInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := answeringAt(t, path, func(w http.ResponseWriter, req *http.Request) {
		begin := map[string]string{"/api/v1/events": "event: client\n", "/api/v1/holds": `{"holds":[`, "/api/v1/backup": "x"}[req.URL.Path]
		_, _ = io.WriteString(w, begin)
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})
	r.wait = 20 * time.Millisecond
	if _, err := r.Plan(t.Context(), func(api.Progress) {}); !errors.Is(err, errStuck) {
		t.Errorf("plan: %v", err)
	}
	if err := r.backup(t.Context(), io.Discard); !errors.Is(err, errStuck) {
		t.Errorf("backup: %v", err)
	}
	s := socketReader{&http.Client{Transport: r.http.Transport, Timeout: r.wait}}
	if _, err := s.Holds(t.Context()); !errors.Is(err, errStuck) {
		t.Errorf("list: %v", err)
	}
	events, err := openEvents(t.Context(), path, 200*time.Millisecond)
	if err == nil {
		defer events.Close()
		err = followClients(events, &selection{}, func(api.Client) error { return nil })
	}
	if !errors.Is(err, errStuck) {
		t.Errorf("watch: %v", err)
	}
}

// An answer takes as long as it takes while the daemon shows that it lives, and
// however long whoever reads it does something else meanwhile.
func TestStreamThatLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daemon, body := io.Pipe()
		do := func(r *http.Request) (*http.Response, error) {
			context.AfterFunc(r.Context(), func() { _ = body.CloseWithError(r.Context().Err()) })
			return &http.Response{StatusCode: http.StatusOK, Body: daemon}, nil
		}
		go func() {
			for range 20 {
				<-time.After(answerWithin / 2)
				_, _ = body.Write([]byte("\n"))
			}
		}()
		began := time.Now()
		resp, err := openStream(t.Context(), do, http.MethodPost, "http://grantd/", answerWithin)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		<-time.After(2 * answerWithin)
		if got, err := io.ReadAll(resp.Body); len(got) != 20 || !errors.Is(err, errStuck) {
			t.Errorf("%q, %v", got, err)
		}
		if took := time.Since(began); took != 2*answerWithin+19*answerWithin/2+answerWithin {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestRemote(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string // want is the error; empty: none
	}{
		{"done", `{"progress":{"listed":1}}` + "\n" + `{"synced":{"listed":7}}`, ""},
		{"newer daemon", `{"progress":{"listed":1,"colour":"red"}}` + "\n" + `{"synced":{"listed":7,"more":{}}}`, ""},
		{"problem", `{"progress":{"listed":1}}` + "\n" + `{"problem":{"error":"failed","message":"sync: no."}}`, "sync: no."},
		{"nothing", "", "the daemon ended before"},
		{"progress alone", `{"progress":{"listed":1}}` + "\n", "the daemon ended before"},
		{"cut", `{"progress":{"listed":1}}` + "\n" + `{"synced":{"lis`, "the daemon ended before"},
		{"garbage", "<html>", "read the daemon's answer: "},
		{"something else", `{"plan":{"listed":7}}`, "the daemon ended before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.body)) })
			s, err := r.Sync(t.Context(), false, func(api.Progress) {})
			switch {
			case tt.want == "" && (err != nil || s.Listed != 7):
				t.Errorf("%+v, %v", s, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestRemoteOfAnotherVersion(t *testing.T) {
	r := answering(t, http.NotFound)
	if _, err := r.Plan(t.Context(), func(api.Progress) {}); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Error(err)
	}
}

// A daemon that is killed is not taken for one that answers nonsense.
func TestRemoteKilled(t *testing.T) {
	r := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"progress":{"listed":1}}` + "\n"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if _, err := r.Plan(t.Context(), func(api.Progress) {}); !errors.Is(err, errCutShort) {
		t.Error(err)
	}
}

func TestRemoteInterrupted(t *testing.T) {
	r := answering(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = w.Write([]byte(`{"progress":{"listed":1}}` + "\n"))
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := r.Sync(ctx, true, func(api.Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
