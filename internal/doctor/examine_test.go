package doctor_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/doctest"
	"grantd/internal/doctor"
)

var update = flag.Bool("update", false, "write docs/doctor.md")

func got[T any](v T) doctor.Answer[T] { return doctor.Answer[T]{Value: v, Asked: true} }

func failed[T any](err error) doctor.Answer[T] { return doctor.Answer[T]{Err: err, Asked: true} }

// healthy are the facts of a tenant where all is well.
func healthy() doctor.Facts {
	at := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	sum := sha256.Sum256([]byte(hook))
	return doctor.Facts{
		Options: doctor.Options{
			Domain: domain, ClientID: own, Audience: audience, Scopes: []string{"a"}, ScopesKnown: true, ScopesURL: "https://mcp.example.com/x",
			Connections: []string{google}, Documents: doctor.Documents()["chatgpt"], Needed: needed(),
			PublicURL: "https://grantd.example.com", WebhookPath: path, Secrets: [][32]byte{sum}, Plan: "free",
		},
		CheckedAt: at, Granted: allScopes(), GrantedOK: true,
		Noticed:   auth0.Noticed{SkewKnown: true, Skew: 2 * time.Second},
		Settings:  got(dcr.TenantSettings{DynamicRegistration: true, RegistrationMode: dcr.Strict, CIMD: true, ResourceProfile: dcr.ProfileCompatibility}),
		API:       got(dcr.API{ID: "5f", Identifier: audience, Scopes: []string{"a", "b"}, SigningAlg: "RS256", UserPolicy: dcr.AllowAll, AllowOfflineAccess: true}),
		Connected: []doctor.Answer[dcr.Connection]{got(dcr.Connection{ID: "con_1", Name: google, DomainLevel: true})},
		Streams: got([]dcr.LogStream{
			{ID: "lst_0", Type: "splunk", Status: "suspended"},
			{ID: "lst_1", Name: "grantd", Type: "http", Status: "active", Endpoint: "https://grantd.example.com" + path, ContentFormat: "JSONLINES", Credentials: [][32]byte{sum}},
		}),
		Rules: got[[]string](nil), Hooks: got[[]string](nil), Organizations: got(doctor.Part[auth0.Organization]{}),
		Defaults: got[[]dcr.Grant](nil), Grants: got(doctor.Part[dcr.Grant]{}), ClientCount: got(7), GrantCount: got(79),
		Registered: []doctor.Answer[bool]{got(true)},
		Resource:   got(audience),
		Webhook:    doctor.Webhook{Asked: true, Expires: at.Add(90 * 24 * time.Hour)},
	}
}

