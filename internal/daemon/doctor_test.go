package daemon_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"grantd/internal/auth0"
	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/tenantsim"
)

var _ doctor.Tenant = (*auth0.Client)(nil)

// wholesome makes the tenant one that doctor finds nothing in.
func wholesome(tenant *tenantsim.Tenant) {
	tenant.SetScopes("grantd", append(strings.Fields("read:clients update:clients read:connections update:connections "+
		"read:client_grants create:client_grants update:client_grants read:logs"), doctor.LookScopes()...)...)
	tenant.SetSetting("resource_parameter_profile", `"compatibility"`)
	tenant.AddLogStream(tenantsim.LogStream{
		URL: "https://grantd.example.com/auth0-log-webhook", Authorization: "webhook-secret-0123456789", Delivery: tenantsim.Delivery{Manual: true},
	})
}

// With a daemon or without, with a ledger or without, doctor looks and leaves
// everything as it is.
func TestDoctor(t *testing.T) {
	tenant, o := setup(t)
	wholesome(tenant)
	fill(tenant, 3)
	alone := o
	alone.ReadOnly = true
	r, err := engine(t, alone).Doctor(t.Context())
	if err != nil || len(r.Findings) > 0 || r.Capacity.Applications.Used != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	b, err := json.Marshal(r)
	if err != nil || strings.Contains(string(b), "management-secret") || strings.Contains(string(b), "webhook-secret") {
		t.Errorf("%s, %v", b, err)
	}
	if n := len(tenant.Writes()); n > 0 {
		t.Errorf("%d writes", n)
	}

	d, stop := run(t, o)
	defer stop()
	if _, err := tenant.Register(tenantsim.ChatGPT("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are ready", func() bool {
		s, err := d.Sync(t.Context(), false, nobody)
		return err == nil && s.Clients[dcr.Ready] == 4
	})
	r, err = d.Doctor(t.Context())
	if err != nil || len(r.Findings) > 0 || r.Capacity.Applications.Used != 5 || r.Capacity.Grants.Used != 5 {
		t.Errorf("%+v, %v", r, err)
	}

	tenant.SetFlag("enable_dynamic_client_registration", false)
	if r, err := d.Doctor(t.Context()); err != nil || len(r.Findings) != 1 || r.Findings[0].Code != doctor.RegistrationOff {
		t.Errorf("%+v, %v", r.Findings, err)
	}
	tenant.Outage(true)
	if _, err := d.Doctor(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "doctor: look at acme.us.auth0.com: ") {
		t.Errorf("%v", err)
	}
}

// What the configuration leaves to grantd is no finding, and neither is a secret
// that is being rotated.
func TestDoctorKnowsTheConfiguration(t *testing.T) {
	tenant, o := setup(t)
	wholesome(tenant)
	tenant.SetDomainLevel("google-oauth2", false)
	for env, want := range map[string][]doctor.Code{
		"":                               {doctor.ConnectionNotDomainLevel},
		"GRANTD_CONNECTION_LEVEL=domain": nil,
		"LOG_WEBHOOK_SECRET=another-secret-0123456789":                                                        {doctor.ConnectionNotDomainLevel, doctor.StreamCredential},
		"LOG_WEBHOOK_SECRET=another-secret-0123456789\nLOG_WEBHOOK_SECRET_PREVIOUS=webhook-secret-0123456789": {doctor.ConnectionNotDomainLevel},
		"GRANTD_PLAN=free": {doctor.ConnectionNotDomainLevel},
	} {
		environ := []string{
			"MGMT_DOMAIN=acme.us.auth0.com", "MGMT_CLIENT_ID=grantd", "MGMT_CLIENT_SECRET=management-secret", "GRANTD_MGMT_URL=" + tenant.URL(),
			"LOG_WEBHOOK_SECRET=webhook-secret-0123456789", "OAUTH_AUDIENCE=https://mcp.example.com/mcp", "TOOL_SCOPES=notes:read",
			"GRANTD_STATE_DIR=" + t.TempDir(),
		}
		for line := range strings.FieldsSeq(env) {
			name, _, _ := strings.Cut(line, "=")
			environ = slices.DeleteFunc(environ, func(s string) bool { return strings.HasPrefix(s, name+"=") })
			environ = append(environ, line)
		}
		c, _, err := config.Load(config.Source{Environ: environ})
		if err != nil {
			t.Fatal(err)
		}
		o.Config, o.ReadOnly = c, true
		r, err := engine(t, o).Doctor(t.Context())
		var codes []doctor.Code
		for _, f := range r.Findings {
			codes = append(codes, f.Code)
		}
		if err != nil || !slices.Equal(codes, want) {
			t.Errorf("%q: %q, %v, want %q", env, codes, err, want)
		}
		if strings.HasPrefix(env, "GRANTD_PLAN") && r.Capacity.Applications.Limit != 10 {
			t.Errorf("%+v", r.Capacity)
		}
	}
}

// A daemon that takes deliveries is reached, though it does not reach itself; a
// command without a daemon knows of none.
func TestDoctorKnowsOfDeliveries(t *testing.T) {
	tenant, o := setup(t)
	wholesome(tenant)
	c := *o.Config
	c.PublicURL = "https://127.0.0.1:1"
	o.Config = &c
	d, stop := run(t, o)
	defer stop()
	found := func(e interface {
		Doctor(context.Context) (doctor.Report, error)
	}, code doctor.Code) {
		t.Helper()
		r, err := e.Doctor(t.Context())
		if err != nil || !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == code }) {
			t.Errorf("no %s among %+v, %v", code, r.Findings, err)
		}
	}
	found(d, doctor.WebhookUnreached)
	post(t, d, `[{"log_id":"1","data":{"type":"s","date":"2026-11-25T12:00:00.000Z","log_id":"1"}}]`)
	found(d, doctor.NotLooked)
	stop()
	found(engine(t, o), doctor.WebhookUnreached)
}
