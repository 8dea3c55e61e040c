package reconcile_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/tenantsim"
)

// wantLogin holds the outcome to what it is for: a user can log in.
func (w *world) wantLogin(id string, scopes ...string) {
	w.tb.Helper()
	got, err := w.tenant.Login(tenantsim.Login{ClientID: id, Audience: audience, Scopes: scopes, Connection: google})
	if err != nil || !slices.Equal(got, scopes) {
		w.tb.Errorf("login: scopes %v, %v; want %v", got, err, scopes)
	}
}

// A fresh client costs one GET, and then all writes at the same time.
func TestOnboardStrict(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	registered := w.clock.now()
	w.clock.advance(131 * time.Millisecond)
	w.tenant.Faults(together(2, isWrite))

	o := w.look(id)
	w.wantPhase(o, dcr.Ready, "")
	if peak := w.tenant.Peak(); peak != 2 {
		t.Errorf("%d calls at once, want the 2 writes", peak)
	}
	calls := w.tenant.Calls()
	if calls[0].Operation != getClient {
		t.Errorf("the first call is %s: a client is read before it is written to", calls[0].Operation)
	}
	for _, c := range calls[1:] {
		if !strings.HasPrefix(c.CorrelationID, w.ledger.Prefix()) || len(c.CorrelationID) > 64 {
			t.Errorf("%s has the correlation id %q", c.Operation, c.CorrelationID)
		}
	}
	w.wantCalls(getClient, patchClient, createGrant)
	w.wantLogin(id, "notes:read", "notes:write")

	r := w.record(id)
	if r.TimeToReady != 131*time.Millisecond || !r.ReadyAt.Equal(registered.Add(r.TimeToReady)) || !r.GrantMade || r.GrantID == "" {
		t.Errorf("ready at %v after %v, grant %q made by grantd: %v", r.ReadyAt, r.TimeToReady, r.GrantID, r.GrantMade)
	}
	if !r.NextAttemptAt.IsZero() || r.Attempts != 0 || r.Name != "ChatGPT" || r.SecurityMode != dcr.Strict {
		t.Errorf("record %+v", r)
	}
	for name, c := range map[string]dcr.Condition{"promoted": r.Conditions.Promoted, "connected": r.Conditions.Connected, "granted": r.Conditions.Granted} {
		if !c.Status || c.Reason != "" || !c.Since.Equal(w.clock.now()) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	entries, _, err := w.ledger.Journal(t.Context(), journalOf(id))
	if err != nil || len(entries) != 2 || entries[0].Cause.Feed != dcr.FeedWebhook || entries[0].Cause.Digest == "" {
		t.Errorf("journal %+v, %v", entries, err)
	}
	for _, line := range []string{"[dcr] promoting client", "[dcr] created client grant", "[dcr] promoted+enabled+granted"} {
		if !w.log.has(line) {
			t.Errorf("the log lacks %q", line)
		}
	}
}

// A permissive client also has its connection enabled, and read back.
func TestOnboardPermissive(t *testing.T) {
	w := newWorld(t, permissive())
	id := w.onboard(1)
	w.tenant.Faults(together(3, isWrite))
	o := w.look(id)
	w.wantPhase(o, dcr.Ready, "")
	if peak := w.tenant.Peak(); peak != 3 {
		t.Errorf("%d calls at once, want the 3 writes", peak)
	}
	w.wantCalls(getClient, patchClient, createGrant, patchMembers, clientConnections)
	if c := o.Record.Conditions.Connected; !c.Status || c.Reason != dcr.PerClientUnproven || !strings.Contains(c.Message, google) {
		t.Errorf("connected: %+v", c)
	}
	if got := w.tenant.ConnectionClients(google); !slices.Equal(got, []string{id}) {
		t.Errorf("the connection is enabled for %v", got)
	}
	if len(o.Changes) != 3 {
		t.Errorf("changes %+v", o.Changes)
	}
}

// What Auth0 does not keep is not taken for done.
func TestPermissiveDropped(t *testing.T) {
	s := permissive()
	s.tenant.Quirks.PermissiveMembers = tenantsim.MemberDropped
	w := newWorld(t, s)
	o := w.look(w.onboard(1))
	w.wantPhase(o, dcr.Blocked, dcr.ConnectionNotDomainLevel)
	w.wantCalls(getClient, patchClient, createGrant, patchMembers, clientConnections)
	if c := o.Record.Conditions; c.Connected.Status || !c.Granted.Status || !c.Promoted.Status {
		t.Errorf("conditions %+v", c)
	}
}

// The document of a CIMD client governs all but the refresh token.
func TestOnboardCIMD(t *testing.T) {
	w := newWorld(t, domainLevel())
	const document = "https://client.example.com/oauth/metadata.json"
	w.tenant.SetDocument(document, tenantsim.Document{
		ClientName: "Agent", RedirectURIs: []string{"https://chatgpt.com/connector/oauth/abc"}, TokenEndpointAuthMethod: "none",
	})
	status, body := w.tenant.Do(tenantsim.Admin(), http.MethodPost, "/api/v2/clients/cimd/register", map[string]any{"external_client_id": document})
	var answer struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.ClientID == "" {
		t.Fatalf("status %d, %s, %v", status, body, err)
	}
	before, _ := w.tenant.Client(answer.ClientID)
	w.sight(answer.ClientID, dcr.Registered)

	o := w.look(answer.ClientID)
	w.wantPhase(o, dcr.Ready, "")
	if o.Record.Registration != dcr.RegistrationCIMD {
		t.Errorf("registration %s", o.Record.Registration)
	}
	for _, c := range w.tenant.Writes() {
		if c.Operation == patchClient && string(c.Body) != `{"grant_types":["authorization_code","refresh_token"]}` {
			t.Errorf("it was sent %s", c.Body)
		}
	}
	after, _ := w.tenant.Client(answer.ClientID)
	if !slices.Contains(after.GrantTypes, "refresh_token") || after.AppType != before.AppType {
		t.Errorf("it was %+v, it is %+v", before, after)
	}
	w.calls()
	w.look(answer.ClientID)
	w.wantCalls(getClient, listGrants)
}

// A client in sync costs 2 calls at the same time, a permissive one 3.
func TestRecheck(t *testing.T) {
	for name, tc := range map[string]struct {
		setup setup
		want  []string
	}{
		"strict":     {domainLevel(), []string{getClient, listGrants}},
		"permissive": {permissive(), []string{getClient, listGrants, clientConnections}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.setup)
			id := w.onboard(1)
			was := w.look(id).Record
			w.calls()
			w.clock.advance(time.Minute)
			w.sight(id, dcr.Changed)
			w.tenant.Faults(together(len(tc.want), func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/v2/") }))
			o := w.look(id)
			w.wantPhase(o, dcr.Ready, "")
			if peak := w.tenant.Peak(); peak != len(tc.want) {
				t.Errorf("%d calls at once, want all %d", peak, len(tc.want))
			}
			w.wantCalls(tc.want...)
			r := o.Record
			if len(o.Changes) != 0 || !r.GrantMade || r.GrantID != was.GrantID || !r.ReadyAt.Equal(was.ReadyAt) || r.TimeToReady != was.TimeToReady {
				t.Errorf("changes %v, record %+v", o.Changes, r)
			}
			if !r.LastCheckedAt.Equal(w.clock.now()) || !r.Conditions.Granted.Since.Equal(was.Conditions.Granted.Since) {
				t.Errorf("checked at %v, granted since %v", r.LastCheckedAt, r.Conditions.Granted.Since)
			}
		})
	}
}

// An entry dated after grantd's clock does not make a negative time.
func TestTimeToReadyIsNeverNegative(t *testing.T) {
	w := newWorld(t, domainLevel())
	id := w.onboard(1)
	w.clock.advance(-time.Hour)
	r := w.look(id).Record
	w.wantPhase(dcr.Outcome{Record: r}, dcr.Ready, "")
	if r.TimeToReady != 0 || r.ReadyAt.IsZero() {
		t.Errorf("ready at %v after %v", r.ReadyAt, r.TimeToReady)
	}
}

// A dry run writes nothing, ever, and keeps what it would do.
func TestDryRun(t *testing.T) {
	s := permissive()
	s.desired = func(d *plan.Desired) { d.DryRun = true }
	w := newWorld(t, s)
	id := w.onboard(1)
	o := w.look(id)
	w.wantPhase(o, dcr.Pending, dcr.DryRun)
	w.wantCalls(getClient, listGrants, clientConnections)
	var steps []dcr.StepKind
	for _, c := range w.record(id).Plan {
		steps = append(steps, c.Step)
	}
	if !slices.Equal(steps, []dcr.StepKind{dcr.StepPromote, dcr.StepConnect, dcr.StepGrant}) {
		t.Errorf("planned %v", steps)
	}
	r := o.Record
	if !r.NextAttemptAt.IsZero() || r.Attempts != 0 { // the next sweep plans anew
		t.Errorf("next attempt %v (%s), attempts %d", r.NextAttemptAt, r.Class, r.Attempts)
	}

	w.SetSettings(desire(t, nil))
	o = w.look(id)
	w.wantPhase(o, dcr.Ready, "")
	if len(w.record(id).Plan) != 0 {
		t.Error("the plan stays although it was carried out")
	}
	w.calls()

	w.SetSettings(desire(t, s.desired))
	w.wantPhase(w.look(id), dcr.Ready, "") // a dry run of nothing is in sync
	w.wantCalls(getClient, listGrants, clientConnections)
}
