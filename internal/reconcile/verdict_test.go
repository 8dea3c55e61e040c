package reconcile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/tenantsim"
)

// A refused client is read and never written to.
func TestRefused(t *testing.T) {
	const callback = "https://chatgpt.com/connector_platform_oauth_redirect"
	for reason, c := range map[dcr.Reason]tenantsim.Client{
		dcr.FirstParty:         {FirstParty: true, Callbacks: []string{callback}},
		dcr.MachineToMachine:   {AppType: "non_interactive", Callbacks: []string{callback}},
		dcr.NoCallbacks:        {},
		dcr.CallbackNotAllowed: {Callbacks: []string{callback, "https://evil.example.com/"}},
		dcr.GlobalClient:       {},
		dcr.OwnClient:          {},
	} {
		t.Run(string(reason), func(t *testing.T) {
			w := newWorld(t, domainLevel())
			id := ownID
			switch reason {
			case dcr.OwnClient:
			case dcr.GlobalClient:
				id = w.tenant.GlobalClient()
			default:
				id = w.tenant.AddClient(c).ID
			}
			w.sight(id, dcr.Registered)
			o := w.look(id)
			w.wantPhase(o, dcr.Refused, reason)
			w.wantCalls(getClient)
			if r := o.Record; r.Message == "" || !r.NextAttemptAt.IsZero() || !r.Checked() {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// What a person must do is said in words, what needs nobody is done, and the
// client is looked at again by itself.
func TestBlocked(t *testing.T) {
	for name, tc := range map[string]struct {
		setup setup

		reason dcr.Reason
		says   string
		writes []string
		failed string // the condition that does not hold; empty: nothing was found out
	}{
		"connection not domain-level": {
			reason: dcr.ConnectionNotDomainLevel, says: "GRANTD_CONNECTION_LEVEL=domain",
			writes: []string{patchClient, createGrant}, failed: "connected",
		},
		"no such connection": {
			setup:  setup{desired: func(d *plan.Desired) { d.Connections = []string{"okta"} }},
			reason: dcr.ConnectionNotFound, says: `"okta"`, writes: []string{patchClient, createGrant}, failed: "connected",
		},
		"one of two connections": {
			setup:  setup{level: true, desired: func(d *plan.Desired) { d.Connections = []string{google, "okta"} }},
			reason: dcr.ConnectionNotFound, says: `"okta"`, writes: []string{patchClient, createGrant}, failed: "connected",
		},
		"no such API": {
			setup:  setup{level: true, desired: func(d *plan.Desired) { d.Audience += "/" }},
			reason: dcr.APINotFound, says: "trailing slash", writes: []string{patchClient}, failed: "granted",
		},
		"no such API, and no leave to look": {
			setup:  setup{level: true, scopes: without("read:resource_servers"), desired: func(d *plan.Desired) { d.Audience += "/" }},
			reason: dcr.APINotFound, says: "No resource with identifier", writes: []string{patchClient, createGrant}, failed: "granted",
		},
		"no leave to write clients": {
			setup:  setup{level: true, scopes: without("update:clients")},
			reason: dcr.MissingScope, says: "lacks update:clients. Grant it", writes: []string{createGrant}, failed: "promoted",
		},
		"no leave to create grants": {
			setup:  setup{level: true, scopes: without("create:client_grants")},
			reason: dcr.MissingScope, says: "lacks create:client_grants. Grant it", writes: []string{patchClient}, failed: "granted",
		},
		"no leave to read clients": {
			setup:  setup{level: true, scopes: without("read:clients")},
			reason: dcr.MissingScope, says: "read:clients",
		},
		"no leave to read connections": {
			setup:  setup{level: true, scopes: without("read:connections")},
			reason: dcr.MissingScope, says: "read:connections",
		},
		"scopes refused": {
			setup:  setup{level: true, scopes: without("read:resource_servers"), desired: func(d *plan.Desired) { d.Scopes = []string{"made:up"} }},
			reason: dcr.ScopesRejected, says: "TOOL_SCOPES", writes: []string{patchClient, createGrant}, failed: "granted",
		},
		"connection refused for the client": {
			setup: setup{tenant: tenantsim.Options{
				DCR: tenantsim.DCRPermissive, Quirks: tenantsim.Quirks{PermissiveMembers: tenantsim.MemberRefused},
			}},
			reason: dcr.RejectedByAuth0, says: "domain-level", writes: []string{patchClient, patchMembers, createGrant}, failed: "connected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.setup)
			o := w.look(w.onboard(1))
			w.wantPhase(o, dcr.Blocked, tc.reason)
			r := o.Record
			if got := told(r); !strings.Contains(got, tc.says) {
				t.Errorf("what is told, %q, lacks %q", got, tc.says)
			}
			var writes []string
			for _, c := range w.tenant.Writes() {
				writes = append(writes, c.Operation)
			}
			slices.Sort(writes)
			if !slices.Equal(writes, tc.writes) {
				t.Errorf("writes %v, want %v", writes, tc.writes)
			}
			for condition, c := range map[string]dcr.Condition{
				"promoted": r.Conditions.Promoted, "connected": r.Conditions.Connected, "granted": r.Conditions.Granted,
			} {
				if want := tc.failed != "" && condition != tc.failed; c.Status != want {
					t.Errorf("%s: %+v", condition, c)
				}
				if condition == tc.failed && (c.Reason != tc.reason || c.Message != r.Message) {
					t.Errorf("%s: %+v", condition, c)
				}
			}
			wait := r.NextAttemptAt.Sub(w.clock.now())
			if r.Class != dcr.Background || r.Attempts != 1 || wait < 4*time.Minute || wait > 6*time.Minute {
				t.Errorf("again in %v (%s), attempts %d", wait, r.Class, r.Attempts)
			}
		})
	}
}

// A client that lacks one of two connections, and was enabled for the other, is
// not enabled for that one again at every look.
func TestBlockedForOneConnectionIsNotEnabledAgain(t *testing.T) {
	s := permissive()
	s.desired = func(d *plan.Desired) { d.Connections = []string{"okta", google} }
	w := newWorld(t, s)
	id := w.onboard(1)
	w.wantPhase(w.look(id), dcr.Blocked, dcr.ConnectionNotFound)
	if w.tenant.Count(patchMembers) != 1 {
		t.Errorf("enabled by %d calls", w.tenant.Count(patchMembers))
	}
	w.tenant.ResetCalls()
	o := w.look(id)
	w.wantPhase(o, dcr.Blocked, dcr.ConnectionNotFound)
	if writes := w.tenant.Writes(); len(writes) > 0 || len(o.Changes) > 0 {
		t.Errorf("%d writes, %d of them journalled, at the second look", len(writes), len(o.Changes))
	}
}

// Blocked clients are looked at after 5 minutes, doubling to an hour.
func TestBlockedBackoff(t *testing.T) {
	w := newWorld(t, setup{})
	id := w.onboard(1)
	for i, minutes := range []float64{5, 10, 20, 40, 60, 60, 60} {
		r := w.look(id).Record
		wait := r.NextAttemptAt.Sub(w.clock.now()).Minutes()
		if wait < minutes*0.8 || wait > minutes*1.2 {
			t.Errorf("look %d: again in %.1f min, want %v ± 20 %%", i, wait, minutes)
		}
		w.clock.advance(r.NextAttemptAt.Sub(w.clock.now()))
	}
	w.tenant.AddConnection("okta", true)
	w.SetSettings(desire(t, func(d *plan.Desired) { d.Connections = []string{"absent"} }))
	if r := w.look(id).Record; r.Attempts != 1 {
		t.Errorf("blocked for another reason, it has %d attempts", r.Attempts)
	}
}

// A connection is promoted and no feed says so: before the cached fact is
// blamed for a second client, it is read again.
func TestFactsAreReadAgainBeforeTheyAreBlamed(t *testing.T) {
	w := newWorld(t, setup{})
	first := w.onboard(1)
	w.wantPhase(w.look(first), dcr.Blocked, dcr.ConnectionNotDomainLevel)
	w.wantCalls(getClient, patchClient, createGrant) // the facts are fresh

	w.tenant.SetDomainLevel(google, true)
	w.clock.advance(10 * time.Second)
	w.wantPhase(w.look(w.onboard(2)), dcr.Ready, "")
	w.wantCalls(getClient, listConnections, getAPI, patchClient, createGrant)
	w.wantPhase(w.look(first), dcr.Ready, "")
	w.wantCalls(getClient, listGrants)
}

// A change that a feed did notice is looked at anew.
func TestTenantChanged(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	w.look(id)
	w.calls()
	w.TenantChanged()
	w.look(id)
	w.wantCalls(getClient, listGrants, listConnections, getAPI)
	w.clock.advance(16 * time.Minute) // facts age
	w.look(id)
	w.wantCalls(getClient, listGrants, listConnections, getAPI)
}

// Scopes that the API does not define are named and left out.
func TestScopesUndefined(t *testing.T) {
	w := newWorld(t, setup{level: true, desired: func(d *plan.Desired) { d.Scopes = []string{"notes:read", "made:up"} }})
	id := w.onboard(1)
	o := w.look(id)
	w.wantPhase(o, dcr.Ready, "")
	if c := o.Record.Conditions.Granted; !c.Status || c.Reason != dcr.ScopesUndefined || !strings.Contains(c.Message, "made:up") {
		t.Errorf("granted: %+v", c)
	}
	w.wantLogin(id, "notes:read")
	w.tenant.AddAPI(audience, "notes:read", "made:up")
	w.clock.advance(time.Minute)
	w.wantPhase(w.look(id), dcr.Ready, "")
	w.wantLogin(id, "notes:read", "made:up")
}

// Without read:resource_servers scopes are not checked, and that is no error.
func TestAPIUnseen(t *testing.T) {
	w := newWorld(t, setup{level: true, scopes: without("read:resource_servers")})
	w.wantPhase(w.look(w.onboard(1)), dcr.Ready, "")
	w.wantCalls(getClient, patchClient, createGrant)
}
