package auth0_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/budget"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// What a list says of an entry is what the entry says of itself.
func TestListedAsRead(t *testing.T) {
	ctx := t.Context()
	tenant, _, _ := crowd(t, 2, tenantsim.Options{})
	tenant.AddClient(tenantsim.Client{
		Name: "old", SecurityMode: tenantsim.Permissive, AppType: "spa", Callbacks: []string{"https://a.example/cb"}, ExternalClientID: "https://a.example/c.json",
	})
	c := of(t, tenant)
	listed, err := c.ThirdPartyClients(ctx, "")
	if err != nil || len(listed.Clients) != 3 {
		t.Fatalf("%+v, %v", listed, err)
	}
	for _, want := range listed.Clients {
		if got, err := c.Client(ctx, want.ID); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%v (-listed +read):\n%s", err, cmp.Diff(want, got))
		}
	}

	// A default grant and one for machines are no user's; a grant of all
	// scopes is told from a grant of none.
	owner := listed.Clients[2].ID
	all := tenant.AddGrant(tenantsim.Grant{ClientID: owner, Audience: audience, AllowAllScopes: true})
	tenant.AddGrant(tenantsim.Grant{DefaultFor: "third_party_clients", Audience: audience, Scopes: []string{"a"}})
	grants, err := c.UserGrants(ctx, audience, "")
	if err != nil || len(grants.Grants) != 3 {
		t.Fatalf("%+v, %v", grants, err)
	}
	for _, want := range grants.Grants {
		if want.AllowAllScopes != (want.ID == all.ID) {
			t.Errorf("%+v", want)
		}
		if got, ok, err := c.UserGrant(ctx, want.ClientID, audience); !ok || err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%v (-listed +read):\n%s", err, cmp.Diff(want, got))
		}
	}
}

// An entry that cannot be used is left out, and hides none of the others.
func TestOddEntries(t *testing.T) {
	odd := []string{`null`, `7`, `"x"`, `[]`, `{}`, `{"client_id":null}`, `{"client_id":7,"is_first_party":false}`, `{"id":[],"client_id":{}}`}
	with := func(items ...string) string { return strings.Join(append(odd, items...), ",") }
	grant := `{"id":"cgr_1","client_id":"` + clientID + `","audience":"` + audience + `","scope":["a"],"subject_type":"user"}`
	s := &stub{API: func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/connections/con_1/clients"):
			respond(w, 200, `{"clients":[`+with(`{"client_id":"../x"}`, `{"client_id":"a b"}`, `{"client_id":"`+clientID+`"}`)+`]}`)
		case strings.HasSuffix(r.URL.Path, "/clients"):
			respond(w, 200, `{"clients":[`+with(
				`{"client_id":"first","is_first_party":true}`, `{"client_id":"unsaid"}`, `{"client_id":"unsaid","is_first_party":null}`,
				`{"client_id":"../x","is_first_party":false}`, `{"client_id":"`+strings.Repeat("x", 200)+`","is_first_party":false}`,
				`{"client_id":"types","is_first_party":false,"callbacks":"x"}`, thirdParty)+`]}`)
		default:
			respond(w, 200, `{"client_grants":[`+with(
				strings.Replace(grant, `"user"`, `"client"`, 1), strings.Replace(grant, audience, audience+"/", 1), strings.Replace(grant, clientID, "../x", 1),
				strings.Replace(grant, `"cgr_1"`, `"../x"`, 1), strings.Replace(grant, `"cgr_1"`, `null`, 1), strings.Replace(grant, `"user"`, `null`, 1),
				strings.Replace(grant, `"id"`, `"default_for":"third_party_clients","id"`, 1), strings.Replace(grant, `["a"]`, `"a"`, 1), grant)+`]}`)
		}
	}}
	c := open(t, s)
	clients, err := c.ThirdPartyClients(t.Context(), "")
	if diff := cmp.Diff(auth0.ClientPage{Clients: []dcr.Client{{
		ID: clientID, Name: "ChatGPT", AppType: "regular_web", TokenEndpointAuthMethod: "none",
		GrantTypes: []string{"authorization_code"}, Callbacks: []string{"https://chatgpt.com/x"}, ThirdPartySecurityMode: dcr.Strict,
	}}}, clients); diff != "" || err != nil {
		t.Errorf("clients: %v (-want +got):\n%s", err, diff)
	}
	grants, err := c.UserGrants(t.Context(), audience, "")
	if diff := cmp.Diff(auth0.GrantPage{Grants: []dcr.Grant{
		{ID: "cgr_1", ClientID: clientID, Audience: audience, SubjectType: "user", Scopes: []string{"a"}},
	}}, grants); diff != "" || err != nil {
		t.Errorf("grants: %v (-want +got):\n%s", err, diff)
	}
	members, err := c.ConnectionClients(t.Context(), "con_1", "")
	if diff := cmp.Diff(auth0.MemberPage{ClientIDs: []string{clientID}}, members); diff != "" || err != nil {
		t.Errorf("members: %v (-want +got):\n%s", err, diff)
	}
}

