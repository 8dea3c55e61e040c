package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// Lister lists the tenant, a call a page. From is empty for the first page.
type Lister interface {
	ThirdPartyClients(ctx context.Context, from string) (auth0.ClientPage, error)
	UserGrants(ctx context.Context, audience, from string) (auth0.GrantPage, error)
	ConnectionClients(ctx context.Context, connectionID, from string) (auth0.MemberPage, error)
}

// survey is one pass over the tenant. What it keeps of it is a small entry for
// each grant that was not matched with its client yet.
type survey struct {
	r      *Reconciler
	lister Lister
	s      *Settings
	quiet  bool      // a plan: nothing is told
	at     time.Time // when the first of it was asked for; what is listed is as old as that

	conns   []plan.Connection
	api     plan.API
	holds   []dcr.Hold
	grants  map[string]grantEntry          // by client id; taken out when the client comes
	partial bool                           // Auth0 did not list all grants
	members map[string]map[string]struct{} // by connection id, then client id; listed when first needed
	scopes  map[string][]string            // sets that many grants share
}

type grantEntry struct {
	id     string
	scopes []string
	all    bool
}

// listed is a client as the lists show it.
type listed struct {
	client dcr.Client
	grant  plan.Grant
	conns  []plan.Connection // which of the desired ones are enabled for it, where that matters
	at     time.Time         // when Auth0 was asked, for the oldest of it
}

// factsFresh is how old shared facts may be when a survey begins.
const factsFresh = time.Minute

// newSurvey reads what all clients share, and lists the audience's grants.
func (r *Reconciler) newSurvey(ctx context.Context, l Lister, s *Settings) (*survey, error) {
	v := &survey{
		r: r, lister: l, s: s, at: r.now(),
		grants: map[string]grantEntry{}, members: map[string]map[string]struct{}{}, scopes: map[string][]string{},
	}
	var err error
	if v.holds, err = r.holds(ctx); err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	if v.conns, v.api, _, err = r.facts.get(ctx, v.s.Desired, factsFresh); err != nil {
		return nil, err
	}
	return v, v.listGrants(ctx)
}

func (v *survey) listGrants(ctx context.Context) error {
	for from, more := "", true; more; {
		page, err := v.lister.UserGrants(ctx, v.s.Desired.Audience, from)
		if err != nil {
			return err
		}
		for _, g := range page.Grants {
			v.grants[strings.Clone(g.ClientID)] = grantEntry{id: strings.Clone(g.ID), scopes: v.shared(g.Scopes), all: g.AllowAllScopes}
		}
		v.partial = v.partial || page.Capped
		from, more = page.Next, page.Next != ""
	}
	return nil
}

// shared returns a set of scopes that all grants with the same ones share.
func (v *survey) shared(scopes []string) []string {
	key := strings.Join(scopes, " ")
	if set, ok := v.scopes[key]; ok {
		return set
	}
	set := slices.Clone(scopes)
	v.scopes[key] = set
	return set
}

// page lists the next clients, with what else was listed of them.
func (v *survey) page(ctx context.Context, from string) (found []listed, page auth0.ClientPage, err error) {
	if page, err = v.lister.ThirdPartyClients(ctx, from); err != nil {
		return nil, page, err
	}
	for _, c := range page.Clients {
		conns, err := v.enabled(ctx, c)
		if err != nil {
			return nil, page, err
		}
		found = append(found, listed{client: c, grant: v.grant(c.ID), conns: conns, at: v.at})
	}
	return found, page, nil
}

// grant is the client's grant, once.
func (v *survey) grant(clientID string) plan.Grant {
	e, ok := v.grants[clientID]
	delete(v.grants, clientID)
	if !ok {
		return plan.Grant{Known: !v.partial}
	}
	return plan.Grant{Known: true, Grant: &dcr.Grant{
		ID: e.id, ClientID: clientID, Audience: v.s.Desired.Audience, SubjectType: dcr.SubjectUser,
		Scopes: e.scopes, AllowAllScopes: e.all,
	}}
}

// enabled says which connections are enabled for the client by themselves. Only
// permissive clients can use one that is not domain-level.
func (v *survey) enabled(ctx context.Context, c dcr.Client) ([]plan.Connection, error) {
	if c.Mode() == dcr.Strict || v.s.Desired.ConnectionLevel == plan.DomainLevel {
		return nil, nil
	}
	if !v.s.Policy.Decide(c, v.s.OwnClientID).Eligible {
		return nil, nil
	}
	var conns []plan.Connection
	for _, conn := range v.conns {
		if conn.Connection == nil || conn.Connection.DomainLevel {
			continue
		}
		members, err := v.membersOf(ctx, conn.Connection.ID)
		if err != nil {
			return nil, err
		}
		e := plan.No
		if _, ok := members[c.ID]; ok {
			e = plan.Yes
		}
		conns = append(conns, plan.Connection{Name: conn.Name, Enabled: e})
	}
	return conns, nil
}

// membersOf lists a connection's clients, once.
func (v *survey) membersOf(ctx context.Context, connectionID string) (map[string]struct{}, error) {
	if members, ok := v.members[connectionID]; ok {
		return members, nil
	}
	members := map[string]struct{}{}
	for from, more := "", true; more; {
		page, err := v.lister.ConnectionClients(ctx, connectionID, from)
		if err != nil {
			return nil, err
		}
		for _, id := range page.ClientIDs {
			members[strings.Clone(id)] = struct{}{}
		}
		from, more = page.Next, page.Next != ""
	}
	v.members[connectionID] = members
	return members, nil
}

// observed is what a worker would have read of the client.
func (v *survey) observed(rec dcr.Record, l listed) plan.Observed {
	return plan.Observed{
		Client: l.client, Grant: l.grant, Connections: l.conns, Foreign: rec.Unadopted, Unread: rec.Unread,
	}
}

// judge holds one client against the desired state.
func (v *survey) judge(rec dcr.Record, o plan.Observed) judgement {
	j := v.r.judge(v.s, v.holds, rec, withFacts(&o, slices.Clone(v.conns), v.api), v.quiet)
	if !o.Grant.Known && len(j.plan.Grant.Steps) > 0 { // the list of grants ended before
		j.unread, j.plan.Grant.Steps = true, nil
		j.due = j.due && len(j.plan.Steps()) > 0
	}
	return j
}
