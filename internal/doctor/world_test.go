package doctor_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"grantd/internal/auth0"
	"grantd/internal/budget"
	"grantd/internal/doctor"
	"grantd/internal/tenantsim"
)

const (
	domain    = "acme.eu.auth0.com"
	audience  = "https://mcp.example.com/mcp"
	own       = "GrantdM2M00000000000000000000000"
	secret    = "s3cret-of-the-application"
	hook      = "s3cret-of-the-webhook"
	path      = "/auth0-log-webhook"
	google    = "google-oauth2"
	userGrant = "user"
)

func needed() []string {
	return []string{
		"read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs",
	}
}

func allScopes() []string { return append(needed(), doctor.LookScopes()...) }

// world is a tenant where all is well, a gateway, and grantd's public address.
type world struct {
	*tenantsim.Tenant
	stream  *tenantsim.Stream
	client  *auth0.Client
	o       doctor.Options
	public  http.HandlerFunc // answers at the public address
	gateway http.HandlerFunc
}

func newWorld(t *testing.T, o tenantsim.Options) *world {
	t.Helper()
	o.Domain = domain
	w := &world{Tenant: tenantsim.ForTest(t, o)}
	w.AddM2M(own, secret, allScopes()...)
	w.AddAPI(audience, "notes:read", "notes:write")
	w.AddConnection(google, true)
	w.SetSetting("resource_parameter_profile", `"compatibility"`)

	w.public = func(rw http.ResponseWriter, r *http.Request) {
		if r.Method+" "+r.URL.Path != "POST "+path { // the proxy carries no more
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = rw.Write([]byte(`{"error":"unauthorized","message":"…"}`))
	}
	w.gateway = func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"resource":` + strconv.Quote(audience) + `,"scopes_supported":["notes:read"]}`))
	}
	public := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.public(rw, r) }))
	t.Cleanup(public.Close)
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.gateway(rw, r) }))
	t.Cleanup(gateway.Close)
	roots := x509.NewCertPool()
	roots.AddCert(public.Certificate())

	w.stream = w.AddLogStream(tenantsim.LogStream{
		URL: public.URL + path, Authorization: "Bearer " + hook,
		Filters: []string{"management.success", "auth.login.fail"}, Delivery: tenantsim.Delivery{Manual: true},
	})
	w.o = doctor.Options{
		Domain: domain, ClientID: own, Audience: audience,
		Scopes: []string{"notes:read", "notes:write"}, ScopesKnown: true, ScopesURL: gateway.URL,
		Connections: []string{google}, Documents: doctor.Documents()["chatgpt"],
		Needed: needed(), Useful: []string{"delete:client_grants"},
		PublicURL: public.URL, WebhookPath: path, Secrets: [][32]byte{sha256.Sum256([]byte(hook))},
		Plan:      "enterprise",
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
	}
	w.connect(t, secret)
	return w
}

func (w *world) connect(t *testing.T, secret string) {
	t.Helper()
	calls := budget.New(budget.Options{})
	w.o.Burst = func() int { return calls.Snapshot().Burst }
	c, err := auth0.New(auth0.Options{Domain: domain, BaseURL: w.URL(), ClientID: own, ClientSecret: secret, Budget: calls})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w.client = c
}

func (w *world) report(t *testing.T) doctor.Report {
	t.Helper()
	f, err := doctor.Look(t.Context(), w.client, w.o)
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Diagnose(f)
}

// patch changes the log stream as an admin would.
func (w *world) patch(t *testing.T, body string) {
	t.Helper()
	status, answer := w.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/log-streams/"+w.stream.ID(), json.RawMessage(body))
	if status != http.StatusOK {
		t.Fatalf("change the log stream: %d %s", status, answer)
	}
}
