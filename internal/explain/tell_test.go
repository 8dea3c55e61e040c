package explain_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/explain"
	"grantd/internal/plan"
)

var update = flag.Bool("update", false, "write the golden story")

// What was put right since is told as over, and nobody has to do anything.
func TestOver(t *testing.T) {
	missing := `Client "` + clientID + `" is not authorized to access resource server "` + audience + `"`
	for name, tt := range map[string]struct {
		situation func(*explain.Facts)
		code      explain.Code
	}{
		"the grant came after the denial": {denied(t, "f", missing, 2*time.Hour), explain.GrantMissing},
		"and just then":                   {denied(t, "f", missing, time.Hour-30*time.Second), explain.GrantMissing},
		"the grant was put right since": {all(denied(t, "f", missing, time.Minute), func(f *explain.Facts) {
			f.Journal = []dcr.JournalEntry{{Change: dcr.Change{Step: dcr.StepGrant, At: noon().Add(-50 * time.Second)}}}
		}), explain.GrantMissing},
		"used since": {all(denied(t, "f", "Callback URL mismatch. https://a.example/cb is not", time.Minute), func(f *explain.Facts) {
			f.Record.LastUsedAt = noon()
		}), explain.CallbackMismatch},
		"the callback is there":       {denied(t, "f", "Callback URL mismatch. https://chatgpt.com/connector/oauth/abc is not in the list", time.Minute), explain.CallbackMismatch},
		"the connection is open":      {denied(t, "f", "no connections enabled for the client", 2*time.Hour), explain.NotConnected},
		"the client is there":         {denied(t, "f", "Unknown client: "+clientID, time.Minute), explain.ClientDeleted},
		"the API is there":            {denied(t, "f", "Service not found: "+audience, time.Minute), explain.APINotFound},
		"an old code":                 {denied(t, "feacft", "Invalid authorization code", 2*time.Hour), explain.CodeInvalid},
		"an old rate limit":           {denied(t, "f", "Global limit has been reached", 2*time.Hour), explain.RateLimited},
		"it may do authorization now": {denied(t, "f", "Grant type 'authorization_code' not allowed for the client.", time.Minute), explain.NotPromoted},
	} {
		t.Run(name, func(t *testing.T) {
			s := explain.Tell(facts(t, tt.situation))
			if len(s.Causes) != 1 || s.Causes[0].Code != tt.code || !s.Causes[0].Over || s.NeedsPerson() {
				t.Errorf("%+v, next %+v", s.Causes, s.Next)
			}
			if want := "It has everything it needs to log in; its last denial was put right since."; s.Summary != want {
				t.Errorf("summary %q", s.Summary)
			}
		})
	}
}

