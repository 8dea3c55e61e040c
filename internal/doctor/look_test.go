package doctor_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/doctor"
	"grantd/internal/tenantsim"
)

// wrong is one way for a tenant to be broken.
type wrong struct {
	name  string
	spoil func(*testing.T, *world)
	want  []string // "code subject", sorted
	// alone: with others it could not be seen, or they could not.
	alone bool
}

func sink(endpoint, authorization, format string) string {
	return `{"sink":{"httpEndpoint":"` + endpoint + `","httpAuthorization":"` + authorization + `","httpContentFormat":"` + format + `"}}`
}

// wrongs are all ways.
func wrongs() []wrong {
	const document = "https://chatgpt.com/oauth/client.json"
	plain := func(name string, spoil func(*world), want ...string) wrong {
		return wrong{name: name, spoil: func(_ *testing.T, w *world) { spoil(w) }, want: want}
	}
	patched := func(name string, body func(*world) string, want ...string) wrong {
		return wrong{name: name, spoil: func(t *testing.T, w *world) { w.patch(t, body(w)) }, want: want}
	}
	alone := func(w wrong) wrong {
		w.alone = true
		return w
	}
	return []wrong{
		alone(plain("domain", func(w *world) {
			w.Faults(func(r *http.Request) tenantsim.Fault {
				if strings.HasSuffix(r.URL.Path, "jwks.json") {
					return tenantsim.Fault{Kind: tenantsim.NotFound}
				}
				return tenantsim.Fault{}
			})
		}, "domain_not_a_tenant "+domain)),
		{name: "credentials", alone: true, spoil: func(t *testing.T, w *world) { w.connect(t, "s3cret-mistyped") }, want: []string{"credentials_refused " + own}},
		{name: "credentials that worked before", alone: true, spoil: func(t *testing.T, w *world) {
			w.report(t)
			w.SetSecret(own, "s3cret-of-tomorrow")
			w.RevokeTokens()
		}, want: []string{"credentials_refused " + own}},
		plain("scope missing", func(w *world) {
			w.SetScopes(own, append(slices.DeleteFunc(allScopes(), func(s string) bool { return s == "update:client_grants" }), "read:users", "read:client_keys")...)
		}, "management_scope_harmful read:client_keys", "management_scope_missing update:client_grants", "management_scope_unneeded read:users"),
		alone(plain("scope unneeded", func(w *world) { w.SetScopes(own, append(allScopes(), "update:tenant_settings")...) }, "management_scope_unneeded update:tenant_settings")),
		alone(plain("scope harmful", func(w *world) { w.SetScopes(own, append(allScopes(), "read:client_credentials")...) }, "management_scope_harmful read:client_credentials")),
		plain("clock", func(w *world) { w.SetClockSkew(3 * time.Minute) }, "clock_skew "),

		alone(plain("API", func(w *world) { w.RemoveAPI(audience) }, "api_missing "+audience)),
		alone(plain("API with a slash", func(w *world) { w.RemoveAPI(audience); w.AddAPI(audience + "/") }, "api_missing "+audience)),
		plain("signing", func(w *world) { w.SetAPI(audience, "signing_alg", `"HS256"`) }, "api_signing_alg HS256"),
		plain("policy", func(w *world) { w.SetPolicy(audience, userGrant, tenantsim.DenyAll) }, "api_denies_users "),
		plain("offline", func(w *world) { w.SetAPI(audience, "allow_offline_access", "false") }, "api_no_offline_access "),
		plain("scopes", func(w *world) { w.o.Scopes = append(w.o.Scopes, "notes:delete") }, "api_scopes_undefined notes:delete"),
		plain("gateway's slash", func(w *world) {
			w.gateway = func(rw http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(rw, `{"resource":"`+audience+`/"}`)
			}
		}, "gateway_resource_differs "+audience+"/"),
		alone(plain("gateway down", func(w *world) {
			w.gateway = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) }
		}, "gateway_unreachable ")),

		plain("connection missing", func(w *world) { w.o.Connections = append(w.o.Connections, "github") }, "connection_missing github"),
		plain("connection off", func(w *world) { w.SetConnectionActive(google, false) }, "connection_inactive "+google),
		plain("connection's level", func(w *world) { w.SetDomainLevel(google, false) }, "connection_not_domain_level "+google),

		plain("registration", func(w *world) { w.SetFlag("enable_dynamic_client_registration", false) }, "registration_off "),
		plain("resource", func(w *world) { w.SetSetting("resource_parameter_profile", `"audience"`) }, "resource_parameter_ignored "),
		plain("document", func(w *world) { w.SetSetting("client_id_metadata_document_supported", "true") }, "cimd_without_document ChatGPT"),
		plain("rule", func(w *world) { w.AddRule("add roles", true); w.AddRule("off", false) }, "rules_active add roles"),
		plain("hook", func(w *world) { w.AddHook("exchange", "credentials-exchange", true) }, "credentials_exchange_hook_active exchange"),
		plain("organization", func(w *world) { w.AddOrganization("acme", false); w.AddOrganization("open", true) }, "organization_blocks_third_party acme"),

		alone(plain("default grant", func(w *world) {
			w.AddGrant(tenantsim.Grant{DefaultFor: tenantsim.DefaultThirdParty, Audience: audience, AllowAllScopes: true})
		}, "default_grant_open ")),
		plain("narrow default grant", func(w *world) {
			w.AddGrant(tenantsim.Grant{DefaultFor: tenantsim.DefaultThirdParty, Audience: audience, Scopes: []string{"notes:read"}})
			w.AddClient(tenantsim.Client{ID: "tpc_narrow", ExternalClientID: document + "x"})
			w.AddGrant(tenantsim.Grant{ClientID: "tpc_narrow", Audience: audience, Scopes: []string{"notes:write"}})
			w.AddGrant(tenantsim.Grant{ClientID: "tpc_wide", Audience: audience, AllowAllScopes: true})
		}, "default_grant_narrower ", "grant_shadows_default tpc_narrow"),

		alone(plain("no stream", func(w *world) {
			w.Do(tenantsim.Admin(), http.MethodDelete, "/api/v2/log-streams/"+w.stream.ID(), nil)
		}, "log_stream_missing ")),
		plain("stream paused", func(w *world) { w.stream.Pause() }, "log_stream_stopped STREAM"),
		alone(plain("stream suspended", func(w *world) { w.stream.Suspend() }, "log_stream_stopped STREAM")),
		alone(patched("stream's address", func(w *world) string { return sink("https://old.example.com/hook", hook, "JSONARRAY") }, "log_stream_url STREAM")),
		patched("stream's format and secret", func(w *world) string { return sink(w.o.PublicURL+path, "s3cret-other", "JSONOBJECT") }, "log_stream_credential STREAM", "log_stream_format STREAM"),
		alone(patched("stream without a secret", func(w *world) string { return sink(w.o.PublicURL+path, "", "JSONARRAY") }, "log_stream_credential STREAM")),
		patched("stream's filters", func(*world) string { return `{"filters":[{"type":"category","name":"actions"}]}` }, "log_stream_filters STREAM", "log_stream_without_denials STREAM"),
		alone(patched("stream without denials", func(*world) string { return `{"filters":[{"type":"category","name":"management.success"}]}` }, "log_stream_without_denials STREAM")),

		alone(plain("public address down", func(w *world) {
			w.public = func(rw http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
		}, "webhook_unreachable ")),
		alone(plain("certificate", func(w *world) { w.o.Transport = nil }, "webhook_certificate ")),
		plain("somebody else", func(w *world) {
			w.public = func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok\n") }
		}, "webhook_not_grantd "),
		alone(plain("a web page", func(w *world) {
			w.public = func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "<html>") }
		}, "webhook_not_grantd ")),
		alone(plain("somebody else's 401", func(w *world) {
			w.public = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) }
		}, "webhook_not_grantd ")),
		alone(plain("certificate's end", func(w *world) {
			w.o.Now = func() time.Time { return time.Date(2084, 1, 28, 0, 0, 0, 0, time.UTC) }
		}, "webhook_certificate_expires ")),

		alone(plain("nearly full", func(w *world) {
			w.o.Plan = "free"
			for range 7 {
				w.AddClient(tenantsim.Client{})
			}
		}, "capacity_low applications")),
		plain("full", func(w *world) {
			w.o.Plan = "free"
			for range 9 {
				w.AddClient(tenantsim.Client{})
			}
		}, "capacity_full applications"),
	}
}

