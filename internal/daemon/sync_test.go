package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/tenantsim"
)

// failing answers 500 to what is about one of the clients.
func failing(tenant *tenantsim.Tenant, ids ...string) {
	tenant.Faults(func(r *http.Request) tenantsim.Fault {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		for _, id := range ids {
			if err == nil && strings.Contains(r.URL.Path+string(body), id) {
				return tenantsim.Fault{Kind: tenantsim.InternalError}
			}
		}
		return tenantsim.Fault{}
	})
}

// However many clients fail again and again, a sync ends once each had its
// turn, and says so; the next tries them at once.
func TestSyncEndsAlthoughClientsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, tenantsim.Options{})
		ids := w.lacking(300)
		failing(w.tenant, ids[:250]...)
		w.tenant.SetLatency(500 * time.Millisecond) // so that some are due again while others have their turn
		c, _, err := w.load()
		if err != nil {
			t.Fatal(err)
		}
		e, err := Open(t.Context(), Options{Config: c, Version: "test", transport: wire{w.tenant}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		for range 2 {
			s, err := e.Sync(ctx, false, func(api.Progress) {})
			if err != nil {
				t.Fatal(err)
			}
			if s.Pending != 250 || s.Clients[dcr.Ready] != 50 || len(s.Left) != 1 || s.Left[0].Reason != dcr.ServerError {
				t.Errorf("%+v", s)
			}
		}
		failing(w.tenant)
		s, err := e.Sync(ctx, false, func(api.Progress) {})
		if err != nil || s.Clients[dcr.Ready] != 300 || len(s.Left) > 0 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// lacking puts n clients into the tenant that lack everything.
func (w *world) lacking(n int) (ids []string) {
	for i := range n {
		ids = append(ids, w.tenant.AddClient(tenantsim.Client{
			Name: "ChatGPT", Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", i)},
		}).ID)
	}
	return ids
}

// Syncs at once list the tenant one after the other, and none makes another
// begin anew.
func TestSyncsAreSerialised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, tenantsim.Options{})
		w.environ["GRANTD_POLL_SCHEDULE"] = "off"
		w.lacking(150)
		w.tenant.SetLatency(100 * time.Millisecond)
		var mu sync.Mutex
		var listing, most, sweeps int
		w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
			mu.Lock()
			defer mu.Unlock()
			switch q := r.URL.Query(); {
			case strings.HasSuffix(r.URL.Path, "/client-grants") && r.Method == http.MethodGet && !q.Has("from") && !q.Has("client_id"):
				listing, sweeps = listing+1, sweeps+1 // a sweep begins
				most = max(most, listing)
			case strings.HasSuffix(r.URL.Path, "/api/v2/clients") && q.Has("from"):
				listing-- // and lists its last page
			}
			return tenantsim.Fault{}
		})
		w.start()
		t.Cleanup(w.stop)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if s, err := w.d.Sync(t.Context(), false, func(api.Progress) {}); err != nil || s.Clients[dcr.Ready] != 150 {
					t.Errorf("%+v, %v", s, err)
				}
			})
		}
		wg.Wait()
		mu.Lock()
		defer mu.Unlock()
		if most != 1 || sweeps < 4 || sweeps > 5 { // and the daemon's own
			t.Errorf("%d at once, of %d sweeps", most, sweeps)
		}
	})
}
