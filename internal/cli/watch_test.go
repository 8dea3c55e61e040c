package cli_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grantd/internal/cli"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store/storetest"
)

// On a pipe a change is a line, without escapes; an interrupt is a good end, and
// the daemon's end is not.
func TestWatch(t *testing.T) {
	for name, tt := range map[string]struct {
		flags []string
		want  string
	}{
		"text": {nil, "  tpc_a  blocked  held  Chat�[2JGPT\n"},
		"json": {[]string{"--json"}, `"client_id":"tpc_a","name":"Chat\u001b[2JGPT","phase":"blocked"`},
	} {
		t.Run(name, func(t *testing.T) {
			broker, socket, stop := controlled(t)
			defer stop()
			args := append([]string{"clients", "list", "--watch", "--phase", "blocked", "--socket", socket}, tt.flags...)
			ctx, interrupt := context.WithCancel(t.Context())
			lines, code := watch(ctx, t, args)
			if got := untilLine(t, broker, lines); !strings.HasSuffix(got, tt.want) && !strings.Contains(got, tt.want) || strings.Contains(got, "tpc_b") {
				t.Errorf("%q", got)
			}
			interrupt()
			if got := code(); got != 0 {
				t.Errorf("exit code %d", got)
			}

			lines, code = watch(t.Context(), t, args)
			untilLine(t, broker, lines)
			stop()
			if got := code(); got != 1 {
				t.Errorf("exit code %d when the daemon stops", got)
			}
		})
	}
}

// watch runs the command; code waits for its end.
func watch(ctx context.Context, t *testing.T, args []string) (lines *bufio.Reader, code func() int) {
	t.Helper()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, cli.Process{Args: args, Environ: []string{"HOME=" + t.TempDir()}, Stdout: in, Stderr: io.Discard})
		_ = in.Close()
	}()
	return bufio.NewReader(out), func() int {
		_, _ = io.Copy(io.Discard, out)
		return <-ended
	}
}

// untilLine publishes the same changes until a line is read: nobody knows when
// the command began to listen.
func untilLine(t *testing.T, broker *api.Broker, lines *bufio.Reader) string {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		line, err := lines.ReadString('\n')
		if err != nil {
			line = err.Error()
		}
		got <- line
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, r := range []dcr.Record{
			{ClientID: "tpc_b", Phase: dcr.Ready}, {ClientID: "tpc_a", Name: "Chat\x1b[2JGPT", Phase: dcr.Blocked, Reason: dcr.Held},
		} {
			if err := broker.Publish(api.EventClient, api.ClientView(r)); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case line := <-got:
			return line
		case <-tick.C:
		}
	}
}

// controlled serves the control socket of a daemon that does nothing.
func controlled(t *testing.T) (broker *api.Broker, socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	broker = api.NewBroker()
	log := slog.New(slog.DiscardHandler)
	s, err := api.ListenUnix(t.Context(), socket, api.ServerOptions{
		Logger: log, OnShutdown: broker.Close,
		Handler: api.Control(api.APIOptions{
			Ledger: storetest.Open(t), Events: broker, Logger: log,
			Config: func(context.Context) (api.Configuration, error) { return api.Configuration{}, errors.New("none") },
		}, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	return broker, socket, func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
