package http_test

import (
	"context"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/reconcile"
)

func (f commandFunc) Revert(ctx context.Context, seq uint64, dryRun bool) (http.Reverted, error) {
	e := dcr.JournalEntry{Seq: seq, ClientID: "tpc_a", Change: dcr.Change{Step: dcr.StepGrant}}
	return http.RevertedView(e, reconcile.Reverted{}, reconcile.RevertHold(e), dryRun), f(ctx, dryRun, nil)
}

// Which entry is undone, and whether for real, comes over the socket as given.
func TestRevertOverTheSocket(t *testing.T) {
	dry := map[bool]int{}
	url := serveCommands(t, func(_ context.Context, dryRun bool, _ func(http.Progress)) error {
		dry[dryRun]++
		return nil
	})
	for query, want := range map[string]struct {
		status int
		says   string
	}{
		"seq=42":                {200, `"reverted":{"schema":1,"seq":42,"dry_run":false,"client_id":"tpc_a"`},
		"seq=42&dry_run=true":   {200, `"release":"grantd hold release tpc_a"`},
		"":                      {400, "seq"},
		"seq=0":                 {400, "seq"},
		"seq=-1":                {400, "seq"},
		"seq=1&dry_run=perhaps": {400, "dry_run"},
	} {
		resp, err := nethttp.Post(url+"/api/v1/revert?"+query, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want.status || !strings.Contains(string(b), want.says) {
			t.Errorf("%q: %d %s, %v", query, resp.StatusCode, b, err)
		}
	}
	if dry[true] != 1 || dry[false] != 1 {
		t.Errorf("called %v", dry)
	}
}