// judged are the findings as code and subject, sorted.
func judged(w *world, all []doctor.Finding) []string {
	var out []string
	for _, f := range all {
		out = append(out, strings.ReplaceAll(string(f.Code)+" "+f.Subject, w.stream.ID(), "STREAM"))
	}
	slices.Sort(out)
	return out
}

// onlyRead fails if anything was written, or too much asked.
func onlyRead(t *testing.T, w *world) {
	t.Helper()
	for _, c := range w.Calls() {
		if c.Method != http.MethodGet {
			t.Errorf("%s %s", c.Method, c.Path)
		}
	}
	if n := len(w.Calls()); n > 20 {
		t.Errorf("%d calls", n)
	}
}

func TestHealthyTenant(t *testing.T) {
	w := newWorld(t, tenantsim.Options{})
	r := w.report(t)
	if len(r.Findings) > 0 {
		t.Errorf("found %+v", r.Findings)
	}
	if len(r.Fine) < 35 || r.Tenant != domain || r.Audience != audience || r.Calls != len(w.Calls()) || r.Problems() {
		t.Errorf("%+v", r)
	}
	if u := r.Capacity.Applications; !u.Known || u.Used != 1 || u.Limit != 100_000 {
		t.Errorf("%+v", u)
	}
	if n := len(w.TokenRequests()); n != 1 {
		t.Errorf("%d token requests", n)
	}
	onlyRead(t, w)
}

