package e2e_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/tenantsim"
)

// journalEntry is what tests read of the journal.
type journalEntry struct {
	ClientID string         `json:"client_id"`
	Step     string         `json:"step"`
	Before   map[string]any `json:"before"`
	After    map[string]any `json:"after"`
	Cause    struct {
		Feed  string `json:"feed"`
		LogID string `json:"log_id"`
		Actor *struct{ Kind, ID string }
	} `json:"cause"`
}

// journal is a client's journal, newest first.
func (w *world) journal(id string) []journalEntry {
	w.Helper()
	var j struct {
		Schema  int
		Entries []journalEntry
	}
	if err := w.daemon.Get(w.ctx(), "http://"+w.daemon.Admin+"/api/v1/journal?client_id="+id, &j); err != nil {
		w.Fatal(err)
	}
	return j.Entries
}

// Drift: what an admin or another application changes is repaired, by the
// urgent way, whichever feed tells of it; the journal names the actor, and the
// repair costs one look and one write.
func TestDriftIsRepairedAndTheJournalNamesTheActor(t *testing.T) {
	t.Parallel()
	type edit struct {
		name, method string
		path         func(w *world, id string) string
		body         any
		step         string
		calls        []string
	}
	client := func(_ *world, id string) string { return "/api/v2/clients/" + id }
	grant := func(w *world, id string) string { return "/api/v2/client-grants/" + w.tenant.Grants(id)[0].ID }
	edits := []edit{
		{"app_type", "PATCH", client, map[string]any{"app_type": "spa"}, "promote",
			[]string{"GET /client-grants", "GET /clients/{id}", "PATCH /clients/{id}"}},
		{"grant deleted", "DELETE", grant, nil, "grant",
			[]string{"GET /client-grants", "GET /clients/{id}", "POST /client-grants"}},
		{"grant narrowed", "PATCH", grant, map[string]any{"scope": []string{"notes:read"}}, "grant",
			[]string{"GET /client-grants", "GET /clients/{id}", "PATCH /client-grants/{id}"}},
		{"grant widened", "PATCH", grant, map[string]any{"scope": []string{"notes:read", "notes:share", "notes:write"}}, "grant",
			[]string{"GET /client-grants", "GET /clients/{id}", "PATCH /client-grants/{id}"}},
	}
	actors := []struct {
		tenantsim.Actor
		kind string
	}{{tenantsim.Admin(), "user"}, {tenantsim.App(otherApp), "application"}}
	for _, tt := range []struct {
		feed string
		setup
	}{
		{"webhook", setup{}},
		{"poll", setup{noStream: true, env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}}},
	} {
		t.Run(tt.feed, func(t *testing.T) {
			w := newWorld(t, tt.setup)
			c := w.register("first")
			w.await(c.ID, "ready")
			for i, e := range edits {
				w.idle()
				actor := actors[i%2]
				mark, known := w.mark(), len(w.journal(c.ID))
				if status, answer := w.tenant.Do(actor.Actor, e.method, e.path(w, c.ID), e.body); status >= 300 {
					t.Fatalf("%s: %d %s", e.name, status, answer)
				}
				w.eventually(e.name+" is repaired", func() bool { return len(w.journal(c.ID)) > known })
				w.await(c.ID, "ready")
				w.idle()
				if diff := cmp.Diff(e.calls, w.calls(mark)); diff != "" {
					t.Errorf("%s: calls (-want +got):\n%s", e.name, diff)
				}
				w.usable(c.ID, "notes:read", "notes:write")
				if got, _ := w.tenant.Client(c.ID); got.AppType != "regular_web" {
					t.Errorf("%s: app_type %q", e.name, got.AppType)
				}
				j := w.journal(c.ID)[0]
				if j.Step != e.step || j.Cause.Feed != tt.feed || j.Cause.LogID == "" || j.Cause.Actor == nil || j.Cause.Actor.Kind != actor.kind {
					t.Errorf("%s: journal %+v, actor %+v; want step %s by a %s", e.name, j, j.Cause.Actor, e.step, actor.kind)
				}
				if a := j.Cause.Actor; a != nil && a.ID != actor.UserID && a.ID != actor.ClientID {
					t.Errorf("%s: actor %q", e.name, a.ID)
				}
			}
		})
	}
}

// A client deleted in Auth0 is gone, with no further call once that is known.
func TestDeletedClientIsGone(t *testing.T) {
	w := newWorld(t, setup{})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.idle()
	mark := w.mark()
	w.tenant.DeleteClient(c.ID)
	w.await(c.ID, "gone")
	w.idle()
	for _, op := range w.calls(mark) {
		if op != "GET /clients/{id}" && op != "GET /client-grants" {
			t.Errorf("calls: %q", w.calls(mark))
		}
	}
}

// Of a CIMD client only refresh_token is added: its document governs the rest.
func TestCIMDClientGetsRefreshTokenAndNothingElse(t *testing.T) {
	const document = "https://chatgpt.com/oauth/client.json"
	w := newWorld(t, setup{})
	w.tenant.SetDocument(document, tenantsim.Document{
		ClientName: "ChatGPT", RedirectURIs: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
	})
	status, answer := w.tenant.Do(tenantsim.Admin(), "POST", "/api/v2/clients/cimd/register", map[string]any{"external_client_id": document})
	if status >= 300 {
		t.Fatalf("register: %d %s", status, answer)
	}
	all := w.tenant.Clients()
	before := all[len(all)-1]
	rec := w.await(before.ID, "ready")
	w.idle()
	after, _ := w.tenant.Client(before.ID)
	slices.Sort(after.GrantTypes)
	if rec.Registration != "cimd" || after.AppType != before.AppType || !slices.Equal(after.GrantTypes, []string{"authorization_code", "refresh_token"}) {
		t.Errorf("record %+v\nbefore %+v\nafter %+v", rec, before, after)
	}
	for _, c := range w.tenant.Writes() {
		if c.Operation == "PATCH /clients/{id}" && string(c.Body) != `{"grant_types":["authorization_code","refresh_token"]}` {
			t.Errorf("PATCH of the client: %s", c.Body)
		}
	}
}
