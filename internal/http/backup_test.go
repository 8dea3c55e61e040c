package http_test

import (
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// TestBackup: the control socket, and it alone, hands out a copy of the ledger.
func TestBackup(t *testing.T) {
	l := storetest.Open(t)
	if _, err := l.Record(t.Context(), store.Batch{Feed: "poll"}); err != nil {
		t.Fatal(err)
	}
	url := serveCommands(t, nil, func(o *http.APIOptions) { o.Snapshot = l.Snapshot })
	for range 2 { // the first one is given back
		a := request(t, "POST", url+"/api/v1/backup", "")
		path := filepath.Join(t.TempDir(), "backup.db")
		if err := os.WriteFile(path, []byte(a.body), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := store.CheckFile(t.Context(), path); a.status != 200 || err != nil || len(r.Findings) > 0 {
			t.Errorf("%d, %+v, %v", a.status, r, err)
		}
	}
	if a := request(t, "GET", url+"/api/v1/backup", ""); a.status != 405 {
		t.Errorf("GET: %d", a.status)
	}
	o, _ := apiOptions(t)
	o.Snapshot = l.Snapshot
	admin := serve(t, http.Admin(http.AdminOptions{API: o, Metrics: nethttp.NotFoundHandler(), Token: http.NewSecrets("")}))
	if a := request(t, "POST", admin+"/api/v1/backup", ""); a.status != 404 {
		t.Errorf("at the admin listener: %d", a.status)
	}
}

// TestBackupOneAtATime: while one is read, there is no other, and a reader that
// goes away ends it.
func TestBackupOneAtATime(t *testing.T) {
	l := storetest.Open(t)
	if err := l.SetFact(t.Context(), "large", make([]byte, 16<<20)); err != nil { // more than the buffers between
		t.Fatal(err)
	}
	url := serveCommands(t, nil, func(o *http.APIOptions) { o.Snapshot = l.Snapshot })
	ctx, leave := context.WithCancel(t.Context())
	r, err := nethttp.NewRequestWithContext(ctx, "POST", url+"/api/v1/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := nethttp.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if a := request(t, "POST", url+"/api/v1/backup", ""); a.status != 503 || !strings.Contains(a.body, "Another backup is being taken") {
		t.Errorf("%d %s", a.status, a.body)
	}
	leave()
	_, _ = io.Copy(io.Discard, resp.Body)
	for {
		s, err := l.Snapshot(t.Context())
		if err == nil {
			_ = s.Close()
			return
		}
		if !errors.Is(err, store.ErrBusy) {
			t.Fatal(err)
		}
	}
}