// Each code is found for its own reason, and nothing else is found with it.
func TestExamine(t *testing.T) {
	stream := func(edit func(*dcr.LogStream)) func(*doctor.Facts) {
		return func(f *doctor.Facts) { edit(&f.Streams.Value[1]) }
	}
	missing := &auth0.Error{Op: "list_rules", Reason: dcr.MissingScope, Scope: "read:rules"}
	tests := map[doctor.Code]func(*doctor.Facts){
		doctor.DomainNotTenant:    func(f *doctor.Facts) { f.NotTenant = "not found" },
		doctor.CredentialsRefused: func(f *doctor.Facts) { f.Refused = "access_denied" },
		doctor.ScopeMissing:       func(f *doctor.Facts) { f.Granted = f.Granted[1:] },
		doctor.ScopeUnneeded:      func(f *doctor.Facts) { f.Granted = append(f.Granted, "delete:clients") },
		doctor.ScopeHarmful:       func(f *doctor.Facts) { f.Granted = append(f.Granted, "read:client_keys") },
		doctor.ClockSkew:          func(f *doctor.Facts) { f.Noticed.Skew = -11 * time.Second },

		doctor.APIMissing:          func(f *doctor.Facts) { f.API = failed[dcr.API](auth0.ErrNotFound); f.Sibling = audience + "/" },
		doctor.APISigningAlg:       func(f *doctor.Facts) { f.API.Value.SigningAlg = "HS256" },
		doctor.APIDeniesUsers:      func(f *doctor.Facts) { f.API.Value.UserPolicy = dcr.DenyAll },
		doctor.APINoOfflineAccess:  func(f *doctor.Facts) { f.API.Value.AllowOfflineAccess = false },
		doctor.APIScopeUndefined:   func(f *doctor.Facts) { f.Scopes = []string{"a", "it's"} },
		doctor.GatewayUnreachable:  func(f *doctor.Facts) { f.Resource = failed[string](errors.New("answers with status 502")) },
		doctor.GatewayResourceDiff: func(f *doctor.Facts) { f.Resource.Value += "/" },

		doctor.ConnectionMissing:        func(f *doctor.Facts) { f.Connected[0] = failed[dcr.Connection](auth0.ErrNotFound) },
		doctor.ConnectionInactive:       func(f *doctor.Facts) { f.Connected[0].Value.Inactive = true },
		doctor.ConnectionNotDomainLevel: func(f *doctor.Facts) { f.Connected[0].Value.DomainLevel = false },

		doctor.RegistrationOff: func(f *doctor.Facts) { f.Settings.Value.DynamicRegistration = false },
		doctor.ResourceNotAudience: func(f *doctor.Facts) {
			f.Settings.Value.ResourceProfile, f.Settings.Value.DefaultAudience = dcr.ProfileAudience, audience+"/"
		},
		doctor.CIMDWithoutDocument: func(f *doctor.Facts) { f.Registered[0].Value = false },
		doctor.RulesActive:         func(f *doctor.Facts) { f.Rules = got([]string{"r"}) },
		doctor.HookActive:          func(f *doctor.Facts) { f.Hooks = got([]string{"h"}) },
		doctor.OrganizationBlocks: func(f *doctor.Facts) {
			f.Organizations.Value.List = []auth0.Organization{{ID: "org_1", Name: "acme"}, {ID: "org_2", Name: "open", ThirdParty: true}}
		},
		doctor.DefaultGrantOpen:     func(f *doctor.Facts) { f.Defaults = got([]dcr.Grant{{ID: "cgr_1", Scopes: []string{"a"}}}) },
		doctor.DefaultGrantNarrower: func(f *doctor.Facts) { f.Defaults = got([]dcr.Grant{{ID: "cgr_1"}}) },
		doctor.GrantShadowsDefault:  nil, // not without a default grant; below

		doctor.StreamMissing:    func(f *doctor.Facts) { f.Streams.Value = f.Streams.Value[:1] },
		doctor.StreamStopped:    stream(func(s *dcr.LogStream) { s.Status = "suspended" }),
		doctor.StreamURL:        stream(func(s *dcr.LogStream) { s.Endpoint = "https://old.example.com" + path }),
		doctor.StreamFormat:     stream(func(s *dcr.LogStream) { s.ContentFormat = "JSONOBJECT" }),
		doctor.StreamCredential: stream(func(s *dcr.LogStream) { s.Credentials = nil }),
		doctor.StreamFilters:    stream(func(s *dcr.LogStream) { s.Filters = []string{"auth.login.fail"} }),
		doctor.StreamNoDenials:  stream(func(s *dcr.LogStream) { s.Filters = []string{"management.success"} }),

		doctor.WebhookUnreached:  func(f *doctor.Facts) { f.Webhook.Unreached = "connection refused" },
		doctor.WebhookCert:       func(f *doctor.Facts) { f.Webhook.Certificate = "x509: certificate has expired" },
		doctor.WebhookNotGrantd:  func(f *doctor.Facts) { f.Webhook.NotGrantd = "status 404" },
		doctor.WebhookCertExpiry: func(f *doctor.Facts) { f.Webhook.Expires = f.CheckedAt.Add(13 * 24 * time.Hour) },
		doctor.CapacityLow:       func(f *doctor.Facts) { f.GrantCount.Value = 80 },
		doctor.CapacityFull:      func(f *doctor.Facts) { f.ClientCount.Value = 10 },
		doctor.NotLooked:         func(f *doctor.Facts) { f.Rules = failed[[]string](missing) },
	}
	if found := doctor.Examine(healthy()); len(found) > 0 {
		t.Errorf("found in a healthy tenant: %+v", found)
	}
	for _, k := range doctor.Kinds() {
		spoil, ok := tests[k.Code]
		if !ok {
			t.Errorf("no row for %s", k.Code)
		}
		if spoil == nil {
			continue
		}
		f := healthy()
		spoil(&f)
		r := doctor.Diagnose(f)
		var codes []doctor.Code
		for _, one := range r.Findings {
			codes = append(codes, one.Code)
			if one.Severity != k.Severity {
				t.Errorf("%s: severity %s", one.Code, one.Severity)
			}
		}
		if !slices.Equal(codes, []doctor.Code{k.Code}) {
			t.Errorf("%s: found %q", k.Code, codes)
		}
		if k.Fine != "" && slices.Contains(r.Fine, k.Fine) {
			t.Errorf("%s is found and fine", k.Code)
		}
		if r.Problems() != (k.Severity == doctor.Problem) {
			t.Errorf("%s is a problem: %v", k.Code, r.Problems())
		}
		noSecrets(t, r)
	}
}

