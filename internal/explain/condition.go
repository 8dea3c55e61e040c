package explain

import (
	"fmt"
	"slices"
	"strings"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/plan"
)

// conditions holds what the ledger last saw against what Auth0 has.
func (t *teller) conditions() Conditions {
	c := Conditions{
		Promoted:  ledgerCondition(t.rec.Conditions.Promoted),
		Connected: ledgerCondition(t.rec.Conditions.Connected),
		Granted:   ledgerCondition(t.rec.Conditions.Granted),
	}
	l := t.f.Live
	if l.Client == nil {
		return c
	}
	p := plan.Compute(t.f.Desired, plan.Observed{
		Client: *l.Client, Grant: l.Grant, Connections: l.Connections, API: l.API,
		Foreign: t.rec.Unadopted, Unread: t.rec.Unread,
	})
	c.Promoted.Now = t.now(p.Promote, hasClient(*l.Client))
	if connectionsKnown(l) {
		c.Connected.Now = t.now(p.Connect, hasConnections(l.Connections))
	}
	if l.Grant.Known {
		c.Granted.Now = t.now(p.Grant, hasGrant(l.Grant.Grant))
	}
	return c
}

func ledgerCondition(c dcr.Condition) Condition {
	return Condition{
		Status: c.Status, Reason: c.Reason, Message: display.Line(c.Message, maxText), Since: dcr.Timestamp{Time: c.Since},
		Now: Now{Missing: []dcr.Change{}},
	}
}

// now is a part of the plan as a condition. Of a client that is refused nothing
// is desired.
func (t *teller) now(p plan.Part, has string) Now {
	n := Now{Known: true, Has: has, Missing: []dcr.Change{}}
	if !t.eligible {
		return n
	}
	n.Status = p.Result.Status && len(p.Steps) == 0
	n.Reason, n.Message = p.Result.Reason, display.Line(p.Result.Message, maxText)
	for _, s := range p.Steps {
		n.Missing = append(n.Missing, s.Change())
	}
	return n
}

// connectionsKnown reports whether Auth0 said all that matters: which
// connections are enabled for a permissive client counts where they are not
// domain-level.
func connectionsKnown(l Live) bool {
	if l.Connections == nil {
		return false
	}
	return l.Client.Mode() == dcr.Strict || !slices.ContainsFunc(l.Connections, func(c plan.Connection) bool {
		return c.Connection != nil && !c.Connection.DomainLevel && c.Enabled == plan.NotAsked
	})
}

func hasClient(c dcr.Client) string {
	or := func(s string) string {
		if s == "" {
			return "unset"
		}
		return display.Line(s, maxShort)
	}
	types := make([]string, 0, len(c.GrantTypes))
	for _, g := range c.GrantTypes[:min(len(c.GrantTypes), 10)] {
		types = append(types, display.Line(g, maxShort))
	}
	return fmt.Sprintf("app_type %s, token_endpoint_auth_method %s, grant_types %s",
		or(c.AppType), or(c.TokenEndpointAuthMethod), or(strings.Join(types, " ")))
}

func hasConnections(all []plan.Connection) string {
	var said []string
	for _, c := range all {
		state := "no such connection"
		if c.Connection != nil {
			switch {
			case c.Connection.DomainLevel:
				state = "domain-level"
			case c.Enabled == plan.Yes:
				state = "not domain-level, enabled for this client"
			case c.Enabled == plan.No:
				state = "not domain-level, not enabled for this client"
			default:
				state = "not domain-level"
			}
			if c.Connection.Inactive {
				state += ", inactive"
			}
		}
		said = append(said, display.Line(c.Name, maxShort)+": "+state)
	}
	return strings.Join(said, "; ")
}

func hasGrant(g *dcr.Grant) string {
	switch {
	case g == nil:
		return "no grant for its users"
	case g.AllowAllScopes:
		return "grant " + display.Line(g.ID, maxShort) + " with every scope"
	case len(g.Scopes) == 0:
		return "grant " + display.Line(g.ID, maxShort) + " without a scope"
	}
	return "grant " + display.Line(g.ID, maxShort) + " with " + display.Line(strings.Join(g.Scopes, " "), maxText)
}
