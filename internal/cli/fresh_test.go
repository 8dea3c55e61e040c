package cli_test

import (
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"grantd/internal/tenantsim"
)

// freshTenant starts a new tenant for the rest of the script, and gives the
// environment what setup needs: fresh [SCOPE...]. The token in
// GRANTD_SETUP_TOKEN has those scopes, or all; with "fresh expired" it has
// expired.
func freshTenant(ts *testscript.TestScript, _ bool, args []string) {
	o := tenantsim.Options{Domain: "new.eu.auth0.com", Fresh: true}
	if len(args) == 1 && args[0] == "expired" {
		o.TokenLifetime, args = time.Nanosecond, nil
	}
	tenant, err := tenantsim.Start(o)
	ts.Check(err)
	ts.Defer(tenant.Close)
	tenants.Store(ts, tenant)
	ts.Defer(func() { tenants.Delete(ts) })
	ts.Setenv("GRANTD_MGMT_URL", tenant.URL())
	ts.Setenv("GRANTD_SETUP_TOKEN", tenant.PersonToken(args...))
	ts.Setenv("ALL", strings.Repeat("y\n", 7))
}
