package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

var words = []string{"", "read:a", "write:a", "openid", "x"}

// some returns a random choice of from, in random order.
func some(r *rand.Rand, from ...string) []string {
	from = slices.Clone(from)
	r.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return from[:r.IntN(len(from)+1)]
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// situation is a random desired state and a random client.
func situation(r *rand.Rand) (plan.Desired, plan.Observed) {
	names := some(r, "google-oauth2", "corp", "third")
	d := plan.Desired{
		Audience: audience, Scopes: some(r, words...), Connections: names,
		ScopeMode:       pick(r, plan.Exact, plan.Additive),
		ConnectionLevel: pick(r, plan.ClientLevel, plan.DomainLevel),
		DryRun:          r.IntN(2) == 0,
	}
	o := plan.Observed{Client: dcr.Client{
		ID:                      pick(r, strictID, plainID),
		AppType:                 pick(r, "", "regular_web", "native", "spa"),
		TokenEndpointAuthMethod: pick(r, "", "none", "client_secret_post", "private_key_jwt"),
		GrantTypes:              some(r, "authorization_code", "refresh_token", "implicit", "password"),
		ThirdPartySecurityMode:  pick(r, "", dcr.Strict, dcr.Permissive),
		ExternalClientID:        pick(r, "", "", "https://a.example/c.json"),
	}}
	for _, n := range names {
		c := connection(n, r.IntN(2) == 0, pick(r, plan.NotAsked, plan.Yes, plan.No))
		if r.IntN(6) == 0 {
			c.Connection = nil
		}
		o.Connections = append(o.Connections, c)
	}
	switch r.IntN(4) {
	case 0: // not asked
	case 1:
		o.Grant.Known = true
	default:
		o.Grant = plan.Grant{Known: true, Grant: &dcr.Grant{
			ID: "cgr_1", ClientID: o.Client.ID, Audience: audience, SubjectType: dcr.SubjectUser,
			AllowAllScopes: r.IntN(3) == 0,
		}}
		if !o.Grant.Grant.AllowAllScopes {
			o.Grant.Grant.Scopes = some(r, words...)
		}
	}
	if r.IntN(4) > 0 {
		o.API.Known = true
		if r.IntN(6) > 0 {
			o.API.API = &dcr.API{ID: "rs_1", Identifier: audience, Scopes: some(r, words...)}
		}
	}
	return d, o
}

// apply makes a step true as Auth0 would: PATCH merges a client and replaces
// its arrays, and replaces a grant's scopes.
func apply(o plan.Observed, s plan.Step) plan.Observed {
	o.Connections = slices.Clone(o.Connections)
	switch s.Kind {
	case dcr.StepPromote:
		if s.Patch.AppType != nil {
			o.Client.AppType = *s.Patch.AppType
		}
		if s.Patch.TokenEndpointAuthMethod != nil {
			o.Client.TokenEndpointAuthMethod = *s.Patch.TokenEndpointAuthMethod
		}
		if s.Patch.GrantTypes != nil {
			o.Client.GrantTypes = s.Patch.GrantTypes
		}
	case dcr.StepConnect, dcr.StepDomainLevel:
		for i, c := range o.Connections {
			if c.Connection == nil || c.Connection.ID != s.Connection.ID {
				continue
			}
			if s.Kind == dcr.StepConnect {
				o.Connections[i].Enabled = plan.Yes
				continue
			}
			now := *c.Connection
			now.DomainLevel = true
			o.Connections[i].Connection = &now
		}
	case dcr.StepGrant:
		g := s.Grant
		if g.ID == "" {
			g.ID = "cgr_new"
		}
		g.Scopes, g.AllowAllScopes = s.Scopes, false
		o.Grant = plan.Grant{Known: true, Grant: &g}
	}
	return o
}

// checkForbidden holds a plan to what grantd must never do.
func checkForbidden(d plan.Desired, o plan.Observed, p plan.Plan) error {
	for _, s := range p.Steps() {
		switch s.Kind {
		case dcr.StepPromote:
			if s.Patch.Empty() {
				return fmt.Errorf("an empty patch")
			}
			if !o.Client.CIMD() {
				continue
			}
			if s.Patch.AppType != nil || s.Patch.TokenEndpointAuthMethod != nil {
				return fmt.Errorf("touches more than the grant types of a CIMD client")
			}
			if want := append(slices.Clone(o.Client.GrantTypes), "refresh_token"); !sameSet(s.Patch.GrantTypes, want) {
				return fmt.Errorf("CIMD grant types %v, want %v", s.Patch.GrantTypes, want)
			}
		case dcr.StepConnect:
			if o.Client.Mode() == dcr.Strict || d.ConnectionLevel != plan.ClientLevel {
				return fmt.Errorf("enables a connection for a strict client, or where the level is domain")
			}
		case dcr.StepDomainLevel:
			if d.ConnectionLevel != plan.DomainLevel {
				return fmt.Errorf("promotes a connection unasked")
			}
		case dcr.StepGrant:
			if s.Grant.ClientID != o.Client.ID || s.Grant.Audience != d.Audience || s.Grant.SubjectType != dcr.SubjectUser {
				return fmt.Errorf("grant of something else: %+v", s.Grant)
			}
			if s.Scopes == nil {
				return fmt.Errorf("scopes nil: would be sent as null")
			}
			if old := o.Grant.Grant; d.ScopeMode == plan.Additive && old != nil {
				if old.AllowAllScopes || !subset(old.Scopes, s.Scopes) {
					return fmt.Errorf("additive takes scopes away: %v → %v", old.Scopes, s.Scopes)
				}
			}
			for _, scope := range s.Scopes {
				if o.API.API != nil && !slices.Contains(o.API.API.Scopes, scope) && (o.Grant.Grant == nil || !slices.Contains(o.Grant.Grant.Scopes, scope)) {
					return fmt.Errorf("grants %q, which the API does not define", scope)
				}
			}
		default:
			return fmt.Errorf("unknown step %q", s.Kind)
		}
	}
	return nil
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func sameSet(a, b []string) bool { return subset(a, b) && subset(b, a) }

func checkSituation(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 0))
	d, o := situation(r)
	p := plan.Compute(d, o)
	if diff := cmp.Diff(p, plan.Compute(d, o)); diff != "" {
		return fmt.Errorf("not deterministic: %s", diff)
	}
	if err := checkForbidden(d, o, p); err != nil {
		return err
	}
	// The parts are independent: any order ends in the same state.
	for _, order := range [][]plan.Part{{p.Promote, p.Connect, p.Grant}, {p.Grant, p.Connect, p.Promote}} {
		now := o
		for _, part := range order {
			for _, s := range part.Steps {
				now = apply(now, s)
			}
		}
		again := plan.Compute(d, now)
		if steps := again.Steps(); len(steps) > 0 {
			return fmt.Errorf("applied, and still to do: %+v", steps)
		}
		results := func(p plan.Plan) []plan.Finding {
			return []plan.Finding{p.Promote.Result, p.Connect.Result, p.Grant.Result}
		}
		if diff := cmp.Diff(results(p), results(again)); diff != "" {
			return fmt.Errorf("the result was not foreseen (-planned +found):\n%s", diff)
		}
	}
	return nil
}