// An answer that is no list is an error, not an empty list: it would look as if
// every client were gone.
func TestNoList(t *testing.T) {
	for _, answer := range []string{
		``, `null`, `7`, `"x"`, `{}`, `{"clients":null,"client_grants":null}`, `{"clients":{},"client_grants":{}}`, `{"other":[]}`,
		`{"clients":[],"client_grants":[],"next":7}`, `{"clients":[],"client_grants":[],"next":"` + strings.Repeat("x", 5000) + `"}`,
		`[]`, `{"clients":[],"client_grants":[],"start":0,"limit":100}`, `{"clients":[],"client_grants":[],"start":0,"total":"1"}`,
	} {
		c := open(t, &stub{API: always(200, answer)})
		for name, list := range lists("con_1") {
			if ids, _, _, err := list(t.Context(), c, ""); reasonOf(err) != dcr.BadResponse {
				t.Errorf("%s: %.60s: %v, error %v", name, answer, ids, err)
			}
		}
	}
	c := open(t, &stub{API: always(200, `{"clients":[],"client_grants":[],"next":null,"total":0,"other":{}}`)})
	for name, list := range lists("con_1") {
		if _, next, capped, err := list(t.Context(), c, ""); err != nil || next != "" || capped {
			t.Errorf("%s: %q, %v, %v", name, next, capped, err)
		}
	}
}

// Odd framing of a good page does no harm.
func TestOddFraming(t *testing.T) {
	var answers map[string]string // by the form of the request
	s := &stub{API: func(w http.ResponseWriter, r *http.Request) {
		form := "take"
		if r.URL.Query().Has("page") {
			form = "page"
		}
		if answers[form] == "" {
			respond(w, 400, problem("400", "invalid_paging", "no"))
			return
		}
		respond(w, 200, answers[form])
	}}
	for name, tt := range map[string]struct {
		from, take, page string
		next             string
		want             error
	}{
		"a cursor beside a start": {take: `{"clients":[],"start":0,"limit":100,"total":500,"next":"abc"}`, next: "take:abc"},
		"no limit":                {page: `{"clients":[],"start":0,"total":101}`, next: "page:1"},
		"a limit of nothing":      {page: `{"clients":[],"start":0,"limit":0,"total":101}`, next: "page:1"},
		"a negative limit":        {page: `{"clients":[],"start":0,"limit":-1,"total":101}`, next: "page:1"},
		"a higher limit":          {page: `{"clients":[],"start":0,"limit":500,"total":101}`, next: "page:1"},
		"a negative total":        {page: `{"clients":[],"start":0,"limit":100,"total":-1}`},
		"a later page refused":    {from: "page:1", want: auth0.ErrCursor},
	} {
		answers = map[string]string{"take": tt.take, "page": tt.page}
		p, err := open(t, s).ThirdPartyClients(t.Context(), tt.from)
		if p.Next != tt.next || !errors.Is(err, tt.want) {
			t.Errorf("%s: next %q, error %v", name, p.Next, err)
		}
	}
}

