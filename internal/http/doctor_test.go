package http_test

import (
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"grantd/internal/doctor"
	"grantd/internal/http"
)

// Doctor implements http.Doctor.
func (f commandFunc) Doctor(ctx context.Context) (doctor.Report, error) {
	return doctor.Report{Schema: 1, Tenant: "acme.eu.auth0.com"}, f(ctx, false, nil)
}

// The report comes over the socket, or why there is none.
func TestDoctorOverTheSocket(t *testing.T) {
	for want, failure := range map[string]error{
		`{"doctor":{"schema":1,"tenant":"acme.eu.auth0.com"`:               nil,
		`{"problem":{"error":"failed","message":"doctor: no such host."}}`: errors.New("doctor: no such host"),
	} {
		url := serveCommands(t, func(context.Context, bool, func(http.Progress)) error { return failure })
		resp, err := nethttp.Post(url+"/api/v1/doctor", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != nethttp.StatusOK || !strings.HasPrefix(string(b), want) {
			t.Errorf("%d %s, %v, want %s", resp.StatusCode, b, err, want)
		}
	}
}