func TestApplyingConverges(t *testing.T) {
	for seed := range uint64(4_000) {
		if err := checkSituation(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func FuzzApplyingConverges(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		if err := checkSituation(seed); err != nil {
			t.Fatal(err)
		}
	})
}

// Steps come in the order of the parts, and a part's in that of configuration.
func TestStepOrder(t *testing.T) {
	o := settled(permissive, grant(plan.Grant{}), client(func(c *dcr.Client) { c.AppType = "spa" }),
		conns(connection("z", false, plan.No), connection("a", false, plan.No), connection("m", false, plan.No)))
	want := []string{"promote app_type=regular_web", "connect con_z", "connect con_a", "connect con_m", createGrant, "connected: per_client_unproven"}
	if diff := cmp.Diff(want, lines(plan.Compute(desired(), o))); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// Planning leaves what it was given alone: facts are shared between clients.
func TestComputeChangesNothing(t *testing.T) {
	for seed := range uint64(500) {
		d, o := situation(rand.New(rand.NewPCG(seed, 0)))
		d2, o2 := situation(rand.New(rand.NewPCG(seed, 0)))
		plan.Compute(d, o)
		if diff := cmp.Diff(d2, d) + cmp.Diff(o2, o); diff != "" {
			t.Fatalf("seed %d: changed its input:\n%s", seed, diff)
		}
	}
}
