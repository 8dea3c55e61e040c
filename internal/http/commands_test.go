package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/reconcile"
)

// commandFunc is a command in a test's words, whichever is given.
type commandFunc func(ctx context.Context, adopt bool, progress func(http.Progress)) error

func (f commandFunc) Plan(ctx context.Context, progress func(http.Progress)) (http.Plan, error) {
	return http.PlanView(reconcile.TenantPlan{}), f(ctx, false, progress)
}

func (f commandFunc) Sync(ctx context.Context, adopt bool, progress func(http.Progress)) (http.Synced, error) {
	return http.SyncedView(reconcile.Sweep{Listed: 3}, 0, time.Second, nil, nil), f(ctx, adopt, progress)
}

func serveCommands(t testing.TB, f commandFunc, edit ...func(*http.APIOptions)) string {
	t.Helper()
	o, _ := apiOptions(t)
	for _, e := range edit {
		e(&o)
	}
	return serve(t, http.Control(o, f))
}

func messages(t testing.TB, body string) (all []http.Message) {
	t.Helper()
	for line := range strings.Lines(body) {
		if line == "\n" { // nothing new, and the daemon lives
			continue
		}
		var m http.Message
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&m); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		all = append(all, m)
	}
	return all
}

// Progress comes as it is made, and then exactly one result.
func TestCommands(t *testing.T) {
	url := serveCommands(t, func(_ context.Context, _ bool, progress func(http.Progress)) error {
		progress(http.Progress{Listed: 100})
		progress(http.Progress{Listed: 100, Done: 1, Due: 2})
		return nil
	})
	for _, command := range []string{"plan", "sync"} {
		got := request(t, "POST", url+"/api/v1/"+command, "")
		all := messages(t, got.body)
		if got.status != 200 || got.header.Get("Content-Type") != "application/x-ndjson" || len(all) != 3 {
			t.Fatalf("%s: %d %v\n%s", command, got.status, got.header, got.body)
		}
		if diff := cmp.Diff(http.Message{Progress: &http.Progress{Listed: 100, Done: 1, Due: 2}}, all[1]); diff != "" {
			t.Error(diff)
		}
		last := all[2]
		if last.Progress != nil || last.Problem != nil || (last.Plan != nil) != (command == "plan") || (last.Synced != nil) != (command == "sync") {
			t.Errorf("%s ends with %+v", command, last)
		}
	}
	if got := request(t, "POST", url+"/api/v1/sync", ""); !strings.Contains(got.body, `"listed":3`) || !strings.Contains(got.body, `"left":[]`) {
		t.Error(got.body)
	}
}

// A command that says nothing for long shows that the daemon lives, at once and
// then now and then.
func TestQuietCommand(t *testing.T) {
	const beats = 5
	began, more := make(chan struct{}), make(chan struct{})
	url := serveCommands(t, func(context.Context, bool, func(http.Progress)) error {
		close(began)
		<-more
		return nil
	}, func(o *http.APIOptions) { o.Heartbeat = 10 * time.Millisecond })
	req, err := nethttp.NewRequestWithContext(t.Context(), "POST", url+"/api/v1/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := nethttp.DefaultClient.Do(req) // its head comes before the command ends
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-began
	quiet := make([]byte, beats)
	if _, err := io.ReadFull(resp.Body, quiet); err != nil || strings.Trim(string(quiet), "\n") != "" {
		t.Errorf("%q, %v", quiet, err)
	}
	close(more)
	var m http.Message
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil || m.Synced == nil {
		t.Errorf("%+v, %v", m, err)
	}
}

// Commands are for the socket alone, and for POST alone.
func TestCommandsAreForTheSocket(t *testing.T) {
	called := commandFunc(func(context.Context, bool, func(http.Progress)) error {
		t.Error("called")
		return nil
	})
	control := serveCommands(t, called)
	publicO, _ := publicOptions(t)
	public := serve(t, http.Public(publicO))
	adminO, _ := adminOptions(t)
	admin := serve(t, http.Admin(adminO))
	for _, path := range []string{"/api/v1/plan", "/api/v1/sync"} {
		for _, base := range []string{public, admin} {
			for _, method := range []string{"POST", "GET"} {
				if got := request(t, method, base+path, ""); got.status != 404 {
					t.Errorf("%s %s%s: %d", method, base, path, got.status)
				}
			}
		}
		for _, method := range []string{"GET", "PUT", "DELETE", "OPTIONS"} {
			if got := request(t, method, control+path, ""); got.status != 405 || got.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: %d, Allow %q", method, path, got.status, got.header.Get("Allow"))
			}
		}
	}
}

func TestSyncAdopt(t *testing.T) {
	var adopted atomic.Bool
	url := serveCommands(t, func(_ context.Context, adopt bool, _ func(http.Progress)) error {
		adopted.Store(adopt)
		return nil
	})
	for query, want := range map[string]bool{"": false, "?adopt=false": false, "?adopt=true": true} {
		if got := request(t, "POST", url+"/api/v1/sync"+query, ""); got.status != 200 || adopted.Load() != want {
			t.Errorf("%q: %d, adopt %v", query, got.status, adopted.Load())
		}
	}
	if got := request(t, "POST", url+"/api/v1/sync?adopt=1", ""); got.status != 400 {
		t.Errorf("a riddle: %d", got.status)
	}
}

