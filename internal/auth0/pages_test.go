package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// lists are the calls that read a tenant by pages, each as the ids it found.
func lists(conn string) map[string]func(context.Context, *auth0.Client, string) (ids []string, next string, capped bool, err error) {
	return map[string]func(context.Context, *auth0.Client, string) ([]string, string, bool, error){
		"clients": func(ctx context.Context, c *auth0.Client, from string) (ids []string, _ string, _ bool, _ error) {
			p, err := c.ThirdPartyClients(ctx, from)
			for _, client := range p.Clients {
				ids = append(ids, client.ID)
			}
			return ids, p.Next, p.Capped, err
		},
		"grants": func(ctx context.Context, c *auth0.Client, from string) (ids []string, _ string, _ bool, _ error) {
			p, err := c.UserGrants(ctx, audience, from)
			for _, g := range p.Grants {
				ids = append(ids, g.ClientID)
			}
			return ids, p.Next, p.Capped, err
		},
		"members": func(ctx context.Context, c *auth0.Client, from string) ([]string, string, bool, error) {
			p, err := c.ConnectionClients(ctx, conn, from)
			return p.ClientIDs, p.Next, false, err
		},
	}
}

// crowd is a tenant with n third-party clients, each with a grant and the
// connection, among other things that are in no list. It returns their ids and
// the connection's.
func crowd(t testing.TB, n int, o tenantsim.Options) (tenant *tenantsim.Tenant, ids []string, conn string) {
	t.Helper()
	o.Domain = domain
	tenant = tenantsim.ForTest(t, o)
	tenant.AddM2M("own", secret, append(strings.Fields(allScope), "read:log_streams")...)
	conn = tenant.AddConnection("google-oauth2", true)
	tenant.AddAPI(audience, "a", "b")
	for i := range n {
		c := tenant.AddClient(tenantsim.Client{Callbacks: []string{"https://chatgpt.com/x"}})
		if i%50 == 0 {
			tenant.AddClient(tenantsim.Client{FirstParty: true})
			tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, SubjectType: "client"})
			tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience + "/"})
		}
		tenant.AddGrant(tenantsim.Grant{ClientID: c.ID, Audience: audience, Scopes: []string{"a"}})
		ids = append(ids, c.ID)
	}
	tenant.EnableConnection("google-oauth2", ids...)
	return tenant, ids, conn
}