// Without the scope there is no call, and the scope is named.
func TestListScopes(t *testing.T) {
	tenant, _, conn := crowd(t, 1, tenantsim.Options{})
	tenant.SetScopes("own", "read:logs")
	c := of(t, tenant)
	scopes := map[string]string{"clients": "read:clients", "grants": "read:client_grants", "members": "read:connections"}
	for name, list := range lists(conn) {
		_, _, _, err := list(t.Context(), c, "")
		if e, ok := errors.AsType[*auth0.Error](err); !ok || e.Reason != dcr.MissingScope || e.Scope != scopes[name] {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if n := len(tenant.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
	// read:clients alone does for the clients.
	tenant.SetScopes("own", "read:clients")
	if p, err := of(t, tenant).ThirdPartyClients(t.Context(), ""); err != nil || len(p.Clients) != 1 || len(p.Clients[0].Callbacks) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// The clients count against the limit of their endpoint alone, in the class of
// the caller.
func TestListBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		s := &stub{API: func(w http.ResponseWriter, r *http.Request) {
			limit, remaining := "100", "90"
			if strings.HasSuffix(r.URL.Path, "/api/v2/clients") {
				limit, remaining = "5", "0"
			}
			w.Header().Set("X-RateLimit-Limit", limit)
			w.Header().Set("X-RateLimit-Remaining", remaining)
			w.Header().Set("X-RateLimit-Reset", "946684830") // in 30 s
			respond(w, 200, `{"clients":[],"client_grants":[]}`)
		}}
		c := open(t, s, func(o *auth0.Options) { o.Budget = b })
		ctx := auth0.WithCall(t.Context(), dcr.Background, "")
		call := lists("con_1")
		for _, name := range []string{"grants", "members", "clients"} {
			if _, _, _, err := call[name](ctx, c, ""); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		go func() { _, _, _, _ = call["clients"](ctx, c, "") }()
		for _, name := range []string{"grants", "members"} {
			if _, _, _, err := call[name](ctx, c, ""); err != nil || time.Since(start) > 0 {
				t.Errorf("%s took %v, error %v", name, time.Since(start), err)
			}
		}
		synctest.Wait()
		if snap := b.Snapshot(); snap.Background != 1 || snap.Urgent != 0 {
			t.Errorf("budget %+v", snap)
		}
		time.Sleep(2 * time.Minute)
	})
}

// Whatever stands where a page was kept and whatever is answered: no panic, no
// request beyond the end, no unusable id, and a next that is taken again.
func FuzzPages(f *testing.F) {
	f.Add("", 200, []byte(`{"clients":[`+thirdParty+`],"next":"abc"}`))
	f.Add("take:abc", 200, []byte(`{"client_grants":[{"id":"cgr_1","scope":null}],"next":"abc"}`))
	f.Add("page:9", 200, []byte(`{"total":2000,"start":900,"limit":100,"clients":[null]}`))
	f.Add("page:3/30", 200, []byte(`{"total":1e9,"start":0,"limit":-1,"clients":[]}`))
	f.Add("page:1/7", 200, []byte(`{"total":2000,"start":0,"limit":1,"clients":[],"client_grants":[]}`))
	f.Add("take:abc", 400, []byte(problem("400", "invalid_paging", "expired")))
	f.Add("page:10", 200, []byte(`[{"id":"lst_1","type":"http","sink":{"httpEndpoint":"https://u:p@h/x?y"}}]`))
	f.Fuzz(func(t *testing.T, from string, status int, body []byte) {
		if status < 200 || status > 599 || status == 401 || status == 429 {
			t.Skip()
		}
		s := &stub{API: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write(body)
		}}
		c := open(t, s)
		for name, list := range lists("con_1") {
			ids, next, capped, err := list(t.Context(), c, from)
			if err != nil && (reasonOf(err) == "" || len(ids) > 0 || next != "" || len(err.Error()) > 600) {
				t.Errorf("%s: error %v with %v, %q", name, err, ids, next)
			}
			for _, id := range ids {
				if !dcr.ValidClientID(id) {
					t.Errorf("%s: id %q", name, id)
				}
			}
			if capped && next != "" {
				t.Errorf("%s: capped before the last page", name)
			}
			before := len(s.seen())
			if next != "" {
				if _, _, _, err := list(t.Context(), c, next); len(s.seen()) == before {
					t.Errorf("%s: next %q is not taken: %v", name, next, err)
				}
			}
		}
		for _, r := range s.seen() {
			u, err := url.ParseRequestURI(r.uri)
			if err != nil {
				t.Fatal(err)
			}
			number, _ := strconv.Atoi(u.Query().Get("page"))
			if size, _ := strconv.Atoi(u.Query().Get("per_page")); (number+1)*size > 1000 {
				t.Errorf("beyond the end: %s", r.uri)
			}
		}
		streams, err := c.LogStreams(t.Context())
		if err != nil && reasonOf(err) == "" {
			t.Errorf("log streams: %v", err)
		}
		for _, stream := range streams {
			if u, err := url.Parse(stream.Endpoint); err == nil && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
				t.Errorf("endpoint %q", stream.Endpoint)
			}
		}
	})
}

// BenchmarkThirdPartyClients reads and translates a page of 100, over HTTP.
func BenchmarkThirdPartyClients(b *testing.B) {
	tenant, _, _ := crowd(b, 100, tenantsim.Options{})
	c := of(b, tenant)
	b.ReportAllocs()
	for b.Loop() {
		if p, err := c.ThirdPartyClients(b.Context(), ""); err != nil || len(p.Clients) != 100 {
			b.Fatal(len(p.Clients), err)
		}
	}
}