// A command that fails says why in its last line; so does one with a defect,
// without telling more than that.
func TestCommandFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  commandFunc
		want http.Problem
	}{
		{"error", func(context.Context, bool, func(http.Progress)) error {
			return errors.New("plan: list clients: missing_scope (403). Grant it")
		}, http.Problem{Code: "failed", Message: "plan: list clients: missing_scope (403). Grant it."}},
		{"defect", func(_ context.Context, _ bool, progress func(http.Progress)) error {
			progress(http.Progress{})
			panic("secret")
		}, http.Problem{Code: "internal_error", Message: "A defect in grantd; its log has the details."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			url := serveCommands(t, tt.run, func(o *http.APIOptions) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			got := request(t, "POST", url+"/api/v1/plan", "")
			all := messages(t, got.body)
			if diff := cmp.Diff(http.Message{Problem: &tt.want}, all[len(all)-1]); diff != "" {
				t.Error(diff)
			}
			if logged := strings.Contains(log.String(), "secret"); logged != (tt.name == "defect") {
				t.Errorf("log: %s", log.String())
			}
			if got := request(t, "GET", url+"/api/v1/config", ""); got.status != 200 {
				t.Errorf("then: %d", got.status)
			}
		})
	}
}

// A caller that goes away ends the command.
func TestCommandEndsWithItsCaller(t *testing.T) {
	ended := make(chan error, 1)
	url := serveCommands(t, func(ctx context.Context, _ bool, progress func(http.Progress)) error {
		progress(http.Progress{Listed: 1})
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	ctx, leave := context.WithCancel(t.Context())
	r, err := nethttp.NewRequestWithContext(ctx, "POST", url+"/api/v1/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := nethttp.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil { // progress came while the command goes on
		t.Fatal(err)
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A command may take longer than a request may, and is not cut short by the
// server's own timeouts.
func TestCommandOutlivesTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := apiOptions(t)
		_, client := within(t, http.Control(o, commandFunc(func(ctx context.Context, _ bool, _ func(http.Progress)) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Hour):
				return nil
			}
		})))
		resp, err := client.Post("http://grantd/api/v1/plan", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if all := messages(t, string(b)); err != nil || len(all) != 1 || all[0].Plan == nil {
			t.Errorf("%s, %v", b, err)
		}
	})
}

// A caller that reads nothing holds up a command for no longer than a write may
// take, and then ends it.
func TestCommandWithADeafCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		o, _ := apiOptions(t)
		dial, _ := within(t, http.Control(o, commandFunc(func(ctx context.Context, _ bool, progress func(http.Progress)) error {
			defer close(ended)
			for ctx.Err() == nil {
				progress(http.Progress{Listed: 1})
			}
			return ctx.Err()
		})))
		dial().send("POST /api/v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		began := time.Now()
		<-ended
		if took := time.Since(began); took < time.Second || took > 30*time.Second {
			t.Errorf("it ends after %v", took)
		}
	})
}

func TestSyncedView(t *testing.T) {
	var left []http.Left
	for _, r := range []dcr.Record{
		{ClientID: "a", Phase: dcr.Blocked, Reason: dcr.Held, Message: "first"},
		{ClientID: "b", Phase: dcr.Pending, Reason: dcr.ServerError},
		{ClientID: "c", Phase: dcr.Blocked, Reason: dcr.Held, Message: "second"},
		{ClientID: "d", Phase: dcr.Pending, Reason: dcr.DryRun},
		{ClientID: "e", Phase: dcr.Pending, Reason: dcr.ScopesUnknown},
		{ClientID: "f", Phase: dcr.Pending, Reason: dcr.ServerError},
		{ClientID: "g", Phase: dcr.Pending, Reason: dcr.Timeout},
	} {
		left = http.AddLeft(left, r)
	}
	got := http.SyncedView(reconcile.Sweep{}, 0, 0, nil, left)
	if got.Pending != 3 || len(got.Left) != 5 {
		t.Errorf("%+v", got)
	}
	want := http.Left{Phase: dcr.Blocked, Reason: dcr.Held, Message: "first. grantd hold release when you want grantd to go on.", Clients: 2, ClientIDs: []string{"a", "c"}}
	if diff := cmp.Diff(want, got.Left[0]); diff != "" {
		t.Error(diff)
	}
	left = nil
	for range 100_000 {
		left = http.AddLeft(left, dcr.Record{ClientID: "x", Phase: dcr.Blocked, Reason: dcr.Held})
	}
	if left[0].Clients != 100_000 || len(left[0].ClientIDs) > 10 {
		t.Errorf("%d clients, %d named", left[0].Clients, len(left[0].ClientIDs))
	}
}
