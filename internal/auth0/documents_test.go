package auth0_test

import (
	"errors"
	"testing"

	"grantd/internal/auth0"
	"grantd/internal/tenantsim"
)

// A client is found by its document, and no other for it.
func TestClientByDocument(t *testing.T) {
	tenant, _, _ := crowd(t, 3, tenantsim.Options{})
	const document = "https://claude.ai/oauth/meta?x=1&y=2"
	want := tenant.AddClient(tenantsim.Client{ExternalClientID: document, Callbacks: []string{"https://claude.ai/api/mcp/auth_callback"}})
	c := of(t, tenant)
	got, err := c.ClientByDocument(t.Context(), document)
	if err != nil || got.ID != want.ID || !got.CIMD() || got.FirstParty {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.ClientByDocument(t.Context(), document+"0"); !errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.ClientByDocument(t.Context(), ""); err == nil || errors.Is(err, auth0.ErrNotFound) {
		t.Error("an empty document is no filter:", err)
	}
	// What Auth0 lists in spite of the filter is not taken for it.
	const answer = `{"clients":[{"client_id":"tpc_other","is_first_party":false,"external_client_id":"https://evil.example/"}]}`
	if got, err := open(t, &stub{API: always(200, answer)}).ClientByDocument(t.Context(), document); !errors.Is(err, auth0.ErrNotFound) {
		t.Errorf("%+v, %v", got, err)
	}
}
