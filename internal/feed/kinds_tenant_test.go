package feed_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
	"grantd/internal/tenantsim"
)

// watchedLedger is a ledger that remembers what it was given.
type watchedLedger struct {
	*store.Ledger
	batches *[]store.Batch
}

func (l watchedLedger) Record(ctx context.Context, b store.Batch) (store.Recorded, error) {
	*l.batches = append(*l.batches, b)
	return l.Ledger.Record(ctx, b)
}

// watch makes Intake remember what it gives to the ledger.
func (tt *tenantTest) watch() *[]store.Batch {
	batches := new([]store.Batch)
	tt.use(watchedLedger{tt.ledger, batches})
	tt.poller()
	return batches
}

// do makes a Management API call that must succeed, and returns the answer's id.
func (tt *tenantTest) do(t testing.TB, as tenantsim.Actor, method, path string, body any) string {
	t.Helper()
	status, answer := tt.tenant.Do(as, method, "/api/v2/"+path, body)
	if status < 200 || status > 299 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	var named struct{ ID string }
	if strings.HasPrefix(string(answer), "{") {
		if err := json.Unmarshal(answer, &named); err != nil {
			t.Fatal(err)
		}
	}
	return named.ID
}

type object = map[string]any

// Whatever is done to a client, by whatever way it comes to be known, leads to
// the same sightings: what it is about, who did it, and from where.
func TestTenantKinds(t *testing.T) {
	const ip, adminIP, appIP, userIP = "20.161.0.9", "203.0.113.7", "198.51.100.20", "203.0.113.50"
	tt := newTenantTest(t, "read:logs")
	api := tt.tenant.AddAPI(storetest.Audience, "mcp:read", "mcp:write")
	con := tt.tenant.AddConnection("google-oauth2", false)
	chatgpt := tenantsim.ChatGPT("abc")
	chatgpt.IP = ip
	client, err := tt.tenant.Register(chatgpt)
	if err != nil {
		t.Fatal(err)
	}
	other := tt.tenant.AddClient(tenantsim.Client{Name: "other", AppType: "spa"}).ID
	admin, app := tenantsim.Admin(), tenantsim.App("terraform")
	type want struct {
		kind        dcr.SightingKind
		subject, ip string
		actor       dcr.ActorKind
	}
	wants := []want{{dcr.Registered, client.ID, ip, ""}}
	step := func(kind dcr.SightingKind, as tenantsim.Actor, subject, method, path string, body any) string {
		t.Helper()
		tt.clock.advance(time.Second)
		id := tt.do(t, as, method, path, body)
		from, who := adminIP, dcr.ActorUser
		if as.UserID == "" {
			from, who = appIP, dcr.ActorApplication
		}
		wants = append(wants, want{kind, subject, from, who})
		return id
	}
	denied := func() {
		t.Helper()
		tt.clock.advance(time.Second)
		if _, err := tt.tenant.Login(tenantsim.Login{ClientID: client.ID, Audience: storetest.Audience, Connection: "google-oauth2"}); err == nil {
			t.Fatal("the login was let through")
		}
		wants = append(wants, want{dcr.Denied, client.ID, userIP, ""})
	}
	denied()
	grant := step(dcr.Changed, app, client.ID, "POST", "client-grants", object{"client_id": client.ID, "audience": storetest.Audience, "scope": []string{"mcp:read"}, "subject_type": "user"})
	step(dcr.Changed, admin, client.ID, "PATCH", "client-grants/"+grant, object{"scope": []string{"mcp:read", "mcp:write"}})
	step(dcr.Changed, admin, "grant "+grant, "DELETE", "client-grants/"+grant, nil)
	denied()
	step(dcr.Changed, admin, client.ID, "PATCH", "clients/"+client.ID, object{"app_type": "spa"})
	step(dcr.Changed, app, other, "PATCH", "connections/"+con+"/clients", []object{{"client_id": other, "status": true}})
	step(dcr.Changed, admin, other, "PATCH", "connections/"+con+"/clients", []object{{"client_id": other, "status": false}})
	step(dcr.Changed, admin, "connection "+con, "PATCH", "connections/"+con, object{"is_domain_connection": true})
	step(dcr.Changed, app, "api "+api, "PATCH", "resource-servers/"+api, object{"scopes": []object{{"value": "mcp:read"}}})
	step(dcr.Deleted, admin, client.ID, "DELETE", "clients/"+client.ID, nil)

	gist := func(batches []store.Batch) (got []want) {
		for _, b := range batches {
			for _, s := range b.Sightings {
				w := want{kind: s.Kind, subject: s.ClientID, ip: s.SourceIP, actor: s.Actor.Kind}
				for prefix, id := range map[string]string{"grant ": s.GrantID, "connection ": s.ConnectionID, "api ": s.APIID} {
					if id != "" {
						w.subject += prefix + id
					}
				}
				got = append(got, w)
			}
		}
		return got
	}
	polled := tt.watch()
	tt.searches(t)
	if diff := cmp.Diff(wants, gist(*polled), cmp.AllowUnexported(want{})); diff != "" {
		t.Errorf("by poll (-want +got):\n%s", diff)
	}

	streamed := tt.watch()
	stream := tt.stream(t, tenantsim.LogStream{StartFrom: noon().Add(-time.Hour)})
	if _, err := stream.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wants, gist(*streamed), cmp.AllowUnexported(want{})); diff != "" {
		t.Errorf("by webhook (-want +got):\n%s", diff)
	}
}