// What stands where nothing is wrong, or nothing is known, or nothing is to be
// done.
func TestVerdicts(t *testing.T) {
	unanswered := func(f *explain.Facts) {
		f.Live = explain.Live{Problems: []explain.Problem{{What: "the client", Reason: dcr.Unreachable, Message: "no route"}}}
	}
	for name, tt := range map[string]struct {
		situation func(*explain.Facts)
		summary   string
		who       explain.Who
		next      string
		causes    int
	}{
		"ready":       {func(*explain.Facts) {}, "It has everything it needs to log in.", explain.Nobody, "Nothing.", 0},
		"ready, held": {func(f *explain.Facts) { f.Holds = []dcr.Hold{{Scope: dcr.HoldAll, Reason: dcr.Held}} }, "It has everything it needs to log in.", explain.Nobody, "Nothing.", 0},
		"a lapsed hold": {all(noGrant, func(f *explain.Facts) {
			f.Holds = []dcr.Hold{{Scope: dcr.HoldAll, Reason: dcr.Held, Until: noon()}}
		}), "Logins fail for now: it has no grant for the API, so Auth0 refuses it before any login.", explain.Grantd, "grantd makes what is missing: grant, at its next sweep", 1},
		"ready, Auth0 does not answer": {unanswered, "By the ledger it has everything it needs to log in. Auth0 did not answer just now, so this is what the ledger knows.", explain.Nobody, "Nothing.", 0},
		"ready, and the token is refused": {all(unanswered, func(f *explain.Facts) { f.Live.Problems[0].Reason = dcr.TokenRefused }),
			"By the ledger it has everything it needs to log in, but Auth0 refuses grantd a Management API token", explain.Person, "Correct MGMT_CLIENT_ID", 1},
		"ready, and a scope is missing": {all(unanswered, finding(doctor.ScopeMissing, "", doctor.Fix{Dashboard: "tick read:clients", Command: "auth0 api patch"}),
			func(f *explain.Facts) { f.Live.Problems[0].Reason = dcr.MissingScope }),
			"By the ledger it has everything it needs to log in, but grantd's own application lacks", explain.Person, "tick read:clients", 1},
		"blocked, Auth0 does not answer": {all(unanswered, phase(dcr.Blocked, dcr.ConnectionNotDomainLevel, "promote it"), func(f *explain.Facts) {
			f.Record.Conditions.Connected = dcr.Condition{Reason: dcr.ConnectionNotDomainLevel, Message: "not one", Since: noon()}
			f.Record.NextAttemptAt = noon().Add(time.Minute)
		}), "Auth0 did not answer just now", explain.Person, "", 2},
		"deleted, and nobody tries":                 {func(f *explain.Facts) { f.Live = explain.Live{Missing: true} }, "The client was deleted in Auth0; whoever still uses its id is refused.", explain.Nobody, "Nothing, as long as nobody misses it.", 1},
		"gone by the ledger, Auth0 does not answer": {all(unanswered, phase(dcr.Gone, dcr.DeletedInAuth, "x")), "The client was deleted in Auth0", explain.Nobody, "", 1},
		"not there yet": {all(phase(dcr.Pending, dcr.NotFoundYet, "x"), func(f *explain.Facts) {
			f.Live, f.Record.NextAttemptAt = explain.Live{Missing: true}, noon().Add(time.Second)
		}), "Logins fail for now: grantd has not brought it", explain.Grantd, "at 2026-11-25 12:00:01 UTC", 1},
		"nobody knows it": {func(f *explain.Facts) { f.Record, f.Live = nil, explain.Live{Missing: true} }, "Auth0 has no client with this id.", explain.Person, "letter by letter", 1},
		"first-party, not in the ledger": {func(f *explain.Facts) {
			f.Record, f.Live = nil, explain.Live{Client: &dcr.Client{ID: clientID, FirstParty: true}}
		}, "The client is first-party, and grantd serves third-party clients only.", explain.Nobody, "look at the application itself", 1},
		"not in the ledger, and would be served": {func(f *explain.Facts) { f.Record = nil }, "Logins fail for now: grantd has not brought it", explain.Grantd, "grantd sync does it now", 1},
		"registration off": {func(f *explain.Facts) {
			f.Record, f.Live = nil, explain.Live{Missing: true}
			f.Findings = []doctor.Finding{{Code: doctor.RegistrationOff, Severity: doctor.Problem, Message: "off"}}
		}, "Auth0 has no client with this id.", explain.Person, "", 2},
		"a finding about others": {func(f *explain.Facts) {
			f.Findings = []doctor.Finding{{Code: doctor.RulesActive, Severity: doctor.Problem, Mode: dcr.Permissive},
				{Code: doctor.APIDeniesUsers, Severity: doctor.Unknown}, {Code: doctor.GrantShadowsDefault, Severity: doctor.Warning, Subject: "tpc_other"},
				{Code: doctor.CapacityLow, Severity: doctor.Problem}, {Code: "of tomorrow", Severity: doctor.Problem}}
		}, "It has everything it needs to log in.", explain.Nobody, "Nothing.", 0},
		"its own grant shadows the default": {func(f *explain.Facts) {
			f.Findings = []doctor.Finding{{Code: doctor.GrantShadowsDefault, Severity: doctor.Warning, Subject: clientID, Message: "less"}}
		}, "Logins may work, but not as they should: the client's own grant takes precedence", explain.Person, "TOOL_SCOPES", 1},
		"drift": {func(f *explain.Facts) { f.Live.Client.AppType = "native" }, "Logins fail for now: its application type", explain.Grantd, "grantd makes what is missing: promote", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := explain.Tell(facts(t, tt.situation))
			if !strings.Contains(s.Summary, tt.summary) || s.Next.Who != tt.who || !strings.Contains(s.Next.What, tt.next) || len(s.Causes) != tt.causes {
				t.Errorf("summary %q\nnext %+v\ncauses %+v", s.Summary, s.Next, s.Causes)
			}
		})
	}
}

