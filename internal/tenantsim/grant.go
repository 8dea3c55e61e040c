package tenantsim

import (
	"encoding/json"
	"slices"
)

// Grant is a client grant: what one client, or every third-party client, may
// ask of one API.
type Grant struct {
	ID             string
	ClientID       string // "" for a default grant
	DefaultFor     string // "third_party_clients" for a default grant
	Audience       string
	SubjectType    string // "user" or "client"
	Scopes         []string
	AllowAllScopes bool // Scopes is then not shown
	System         bool // made by Auth0, read-only

	extra    map[string]json.RawMessage // organization_usage and the like
	noScopes bool                       // allow_all_scopes was answered without "scope"
	sentAll  bool                       // allow_all_scopes was ever sent
}

func (g *Grant) clone() Grant {
	out := *g
	out.Scopes = slices.Clone(g.Scopes)
	return out
}

func (g *Grant) render() json.RawMessage {
	w := struct {
		ID          string    `json:"id"`
		ClientID    string    `json:"client_id,omitempty"`
		Audience    string    `json:"audience"`
		Scope       *[]string `json:"scope,omitempty"`
		SubjectType string    `json:"subject_type"`
		DefaultFor  string    `json:"default_for,omitempty"`
		AllowAll    *bool     `json:"allow_all_scopes,omitempty"`
		System      bool      `json:"is_system,omitempty"`
	}{ID: g.ID, ClientID: g.ClientID, Audience: g.Audience, SubjectType: g.SubjectType, DefaultFor: g.DefaultFor, System: g.System}
	if !g.noScopes {
		scopes := g.Scopes
		if scopes == nil {
			scopes = []string{}
		}
		w.Scope = &scopes
	}
	if g.sentAll {
		w.AllowAll = &g.AllowAllScopes
	}
	return withExtra(w, g.extra)
}

// grantIndex finds grants by id, by client and by audience.
type grantIndex struct {
	all        *table[Grant]
	byClient   map[string]*table[Grant]
	byAudience map[string]*table[Grant]
}

func newGrantIndex() *grantIndex {
	return &grantIndex{all: newTable[Grant](), byClient: map[string]*table[Grant]{}, byAudience: map[string]*table[Grant]{}}
}

func (x *grantIndex) add(g *Grant) {
	x.all.add(g.ID, g)
	for _, by := range []struct {
		m   map[string]*table[Grant]
		key string
	}{{x.byClient, g.ClientID}, {x.byAudience, g.Audience}} {
		if by.m[by.key] == nil {
			by.m[by.key] = newTable[Grant]()
		}
		by.m[by.key].add(g.ID, g)
	}
}

func (x *grantIndex) remove(id string) bool {
	g := x.all.get(id)
	if g == nil {
		return false
	}
	x.all.remove(id)
	x.byAudience[g.Audience].remove(id)
	x.byClient[g.ClientID].remove(id)
	if x.byClient[g.ClientID].len() == 0 {
		delete(x.byClient, g.ClientID)
	}
	return true
}

func (x *grantIndex) removeClient(clientID string) {
	for _, g := range x.of(clientID) {
		x.remove(g.ID)
	}
}

// of returns the grants of one client; "" is the default grants.
func (x *grantIndex) of(clientID string) []*Grant {
	t := x.byClient[clientID]
	if t == nil {
		return nil
	}
	return slices.Collect(t.all())
}

// find returns the grant of a client, or the default one, for an API.
func (x *grantIndex) find(clientID, defaultFor, audience, subject string) *Grant {
	for _, g := range x.of(clientID) {
		if g.DefaultFor == defaultFor && g.Audience == audience && g.SubjectType == subject {
			return g
		}
	}
	return nil
}

// narrowest is the smallest index that holds every grant the filters want.
func (x *grantIndex) narrowest(clientID, audience string) *table[Grant] {
	found := x.all
	switch {
	case clientID != "":
		found = x.byClient[clientID]
	case audience != "":
		found = x.byAudience[audience]
	}
	if found == nil {
		return newTable[Grant]()
	}
	return found
}

func (t *Tenant) insertGrant(g *Grant) *Grant {
	if g.ID == "" {
		g.ID = "cgr_" + t.letters(16)
	}
	g.noScopes = g.AllowAllScopes
	g.sentAll = g.sentAll || g.AllowAllScopes
	t.grants.add(g)
	return g
}
