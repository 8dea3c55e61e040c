package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

// setupReport is what setup prints as JSON.
type setupReport struct {
	Schema  int `json:"schema"`
	Actions []struct {
		Kind    string `json:"kind"`
		Outcome string `json:"outcome"`
		Error   string `json:"error"`
		Calls   []struct {
			Method string          `json:"method"`
			Path   string          `json:"path"`
			Body   json.RawMessage `json:"body"`
		} `json:"calls"`
	} `json:"actions"`
}

// outcomes are those other than is_so, as KIND:OUTCOME.
func (r setupReport) outcomes() []string {
	var all []string
	for _, a := range r.Actions {
		if a.Outcome != "is_so" {
			all = append(all, a.Kind+":"+a.Outcome)
		}
	}
	return all
}

// setUp runs setup with the usual answers as flags, and checks its exit code.
func (w *world) setUp(code int, token, answers string, more ...string) setupReport {
	w.Helper()
	args := append([]string{"setup", "--json", "--audience", audience, "--scopes", "notes:read", "--public-url", w.hook.URL,
		"--domain", domain, "--connections", google, "--allowed-clients", "chatgpt"}, more...)
	got, stdout, stderr := w.command(token, answers, args...)
	if got != code {
		w.Fatalf("exit code %d, want %d\n%s\n%s", got, code, stdout, stderr)
	}
	var r setupReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Schema != 1 {
		w.Fatalf("%v in %s", err, stdout)
	}
	for what, text := range map[string]string{"stdout": stdout, "stderr": stderr} {
		for _, s := range []string{token, ownSecret} {
			if strings.Contains(text, s) {
				w.Errorf("a secret is in %s", what)
			}
		}
	}
	return r
}

// kinds of a new tenant, in the order in which they are asked.
func kinds() []string {
	return []string{"env_file", "api", "application", "registration", "resource_parameter_profile", "connection_domain_level", "log_stream"}
}

// What is answered with n stays undone, and nothing else.
func TestSetupDeclined(t *testing.T) {
	for i, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			w := freshWorld(t, tenantsim.Options{})
			token := w.tenant.PersonToken()
			answers := strings.Repeat("y\n", i) + "n\n" + strings.Repeat("y\n", len(kinds())-i)
			w.setUp(3, token, answers)

			left := []string{kind + ":would"}
			if kind == "env_file" { // secrets have no place then
				left = []string{"env_file:would", "application:would", "log_stream:would"}
				if _, err := os.Stat(w.envFile()); err == nil {
					t.Error("the env file was written")
				}
			}
			w.tenant.ResetCalls()
			r := w.setUp(3, token, "", "--dry-run")
			if diff := cmp.Diff(left, r.outcomes()); diff != "" {
				t.Errorf("left (-want +got)\n%s", diff)
			}
			if writes := w.tenant.Writes(); len(writes) > 0 {
				t.Errorf("a dry run wrote %+v", writes)
			}
			// All of it can be done later.
			w.setUp(0, token, "", "--yes")
			if left := w.setUp(0, token, "", "--dry-run").outcomes(); left != nil {
				t.Errorf("in the end %s is left", left)
			}
		})
	}
}

// What is shown is what is sent, but for secrets and ids, and a dry run shows the
// same and does nothing.
func TestSetupShowsWhatItSends(t *testing.T) {
	w := freshWorld(t, tenantsim.Options{})
	token := w.tenant.PersonToken()
	shown := w.setUp(3, token, "", "--dry-run")
	if len(w.tenant.Writes()) > 0 {
		t.Fatal("a dry run wrote")
	}
	if _, err := os.Stat(w.envFile()); err == nil {
		t.Fatal("a dry run wrote the env file")
	}
	w.setUp(0, token, "", "--yes")
	if n := len(w.tenant.TokenRequests()); n > 0 {
		t.Errorf("%d tokens were fetched: the daemon's application was used", n)
	}
	env := w.readEnv()
	var want, sent []string
	fill := strings.NewReplacer("[the new application's id]", env["MGMT_CLIENT_ID"], "[the webhook secret]", env["LOG_WEBHOOK_SECRET"])
	for _, a := range shown.Actions {
		for _, c := range a.Calls {
			if strings.HasPrefix(c.Path, "/api/v2/connections/") {
				c.Path = "/api/v2/connections/…"
			}
			var body bytes.Buffer
			if err := json.Compact(&body, c.Body); err != nil {
				t.Fatal(err)
			}
			want = append(want, c.Method+" "+c.Path+" "+fill.Replace(body.String()))
		}
	}
	for _, c := range w.tenant.Writes() {
		if strings.HasPrefix(c.Path, "/api/v2/connections/") {
			c.Path = "/api/v2/connections/…"
		}
		sent = append(sent, c.Method+" "+c.Path+" "+strings.TrimSpace(string(c.Body)))
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("(-shown +sent)\n%s", diff)
	}
	if n := len(env["LOG_WEBHOOK_SECRET"]); n != 64 {
		t.Errorf("the generated secret has %d characters", n)
	}
	if slices.Contains(env.names(), "GRANTD_SETUP_TOKEN") {
		t.Error("the token has a line in the env file")
	}
}

