package http_test

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// Hold implements http.Brakes: the commands of other tests hold nothing.
func (commandFunc) Hold(context.Context, http.HoldRequest) (http.HoldSet, error) {
	return http.HoldSet{}, errors.New("not here")
}

// Release implements http.Brakes.
func (commandFunc) Release(context.Context, store.HoldSelector) (http.HoldsReleased, error) {
	return http.HoldsReleased{}, errors.New("not here")
}

// ledgerBrakes are brakes on a real ledger.
type ledgerBrakes struct {
	commandFunc
	*store.Ledger
}

func (b ledgerBrakes) Hold(ctx context.Context, r http.HoldRequest) (http.HoldSet, error) {
	h := dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held, Since: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	if r.ClientID != "" {
		h.Scope, h.ClientID = dcr.HoldClient, r.ClientID
	}
	if r.For > 0 {
		h.Until = h.Since.AddDate(100, 0, 0).Add(r.For)
	}
	return http.HoldSetView(h, r.ClientID == ""), b.SetHolds(ctx, h)
}

func (b ledgerBrakes) Release(ctx context.Context, s store.HoldSelector) (http.HoldsReleased, error) {
	done, err := b.Ledger.Release(ctx, s)
	if err == nil && len(done.Holds) == 0 {
		err = http.ErrNoHold
	}
	return http.HoldsReleasedView(done), err
}

func TestHolds(t *testing.T) {
	l := storetest.Open(t)
	o, _ := apiOptions(t)
	o.Ledger, o.Holds = l, l.Holds
	url := serve(t, http.Control(o, ledgerBrakes{Ledger: l}))
	const (
		all   = `{"scope":"all","client_id":"","field":"","reason":"held","since":"2026-11-20T12:00:00.000Z","until":null,"times":0,"actor":null}`
		one   = `{"scope":"client","client_id":"tpc_a","field":"","reason":"held","since":"2026-11-20T12:00:00.000Z","until":"2126-11-20T13:30:00.000Z","times":0,"actor":null}`
		which = `{"error":"bad_request","message":"Say which.*}`
		wait  = `{"error":"bad_request","message":"for must be.*}`
	)
	for _, tt := range []struct {
		method, query string
		status        int
		want          string
	}{
		{"GET", "", 200, `{"schema":1,"holds":\[\]}`},
		{"POST", "", 200, `{"schema":1,"hold":` + all + `,"known":true}`},
		{"POST", "?client_id=tpc_a&for=1h30m", 200, `{"schema":1,"hold":` + one + `,"known":false}`},
		{"POST", "?client_id=a%2Fb", 400, `{"error":"bad_request","message":"client_id is not one."}`},
		{"POST", "?for=-1s", 400, wait},
		{"POST", "?for=0s", 400, wait},
		{"POST", "?for=900000h", 400, wait},
		{"POST", "?for=soon", 400, wait},
		{"GET", "", 200, `{"schema":1,"holds":\[` + all + "," + one + `\]}`},
		{"DELETE", "", 400, which},
		{"DELETE", "?all=yes", 400, which},
		{"DELETE", "?all=true&reason=held", 400, which},
		{"DELETE", "?client_id=.", 400, `{"error":"bad_request","message":"client_id is not one."}`},
		{"DELETE", "?client_id=tpc_b", 404, `{"error":"not_found","message":"No such hold is in force."}`},
		{"DELETE", "?scope=all", 200, `{"schema":1,"holds":\[` + all + `\],"clients_due":0,"clients_to_check":0}`},
		{"DELETE", "?all=true", 200, `{"schema":1,"holds":\[` + one + `\],"clients_due":0,"clients_to_check":0}`},
		{"GET", "", 200, `{"schema":1,"holds":\[\]}`},
	} {
		got := request(t, tt.method, url+"/api/v1/holds"+tt.query, "")
		if got.status != tt.status || !regexp.MustCompile("^"+tt.want+"$").MatchString(got.body) {
			t.Errorf("%s %s: %d %s", tt.method, tt.query, got.status, got.body)
		}
	}
	if got := request(t, "PUT", url+"/api/v1/holds", ""); got.status != 405 || got.header.Get("Allow") != "GET, HEAD, POST, DELETE" {
		t.Errorf("%d %v", got.status, got.header)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "POST", "DELETE"} {
		if got := request(t, method, url+"/api/v1/holds?reason=held", ""); got.status != 503 {
			t.Errorf("%s with a closed ledger: %d %s", method, got.status, got.body)
		}
	}
}

// The admin listener shows what is held and changes nothing.
func TestHoldsAreReadOnlyForTheAdmin(t *testing.T) {
	o, _ := apiOptions(t)
	url := serve(t, http.Admin(http.AdminOptions{API: o, Metrics: nil}))
	if got := request(t, "GET", url+"/api/v1/holds", ""); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, method := range []string{"POST", "DELETE"} {
		if got := request(t, method, url+"/api/v1/holds?all=true", ""); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, got.status, got.header)
		}
	}
}