// What is desired for certain is looked at while a scope source has not told yet
// what else is.
func TestScopesPartlyKnown(t *testing.T) {
	f := healthy()
	f.ScopesKnown, f.Scopes, f.Resource.Value = false, []string{"a"}, audience+"/"
	r := doctor.Diagnose(f)
	if len(r.Findings) != 1 || r.Findings[0].Code != doctor.GatewayResourceDiff || slices.Contains(r.Fine, "the API defines every scope") {
		t.Errorf("%+v", r)
	}
	f.Scopes = []string{"a", "zap"}
	f.Defaults = got([]dcr.Grant{{ID: "cgr_1", Scopes: []string{"a"}}})
	var codes []doctor.Code
	for _, one := range doctor.Examine(f) {
		codes = append(codes, one.Code)
	}
	if want := []doctor.Code{doctor.APIScopeUndefined, doctor.GatewayResourceDiff, doctor.DefaultGrantNarrower}; !slices.Equal(codes, want) {
		t.Errorf("%q", codes)
	}
}

// A machine may not reach its own public address though everybody else does.
func TestDeliveriesArrive(t *testing.T) {
	for ago, want := range map[time.Duration]doctor.Code{59 * time.Minute: doctor.NotLooked, time.Hour: doctor.WebhookUnreached} {
		f := healthy()
		f.Webhook, f.DeliveredAt = doctor.Webhook{Asked: true, Unreached: "no route to host"}, f.CheckedAt.Add(-ago)
		r := doctor.Diagnose(f)
		if len(r.Findings) != 1 || r.Findings[0].Code != want || slices.Contains(r.Fine, "the public address answers") {
			t.Errorf("%v ago: %+v", ago, r)
		}
	}
}

