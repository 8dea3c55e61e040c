package tenantsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// The hook is told of every call, whoever makes it, in order: what it changed
// and nothing else, and whether its answer arrived.
func TestWatch(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{Name: "app"})
	other := a.tenant.AddClient(tenantsim.Client{Name: "other"})
	var seen []string
	a.tenant.Watch(func(x tenantsim.Access, v tenantsim.View) {
		var names []string
		for name := range x.After {
			names = append(names, name)
		}
		for name := range x.Before {
			if _, both := x.After[name]; !both {
				names = append(names, "-"+name)
			}
		}
		slices.Sort(names)
		seen = append(seen, fmt.Sprintf("%s %s %d %v lost %v client %v", x.Actor.ClientID, x.Operation, x.Status, names, x.Lost, v.Client(other.ID) != nil))
	})
	a.want(http.StatusOK, "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"name": "new"})
	a.want(http.StatusOK, "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"name": "new"})
	a.want(http.StatusOK, "GET", "/api/v2/clients/"+c.ID, nil)
	a.tenant.Faults(func(*http.Request) tenantsim.Fault {
		return tenantsim.Fault{Kind: tenantsim.InternalError, After: true}
	})
	a.want(http.StatusInternalServerError, "PATCH", "/api/v2/clients/"+c.ID, map[string]any{"name": "newer"})
	a.tenant.Faults(func(*http.Request) tenantsim.Fault { return tenantsim.Fault{Kind: tenantsim.InternalError} })
	a.want(http.StatusInternalServerError, "GET", "/api/v2/clients/"+c.ID, nil) // does not reach it
	id, _ := a.tenant.ConnectionID(google)
	a.tenant.Do(tenantsim.App("tf"), "PATCH", "/api/v2/connections/"+id+"/clients", []map[string]any{{"client_id": c.ID, "status": true}})
	a.tenant.Do(tenantsim.App("tf"), "DELETE", "/api/v2/clients/"+other.ID, nil)
	want := []string{
		m2m + " PATCH /clients/{id} 200 [clients/" + c.ID + "] lost false client true",
		m2m + " PATCH /clients/{id} 200 [] lost false client true",
		m2m + " GET /clients/{id} 200 [] lost false client true",
		m2m + " PATCH /clients/{id} 200 [clients/" + c.ID + "] lost true client true",
		"tf PATCH /connections/{id}/clients 204 [connections/" + id + "/clients/" + c.ID + "] lost false client true",
		"tf DELETE /clients/{id} 204 [-clients/" + other.ID + "] lost false client false",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

func TestSnapshot(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{Name: "app"})
	g := a.tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience})
	a.tenant.EnableConnection(google, c.ID)
	s := a.tenant.AddLogStream(tenantsim.LogStream{URL: "http://127.0.0.1:1", Delivery: tenantsim.Delivery{Manual: true}})
	id, ok := a.tenant.ConnectionID(google)
	if _, none := a.tenant.ConnectionID("none"); !ok || none {
		t.Error("connections by name")
	}
	if scopes, ok := a.tenant.APIScopes(audience); !ok || len(scopes) != 2 {
		t.Errorf("scopes %v", scopes)
	}
	all := a.tenant.Snapshot()
	for _, name := range []string{
		"tenants/settings", "clients/" + c.ID, "clients/" + m2m, "clients/" + a.tenant.GlobalClient(), "client-grants/" + g.ID,
		"connections/" + id, "connections/" + id + "/clients/" + c.ID, "log-streams/" + s.ID(),
	} {
		if !json.Valid(all[name]) {
			t.Errorf("%s: %s", name, all[name])
		}
	}
	if strings.Contains(string(all["connections/"+id]), c.ID) {
		t.Error("a connection's clients are objects of their own")
	}
}

// A client that does not say whose it is.
func TestFirstPartyHidden(t *testing.T) {
	a := newAPI(t, tenantsim.Options{})
	c := a.tenant.AddClient(tenantsim.Client{Name: "app", FirstPartyHidden: true})
	if body := a.want(http.StatusOK, "GET", "/api/v2/clients/"+c.ID, nil); strings.Contains(string(body), "is_first_party") {
		t.Errorf("%s", body)
	}
	if !strings.Contains(string(a.want(http.StatusOK, "GET", "/api/v2/clients?is_first_party=false", nil)), c.ID) {
		t.Error("it is not listed")
	}
}

func TestSearchDoubles(t *testing.T) {
	a := newAPI(t, tenantsim.Options{Quirks: tenantsim.Quirks{SearchDoubles: true}})
	a.tenant.AddLog(entries(9)...)
	found := array(t, a.want(http.StatusOK, "GET", "/api/v2/logs?sort=date:1&per_page=100", nil))
	different := map[any]bool{}
	for _, e := range found {
		different[e["log_id"]] = true
	}
	if n := len(different); n < 9 || len(found) != n+(n+2)/3 {
		t.Errorf("%d entries, %d of them different", len(found), n)
	}
}

// doorman answers deliveries without a network.
type doorman struct{ status int }

func (d doorman) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: d.status, Body: http.NoBody}, nil
}

// A share of the deliveries is lost, and the others go through the transport.
func TestStreamLoses(t *testing.T) {
	tenant := tenantsim.New(tenantsim.Options{Webhook: doorman{http.StatusOK}})
	defer tenant.Close()
	s := tenant.AddLogStream(tenantsim.LogStream{URL: "https://nowhere.invalid/", Delivery: tenantsim.Delivery{Manual: true, Batch: 1, Lose: 0.5}})
	tenant.AddLog(entries(200)...)
	for s.Pending() > 0 {
		if _, err := s.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Dropped < 60 || st.Delivered < 60 || st.Dropped+st.Delivered != 200 {
		t.Errorf("%+v", st)
	}
}
