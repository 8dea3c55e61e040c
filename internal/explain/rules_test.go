package explain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/explain"
	"grantd/internal/plan"
)

// codes are the causes of a story in their order, those that are over in
// parentheses.
func codes(s explain.Story) string {
	var all []string
	for _, c := range s.Causes {
		if c.Over {
			all = append(all, "("+string(c.Code)+")")
		} else {
			all = append(all, string(c.Code))
		}
	}
	return strings.Join(all, " ")
}

// Which causes are told, and in which order, where several could be.
func TestWhichCauses(t *testing.T) {
	missing := func(api string) func(*explain.Facts) {
		return denied(t, "f", `Client "`+clientID+`" is not authorized to access resource server "`+api+`"`, time.Minute)
	}
	hold := func(h dcr.Hold) func(*explain.Facts) {
		return func(f *explain.Facts) { f.Holds = append(f.Holds, h) }
	}
	permissive := func(f *explain.Facts) {
		f.ID, f.Live.Client.ID, f.Live.Client.ThirdPartySecurityMode = "ordinary", "ordinary", dcr.Permissive
		f.Live.Connections[0].Connection.DomainLevel, f.Live.Connections[0].Enabled = false, plan.No
	}
	alone := func(f *explain.Facts) { f.Serving = false }
	for name, tt := range map[string]struct {
		situation func(*explain.Facts)
		want      string
	}{
		"a grant is there, for another API than was asked for": {missing("https://other.example/"), "wrong_audience"},
		"the API is missing":                       {all(noGrant, func(f *explain.Facts) { f.Live.API.API = nil }), "api_not_found"},
		"the API is missing, and it holds a grant": {func(f *explain.Facts) { f.Live.API.API = nil }, "api_not_found"},
		"the connection is missing":                {func(f *explain.Facts) { f.Live.Connections[0].Connection = nil }, "connection_not_found"},
		"the connection is inactive":               {func(f *explain.Facts) { f.Live.Connections[0].Connection.Inactive = true }, "connection_inactive"},
		"the connection is not enabled yet":        {permissive, "not_connected"},
		"held, and not connected":                  {all(permissive, hold(dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepConnect, Reason: dcr.Fighting})), "fighting"},
		"another step is held":                     {all(permissive, hold(dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepGrant, Reason: dcr.Fighting})), "not_connected"},
		"another client is held":                   {all(noGrant, hold(dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_other", Reason: dcr.Held})), "grant_missing"},
		"two holds, each of something": {all(noGrant, func(f *explain.Facts) { f.Live.Client.AppType = "" },
			hold(dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepGrant, Reason: dcr.Fighting}),
			hold(dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepPromote, Reason: dcr.Reverted})), "fighting held"},
		"no scope is known":     {all(noGrant, func(f *explain.Facts) { f.Desired.ScopesUnknown = true }), "scopes_unknown"},
		"narrower than desired": {func(f *explain.Facts) { f.Live.Grant.Grant.Scopes = nil }, "scopes_missing"},
		"a storm":               {all(noGrant, phase(dcr.Pending, dcr.RegistrationStorm, "")), "registration_storm"},
		"a storm that holds":    {all(noGrant, phase(dcr.Pending, dcr.RegistrationStorm, ""), hold(dcr.Hold{Scope: dcr.HoldClient, ClientID: clientID, Reason: dcr.RegistrationStorm})), "registration_storm"},
		"the ledger's trouble is over by what Auth0 says": {phase(dcr.Blocked, dcr.LimitReached, "full"), ""},
		"pending, and Auth0 does not say": {all(phase(dcr.Pending, dcr.Unchecked, ""), func(f *explain.Facts) {
			f.Live.Grant, f.Live.Connections = plan.Grant{}, nil
		}), "waiting"},
		"nobody does what a denial is about": {all(alone, func(f *explain.Facts) {
			f.Live.Grant, f.Record.Conditions.Granted = plan.Grant{}, dcr.Condition{}
		}, missing(audience)), "daemon_not_running grant_missing"},
		"refused, and what it lacks is nobody's business": {func(f *explain.Facts) {
			f.Live.Client.FirstParty, f.Live.Client.AppType, f.Live.Grant.Grant = true, "", nil
		}, "refused"},
		"refused, and what is wrong for others": {all(func(f *explain.Facts) { f.Live.Client.FirstParty = true }, finding(doctor.APIDeniesUsers, "", doctor.Fix{})), "refused"},
		"never checked, and nobody does what a denial is about": {all(alone, func(f *explain.Facts) {
			f.Live.Grant, f.Record.Conditions.Granted, f.Record.LastCheckedAt = plan.Grant{}, dcr.Condition{}, time.Time{}
		}, missing(audience)), "daemon_not_running grant_missing"},
		"ready by the ledger and held, and Auth0 does not answer": {all(hold(dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held}), func(f *explain.Facts) {
			f.Live = explain.Live{}
		}), ""},
		"too many logins": {all(alone, denied(t, "f", "Global limit has been reached", time.Minute)), "rate_limited"},
		"deleted, and what it lacked before": {all(func(f *explain.Facts) { f.Live = explain.Live{Missing: true} },
			denied(t, "f", "Parameter 'code_challenge' is required.", time.Minute)), "client_deleted (pkce_missing)"},
		"a document, and the client it stands for": {func(f *explain.Facts) {
			f.Denials, _ = explain.ReadDenials([]byte(`[{"type":"f","date":"2026-11-25T11:59:00Z","description":"Unknown client: https://a.example/meta"}]`), "https://a.example/meta")
		}, "(document_not_registered)"},
		"service without a name": {denied(t, "f", "Service not enabled within domain", time.Minute), "wrong_audience"},
	} {
		t.Run(name, func(t *testing.T) {
			s := explain.Tell(facts(t, tt.situation))
			if got := codes(s); got != tt.want {
				t.Errorf("got %q, want %q: %+v", got, tt.want, s.Causes)
			}
			for _, c := range s.Causes {
				if strings.Contains(c.Text, " , ") || strings.Contains(c.Text, "API ,") {
					t.Errorf("text with a hole: %q", c.Text)
				}
			}
		})
	}
}

