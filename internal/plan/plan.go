package plan

import (
	"fmt"
	"slices"
	"strings"

	"grantd/internal/dcr"
)

// Plan is the way from observed to desired, a part for each condition. The
// parts are independent of each other and can be applied at the same time.
type Plan struct {
	Promote Part
	Connect Part
	Grant   Part
}

// Part is what one condition needs.
type Part struct {
	// Steps are the writes to make, in order; none when nothing is to be done
	// or nothing can be.
	Steps []Step
	// Result is the condition once the steps are made.
	Result Finding
}

// Has reports whether the part has a step of that kind.
func (p Part) Has(k dcr.StepKind) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Kind == k })
}

// Finding is a condition as planned: whether it holds, and what there is to say.
type Finding struct {
	Status  bool
	Reason  dcr.Reason
	Message string   // what is wrong, or worth knowing
	Fix     dcr.Text // what to do about it, where that is more than Reason says
}

// Step is one write to Auth0.
type Step struct {
	Kind       dcr.StepKind
	Patch      dcr.ClientPatch // StepPromote
	Connection dcr.Connection  // StepConnect, StepDomainLevel
	Grant      dcr.Grant       // StepGrant: the grant to change, without ID when it is to be created
	Scopes     []string        // StepGrant: the scopes it shall hold
	Before     map[string]any
	After      map[string]any
}

// Change is the step as the journal and a dry run show it.
func (s Step) Change() dcr.Change {
	return dcr.Change{Step: s.Kind, Before: s.Before, After: s.After}
}

// Steps are all steps, in a fixed order.
func (p Plan) Steps() []Step {
	return slices.Concat(p.Promote.Steps, p.Connect.Steps, p.Grant.Steps)
}

// Compute plans the steps from observed to desired. The client must be
// eligible; that is policy's to say, not asked here.
func Compute(d Desired, o Observed) Plan {
	return Plan{
		Promote: promote(o.Client),
		Connect: connect(d, o),
		Grant:   ComputeGrant(d, o),
	}
}

const (
	appType    = "regular_web"
	authMethod = "none" // a public client, which is held to PKCE
	authCode   = "authorization_code"
	refresh    = "refresh_token"
)

// promote sends only what differs: on strict clients the mere presence of
// some properties fails the PATCH.
func promote(c dcr.Client) Part {
	var p dcr.ClientPatch
	before, after := map[string]any{}, map[string]any{}
	set := func(name string, from, to any) { before[name], after[name] = from, to }

	want := []string{authCode, refresh}
	if c.CIMD() {
		// Its document governs everything but the refresh token, which Auth0
		// leaves out when the document names no grant types.
		want = sorted(append(slices.Clone(c.GrantTypes), refresh))
	} else {
		if c.AppType != appType {
			p.AppType = new(appType)
			set("app_type", c.AppType, appType)
		}
		if c.TokenEndpointAuthMethod != authMethod {
			p.TokenEndpointAuthMethod = new(authMethod)
			set("token_endpoint_auth_method", c.TokenEndpointAuthMethod, authMethod)
		}
	}
	if !sameSet(c.GrantTypes, want) {
		p.GrantTypes = want
		set("grant_types", sorted(c.GrantTypes), want)
	}
	part := Part{Result: Finding{Status: true}}
	if !p.Empty() {
		part.Steps = []Step{{Kind: dcr.StepPromote, Patch: p, Before: before, After: after}}
	}
	return part
}

func connect(d Desired, o Observed) Part {
	part := Part{Result: Finding{Status: true}}
	for _, c := range o.Connections {
		step, f := connectOne(d, o, c)
		if step != nil {
			part.Steps = append(part.Steps, *step)
		}
		// The worst finding stands for all; among equals, the first.
		if part.Result.Status && (!f.Status || part.Result.Reason == "") {
			part.Result = f
		}
	}
	return part
}

func connectOne(d Desired, o Observed, c Connection) (*Step, Finding) {
	switch {
	case c.Connection == nil:
		return nil, Finding{Reason: dcr.ConnectionNotFound, Message: fmt.Sprintf(
			"the tenant has no connection named %q", c.Name)}
	case c.Connection.DomainLevel:
		return nil, Finding{Status: true}
	case d.ConnectionLevel == DomainLevel:
		return &Step{
			Kind: dcr.StepDomainLevel, Connection: *c.Connection,
			Before: map[string]any{"connection": c.Name, "connection_id": c.Connection.ID, "is_domain_connection": false},
			After:  map[string]any{"connection": c.Name, "connection_id": c.Connection.ID, "is_domain_connection": true},
		}, Finding{Status: true}
	case o.Client.Mode() == dcr.Strict, c.Enabled == No && o.Unread:
		return nil, NotDomainLevel(c.Name)
	case c.Enabled == Yes:
		return nil, unproven(c.Name)
	default:
		return &Step{
			Kind: dcr.StepConnect, Connection: *c.Connection,
			Before: map[string]any{"connection": c.Name, "connection_id": c.Connection.ID, "enabled": false},
			After:  map[string]any{"connection": c.Name, "connection_id": c.Connection.ID, "enabled": true},
		}, unproven(c.Name)
	}
}

