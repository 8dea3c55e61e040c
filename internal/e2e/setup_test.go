package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// freshWorld is a new tenant, and a machine with nothing but the binary.
func freshWorld(t *testing.T, o tenantsim.Options) *world {
	t.Helper()
	t.Parallel()
	o.Domain, o.Fresh = domain, true
	w := &world{T: t, tenant: tenantsim.ForTest(t, o), dir: t.TempDir(), client: http.DefaultClient}
	w.listenForStream(setup{noStream: true})
	return w
}

// command runs a command line as a person does, with answers on its standard
// input, and returns its exit code and what it printed on both outputs.
func (w *world) command(token, answers string, args ...string) (code int, stdout, stderr string) {
	w.Helper()
	cmd := exec.CommandContext(w.ctx(), binary(), append(args, "--env-file", w.envFile())...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "GRANTD_SETUP_TOKEN=" + token,
		// What a simulated tenant and a test's machine differ in from real ones.
		"GRANTD_MGMT_URL=" + w.tenant.URL(), "GRANTD_LISTEN=127.0.0.1:0", "GRANTD_ADMIN_LISTEN=127.0.0.1:0",
		"GRANTD_STATE_DIR=" + filepath.Join(w.dir, "state"), "GRANTD_POLL_SCHEDULE=off",
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(answers), &out, &errs
	if err := cmd.Run(); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			w.Fatal(err)
		}
		code = exit.ExitCode()
	}
	return code, out.String(), errs.String()
}

// From an empty tenant and the binary it is three commands to the first client
// that is ready: setup, serve, and the client's own registration.
func TestSetupFromNothing(t *testing.T) {
	for name, o := range map[string]tenantsim.Options{"no limits": {}, "free plan": {Plan: tenantsim.Free}} {
		t.Run(name, func(t *testing.T) {
			w := freshWorld(t, o)
			token := w.tenant.PersonToken()
			code, stdout, stderr := w.command(token, "", "setup", "--yes", // 1
				"--audience", audience, "--scopes", "notes:read notes:write", "--public-url", w.hook.URL)
			if code != 0 {
				t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
			}
			w.start() // 2
			w.warm()
			w.clean()
			c := w.register("first") // 3
			rec := w.await(c.ID, "ready")
			if rec.SecurityMode != "strict" || rec.FirstSeenFeed != "webhook" {
				t.Errorf("record: %+v", rec)
			}
			w.usable(c.ID, "notes:read", "notes:write")

			// The token went nowhere, and the daemon has an application of its own.
			env, err := os.ReadFile(w.envFile())
			if err != nil {
				t.Fatal(err)
			}
			for what, text := range map[string]string{"env file": string(env), "output": stdout, "errors": stderr, "log": w.daemon.Logged()} {
				if strings.Contains(text, token) {
					t.Errorf("the token is in the %s", what)
				}
			}
			if info, err := os.Stat(w.envFile()); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("env file: %v, %v", info, err)
			}

			// Once more, while the daemon runs: nothing is left to do.
			w.tenant.ResetCalls()
			code, stdout, stderr = w.command(token, "", "setup")
			if code != 0 {
				t.Errorf("again: exit code %d\n%s\n%s", code, stdout, stderr)
			}
			if writes := w.tenant.Writes(); len(writes) > 0 {
				t.Errorf("again: wrote %+v", writes)
			}
			if after, _ := os.ReadFile(w.envFile()); !bytes.Equal(after, env) {
				t.Error("again: the env file was changed")
			}
		})
	}
}

// clean wants doctor to find nothing wrong. What the daemon's own application may
// not look at is no finding.
func (w *world) clean() {
	w.Helper()
	code, stdout, stderr := w.command("", "", "doctor", "--json")
	var report struct {
		Findings []struct{ Code, Severity, Message string }
		Fine     []string
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		w.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	for _, f := range report.Findings {
		if f.Severity != "unknown" {
			w.Errorf("doctor: %+v", f)
		}
	}
	if code != 0 || len(report.Fine) == 0 {
		w.Errorf("doctor: exit code %d, %d fine", code, len(report.Fine))
	}
}

// Whoever breaks off at a question leaves everything as it is.
func TestSetupInterrupted(t *testing.T) {
	w := freshWorld(t, tenantsim.Options{})
	cmd := exec.CommandContext(w.ctx(), binary(), "setup", "--env-file", w.envFile(), "--domain", domain, "--audience", audience,
		"--scopes", "notes:read", "--connections", google, "--allowed-clients", "chatgpt", "--public-url", w.hook.URL)
	cmd.Env = []string{"HOME=" + w.dir, "GRANTD_MGMT_URL=" + w.tenant.URL(), "GRANTD_SETUP_TOKEN=" + w.tenant.PersonToken()}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := ""
	for buf := make([]byte, 4096); !strings.Contains(seen, "Do it?"); {
		n, err := out.Read(buf)
		if seen += string(buf[:n]); err != nil {
			t.Fatalf("%v after %s", err, seen)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.ExitCode() != 1 || !strings.Contains(errs.String(), "grantd: interrupted") {
		t.Errorf("%v: %s", exit, errs.String())
	}
	if writes := w.tenant.Writes(); len(writes) > 0 {
		t.Errorf("wrote %+v", writes)
	}
	if _, err := os.Stat(w.envFile()); err == nil {
		t.Error("wrote the env file")
	}
}