// of returns a Client of the tenant.
func of(t testing.TB, tenant *tenantsim.Tenant, change ...func(*auth0.Options)) *auth0.Client {
	t.Helper()
	o := auth0.Options{Domain: domain, BaseURL: tenant.URL(), ClientID: "own", ClientSecret: secret}
	for _, c := range change {
		c(&o)
	}
	c, err := auth0.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Every size, in every form: all that Auth0 gives is found, once, with no call
// too many, and never beyond the end.
func TestListCalls(t *testing.T) {
	for _, paging := range []tenantsim.CheckpointPaging{tenantsim.PagingServed, tenantsim.PagingRefused, tenantsim.PagingIgnored} {
		for _, n := range []int{0, 1, 99, 100, 101, 250, 1000, 1001} {
			t.Run(fmt.Sprintf("%d/%d", paging, n), func(t *testing.T) {
				t.Parallel()
				tenant, ids, conn := crowd(t, n, tenantsim.Options{Quirks: tenantsim.Quirks{ClientPaging: paging, GrantPaging: paging}})
				c := of(t, tenant)
				for name, list := range lists(conn) {
					byOffset := paging != tenantsim.PagingServed && name != "members"
					want, pages := ids, max(1, (n+99)/100)
					if byOffset {
						want, pages = ids[:min(n, 1000)], min(pages, 10)
					}
					for round := range 2 {
						tenant.ResetCalls()
						var found []string
						next, capped, err := "", false, error(nil)
						for more := true; more; more = next != "" {
							if capped {
								t.Errorf("%s: capped before the last page", name)
							}
							var some []string
							if some, next, capped, err = list(t.Context(), c, next); err != nil {
								t.Fatalf("%s: %v", name, err)
							}
							found = append(found, some...)
						}
						if !slices.Equal(want, found) {
							t.Errorf("%s: %d found, want %d", name, len(found), len(want))
						}
						if capped != (byOffset && n > 1000) {
							t.Errorf("%s: capped %v", name, capped)
						}
						calls := tenant.Calls()
						if byOffset && round == 0 {
							calls = calls[1:] // the one that taught it
						}
						if len(calls) != pages {
							t.Errorf("%s, round %d: %d calls, want %d", name, round, len(calls), pages)
						}
						for _, call := range calls {
							if call.Status != 200 {
								t.Errorf("%s: %d to %s", name, call.Status, call.Query)
							}
						}
					}
				}
			})
		}
	}
}

// A walk goes on in another process, in either form, without its beginning.
func TestListResumes(t *testing.T) {
	for _, paging := range []tenantsim.CheckpointPaging{tenantsim.PagingServed, tenantsim.PagingRefused, tenantsim.PagingIgnored} {
		tenant, ids, conn := crowd(t, 250, tenantsim.Options{Quirks: tenantsim.Quirks{ClientPaging: paging, GrantPaging: paging}})
		first := of(t, tenant)
		for name, list := range lists(conn) {
			found, next, _, err := list(t.Context(), first, "")
			if err != nil {
				t.Fatal(err)
			}
			tenant.ResetCalls()
			second := of(t, tenant)
			for next != "" {
				var some []string
				if some, next, _, err = list(t.Context(), second, next); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				found = append(found, some...)
			}
			if diff := cmp.Diff(ids, found); diff != "" || len(tenant.Calls()) != 2 {
				t.Errorf("%s, paging %d: %d calls (-want +got):\n%s", name, paging, len(tenant.Calls()), diff)
			}
		}
	}
}

// A cursor that Auth0 no longer takes says so, and is no reason to believe that
// the tenant does not page by cursor.
func TestCursorExpired(t *testing.T) {
	start := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	var passed atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(passed.Load())) }
	tenant, _, conn := crowd(t, 101, tenantsim.Options{Now: now, TokenLifetime: 100 * time.Hour})
	c := of(t, tenant, func(o *auth0.Options) { o.Now = now })
	for name, list := range lists(conn) {
		_, next, _, err := list(t.Context(), c, "")
		if err != nil || next == "" {
			t.Fatalf("%s: %q, %v", name, next, err)
		}
		passed.Add(int64(25 * time.Hour))
		_, _, _, err = list(t.Context(), c, next)
		e, ok := errors.AsType[*auth0.Error](err)
		if !errors.Is(err, auth0.ErrCursor) || !ok || e.Status != 400 || e.Reason != dcr.RejectedByAuth0 {
			t.Errorf("%s: error %v, want ErrCursor", name, err)
		}
		if found, next, _, err := list(t.Context(), c, ""); err != nil || len(found) != 100 || !strings.HasPrefix(next, "take:") {
			t.Errorf("%s anew: %d, %q, %v", name, len(found), next, err)
		}
	}
}

