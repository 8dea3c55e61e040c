package setup_test

import (
	"errors"
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