// NotDomainLevel is the finding that a connection would have to be promoted
// to domain level.
func NotDomainLevel(name string) Finding {
	return Finding{Reason: dcr.ConnectionNotDomainLevel, Message: fmt.Sprintf(
		"third-party clients log in only through domain-level connections, and %q is not one", name), Fix: dcr.PromoteConnection(name)}
}

func unproven(name string) Finding {
	return Finding{Status: true, Reason: dcr.PerClientUnproven, Message: fmt.Sprintf(
		"%q is enabled for this client alone", name)}
}

// ComputeGrant plans the grant alone, for when it turns out to exist after
// its creation was refused with a 409.
func ComputeGrant(d Desired, o Observed) Part {
	if d.ScopesUnknown {
		return Part{Result: Finding{Reason: dcr.ScopesUnknown, Message: "a scope source has never told any scope, so nothing is granted"}}
	}
	if o.API.Known && o.API.API == nil {
		return Part{Result: Finding{Reason: dcr.APINotFound, Message: fmt.Sprintf(
			"the tenant has no API with the identifier %q", d.Audience)}}
	}
	want, result := grantable(d, o.API)
	if g := o.Grant.Grant; g != nil {
		return changeGrant(d, *g, want, o.Foreign, result)
	}
	return Part{Result: result, Steps: []Step{{
		Kind:   dcr.StepGrant,
		Grant:  dcr.Grant{ClientID: o.Client.ID, Audience: d.Audience, SubjectType: dcr.SubjectUser},
		Scopes: want,
		After:  map[string]any{"audience": d.Audience, "subject_type": dcr.SubjectUser, "scope": want},
	}}}
}

// changeGrant brings the scopes of a grant to want. A foreign grant is widened
// and never narrowed, and the finding says what was left. A desired scope that
// the grant holds is not taken away because the API does not define it (any
// more): it is of no use now, and of use as soon as the API does again.
func changeGrant(d Desired, g dcr.Grant, want []string, foreign bool, result Finding) Part {
	part := Part{Result: result}
	have := sorted(g.Scopes)
	beyond := dcr.Without(have, want)
	if foreign && d.ScopeMode != Additive && (g.AllowAllScopes || !subset(have, d.Scopes)) {
		part.Result = notAdopted(g, dcr.Without(have, d.Scopes), result)
	}
	if d.ScopeMode == Additive || foreign {
		if g.AllowAllScopes || subset(want, have) {
			return part
		}
		want = sorted(append(beyond, want...)) // PATCH replaces the list
	} else if !g.AllowAllScopes && subset(want, have) && subset(have, d.Scopes) {
		return part
	}
	before := map[string]any{"id": g.ID, "scope": have}
	after := map[string]any{"id": g.ID, "scope": want}
	if g.AllowAllScopes { // it has no list then, and must be told to have one
		before = map[string]any{"id": g.ID, "allow_all_scopes": true}
		after["allow_all_scopes"] = false
	}
	part.Steps = []Step{{Kind: dcr.StepGrant, Grant: g, Scopes: want, Before: before, After: after}}
	return part
}

// notAdopted says what a foreign grant holds beyond the desired scopes.
func notAdopted(g dcr.Grant, beyond []string, result Finding) Finding {
	what := strings.Join(beyond, ", ")
	if g.AllowAllScopes {
		what = "every scope of the API (allow_all_scopes)"
	}
	f := Finding{Status: true, Reason: dcr.NotAdopted, Message: fmt.Sprintf(
		"the grant was there before grantd and also holds %s", what)}
	if result.Message != "" {
		f.Message += "; " + result.Message
		f.Fix = dcr.NotAdopted.Info().Fix + " What the API lacks, define under Applications → APIs → your API → Permissions."
	}
	return f
}

// ReadsBefore reports whether the plan's grant step keeps scopes that are there
// already: PATCH replaces the list, so that it must be made from a fresh look.
func (p Plan) ReadsBefore(d Desired, o Observed) bool {
	return len(p.Grant.Steps) > 0 && o.Grant.Grant != nil && (d.ScopeMode == Additive || o.Foreign)
}

// grantable is the desired scopes less those the API does not define, which
// Auth0 may refuse, and what there is to say about them.
func grantable(d Desired, a API) ([]string, Finding) {
	want := sorted(d.Scopes)
	if a.API == nil {
		return want, Finding{Status: true}
	}
	var undefined []string
	want = slices.DeleteFunc(want, func(s string) bool {
		if slices.Contains(a.API.Scopes, s) {
			return false
		}
		undefined = append(undefined, s)
		return true
	})
	if len(undefined) == 0 {
		return want, Finding{Status: true}
	}
	return want, Finding{Status: true, Reason: dcr.ScopesUndefined, Message: fmt.Sprintf(
		"the API does not define %s", strings.Join(undefined, ", "))}
}

// subset reports whether all of a are in b.
func subset(a, b []string) bool { return len(dcr.Without(a, b)) == 0 }

func sameSet(a, b []string) bool { return slices.Equal(sorted(a), sorted(b)) }
