package setup_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"grantd/internal/auth0"
	"grantd/internal/setup"
	"grantd/internal/tenantsim"
)

// fullDisk keeps nothing.
type fullDisk struct{ secret string }

func (*fullDisk) Keep() error { return nil }

func (*fullDisk) CanKeep() error { return nil }

func (d *fullDisk) KeepApplication(_, secret string) error {
	d.secret = secret
	return errors.New("no space left on device")
}

// An application whose secret could not be kept is named, for it is there; its
// secret is not, and it was given nothing.
func TestSecretNotKept(t *testing.T) {
	tenant := tenantsim.ForTest(t, tenantsim.Options{Fresh: true})
	c, err := auth0.New(auth0.Options{Domain: tenant.Domain(), BaseURL: tenant.URL(), Token: tenant.PersonToken()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	state, err := setup.Look(t.Context(), c, setup.Want{
		Domain: tenant.Domain(), Audience: "https://mcp.example.com/mcp", OwnScopes: []string{"read:logs"}, Connections: []string{"google-oauth2", "none"},
	}, "")
	if err != nil || state.API != nil || state.App != nil || state.Connections["google-oauth2"] == nil || state.Connections["none"] != nil {
		t.Fatalf("%+v, %v", state, err)
	}
	disk := &fullDisk{}
	for _, a := range setup.Plan(state) {
		if a.Kind == setup.Application {
			err = setup.Doer{Tenant: c, File: disk, ID: "setup"}.Do(t.Context(), a)
		}
	}
	id := ""
	for _, app := range tenant.Clients() {
		if app.Name == "grantd" {
			id = app.ID
		}
	}
	if err == nil || id == "" || !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), "no space left") || strings.Contains(err.Error(), disk.secret) {
		t.Errorf("%s: %v", id, err)
	}
	if len(tenant.Grants(id)) > 0 {
		t.Error("it was given a grant")
	}
	again, err := setup.Look(t.Context(), c, state.Want, "")
	if err != nil || len(again.Namesakes) != 1 || again.Namesakes[0] != id || len(state.Namesakes) > 0 {
		t.Errorf("%q before and %q after, %v", state.Namesakes, again.Namesakes, err)
	}
}

// Headers that a log stream has are said to stay, and stay.
func TestHeadersOfTheStreamStay(t *testing.T) {
	const hook = "https://grantd.example.com/hook"
	tenant := tenantsim.ForTest(t, tenantsim.Options{Fresh: true})
	c, err := auth0.New(auth0.Options{Domain: tenant.Domain(), BaseURL: tenant.URL(), Token: tenant.PersonToken()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if status, answer := tenant.Do(tenantsim.Admin(), http.MethodPost, "/api/v2/log-streams", map[string]any{"name": "ours", "type": "http", "sink": map[string]any{
		"httpEndpoint": hook, "httpAuthorization": "another", "httpContentFormat": "JSONLINES", "httpContentType": "application/json",
		"httpCustomHeaders": []map[string]string{{"header": "X-A", "value": "of-theirs"}},
	}}); status/100 != 2 {
		t.Fatalf("%s", answer)
	}
	state, err := setup.Look(t.Context(), c, setup.Want{Domain: tenant.Domain(), Audience: "https://mcp.example.com/mcp", StreamURL: hook}, "the-secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range setup.Plan(state) {
		if a.Kind != setup.Stream {
			continue
		}
		if shown := a.Calls[0].String(); !strings.Contains(shown, `"httpCustomHeaders":"[as they are]"`) || strings.Contains(shown, "of-theirs") {
			t.Errorf("shown: %s", shown)
		}
		if err := (setup.Doer{Tenant: c, File: &fullDisk{}, Secret: "the-secret", ID: "setup"}).Do(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	_, answer := tenant.Do(tenantsim.Admin(), http.MethodGet, "/api/v2/log-streams", nil)
	if all := string(answer); !strings.Contains(all, "of-theirs") || !strings.Contains(all, "the-secret") {
		t.Errorf("%s", all)
	}
}
