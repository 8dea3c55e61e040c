package daemon_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/daemon"
	"grantd/internal/dcr"
	"grantd/internal/store"
)

// Where no daemon runs, what a scope source tells is in force for the command, a
// sync journals it as a daemon does, and a plan that may write nothing keeps
// quiet about that.
func TestScopesOfCommandsAlone(t *testing.T) {
	tenant, o := setup(t)
	tenant.AddAPI("https://mcp.example.com/mcp", "notes:read", "notes:write")
	fill(tenant, 1)
	scopes := `"notes:read"`
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"resource":"https://mcp.example.com/mcp","scopes_supported":[%s]}`, scopes)
	}))
	defer gateway.Close()
	var log output
	o = with(t, o, "TOOL_SCOPES_URL="+gateway.URL)
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	sync := func() {
		t.Helper()
		e, err := daemon.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := e.Sync(t.Context(), false, nobody); err != nil || s.Clients[dcr.Ready] != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	scopes = `"notes:read","notes:write"`
	readOnly := o
	readOnly.ReadOnly = true
	e, err := daemon.Open(t.Context(), readOnly)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := e.Plan(t.Context(), nobody); err != nil || p.Due != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if said := log.take(); said != "" {
		t.Errorf("said %s", said)
	}
	sync()

	l, err := store.Open(t.Context(), store.Options{
		Path: filepath.Join(o.Config.StateDir, "grantd.db"), Tenant: o.Config.Domain, Audience: o.Config.Audience, ReadOnly: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	entries, _, err := l.Journal(t.Context(), store.JournalQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var told []any
	for _, e := range entries {
		if e.Step == dcr.StepScopes {
			told = append(told, e.After["scope"])
		}
	}
	want := []any{[]any{"notes:read", "notes:write"}, []any{"notes:read"}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("journalled scopes, the newest first (-want +got):\n%s", diff)
	}
}
