package plan_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// The digest is kept in the ledger, and another makes every client due: it may
// change with the desired state, not with a release.
func TestDigestGolden(t *testing.T) {
	const want = "3040794a21160ecb"
	if got := desired().Digest(); got != want {
		t.Errorf("digest = %s, want %s", got, want)
	}
}

func TestDigestIgnoresOrderAndRepetition(t *testing.T) {
	a := desired(func(d *plan.Desired) {
		d.Scopes, d.Connections, d.Allowed = []string{"a", "b", "c"}, []string{"x", "y"}, []string{"chatgpt", "claude"}
	})
	b := desired(func(d *plan.Desired) {
		d.Scopes, d.Connections, d.Allowed = []string{"c", "a", "b", "a"}, []string{"y", "x", "y"}, []string{"claude", "chatgpt"}
	})
	if a.Digest() != b.Digest() {
		t.Errorf("digests differ: %s, %s", a.Digest(), b.Digest())
	}
	if b.Scopes[0] != "c" || len(b.Scopes) != 4 {
		t.Errorf("Digest changed its receiver: %v", b.Scopes)
	}
	empty := desired(func(d *plan.Desired) { d.Connections = []string{} })
	none := desired(func(d *plan.Desired) { d.Connections = nil })
	if empty.Digest() != none.Digest() {
		t.Error("nil and empty list have different digests")
	}
}

// Each field of Desired counts, also those added later.
func TestDigestEachFieldCounts(t *testing.T) {
	seen := map[string]string{desired().Digest(): "unchanged"}
	typ := reflect.TypeFor[plan.Desired]()
	for i := range typ.NumField() {
		d := desired()
		f := reflect.ValueOf(&d).Elem().Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "x")
		case reflect.Bool:
			f.SetBool(!f.Bool())
		case reflect.Slice:
			f.Set(reflect.Append(f, reflect.ValueOf("x")))
		default:
			t.Fatalf("field %s: teach this test about %s", typ.Field(i).Name, f.Kind())
		}
		digest := d.Digest()
		if other, ok := seen[digest]; ok {
			t.Errorf("%s changed: same digest as %s", typ.Field(i).Name, other)
		}
		seen[digest] = typ.Field(i).Name
	}
}

// A value may not slip from one list into another unseen.
func TestDigestKeepsListsApart(t *testing.T) {
	a := desired(func(d *plan.Desired) { d.Scopes, d.Connections = []string{"a", "b"}, nil })
	b := desired(func(d *plan.Desired) { d.Scopes, d.Connections = []string{"a"}, []string{"b"} })
	c := desired(func(d *plan.Desired) { d.Scopes, d.Connections = []string{`a","b`}, nil })
	if a.Digest() == b.Digest() || a.Digest() == c.Digest() {
		t.Error("different states share a digest")
	}
}

// The journal and the API show a change as it stands here.
func TestChangeJSON(t *testing.T) {
	o := settled(permissive, grant(allScopes()), conns(connection("google-oauth2", false, plan.No)), client(func(c *dcr.Client) {
		c.AppType, c.TokenEndpointAuthMethod, c.GrantTypes = "native", "client_secret_post", []string{"refresh_token", "implicit"}
	}))
	created := settled(grant(plan.Grant{}), conns(connection("google-oauth2", false, plan.NotAsked)))
	want := []string{
		`{"step":"promote","before":{"app_type":"native","grant_types":["implicit","refresh_token"],"token_endpoint_auth_method":"client_secret_post"},"after":{"app_type":"regular_web","grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none"}}`,
		`{"step":"connect","before":{"connection":"google-oauth2","connection_id":"con_google-oauth2","enabled":false},"after":{"connection":"google-oauth2","connection_id":"con_google-oauth2","enabled":true}}`,
		`{"step":"grant","before":{"allow_all_scopes":true,"id":"cgr_1"},"after":{"allow_all_scopes":false,"id":"cgr_1","scope":["read:a","write:a"]}}`,
		`{"step":"domain_level","before":{"connection":"google-oauth2","connection_id":"con_google-oauth2","is_domain_connection":false},"after":{"connection":"google-oauth2","connection_id":"con_google-oauth2","is_domain_connection":true}}`,
		`{"step":"grant","after":{"audience":"https://mcp.example.com/mcp","scope":["read:a","write:a"],"subject_type":"user"}}`,
	}
	steps := append(plan.Compute(desired(), o).Steps(), plan.Compute(desired(domainLevel), created).Steps()...)
	if len(steps) != len(want) {
		t.Fatalf("%d steps, want %d", len(steps), len(want))
	}
	for i, s := range steps {
		got, err := json.Marshal(s.Change())
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want[i] {
			t.Errorf("step %d:\n got %s\nwant %s", i, got, want[i])
		}
	}
}
