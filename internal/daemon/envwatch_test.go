package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/config"
	"grantd/internal/tenantsim"
)

// record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

// count returns how many lines have the text.
func (r *record) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.b.String(), text)
}

// The lines that the watch writes.
const (
	waits    = "it is applied once it has read the same for 30 s"
	refusal  = "the env file changed and is refused"
	restarts = "a restart is needed"
	reloads  = "msg=reloaded"
)

// The contents of the env file that are tried.
const (
	both    = "TOOL_SCOPES=notes:read notes:write\n"
	readers = "TOOL_SCOPES=notes:read\n"
	writers = "TOOL_SCOPES=notes:write\n"
	more    = "TOOL_SCOPES=notes:read notes:write notes:delete\n"
	broken  = "TOOL_SCOPES=notes:read\nGRANTD_SCOPE_MODE=loose\n"
	torn    = "TOOL_SCOPES=notes:read notes:wri\nGRANTD_SCOPE_MO\n"
	moved   = both + "GRANTD_LISTEN=127.0.0.1:1\n" // needs a restart
)

// envRig is a daemon that does not run, and its env file.
type envRig struct {
	*testing.T
	*Daemon
	watch envWatch
	log   record
	mu    sync.Mutex
	text  string
	start time.Time
}

func newEnvRig(t *testing.T) *envRig {
	t.Helper()
	r := &envRig{T: t, text: both, start: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	environ := []string{
		"MGMT_DOMAIN=acme.eu.auth0.com", "MGMT_CLIENT_ID=" + bubbleApp, "MGMT_CLIENT_SECRET=management-secret",
		"LOG_WEBHOOK_SECRET=a-webhook-secret-of-the-tests", "OAUTH_AUDIENCE=" + bubbleAudience,
		"GRANTD_ADMIN_LISTEN=off", "GRANTD_STATE_DIR=" + t.TempDir(),
	}
	load := func() (*config.Config, []config.Notice, error) {
		return config.Load(config.Source{Environ: environ, EnvFile: "grantd.env", ReadFile: func(string) ([]byte, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			text := r.text
			if !strings.Contains(text, "GRANTD_LISTEN") {
				text += "GRANTD_LISTEN=127.0.0.1:0\n"
			}
			return []byte(text), nil
		}})
	}
	c, _, err := load()
	if err != nil {
		t.Fatal(err)
	}
	tenant := tenantsim.New(tenantsim.Options{Domain: c.Domain})
	t.Cleanup(tenant.Close)
	r.Daemon, err = New(t.Context(), Options{
		Config: c, Load: load, Version: "test", transport: wire{tenant},
		Logger: slog.New(slog.NewTextHandler(&r.log, nil)), LogLevel: new(slog.LevelVar),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	r.watch.daemon = r.Daemon
	return r
}

func (r *envRig) write(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = text
}

// inForce are the scopes that are granted, as the env file has them.
func (r *envRig) inForce() string {
	d := r.desired(r.config.Load())
	return "TOOL_SCOPES=" + strings.Join(d.Scopes, " ") + "\n"
}

// step is a look at the env file.
type step struct {
	at    time.Duration // since the start
	text  string        // is written before; empty: as it was
	hup   bool          // SIGHUP comes before
	force string        // what is in force then
	wait  time.Duration // until the next look
}

func TestEnvWatch(t *testing.T) {
	s := time.Second
	const deleting = "TOOL_SCOPES=notes:delete notes:read notes:write\n" // more, sorted
	tests := []struct {
		name  string
		steps []step
		said  map[string]int // lines of the log
	}{
		{"nothing changed", []step{{at: 0, force: both, wait: envIdle}, {at: 3600 * s, force: both, wait: envIdle}}, map[string]int{}},
		{"more scopes apply at once", []step{{at: 0, text: more, force: deleting, wait: envIdle}, {at: s, force: deleting, wait: envIdle}},
			map[string]int{reloads: 1}},
		{"anything else waits", []step{
			{at: 0, text: readers, force: both, wait: 30 * s},
			{at: 10 * s, force: both, wait: 20 * s},
			{at: 30*s - 1, force: both, wait: 1},
			{at: 30 * s, force: readers, wait: envIdle},
			{at: 3630 * s, force: readers, wait: envIdle},
		}, map[string]int{waits: 1, reloads: 1}},
		{"a change in between makes it wait anew", []step{
			{at: 0, text: readers, force: both, wait: 30 * s},
			{at: 20 * s, text: writers, force: both, wait: 30 * s},
			{at: 30 * s, force: both, wait: 20 * s},
			{at: 50 * s, force: writers, wait: envIdle},
		}, map[string]int{waits: 2, reloads: 1}},
		{"taken back in between", []step{
			{at: 0, text: readers, force: both, wait: 30 * s},
			{at: 10 * s, text: both, force: both, wait: envIdle},
			{at: 35 * s, text: readers, force: both, wait: 30 * s},
			{at: 65 * s, force: readers, wait: envIdle},
		}, map[string]int{waits: 2, reloads: 1}},
		{"more scopes while less of them waits", []step{
			{at: 0, text: readers, force: both, wait: 30 * s},
			{at: 10 * s, text: more, force: deleting, wait: envIdle},
			{at: 30 * s, text: readers, force: deleting, wait: 30 * s},
		}, map[string]int{waits: 2, reloads: 1}},
		{"a broken file changes nothing and is told of once", []step{
			{at: 0, text: broken, force: both, wait: envIdle},
			{at: 30 * s, force: both, wait: envIdle},
			{at: 60 * s, text: torn, force: both, wait: envIdle},
			{at: 70 * s, text: both, force: both, wait: envIdle},
			{at: 80 * s, text: torn, force: both, wait: envIdle},
		}, map[string]int{refusal: 3}},
		{"broken in between", []step{
			{at: 0, text: readers, force: both, wait: 30 * s},
			{at: 10 * s, text: torn, force: both, wait: envIdle},
			{at: 30 * s, text: readers, force: both, wait: 30 * s},
			{at: 60 * s, force: readers, wait: envIdle},
		}, map[string]int{refusal: 1, waits: 2, reloads: 1}},
		{"what needs a restart is told of once", []step{
			{at: 0, text: moved, force: both, wait: 30 * s},
			{at: 30 * s, force: both, wait: envIdle},
			{at: 3630 * s, force: both, wait: envIdle},
			{at: 7230 * s, force: both, wait: envIdle},
		}, map[string]int{waits: 1, restarts: 1, reloads: 1}},
		{"more scopes apply at once while a restart is waited for", []step{
			{at: 0, text: moved, force: both, wait: 30 * s},
			{at: 30 * s, force: both, wait: envIdle},
			{at: 40 * s, text: strings.Replace(moved, both, more, 1), force: deleting, wait: envIdle},
		}, map[string]int{waits: 1, restarts: 2, reloads: 2}},
		{"SIGHUP in between", []step{
			{at: 0, text: readers, force: both, wait: 30 * s},
			{at: 10 * s, hup: true, force: readers, wait: envIdle},
			{at: 30 * s, force: readers, wait: envIdle},
			{at: 40 * s, text: both, force: both, wait: envIdle},
			{at: 50 * s, text: readers, force: both, wait: 30 * s},
		}, map[string]int{waits: 2, reloads: 2}},
		{"SIGHUP for what needs a restart", []step{
			{at: 0, text: moved, hup: true, force: both, wait: envIdle},
			{at: 30 * s, force: both, wait: envIdle},
		}, map[string]int{restarts: 1, reloads: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newEnvRig(t)
			for i, s := range tt.steps {
				if s.text != "" {
					r.write(s.text)
				}
				if s.hup {
					if err := r.Reload(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if wait := r.watch.look(t.Context(), r.start.Add(s.at)); wait != s.wait || r.inForce() != s.force {
					t.Errorf("look %d: in force %q, look again in %v; want %q, %v", i, r.inForce(), wait, s.force, s.wait)
				}
			}
			for _, line := range []string{waits, refusal, restarts, reloads} {
				if got := r.log.count(line); got != tt.said[line] {
					t.Errorf("%q is said %d times, want %d", line, got, tt.said[line])
				}
			}
		})
	}
}

// A change that could not be put into effect is tried again.
func TestEnvWatchTriesAgain(t *testing.T) {
	r := newEnvRig(t)
	ended, end := context.WithCancel(t.Context())
	end()
	r.write(readers)
	r.watch.look(t.Context(), r.start)
	if wait := r.watch.look(ended, r.start.Add(envSettle)); wait != envSettle || r.log.count(reloads) > 0 {
		t.Errorf("look again in %v", wait)
	}
	if wait := r.watch.look(t.Context(), r.start.Add(2*envSettle)); wait != envIdle || r.log.count(reloads) != 1 || r.inForce() != readers {
		t.Errorf("look again in %v; in force %q", wait, r.inForce())
	}
}

// The watch sees a change of a real file, and ends with its context.
func TestWatchEnvFile(t *testing.T) {
	r := newEnvRig(t)
	r.envFile = filepath.Join(t.TempDir(), "grantd.env")
	load := r.load
	r.load = func() (*config.Config, []config.Notice, error) {
		text, err := os.ReadFile(r.envFile)
		if err != nil {
			return nil, nil, err
		}
		r.write(string(text))
		return load()
	}
	if err := os.WriteFile(r.envFile, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.watchEnvFile(ctx) }()
	if err := os.WriteFile(r.envFile, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the new scopes are in force", func() bool { return r.log.count(reloads) == 1 })
	cancel()
	<-ended
}

// await asks until ok says so.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}
