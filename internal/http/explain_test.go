package http_test

import (
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"grantd/internal/explain"
	"grantd/internal/http"
)

func (f commandFunc) Explain(ctx context.Context, id string) (explain.Story, error) {
	return explain.Tell(explain.Facts{ID: id, Now: time.Unix(1, 0)}), f(ctx, false, nil)
}

// Whose story it is comes over the socket as given, and nothing that could be
// syntax elsewhere.
func TestExplainOverTheSocket(t *testing.T) {
	base := serveCommands(t, func(context.Context, bool, func(http.Progress)) error { return nil })
	for id, want := range map[string]struct {
		status int
		says   string
	}{
		"tpc_a":                           {200, `"explained":{"schema":1,"client_id":"tpc_a"`},
		"https://claude.ai/oauth/meta":    {200, `"client_id":"https://claude.ai/oauth/meta"`},
		"":                                {400, "client_id"},
		"a/b":                             {400, "client_id"},
		`https://a.example/" OR type:(s)`: {400, "client_id"},
		"http://a.example/x":              {400, "client_id"},
		"https://":                        {400, "client_id"},
	} {
		resp, err := nethttp.Post(base+"/api/v1/explain?"+url.Values{"client_id": {id}}.Encode(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want.status || !strings.Contains(string(body), want.says) {
			t.Errorf("%q: %d %s %v, want %d %s", id, resp.StatusCode, body, err, want.status, want.says)
		}
	}
}

func TestExplainFails(t *testing.T) {
	base := serveCommands(t, func(context.Context, bool, func(http.Progress)) error { return errors.New("no ledger") })
	got := request(t, "POST", base+"/api/v1/explain?client_id=tpc_a", "")
	if m := messages(t, got.body); len(m) != 1 || m[0].Problem == nil || m[0].Problem.Message != "no ledger." {
		t.Error(got.body)
	}
}