// What else a story says, a line each.
func TestSays(t *testing.T) {
	has := func(what string, lines ...string) {
		t.Helper()
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, what) }) {
			t.Errorf("%q is not said in %q", what, lines)
		}
	}
	s := explain.Tell(facts(t, denied(t, "f", "Service not found: "+audience+"/", time.Minute)))
	has("a slash at the end makes them two", s.Causes[0].Text)
	s = explain.Tell(facts(t, denied(t, "f", "Service not found: https://other.example", time.Minute)))
	if strings.Contains(s.Causes[0].Text, "slash") {
		t.Error(s.Causes[0].Text)
	}
	s = explain.Tell(facts(t, noGrant, func(f *explain.Facts) {
		f.Holds = []dcr.Hold{{Scope: dcr.HoldClient, ClientID: clientID, Reason: dcr.Fighting, Actor: &dcr.Actor{Kind: dcr.ActorApplication, ID: "terraform"}}}
	}))
	has("It answers what was done by application terraform.", s.Causes[0].Evidence...)
	s = explain.Tell(facts(t, noGrant, func(f *explain.Facts) {
		f.Live.Client.AppType = ""
		f.Holds = []dcr.Hold{{Scope: dcr.HoldField, Field: dcr.StepGrant, Reason: dcr.Fighting}, {Scope: dcr.HoldField, Field: dcr.StepPromote, Reason: dcr.Reverted}}
	}))
	has("Auth0 now, granted", s.Causes[0].Evidence...)
	has("Auth0 now, promoted", s.Causes[1].Evidence...)
	s = explain.Tell(facts(t, denied(t, "f", "no connections enabled for the client", 2*time.Hour)))
	has("for the user to try the login again", s.Next.What)
	s = explain.Tell(facts(t, func(f *explain.Facts) { f.Live.Client.ID, f.OwnClientID = "grantd", "grantd" }))
	has("Nothing.", s.Next.What)
	if s.Conditions.Granted.Now.Status || len(s.Conditions.Granted.Now.Missing) > 0 {
		t.Errorf("something is desired of a client that is refused: %+v", s.Conditions.Granted.Now)
	}
	s = explain.Tell(facts(t, func(f *explain.Facts) {
		f.Live.Connections = nil
	}))
	if s.Conditions.Connected.Now.Known {
		t.Error("connections that were not asked for are known")
	}
	s = explain.Tell(facts(t, func(f *explain.Facts) { f.Live.Connections[0].Connection.Inactive = true }))
	has("google-oauth2: domain-level, inactive", s.Conditions.Connected.Now.Has)
}