// A tenant that stops or begins to page by cursor in the middle of a walk.
func TestPagingChanges(t *testing.T) {
	for _, paging := range []tenantsim.CheckpointPaging{tenantsim.PagingRefused, tenantsim.PagingIgnored} {
		tenant, _, _ := crowd(t, 101, tenantsim.Options{})
		c := of(t, tenant)
		p, err := c.ThirdPartyClients(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		tenant.SetQuirks(func(q *tenantsim.Quirks) { q.ClientPaging = paging })
		for range 2 {
			if p, err := c.ThirdPartyClients(t.Context(), p.Next); !errors.Is(err, auth0.ErrCursor) {
				t.Errorf("%d: %d clients, error %v", paging, len(p.Clients), err)
			}
			if _, err := c.ThirdPartyClients(t.Context(), ""); err != nil { // learns it
				t.Error(err)
			}
		}
		// Known: 2 + 2 calls, then none for the cursor and one anew.
		if n := tenant.Count("GET /clients"); n != 5 {
			t.Errorf("%d: %d calls, want 5", paging, n)
		}
		tenant.SetQuirks(func(q *tenantsim.Quirks) { q.ClientPaging = tenantsim.PagingServed })
		if p, err := of(t, tenant).ThirdPartyClients(t.Context(), "page:1"); err != nil || len(p.Clients) != 1 || p.Next != "" {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// What is no place in a list causes no call.
func TestPlacesNotOurs(t *testing.T) {
	tenant, _, conn := crowd(t, 1, tenantsim.Options{})
	c := of(t, tenant)
	places := []string{
		"x", "take:", "take", "page:", "page:0", "page:-1", "page:+1", "page:01", "page:1x", "page:10", "page:99999999999999999999",
		"page:1/0", "page:1/100", "page:1/101", "page:20/50", "page:1/-50", "page:1/50/", "Page:1", "take:" + strings.Repeat("x", 5000),
	}
	for name, list := range lists(conn) {
		for _, from := range places {
			if _, _, _, err := list(t.Context(), c, from); !errors.Is(err, auth0.ErrCursor) || reasonOf(err) == "" || len(err.Error()) > 600 {
				t.Errorf("%s from %.40q: error %v", name, from, err)
			}
		}
	}
	if _, err := c.ConnectionClients(t.Context(), conn, "page:1"); !errors.Is(err, auth0.ErrCursor) {
		t.Errorf("members by offset: %v", err)
	}
	if calls := tenant.Calls(); len(calls) > 0 {
		t.Errorf("%d calls", len(calls))
	}
}

// Only a fallback that worked is remembered: a tenant that is down for a moment
// must not lose its clients beyond the 1,000th.
func TestFallbackNotRemembered(t *testing.T) {
	tenant, ids, conn := crowd(t, 101, tenantsim.Options{Quirks: tenantsim.Quirks{ClientPaging: tenantsim.PagingRefused, GrantPaging: tenantsim.PagingRefused}})
	for name, list := range lists(conn) {
		if name == "members" {
			continue
		}
		c := of(t, tenant)
		tenant.FailNext(1, tenantsim.Unavailable, func(r *http.Request) bool { return r.URL.Query().Has("page") })
		if _, _, _, err := list(t.Context(), c, ""); reasonOf(err) != dcr.ServerError {
			t.Errorf("%s: error %v", name, err)
		}
		tenant.SetQuirks(func(q *tenantsim.Quirks) { *q = tenantsim.Quirks{} })
		if found, next, _, err := list(t.Context(), c, ""); err != nil || len(found) != 100 || !strings.HasPrefix(next, "take:") {
			t.Errorf("%s: %d of %d, %q, %v", name, len(found), len(ids), next, err)
		}
		tenant.SetQuirks(func(q *tenantsim.Quirks) {
			q.ClientPaging, q.GrantPaging = tenantsim.PagingRefused, tenantsim.PagingRefused
		})
	}
}

// A 400 that is not about paging is not mistaken for it.
func TestBadRequestOfList(t *testing.T) {
	refuse := true
	s := &stub{API: func(w http.ResponseWriter, _ *http.Request) {
		if refuse {
			respond(w, 400, problem("400", "invalid_query_string", "no"))
			return
		}
		respond(w, 200, `{"clients":[],"client_grants":[]}`)
	}}
	c := open(t, s)
	for name, list := range lists("con_1") {
		refuse = true
		if _, _, _, err := list(t.Context(), c, ""); reasonOf(err) != dcr.RejectedByAuth0 || errors.Is(err, auth0.ErrCursor) {
			t.Errorf("%s: error %v", name, err)
		}
		refuse = false
		before := len(s.seen())
		if _, _, _, err := list(t.Context(), c, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if seen := s.seen()[before:]; len(seen) != 1 || !strings.Contains(seen[0].uri, "take=100") {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

// Where Auth0 allows less than 100 a page, no record falls between two pages
// and the end stays where it is.
func TestSmallerPages(t *testing.T) {
	for _, tt := range []struct{ total, calls, found int }{
		{0, 1, 0}, {50, 1, 50}, {51, 2, 51}, {120, 3, 120}, {1000, 20, 1000}, {1001, 20, 1000},
	} {
		s := &stub{API: func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			number, _ := strconv.Atoi(q.Get("page"))
			size, _ := strconv.Atoi(q.Get("per_page"))
			size = min(size, 50)
			switch {
			case q.Has("take"):
				respond(w, 400, problem("400", "invalid_query_string", "no"))
			case (number+1)*size > 1000:
				respond(w, 400, problem("400", "invalid_paging", "too far"))
			default:
				var items []string
				for i := number * size; i < min((number+1)*size, tt.total); i++ {
					items = append(items, fmt.Sprintf(`{"client_id":"c%d","is_first_party":false}`, i))
				}
				respond(w, 200, fmt.Sprintf(`{"total":%d,"start":%d,"limit":%d,"clients":[%s]}`, tt.total, number*size, size, strings.Join(items, ",")))
			}
		}}
		c := open(t, s)
		seen := map[string]bool{}
		var p auth0.ClientPage
		for more := true; more; more = p.Next != "" {
			var err error
			if p, err = c.ThirdPartyClients(t.Context(), p.Next); err != nil {
				t.Fatal(err)
			}
			for _, client := range p.Clients {
				seen[client.ID] = true
			}
		}
		if len(seen) != tt.found || p.Capped != (tt.total > 1000) || len(s.seen()) != tt.calls+1 {
			t.Errorf("of %d: %d found, capped %v, %d calls", tt.total, len(seen), p.Capped, len(s.seen()))
		}
		// It was 100 a page when the place was kept.
		if _, err := c.ThirdPartyClients(t.Context(), "page:1"); !errors.Is(err, auth0.ErrCursor) {
			t.Errorf("error %v, want ErrCursor", err)
		}
	}
}

// What is asked for, to the letter.
func TestListRequests(t *testing.T) {
	const fields = "client_id%2Cname%2Cis_first_party%2Cglobal%2Capp_type%2Ctoken_endpoint_auth_method%2C" +
		"grant_types%2Ccallbacks%2Cthird_party_security_mode%2Cexternal_client_id%2Cclient_metadata"
	tests := map[string]struct{ first, next, page string }{
		"clients": {
			"clients?fields=" + fields + "&include_fields=true&is_first_party=false&take=100",
			"clients?fields=" + fields + "&from=a%2Bb%26c&include_fields=true&is_first_party=false&take=100",
			"clients?fields=" + fields + "&include_fields=true&include_totals=true&is_first_party=false&page=1&per_page=100",
		},
		"grants": {
			"client-grants?audience=" + url.QueryEscape(audience) + "&subject_type=user&take=100",
			"client-grants?audience=" + url.QueryEscape(audience) + "&from=a%2Bb%26c&subject_type=user&take=100",
			"client-grants?audience=" + url.QueryEscape(audience) + "&include_totals=true&page=1&per_page=100&subject_type=user",
		},
		"members": {"connections/con_1/clients?take=100", "connections/con_1/clients?from=a%2Bb%26c&take=100", ""},
	}
	for name, list := range lists("con_1") {
		s := &stub{API: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("page") {
				respond(w, 200, `{"total":101,"start":100,"limit":100,"clients":[],"client_grants":[]}`)
				return
			}
			respond(w, 200, `{"clients":[],"client_grants":[],"next":"a+b&c"}`)
		}}
		c := open(t, s)
		_, next, _, err := list(t.Context(), c, "")
		if err != nil {
			t.Fatal(err)
		}
		places := []string{next}
		want := []string{tests[name].first, tests[name].next}
		if tests[name].page != "" {
			places, want = append(places, "page:1"), append(want, tests[name].page)
		}
		for _, from := range places {
			// The stub gives the same cursor again: an endless list.
			if _, _, _, err := list(t.Context(), c, from); from == next && reasonOf(err) != dcr.BadResponse || from != next && err != nil {
				t.Errorf("%s from %s: %v", name, from, err)
			}
		}
		var got []string
		for _, r := range s.seen() {
			got = append(got, strings.TrimPrefix(r.uri, "/api/v2/"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
