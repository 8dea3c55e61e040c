package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"grantd/internal/tenantsim"
)

// exits is exec that wants this very exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(ts *testscript.TestScript, err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// await runs a command again and again until what it prints matches: await
// PATTERN COMMAND...
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("waited for %q in vain", args[0])
		}
	}
}

const (
	audience = "https://mcp.example.com/mcp"
	daemonID = "GrantdTestM2M00000000000000000000"
)

// startTenant starts a simulated tenant for the rest of the script and writes
// an env file for it with these lines besides: tenant FILE [LINE...].
func startTenant(ts *testscript.TestScript, _ bool, args []string) {
	tenant, err := tenantsim.Start(tenantsim.Options{Domain: "test.eu.auth0.com"})
	ts.Check(err)
	ts.Defer(tenant.Close)
	tenant.AddM2M(daemonID, "the-management-secret", "read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs", "read:resource_servers")
	tenant.AddConnection("google-oauth2", false)
	tenant.AddAPI(audience, "notes:read")
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
	tenant, ok := tenants.Load(ts)
	if !ok {
		ts.Fatalf("register needs a tenant")
	}
	name, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	reg := tenantsim.ChatGPT("x")
	reg.ClientName, reg.RedirectURIs = name, []string{args[2]}
	c, err := tenant.(*tenantsim.Tenant).Register(reg)
	ts.Check(err)
	ts.Setenv(args[0], c.ID)
}

// nobody runs grantd as somebody who may not read the folder: nobody CODE
// FOLDER ARGUMENTS...
func nobody(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	folder := ts.MkAbs(args[1])
	ts.Check(os.Chmod(folder, 0))
	defer os.Chmod(folder, 0o700) //nolint:errcheck // so that it can be removed
	if os.Getuid() != 0 {
		ts.Check(fit(want, exitCode(ts, ts.Exec("grantd", args[2:]...))))
		return
	}
	// Root may read everything, so somebody else has to try, with a binary and
	// a folder within reach.
	ts.Check(os.Chmod(folder, 0o700))
	exe, err := exec.LookPath("grantd")
	ts.Check(err)
	for dir := ts.MkAbs("."); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		ts.Check(os.Chmod(dir, 0o755))
	}
	for dir := filepath.Dir(exe); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		ts.Check(os.Chmod(dir, 0o755))
	}
	cmd := exec.Command(exe, args[2:]...)
	cmd.Dir, cmd.Env = "/", []string{"HOME=/nonexistent", "GRANTD_STATE_DIR=" + folder}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	fmt.Fprintf(ts.Stderr(), "%s", out)
	ts.Check(fit(want, exitCode(ts, err)))
}

func fit(want, got int) error {
	if got != want {
		return fmt.Errorf("exit code %d, want %d", got, want)
	}
	return nil
}
