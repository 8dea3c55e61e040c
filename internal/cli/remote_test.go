package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
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
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if _, err := r.Hold(ctx, api.HoldRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := s.Holds(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
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
