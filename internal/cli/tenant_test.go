package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"grantd/internal/tenantsim"
)

// tenants has the tenant of each running script.
var tenants sync.Map

func tenantOf(ts *testscript.TestScript) *tenantsim.Tenant {
	tenant, ok := tenants.Load(ts)
	if !ok {
		ts.Fatalf("needs a tenant")
	}
	return tenant.(*tenantsim.Tenant)
}

// daemonScopes are the Management API scopes of grantd's application.
func daemonScopes() []string {
	return []string{
		"read:clients", "update:clients", "read:connections", "update:connections", "read:client_grants",
		"create:client_grants", "update:client_grants", "read:logs", "read:resource_servers",
	}
}

// startTenant starts a simulated tenant for the rest of the script and writes
// an env file for it with these lines besides: tenant FILE [LINE...].
func startTenant(ts *testscript.TestScript, _ bool, args []string) {
	tenant, err := tenantsim.Start(tenantsim.Options{Domain: "test.eu.auth0.com"})
	ts.Check(err)
	ts.Defer(tenant.Close)
	tenant.AddM2M(daemonID, "the-management-secret", daemonScopes()...)
	tenant.AddConnection("google-oauth2", false)
	tenant.AddAPI(audience, "notes:read", "notes:write")
	tenant.AddAPI(otherAudience, "notes:read")
	lines := append([]string{
		"MGMT_DOMAIN=" + tenant.Domain(),
		"MGMT_CLIENT_ID=" + daemonID,
		"MGMT_CLIENT_SECRET=the-management-secret",
		"GRANTD_MGMT_URL=" + tenant.URL(),
		"LOG_WEBHOOK_SECRET=the-webhook-secret",
		"OAUTH_AUDIENCE=" + audience,
		"TOOL_SCOPES=notes:read",
		"GRANTD_LISTEN=127.0.0.1:0",
		"GRANTD_ADMIN_LISTEN=off",
		"GRANTD_STATE_DIR=" + ts.MkAbs("state"),
		"GRANTD_POLL_SCHEDULE=@every 1s",
	}, args[1:]...)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	tenants.Store(ts, tenant)
	ts.Defer(func() { tenants.Delete(ts) })
}

// register registers a client with the tenant and puts its id into the
// environment: register VARIABLE NAME CALLBACK. NAME may have Go's escapes.
func register(ts *testscript.TestScript, _ bool, args []string) {
	name, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	reg := tenantsim.ChatGPT("x")
	reg.ClientName, reg.RedirectURIs = name, []string{args[2]}
	c, err := tenantOf(ts).Register(reg)
	ts.Check(err)
	ts.Setenv(args[0], c.ID)
}

// auth0 does something to the tenant, or looks whether something is so:
//
//	auth0 grant CLIENT SCOPE...    gives the client a grant
//	auth0 granted CLIENT SCOPE...  it has one with these scopes; none: no grant
//	auth0 revoke CLIENT            takes its grant away
//	auth0 domain-level             promotes the connection
//	auth0 denied CLIENT TEXT       logs that a login was turned away; TEXT may have Go's escapes
//	auth0 login CLIENT             tries to log in
//	auth0 delete CLIENT            deletes the client
//	auth0 may-delete               lets grantd's application delete grants
//	auth0 break CLIENT             answers 500 to whatever is about the client
//	auth0 down | mended            answers 500 to everything, and all is well again
//	auth0 tidy                     mends what grantd doctor would find
//	auth0 untidy                   breaks this and that of it
//	auth0 writes N                 N writes were made since the last such question
//	auth0 no-calls                 no call was made since then
func auth0(ts *testscript.TestScript, _ bool, args []string) {
	tenant := tenantOf(ts)
	switch args[0] {
	case "grant":
		tenant.AddGrant(tenantsim.Grant{ClientID: args[1], Audience: audience, SubjectType: "user", Scopes: args[2:]})
	case "granted":
		g, _ := tenant.UserGrant(args[1], audience)
		if got := slices.Sorted(slices.Values(g.Scopes)); !slices.Equal(got, args[2:]) {
			ts.Fatalf("scopes %q, want %q", got, args[2:])
		}
	case "revoke":
		g, _ := tenant.UserGrant(args[1], audience)
		tenant.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/client-grants/"+g.ID, nil)
	case "domain-level":
		tenant.SetDomainLevel("google-oauth2", true)
	case "denied":
		text, err := strconv.Unquote(`"` + args[2] + `"`)
		ts.Check(err)
		tenant.AddLog(tenantsim.Log{Type: "f", ClientID: args[1], Description: text, UserName: "jane@example.com", UserID: "auth0|jane", IP: "203.0.113.9"})
	case "login":
		_, _ = tenant.Login(tenantsim.Login{ClientID: args[1], Audience: audience, Scopes: []string{"notes:read"}, Connection: "google-oauth2"}) // the log has it
	case "delete":
		if !tenant.DeleteClient(args[1]) {
			ts.Fatalf("no client %s", args[1])
		}
	case "may-delete":
		tenant.SetScopes(daemonID, append(daemonScopes(), "delete:client_grants")...)
	case "break":
		tenant.Faults(func(r *http.Request) tenantsim.Fault {
			body, err := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if err == nil && strings.Contains(r.URL.Path+string(body), args[1]) {
				return tenantsim.Fault{Kind: tenantsim.InternalError}
			}
			return tenantsim.Fault{}
		})
	case "down":
		tenant.OutageBy(tenantsim.InternalError)
	case "mended":
		tenant.OutageBy(tenantsim.NoFault)
		tenant.Faults(nil)
	case "tidy":
		tenant.SetScopes(daemonID, append(daemonScopes(),
			"read:log_streams", "read:tenant_settings", "read:rules", "read:hooks", "read:organizations")...)
		tenant.SetDomainLevel("google-oauth2", true)
		tenant.SetFlag("enable_dynamic_client_registration", true)
		tenant.SetSetting("resource_parameter_profile", `"compatibility"`)
		tenant.AddLogStream(tenantsim.LogStream{
			URL: "https://grantd.example.com/auth0-log-webhook", Authorization: "the-webhook-secret",
			Delivery: tenantsim.Delivery{Manual: true},
		})
	case "untidy":
		tenant.SetScopes(daemonID, append(daemonScopes(), "read:users", "read:roles", "read:log_streams", "read:tenant_settings", "read:rules")...)
		tenant.SetDomainLevel("google-oauth2", false)
		tenant.SetFlag("enable_dynamic_client_registration", false)
		tenant.AddRule("add \x1b[31mroles", true)
		ts.Setenv("own", "$own") // of the shell that a command is pasted into
	case "writes":
		if got := strconv.Itoa(len(tenant.Writes())); got != args[1] {
			ts.Fatalf("%s writes, want %s", got, args[1])
		}
		tenant.ResetCalls()
	case "no-calls":
		if got := len(tenant.AllCalls()); got > 0 {
			ts.Fatalf("%d calls", got)
		}
	default:
		ts.Fatalf("auth0 %s: no such thing", args[0])
	}
}
