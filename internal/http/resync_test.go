package http_test

import (
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/store"
)

func (f commandFunc) Resync(ctx context.Context, id string) (http.Resynced, error) {
	if id == "tpc_nobody" {
		return http.Resynced{}, store.ErrNotFound
	}
	made := []dcr.JournalEntry{{Seq: 2}, {Seq: 1}}
	return http.ResyncedView(dcr.Record{ClientID: id, Phase: dcr.Ready}, made, 7), f(ctx, false, nil)
}

func (f commandFunc) ResyncAll(ctx context.Context, phase dcr.Phase, progress func(http.Progress)) (http.ResyncedAll, error) {
	return http.ResyncedAllView(phase, 3, false, nil), f(ctx, false, progress)
}

func (f commandFunc) Forget(ctx context.Context, id string, force bool) (http.Forgotten, error) {
	switch {
	case id == "tpc_nobody":
		return http.Forgotten{}, store.ErrNotFound
	case id == "tpc_kept" && !force:
		return http.Forgotten{}, fmt.Errorf("forget client: %w", store.ErrGrantKept)
	case !force:
		return http.Forgotten{}, fmt.Errorf("forget client: %w", store.ErrInUse)
	}
	return http.ForgottenView(dcr.Record{ClientID: id, Phase: dcr.Gone}, nil), f(ctx, force, nil)
}

// Resyncs and the forgetting of records come over the socket as given, and the
// answer tells what was wrong.
func TestResyncAndForgetOverTheSocket(t *testing.T) {
	url := serveCommands(t, func(_ context.Context, _ bool, progress func(http.Progress)) error {
		if progress != nil {
			progress(http.Progress{Due: 3})
		}
		return nil
	})
	for _, tt := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"POST", "/api/v1/clients/tpc_a/resync", 200, `{"resynced":{"schema":1,"took_ms":7,"client":{"client_id":"tpc_a"`},
		{"POST", "/api/v1/clients/tpc_a/resync", 200, `"changes":[{"seq":1,`},
		{"POST", "/api/v1/clients/tpc_nobody/resync", 200, `{"problem":{"error":"not_found","message":"The ledger has no client tpc_nobody;`},
		{"POST", "/api/v1/clients/a%20b/resync", 404, "not_found"},
		{"POST", "/api/v1/resync", 200, `{"progress":{"listed":0,"done":0,"due":3}}`},
		{"POST", "/api/v1/resync?phase=blocked", 200, `{"resynced_all":{"schema":1,"phase":"blocked","due":3,"done":false,"left":[]}}`},
		{"POST", "/api/v1/resync?phase=perhaps", 400, "phase must be one of"},
		{"DELETE", "/api/v1/clients/tpc_a", 409, `"client_in_use"`},
		{"DELETE", "/api/v1/clients/tpc_a?force=false", 409, `"client_in_use"`},
		{"DELETE", "/api/v1/clients/tpc_kept", 409, `"grant_kept"`},
		{"DELETE", "/api/v1/clients/tpc_a?force=perhaps", 400, "force is true or false"},
		{"DELETE", "/api/v1/clients/tpc_nobody?force=true", 404, "tpc_nobody"},
		{"DELETE", "/api/v1/clients/tpc_a?force=true", 200, `"holds":[]`},
	} {
		req, err := nethttp.NewRequestWithContext(t.Context(), tt.method, url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := nethttp.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || !strings.Contains(string(b), tt.says) {
			t.Errorf("%s %s: %d %s, %v", tt.method, tt.path, resp.StatusCode, b, err)
		}
	}
}

// Forget is the commands', not the ledger's.
func (b ledgerBrakes) Forget(ctx context.Context, id string, force bool) (http.Forgotten, error) {
	return b.commandFunc.Forget(ctx, id, force)
}