// A tick is one call, however much the tenant logs that is none of grantd's
// business, and however much grantd itself writes.
func TestTenantBusy(t *testing.T) {
	tt := newTenantTest(t, "read:logs")
	tt.register(t, 1, time.Second)
	tt.searches(t)
	irrelevant := []string{"s", "seacft", "sertft", "fp", "fu", "slo", "api_limit", "mgmt_api_read", "fapi", "seccft"}
	for tick := range 8 {
		var entries []tenantsim.Log
		for i := range 500 {
			entries = append(entries, tenantsim.Log{Type: irrelevant[i%len(irrelevant)], ClientID: "tpc_x"})
		}
		for range 250 { // 2,000 in two minutes, 16 a second
			entries = append(entries, tenantsim.Log{Type: "sapi", ClientID: "m2m", Description: "Create client grant", CorrelationID: tt.ledger.Prefix() + "1"})
		}
		tt.tenant.AddLog(entries...)
		tt.register(t, 1, 15*time.Second)
		if got := tt.searches(t); got != 1 {
			t.Errorf("tick %d: %d searches, want 1", tick, got)
		}
	}
	if got := len(tt.clients(t)); got != 9 {
		t.Errorf("%d clients, want 9", got)
	}
}

// What others write is followed up at once, however much it is.
func TestTenantOthersWrites(t *testing.T) {
	tt := newTenantTest(t, "read:logs")
	tt.register(t, 1, time.Second)
	tt.searches(t)
	id := tt.clients(t)[0]
	for range 250 {
		tt.do(t, tenantsim.App("terraform"), http.MethodPatch, "clients/"+id, object{"app_type": "spa"})
		tt.clock.advance(10 * time.Millisecond)
	}
	if got := tt.searches(t); got != 3 {
		t.Errorf("%d searches for 250 entries, want 3", got)
	}
	if got := tt.newSightings(); got != 251 {
		t.Errorf("%d sightings, want 251", got)
	}
}

// A stream that is filtered to the Management API's entries brings no failed
// logins, and its own writes tell that it lives though no poll reads them.
func TestTenantFilteredStream(t *testing.T) {
	tt := newTenantTest(t, "read:logs", "update:clients")
	stream := tt.stream(t, tenantsim.LogStream{Filters: []string{"management.success"}})
	tt.register(t, 1, time.Second)
	if _, err := stream.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	registered := tt.status(t, dcr.FeedWebhook).LastManagementAt
	tt.clock.advance(time.Minute)
	tt.tenant.AddLog(tenantsim.Log{Type: "f", Description: "Unknown client"})
	tt.searches(t)
	if got := tt.status(t, dcr.FeedPoll); !got.LastManagementAt.Equal(registered) || !got.LastEventAt.After(registered) {
		t.Errorf("poll %+v, want the registration at %v and a later login", got, registered)
	}
	tt.clock.advance(time.Minute)
	appType := "regular_web"
	if _, err := tt.api.PatchClient(t.Context(), tt.ledger.Prefix()+"1", tt.clients(t)[0], dcr.ClientPatch{AppType: &appType}); err != nil {
		t.Fatal(err)
	}
	tt.searches(t)
	if _, err := stream.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := tt.status(t, dcr.FeedPoll).LastManagementAt; !got.Equal(registered) {
		t.Errorf("the poll read its own write, at %v", got)
	}
	if got := tt.status(t, dcr.FeedWebhook).LastManagementAt; got.Sub(registered) < 2*time.Minute {
		t.Errorf("the webhook's newest is of %v, want that of the own write", got)
	}
}
