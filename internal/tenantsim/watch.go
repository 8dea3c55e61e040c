package tenantsim

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// Access is a Management API call that reached its endpoint, whoever made it:
// over HTTP, or by Do.
type Access struct {
	Actor     Actor
	Operation string   // "PATCH /clients/{id}"
	Vars      []string // of the path
	Query     url.Values
	Body      []byte // as sent
	Status    int    // that the endpoint gave
	Answer    []byte // what it said
	Lost      bool   // a fault keeps the answer from the caller
	At        time.Time

	// Before and After are the objects that a write changed, by the names of
	// Snapshot; one that it made is only in After, one that it deleted only in
	// Before.
	Before, After map[string]json.RawMessage
}

// Write reports whether the call was one to change something.
func (a Access) Write() bool { return a.Operation != "" && a.Operation[:3] != http.MethodGet }

// View looks at a tenant that stands still for the time of a call.
type View struct{ t *Tenant }

// Client is a client as Snapshot has it, nil if there is none.
func (v View) Client(id string) json.RawMessage {
	if c := v.t.clients.get(id); c != nil {
		return v.t.render(c, view{})
	}
	return nil
}

// Grant is a grant as Snapshot has it, nil if there is none.
func (v View) Grant(id string) json.RawMessage {
	if g := v.t.grants.all.get(id); g != nil {
		return g.render()
	}
	return nil
}

// Connection is a connection as Snapshot has it, nil if there is none.
func (v View) Connection(id string) json.RawMessage {
	c := v.t.connections.get(id)
	if c == nil {
		return nil
	}
	return v.t.connectionAlone(c)
}

// Watch sets a hook that is told of every Management API call that reached its
// endpoint, in the order in which they took effect; nil removes it. It must call
// no method of the tenant: the View is what it may look at, once the call was
// made.
func (t *Tenant) Watch(hook func(Access, View)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watch = hook
}

// watched dispatches a request and tells the hook, if there is one.
func (t *Tenant) watched(r *request) response {
	if t.watch == nil || !mgmtPath(r.path) {
		return t.dispatch(r)
	}
	a := Access{Operation: r.route.operation(), Vars: r.vars, Query: r.query, Body: r.body, Lost: r.lost, At: t.now()}
	if a.Write() {
		a.Before = t.snapshot()
	}
	res := t.dispatch(r)
	a.Actor, a.Status, a.Answer = r.actor, res.status, res.body
	if a.Write() {
		a.Before, a.After = changed(a.Before, t.snapshot())
	}
	t.watch(a, View{t})
	return res
}

// changed takes out what is the same in both.
func changed(before, after map[string]json.RawMessage) (was, is map[string]json.RawMessage) {
	maps.DeleteFunc(before, func(name string, raw json.RawMessage) bool {
		same := bytes.Equal(raw, after[name])
		if same {
			delete(after, name)
		}
		return same
	})
	return before, after
}

// Snapshot is everything that can be written in the tenant, as JSON: clients/ID,
// client-grants/ID, connections/ID, connections/ID/clients/ID for every client
// it is enabled for, resource-servers/ID, log-streams/ID and tenants/settings.
func (t *Tenant) Snapshot() map[string]json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshot()
}

func (t *Tenant) snapshot() map[string]json.RawMessage {
	out := map[string]json.RawMessage{"tenants/settings": t.settings.render(false, false)}
	for c := range t.clients.all() {
		out["clients/"+c.ID] = t.render(c, view{})
	}
	for g := range t.grants.all.all() {
		out["client-grants/"+g.ID] = g.render()
	}
	for c := range t.connections.all() {
		out["connections/"+c.id] = t.connectionAlone(c)
		for id := range c.members.all() {
			out["connections/"+c.id+"/clients/"+*id] = json.RawMessage("true")
		}
	}
	for a := range t.apis.all() {
		out["resource-servers/"+a.id] = a.render()
	}
	for s := range t.streams.all() {
		out["log-streams/"+s.id], _ = json.Marshal(s.name) // a string always marshals
	}
	return out
}

// APIScopes are the scopes that an API defines; false if there is no such API.
func (t *Tenant) APIScopes(identifier string) ([]string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apiNamed(identifier)
	if a == nil {
		return nil, false
	}
	scopes := make([]string, len(a.scopes))
	for i, s := range a.scopes {
		scopes[i] = s.Value
	}
	return scopes, true
}

// ConnectionID is the id of the connection of a name; false if there is none.
func (t *Tenant) ConnectionID(name string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.connectionNamed(name)
	if c == nil {
		return "", false
	}
	return c.id, true
}

// connectionAlone is a connection without the clients it is enabled for.
func (t *Tenant) connectionAlone(c *connection) json.RawMessage {
	alone := *c
	alone.members = newTable[string]()
	return t.renderConnection(&alone)
}