// What a stranger chose for a callback is told as an entry for the allow-list
// only where it allows that callback and nothing else, and can be pasted.
func TestAllowListEntries(t *testing.T) {
	const nothing = "Do nothing: "
	long := "https://evil.example/" + strings.Repeat("a", 300)
	many := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint("https://a.example/", i))
		}
		return all
	}
	for name, tt := range map[string]struct {
		callbacks []string
		want      string
	}{
		"a product's":           {[]string{"https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"}, "set GRANTD_ALLOWED_CLIENTS=chatgpt,claude and"},
		"one beside a good one": {[]string{"https://chatgpt.com/connector/oauth/a", "https://a.example/cb"}, "set GRANTD_ALLOWED_CLIENTS=chatgpt,https://a.example/cb and"},
		"of a shell":            {[]string{"https://a.example/$(id);b&c"}, "set GRANTD_ALLOWED_CLIENTS='chatgpt,https://a.example/$(id);b&c' and"},
		"with a quote":          {[]string{"https://a.example/$(id)'"}, nothing},
		"any":                   {[]string{"any"}, nothing},
		"a preset's name":       {[]string{"mcp-inspector"}, nothing},
		"a pattern":             {[]string{"https://a.example/{id}"}, nothing},
		"an open port":          {[]string{"http://localhost:*/cb"}, nothing},
		"a comma":               {[]string{"https://a.example/cb,any"}, nothing},
		"hidden":                {[]string{"https://a.example/\u202ecb"}, nothing},
		"long":                  {[]string{long}, nothing},
		"the eleventh":          {append(many(10), "https://a.example/{id}"), nothing},
		"eleven":                {many(11), nothing + "it has 11 callbacks"},
		"more good ones":        {slices.Repeat([]string{"https://chatgpt.com/connector/oauth/a"}, 101), nothing + "it has 101 callbacks"},
		"more than are read":    {append(slices.Repeat([]string{"https://chatgpt.com/connector/oauth/a"}, 100), "https://a.example/cb"), nothing},
	} {
		s := explain.Tell(facts(t, func(f *explain.Facts) { f.Live.Client.Callbacks = tt.callbacks }))
		if c := s.Causes[0]; c.Code != explain.CallbackRefused || !strings.Contains(c.Fix, tt.want) || (c.Who == explain.Person) == strings.HasPrefix(tt.want, nothing) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// The ledger keeps few callbacks of a client that it does not serve, and those
// shortened: none of them is told as an entry where Auth0 did not answer.
func TestNoEntriesByTheLedger(t *testing.T) {
	s := explain.Tell(facts(t, func(f *explain.Facts) {
		f.Live = explain.Live{Problems: []explain.Problem{{What: "the client", Reason: dcr.Unreachable}}}
		f.Record.Phase, f.Record.Reason = dcr.Refused, dcr.CallbackNotAllowed
		f.Record.Callbacks = []string{"https://a.example/" + strings.Repeat("a", 110)}
	}))
	i := slices.IndexFunc(s.Causes, func(c explain.Cause) bool { return c.Code == explain.CallbackRefused })
	if i < 0 || strings.Contains(s.Causes[i].Fix, "a.example") || !strings.Contains(s.Causes[i].Fix, "again when Auth0 answers") {
		t.Errorf("%+v", s.Causes)
	}
}