// Three conditions, by ledger and by Auth0, with the difference as the plan has
// it.
func TestConditions(t *testing.T) {
	s := explain.Tell(facts(t, noGrant, func(f *explain.Facts) {
		f.Live.Client.AppType = ""
		f.Live.Connections = append(f.Live.Connections, plan.Connection{Name: "okta"})
	}))
	c := s.Conditions
	if !c.Promoted.Status || c.Promoted.Now.Status || len(c.Promoted.Now.Missing) != 1 || c.Promoted.Now.Missing[0].Step != dcr.StepPromote {
		t.Errorf("promoted %+v", c.Promoted)
	}
	if want := "app_type unset, token_endpoint_auth_method none, grant_types authorization_code refresh_token"; c.Promoted.Now.Has != want {
		t.Errorf("has %q", c.Promoted.Now.Has)
	}
	if want := "google-oauth2: domain-level; okta: no such connection"; c.Connected.Now.Has != want || c.Connected.Now.Reason != dcr.ConnectionNotFound {
		t.Errorf("connected %+v", c.Connected.Now)
	}
	if c.Granted.Status || c.Granted.Now.Has != "no grant for its users" || len(c.Granted.Now.Missing) != 1 {
		t.Errorf("granted %+v", c.Granted)
	}
	// Of a permissive client what was not asked is not known.
	s = explain.Tell(facts(t, func(f *explain.Facts) {
		f.ID, f.Live.Client.ID, f.Live.Client.ThirdPartySecurityMode = "x", "x", dcr.Permissive
		f.Live.Connections[0].Connection.DomainLevel = false
	}))
	if s.Conditions.Connected.Now.Known {
		t.Errorf("%+v", s.Conditions.Connected.Now)
	}
}

// The story as JSON, whole.
func TestStoryGolden(t *testing.T) {
	s := explain.Tell(facts(t, noGrant, phase(dcr.Blocked, dcr.ConnectionNotDomainLevel, "promote it"),
		denied(t, "f", `Client "`+clientID+`" is not authorized to access resource server "`+audience+`"`, time.Minute),
		func(f *explain.Facts) {
			f.Live.Connections[0].Connection.DomainLevel = false
			f.Record.NextAttemptAt = noon().Add(5 * time.Minute)
			f.Record.Conditions.Connected = dcr.Condition{Reason: dcr.ConnectionNotDomainLevel, Message: "not one", Since: noon()}
			f.Holds = []dcr.Hold{{Scope: dcr.HoldField, Field: dcr.StepConnect, Reason: dcr.Fighting, Since: noon(), Until: noon().Add(time.Hour)}}
			f.Journal = []dcr.JournalEntry{{Seq: 7, ClientID: clientID, Cause: dcr.Cause{Feed: dcr.FeedWebhook}, Change: dcr.Change{
				Step: dcr.StepPromote, At: noon(), Before: map[string]any{"app_type": ""}, After: map[string]any{"app_type": "regular_web"},
			}}}
			f.LogProblem = explain.Problem{What: explain.LogSearch, Reason: dcr.MissingScope, Message: "read:logs"}
		}))
	got, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/story.json"
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("run with -update after changing it (-want +got):\n%s", diff)
	}
}

// Every cause says what it is and, where a person has to act, what to do.
func TestCodes(t *testing.T) {
	seen := map[explain.Code]bool{}
	for _, code := range explain.Codes() {
		c := explain.Remedy(facts(t), code)
		if seen[code] || c.Text == "" || c.Who == "" || c.Who == explain.Person && c.Fix == "" {
			t.Errorf("%s: %+v", code, c)
		}
		if unknown := explain.Remedy(facts(t), explain.UnknownDenial); code != explain.UnknownDenial && c.Text == unknown.Text {
			t.Errorf("%s has no words of its own", code)
		}
		seen[code] = true
	}
}

// The command that releases a client's hold can be pasted, whatever the id.
func TestReleaseOfAnIDThatBeginsWithADash(t *testing.T) {
	s := explain.Tell(facts(t, func(f *explain.Facts) {
		f.ID, f.Record.ClientID = "-a", "-a"
		f.Holds = []dcr.Hold{{Scope: dcr.HoldClient, ClientID: "-a", Reason: dcr.Held}}
	}))
	if len(s.Holds) != 1 || s.Holds[0].Release != "grantd hold release -- -a" {
		t.Errorf("%+v", s.Holds)
	}
}