// A tenant in which half is done gets the other half, and keeps what it has.
func TestSetupHalfConfigured(t *testing.T) {
	w := freshWorld(t, tenantsim.Options{})
	token := w.tenant.PersonToken()
	w.tenant.AddAPI(audience, "notes:write")
	w.tenant.AddM2M(ownApp, ownSecret, "delete:clients", "read:clients")
	w.tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/resource-servers/"+strings.ReplaceAll(audience, "/", "%2F"), map[string]any{"allow_offline_access": false})
	w.tenant.Do(tenantsim.Admin(), http.MethodPost, "/api/v2/log-streams", map[string]any{
		"name": "mine", "type": "http", "filters": []map[string]string{{"type": "category", "name": "actions"}},
		"sink": map[string]any{
			"httpEndpoint": w.hook.URL + "/auth0-log-webhook", "httpAuthorization": "an-older-secret", "httpContentFormat": "JSONARRAY",
			"httpCustomHeaders": []map[string]string{{"header": "X-Route", "value": "blue"}},
		},
	})
	stream := w.tenant.Streams()[0]
	stream.Pause()
	w.tenant.ResetCalls()
	before := "# mine\nMGMT_CLIENT_ID=" + ownApp + "\nMGMT_CLIENT_SECRET=" + ownSecret + "\n"
	if err := os.WriteFile(w.envFile(), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}

	r := w.setUp(3, token, "", "--yes")
	if shown, err := json.Marshal(r); err != nil || !strings.Contains(string(shown), `"httpCustomHeaders":"[as they are]"`) || strings.Contains(string(shown), "blue") {
		t.Errorf("%v: it does not say that the headers stay, or shows them: %s", err, shown)
	}
	want := []string{"env_file:done", "api_offline_access:done", "application_grant:done", "registration:done",
		"resource_parameter_profile:done", "connection_domain_level:done", "log_stream:done", "api_scopes:person"}
	if diff := cmp.Diff(want, r.outcomes()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, c := range w.tenant.Writes() {
		if strings.HasPrefix(c.Path, "/api/v2/resource-servers") && strings.Contains(string(c.Body), "scopes") {
			t.Errorf("the API's scopes were written: %s", c.Body)
		}
		if c.Caller == ownApp {
			t.Errorf("the daemon's application was used for %s %s", c.Method, c.Path)
		}
	}
	if n := len(w.tenant.TokenRequests()); n > 0 {
		t.Errorf("%d tokens were fetched", n)
	}
	for _, g := range w.tenant.Grants(ownApp) {
		for _, s := range append(allScopes(), "delete:clients", "read:log_streams", "read:tenant_settings") {
			if !slices.Contains(g.Scopes, s) {
				t.Errorf("grantd's application lacks %s", s)
			}
		}
	}
	_, answer := w.tenant.Do(tenantsim.Admin(), http.MethodGet, "/api/v2/log-streams/"+stream.ID(), nil)
	for _, part := range []string{`"header":"X-Route","value":"blue"`, `"JSONLINES"`, `"status":"active"`, w.readEnv()["LOG_WEBHOOK_SECRET"], `"actions"`, `"auth.login.fail"`} {
		if !strings.Contains(string(answer), part) {
			t.Errorf("the stream has no %s: %s", part, answer)
		}
	}
	after, err := os.ReadFile(w.envFile())
	if err != nil || !bytes.HasPrefix(after, []byte(before)) {
		t.Errorf("the env file was changed: %v\n%s", err, after)
	}
}

// A call that fails ends it, and what was made before is kept: the next run goes
// on from there.
func TestSetupFailsHalfWay(t *testing.T) {
	w := freshWorld(t, tenantsim.Options{})
	token := w.tenant.PersonToken()
	w.tenant.Faults(func(r *http.Request) tenantsim.Fault {
		if r.Method == http.MethodPost && r.URL.Path == "/api/v2/client-grants" {
			return tenantsim.Fault{Kind: tenantsim.InternalError}
		}
		return tenantsim.Fault{}
	})
	r := w.setUp(1, token, "", "--yes")
	want := []string{"env_file:done", "api:done", "application:failed", "registration:not_reached", "resource_parameter_profile:not_reached",
		"connection_domain_level:not_reached", "log_stream:not_reached"}
	if diff := cmp.Diff(want, r.outcomes()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	w.tenant.Faults(nil)
	again := w.setUp(0, token, "", "--yes").outcomes()
	if want := []string{"application_grant:done", "registration:done", "resource_parameter_profile:done", "connection_domain_level:done", "log_stream:done"}; !slices.Equal(want, again) {
		t.Errorf("again: %s", again)
	}
	apps := 0
	for _, c := range w.tenant.Clients() {
		if c.Name == "grantd" {
			apps++
		}
	}
	if apps != 1 {
		t.Errorf("%d applications", apps)
	}
}

// envValues are those of an env file.
type envValues map[string]string

func (e envValues) names() []string {
	var all []string
	for name := range e {
		all = append(all, name)
	}
	return all
}

// readEnv reads what setup wrote, in which plain values stand without quotes.
func (w *world) readEnv() envValues {
	w.Helper()
	data, err := os.ReadFile(w.envFile())
	if err != nil {
		w.Fatal(err)
	}
	values := envValues{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			values[name] = value
		}
	}
	return values
}