// A tenant that is broken in one way is found to be broken in that way, and in
// no other.
func TestBrokenTenant(t *testing.T) {
	found := map[doctor.Code]bool{doctor.NotLooked: true}
	for _, tt := range wrongs() {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tenantsim.Options{})
			tt.spoil(t, w)
			r := w.report(t)
			if diff := cmp.Diff(tt.want, judged(w, r.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			noSecrets(t, r)
			onlyRead(t, w)
			for _, f := range r.Findings {
				found[f.Code] = true
			}
		})
	}
	for _, k := range doctor.Kinds() {
		if !found[k.Code] {
			t.Errorf("no tenant was broken by %s", k.Code)
		}
	}
}

// One that is broken in every way that goes together is found to be so in all.
func TestTenantBrokenInEveryWay(t *testing.T) {
	w := newWorld(t, tenantsim.Options{})
	var want []string
	for _, tt := range wrongs() {
		if !tt.alone {
			tt.spoil(t, w)
			want = append(want, tt.want...)
		}
	}
	slices.Sort(want)
	r := w.report(t)
	if diff := cmp.Diff(want, judged(w, r.Findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	noSecrets(t, r)
	onlyRead(t, w)
	if !r.Problems() || !slices.IsSortedFunc(r.Findings, func(a, b doctor.Finding) int {
		return strings.Compare(string(a.Severity), string(b.Severity)) // problems before warnings
	}) {
		t.Errorf("not the gravest first: %+v", r.Findings)
	}
}

// noSecrets fails if anything that opens a door is in the report.
func noSecrets(t *testing.T, r doctor.Report) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if shown := string(b) + fmt.Sprintf("%+v", r); strings.Contains(shown, "s3cret") || strings.Contains(shown, "eyJ") {
		t.Errorf("a secret is in %s", shown)
	}
	for _, f := range r.Findings {
		for _, text := range []string{f.Fix.Dashboard, f.Fix.Command, f.Fix.Setting} {
			for _, name := range []string{"{list}", "{scopes}", "{api_id}", "{connection", "{stream", "{endpoint}", "{grant_id}", "{filters}", "{document", "{organization", "{domain}", "{audience}", "{client_id}", "{path}"} {
				if strings.Contains(text, name) {
					t.Errorf("%s: %s is not filled in", f.Code, name)
				}
			}
		}
		if f.Message == "" || f.Breaks == "" && f.Code != doctor.NotLooked {
			t.Errorf("%+v says too little", f)
		}
		if f.Code != doctor.NotLooked && f.Fix == (doctor.Fix{}) {
			t.Errorf("%s has no fix", f.Code)
		}
	}
}
