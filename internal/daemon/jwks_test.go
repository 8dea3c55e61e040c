package daemon_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"grantd/internal/dcr"
)

// A key set without keys verifies no token, however well the call went.
func TestSigningKeysWithoutKeys(t *testing.T) {
	tenant, o := setup(t)
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/jwks.json" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"keys":[]}`)
			return
		}
		tenant.ServeHTTP(w, r)
	}))
	defer empty.Close()
	c := *o.Config
	c.MgmtURL = empty.URL
	o.Config = &c
	d, stop := run(t, o)
	defer stop()
	eventually(t, "the keys were looked at", func() bool { return !report(t, d).JWKS.CheckedAt.IsZero() })
	eventually(t, "health says that there are none", func() bool {
		r := report(t, d)
		return !r.JWKS.Reachable && slices.Contains(r.Reasons, dcr.JWKSUnreachable)
	})
}