// What is no defect is not found to be one.
func TestNothingToFind(t *testing.T) {
	tests := map[string]func(*doctor.Facts){
		"default audience instead of the profile": func(f *doctor.Facts) {
			f.Settings.Value.ResourceProfile, f.Settings.Value.DefaultAudience = dcr.ProfileAudience, audience
		},
		"permissive clients need no domain level, and Rules are theirs": func(f *doctor.Facts) {
			f.Settings.Value.RegistrationMode, f.Settings.Value.CIMD = dcr.Permissive, false
			f.Connected[0].Value.DomainLevel, f.Rules, f.Hooks = false, got([]string{"r"}), got([]string{"h"})
		},
		"the ledger knows the mode where the tenant does not say": func(f *doctor.Facts) {
			f.Settings.Value.RegistrationMode, f.Settings.Value.CIMD, f.Mode = "", false, dcr.Permissive
			f.Connected[0].Value.DomainLevel = false
		},
		"grantd promotes connections itself": func(f *doctor.Facts) { f.Promotes, f.Connected[0].Value.DomainLevel = true, false },
		"the other secret, in another header": func(f *doctor.Facts) {
			sum := sha256.Sum256([]byte("previous"))
			f.Secrets, f.Streams.Value[1].Credentials = append(f.Secrets, sum), [][32]byte{{}, sum}
		},
		"no public address, the path tells": func(f *doctor.Facts) {
			f.PublicURL, f.Webhook, f.Streams.Value[1].Endpoint = "", doctor.Webhook{}, "https://any.example"+path
		},
		"another stream is stopped": func(f *doctor.Facts) {
			s := f.Streams.Value[1]
			s.ID, s.Status = "lst_2", "paused"
			f.Streams.Value = append([]dcr.LogStream{s}, f.Streams.Value...)
		},
		"a scope that is used where it is there": func(f *doctor.Facts) {
			f.Useful, f.Granted = []string{"delete:client_grants"}, append(f.Granted, "delete:client_grants")
		},
		"both categories":          func(f *doctor.Facts) { f.Streams.Value[1].Filters = []string{"auth.login.fail", "management.success"} },
		"documents not looked for": func(f *doctor.Facts) { f.Settings.Value.CIMD, f.Registered[0] = false, doctor.Answer[bool]{} },
		"a plan that nobody knows": func(f *doctor.Facts) { f.Plan, f.ClientCount.Value = "", 1_000_000 },
		"just below":               func(f *doctor.Facts) { f.GrantCount.Value, f.Noticed.Skew = 79, 10*time.Second },
	}
	for name, change := range tests {
		f := healthy()
		change(&f)
		if found := doctor.Examine(f); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// Own grants that hold less than the default grant are told, a few by name.
func TestShadows(t *testing.T) {
	f := healthy()
	f.Defaults = got([]dcr.Grant{{ID: "cgr_d", AllowAllScopes: true}})
	for range 12 {
		f.Grants.Value.List = append(f.Grants.Value.List, dcr.Grant{ID: "cgr_1", ClientID: "tpc_1", Scopes: []string{"a"}})
	}
	f.Grants.Value.List = append(f.Grants.Value.List, dcr.Grant{ClientID: "tpc_2", Scopes: []string{"a", "b"}}, dcr.Grant{ClientID: "tpc_3", AllowAllScopes: true})
	found := doctor.Examine(f)
	if len(found) != 12 || found[0].Code != doctor.DefaultGrantOpen || found[1].Subject != "tpc_1" || found[11].Subject != "2 more" {
		t.Fatalf("%+v", found)
	}
	if want := `auth0 api patch "client-grants/cgr_1" --data '{"scope":["a","b"]}'`; found[1].Fix.Command != want {
		t.Errorf("%s", found[1].Fix.Command)
	}
}

// A list that is too long to be looked at as a whole is told to be so, where it
// matters.
func TestMore(t *testing.T) {
	f := healthy()
	f.Organizations.Value.More, f.Grants.Value.More = true, true
	subjects := func() (all []string) {
		for _, one := range doctor.Examine(f) {
			if one.Code == doctor.NotLooked {
				all = append(all, one.Subject)
			}
		}
		return all
	}
	if got := subjects(); !slices.Equal(got, []string{"more organizations"}) {
		t.Errorf("%q", got)
	}
	f.Defaults = got([]dcr.Grant{{ID: "cgr_d", AllowAllScopes: true}})
	if got := subjects(); !slices.Equal(got, []string{"more organizations", "more of clients' own grants"}) {
		t.Errorf("%q", got)
	}
}

// When all is used is told by the rate at which clients come.
func TestCapacity(t *testing.T) {
	f := healthy()
	f.ClientCount.Value, f.ClientsPerDay = 8, 0.5
	c := doctor.Diagnose(f).Capacity
	if want := f.CheckedAt.Add(4 * 24 * time.Hour); !c.Applications.FullAt.Equal(dcr.Timestamp{Time: want}) || !c.Grants.FullAt.IsZero() {
		t.Errorf("%+v", c)
	}
	found := doctor.Examine(f)
	if len(found) != 1 || !strings.Contains(found[0].Message, "2026-11-29") {
		t.Errorf("%+v", found)
	}
	f.Plan = ""
	for burst, want := range map[int]string{2: "free", 10: "essentials or professional", 50: "enterprise", 0: ""} {
		f.LargestLimit = burst
		if c := doctor.Diagnose(f).Capacity; c.Plan != want || c.Guessed != (want != "") {
			t.Errorf("%d: %+v", burst, c)
		}
	}
}

// Commands can be pasted into a shell whatever the names in them are.
func TestCommandsAreQuoted(t *testing.T) {
	f := healthy()
	f.Scopes = []string{"it's&<\"x\">"}
	f.API.Value.Scopes = nil
	found := doctor.Examine(f)
	if len(found) != 1 || !strings.Contains(found[0].Fix.Command, `(["it'\''s&<\"x\">"] | map(`) {
		t.Errorf("%+v", found)
	}
	// Nothing in one is hidden, or shown in another order than it is run in.
	f.Scopes = []string{"a\u202eb\u200b", "é😀"}
	if found := doctor.Examine(f); len(found) != 1 || !strings.Contains(found[0].Fix.Command, `["a\u202eb\u200b","\u00e9\ud83d\ude00"]`) {
		t.Errorf("%+v", found)
	}
	// What is not in JSON is quoted for the shell alone.
	f = healthy()
	f.Audience, f.API = `https://a.example/'"\`, failed[dcr.API](auth0.ErrNotFound)
	if found := doctor.Examine(f); len(found) == 0 || !strings.Contains(found[0].Fix.Command, `--identifier 'https://a.example/'\''"\' --scopes`) {
		t.Errorf("%+v", found)
	}
}

func TestPageUpToDate(t *testing.T) {
	doctest.UpToDate(t, "docs/doctor.md", *update, doctor.WritePage)
}
