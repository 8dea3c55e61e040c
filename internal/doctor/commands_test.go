package doctor_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"grantd/internal/doctor"
	"grantd/internal/tenantsim"
)

const (
	cliTenant = "DOCTOR_TEST_TENANT"
	cliToken  = "DOCTOR_TEST_TOKEN"
)

// TestMain is the Auth0 CLI's api command when the binary is run as that.
func TestMain(m *testing.M) {
	if os.Getenv(cliTenant) == "" {
		os.Exit(m.Run())
	}
	if err := auth0CLI(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// auth0CLI does: api METHOD PATH [--data BODY]. As the real one it strips slashes
// from the path, takes whole lines from standard input where no body is given, and
// calls an answer a failure only for want of a scope.
// https://auth0.github.io/auth0-cli/auth0_api.html
func auth0CLI(args []string) error {
	var body []byte
	switch {
	case len(args) == 5 && args[0] == "api" && args[3] == "--data":
		body = []byte(args[4])
	case len(args) != 3 || args[0] != "api":
		return fmt.Errorf("auth0 %q is not known here", args)
	default:
		piped, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		body = piped[:bytes.LastIndexByte(piped, '\n')+1]
	}
	r, err := http.NewRequest(strings.ToUpper(args[1]), os.Getenv(cliTenant)+"/api/v2/"+strings.Trim(args[2], "/"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+os.Getenv(cliToken))
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	fmt.Printf("%s\n", answer)
	if err == nil && resp.StatusCode == http.StatusForbidden {
		err = fmt.Errorf("%s %s: %s", args[1], args[2], resp.Status)
	}
	return err
}

// paste runs a command in a shell as an operator would who has the CLI.
func (w *world) paste(t *testing.T, command string, environ ...string) error {
	t.Helper()
	for _, tool := range []string{"bash", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(dir, "auth0"))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
	cmd.Env = append([]string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), cliTenant + "=" + w.URL(), cliToken + "=" + w.PersonToken(),
		"GORACE=atexit_sleep_ms=0", // the race detector's end takes a second else
	}, environ...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, out.String())
	}
	return nil
}

// Whoever pastes the command that a finding comes with has mended it, and has
// broken nothing else.
func TestCommandsMend(t *testing.T) {
	// What the simulated tenant cannot do, and what mends nothing by itself.
	others := []doctor.Code{
		doctor.DomainNotTenant, doctor.CredentialsRefused, doctor.ClockSkew, doctor.APIMissing, doctor.GatewayUnreachable,
		doctor.ConnectionMissing, doctor.RulesActive, doctor.HookActive, doctor.OrganizationBlocks,
		doctor.WebhookUnreached, doctor.WebhookCert, doctor.WebhookNotGrantd, doctor.CapacityLow, doctor.CapacityFull,
	}
	for _, tt := range wrongs() {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tenantsim.Options{})
			w.SetDocument("https://chatgpt.com/oauth/client.json", tenantsim.Document{RedirectURIs: []string{"https://chatgpt.com/cb"}})
			defined, _ := w.APIScopes(w.Audience())
			w.AddAPI(w.Audience(), append(defined, "read:users", "read:client_keys", "read:client_credentials")...)
			tt.spoil(t, w)
			var left []string
			done := map[string]bool{}
			for _, f := range w.report(t).Findings {
				if f.Fix.Command == "" || slices.Contains(others, f.Code) {
					left = append(left, judged(w, []doctor.Finding{f})...)
					continue
				}
				if done[f.Fix.Command] {
					continue
				}
				done[f.Fix.Command] = true
				if err := w.paste(t, f.Fix.Command, "LOG_WEBHOOK_SECRET="+hook); err != nil {
					t.Errorf("%s: %v", f.Fix.Command, err)
				}
			}
			slices.Sort(left)
			if got := judged(w, w.report(t).Findings); !slices.Equal(got, left) {
				t.Errorf("then it finds %q, want %q", got, left)
			}
		})
	}
}

// A log stream's sink is replaced as a whole: what else is in it stays, and so
// does all of it where the secret is not at hand.
func TestCommandsKeepTheSink(t *testing.T) {
	sink := func(endpoint, authorization, format string) string {
		return `{"sink":{"httpEndpoint":"` + endpoint + `","httpAuthorization":"` + authorization + `","httpContentFormat":"` + format +
			`","httpContentType":"application/json; charset=utf-8","httpCustomHeaders":[{"header":"X-Route","value":"blue"}]}}`
	}
	w := newWorld(t, tenantsim.Options{})
	here := w.o.PublicURL + path
	for code, broken := range map[doctor.Code]string{
		doctor.StreamURL:        sink("https://old.example.com/hook", hook, "JSONLINES"),
		doctor.StreamFormat:     sink(here, hook, "JSONOBJECT"),
		doctor.StreamCredential: sink(here, "s3cret-other", "JSONLINES"),
	} {
		w.patch(t, broken)
		found := w.report(t).Findings
		if len(found) != 1 || found[0].Code != code {
			t.Fatalf("%s: %+v", code, found)
		}
		w.unread(t, found[0].Fix.Command, "GET /log-streams/{id}")
		if code == doctor.StreamCredential {
			w.ResetCalls()
			if err := w.paste(t, found[0].Fix.Command); err == nil || len(w.Writes()) > 0 {
				t.Errorf("without the secret: %v, %+v", err, w.Writes())
			}
		}
		if err := w.paste(t, found[0].Fix.Command, "LOG_WEBHOOK_SECRET="+hook); err != nil {
			t.Fatal(err)
		}
		_, answer := w.Do(tenantsim.Admin(), http.MethodGet, "/api/v2/log-streams/"+w.stream.ID(), nil)
		for _, part := range []string{`"header":"X-Route","value":"blue"`, `"` + hook + `"`, `"` + here + `"`, `"JSONLINES"`, `charset=utf-8`} {
			if !strings.Contains(string(answer), part) {
				t.Errorf("%s: the stream has no %s: %s", code, part, answer)
			}
		}
	}
}

// unread wants a command to write nothing where what it would replace cannot be
// read.
func (w *world) unread(t *testing.T, command, operation string) {
	t.Helper()
	w.ResetCalls()
	w.FailNext(1, tenantsim.InternalError, w.On(operation))
	if err := w.paste(t, command, "LOG_WEBHOOK_SECRET="+hook); err == nil || len(w.Writes()) > 0 {
		t.Errorf("%s: %v, %+v", command, err, w.Writes())
	}
	if n := w.Count(operation); n != 1 {
		t.Errorf("%d times %s", n, operation)
	}
}

// So is an API's list of scopes.
func TestCommandsKeepTheScopes(t *testing.T) {
	w := newWorld(t, tenantsim.Options{})
	w.o.Scopes = append(w.o.Scopes, "notes:delete")
	found := w.report(t).Findings
	if len(found) != 1 || found[0].Code != doctor.APIScopeUndefined {
		t.Fatalf("%+v", found)
	}
	w.unread(t, found[0].Fix.Command, "GET /resource-servers/{id}")
	if err := w.paste(t, found[0].Fix.Command); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.APIScopes(audience); !slices.Equal(got, []string{"notes:read", "notes:write", "notes:delete"}) {
		t.Errorf("%q", got)
	}
}
