package tenantsim_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// A new tenant lets nobody register and has nothing that a strict client could
// log in with.
func TestFresh(t *testing.T) {
	tenant := tenantsim.ForTest(t, tenantsim.Options{Fresh: true, DCR: tenantsim.DCRPermissive})
	var refused *tenantsim.Error
	if _, err := tenant.Register(tenantsim.ChatGPT("x")); !errors.As(err, &refused) {
		t.Errorf("registered: %v", err)
	}
	for _, name := range []string{"google-oauth2", "Username-Password-Authentication"} {
		if tenant.DomainLevel(name) {
			t.Errorf("%s is domain-level", name)
		}
		tenant.EnableConnection(name, "somebody")
		if len(tenant.ConnectionClients(name)) != 1 {
			t.Errorf("there is no %s", name)
		}
	}
	if len(tenant.Streams()) > 0 {
		t.Error("there is a log stream")
	}
	_, answer := tenant.Do(tenantsim.Admin(), http.MethodGet, "/api/v2/tenants/settings", nil)
	if s := string(answer); !strings.Contains(s, `"resource_parameter_profile":"audience"`) || !strings.Contains(s, `"enable_dynamic_client_registration":false`) {
		t.Errorf("settings: %s", s)
	}
}

// A person's token has the scopes asked for, and is no application's. With it an
// application is made whose secret is in the answer and works.
func TestPersonToken(t *testing.T) {
	tenant := tenantsim.ForTest(t, tenantsim.Options{Fresh: true})
	call := func(token, method, path, body string) (int, map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, tenant.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer map[string]any
		_ = json.NewDecoder(resp.Body).Decode(&answer)
		return resp.StatusCode, answer
	}
	if status, _ := call(tenant.PersonToken("read:clients"), "POST", "/api/v2/clients", `{"name":"x"}`); status != 403 {
		t.Errorf("without the scope: %d", status)
	}
	status, app := call(tenant.PersonToken(), "POST", "/api/v2/clients", `{"name":"x","app_type":"non_interactive","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_post"}`)
	id, _ := app["client_id"].(string)
	secret, _ := app["client_secret"].(string)
	if status != 201 || id == "" || secret == "" {
		t.Fatalf("%d %v", status, app)
	}
	grant := `{"client_id":"` + id + `","audience":"` + tenant.Audience() + `","scope":["read:logs"],"subject_type":"client"}`
	if status, answer := call(tenant.PersonToken(), "POST", "/api/v2/client-grants", grant); status != 201 {
		t.Fatalf("%d %v", status, answer)
	}
	status, answer := call("", "POST", "/oauth/token", `{"grant_type":"client_credentials","client_id":"`+id+`","client_secret":"`+secret+`","audience":"`+tenant.Audience()+`"}`)
	if status != 200 || answer["scope"] != "read:logs" {
		t.Errorf("%d %v", status, answer)
	}
}
