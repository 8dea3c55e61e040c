package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"grantd/internal/tenantsim"
)

const (
	// inFlight is how long after a read, or after a change of configuration, a
	// write may still follow from it: a visit makes its calls one after the
	// other, waits for the rate limit and for the token in between, and each may
	// take 10 s to fail.
	inFlight = 5 * time.Minute
	// sweptFor is how old a sweep's lists may be to be acted on, and a visit's
	// time on top.
	sweptFor   = 15*time.Minute + inFlight
	sightsKept = 8
)

// witness sees every Management API call in the order in which they take effect
// and judges every write by grantd when it happens. It knows grantd by its
// application, and knows what a client is from the tenant alone.
//
// One race no reconciler can avoid: a client turns ineligible between grantd's
// last look and its write. Such a write is allowed only if grantd, by an answer
// that reached it, saw the client eligible less than inFlight ago by reading
// it, or the last it saw of it, by a list at most sweptFor ago, was so. A write
// after it was told that the client is ineligible is never allowed, once calls
// that were under way then have ended.
type witness struct {
	mu        sync.Mutex
	force     []inForce // configurations that may be in force
	sights    map[string][]sight
	foreign   map[string]bool         // grants from before grantd that nobody adopted
	adoptedAt time.Time               // when somebody last asked for that
	unmade    map[string]bool         // their clients: whoever makes another grant for one, grantd takes it for such a grant too
	edited    map[string]time.Time    // by object: when somebody else last wrote to it
	shown     map[string][]grantSight // by grant
	brakes    []brake
	violated  []string

	writes   int                  // accepted ones by grantd
	tried    int                  // of these, connections enabled for clients, which the tenant may forget and grantd try again
	last     []string             // of these
	raced    int                  // of these, to a client that had just turned ineligible
	answered map[string]time.Time // correlation ids of those whose answer arrived
	deletes  int
}

// sight is what an answer told grantd of a client.
type sight struct {
	at       time.Time
	eligible bool
	list     bool
}

// brake is a rule by which eligible clients are left alone, phase blocked: since
// when it covers a client, as the tenant shows it.
type brake struct {
	name, reason string
	since        func(client json.RawMessage) (time.Time, bool)
}

// grantSight is what an answer told grantd of a grant.
type grantSight struct {
	at    time.Time
	grant seenGrant
}

func (w *witness) showed(g seenGrant, at time.Time) {
	s := append(w.shown[g.ID], grantSight{at, g})
	w.shown[g.ID] = s[max(0, len(s)-sightsKept):]
}

// keeps reports whether the scopes of a grant are the desired ones and, of
// others, all that grantd saw in it less than inFlight ago and no more: somebody
// else may have edited it since.
func (w *witness) keeps(g seenGrant, desired []string, at time.Time) bool {
	return slices.ContainsFunc(w.shown[g.ID], func(s grantSight) bool {
		return at.Sub(s.at) <= inFlight && !s.grant.All &&
			len(minus(s.grant.Scopes, g.Scopes)) == 0 && len(minus(minus(g.Scopes, desired), s.grant.Scopes)) == 0
	})
}

// inForce is a configuration and until when a write may follow from it; zero:
// it is the present one.
type inForce struct {
	rules
	until time.Time
}

func newWitness(r rules) *witness {
	return &witness{
		force: []inForce{{rules: r}}, sights: map[string][]sight{}, foreign: map[string]bool{}, unmade: map[string]bool{},
		edited: map[string]time.Time{}, shown: map[string][]grantSight{}, answered: map[string]time.Time{},
	}
}

// configured notes a new configuration. Clients being worked on finish with the
// old one.
func (w *witness) configured(r rules) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for i := range w.force {
		if w.force[i].until.IsZero() {
			w.force[i].until = now.Add(inFlight)
		}
	}
	w.force = append(slices.DeleteFunc(w.force, func(f inForce) bool { return !f.until.IsZero() && f.until.Before(now) }), inForce{rules: r})
}

// any reports whether a rule holds by a configuration that may be in force.
func (w *witness) any(holds func(rules) bool) bool {
	now := time.Now()
	return slices.ContainsFunc(w.force, func(f inForce) bool {
		return (f.until.IsZero() || !f.until.Before(now)) && holds(f.rules)
	})
}

func (w *witness) eligible(c seenClient) bool {
	return w.any(func(r rules) bool { return r.refusal(c) == "" })
}

// see is the tenant's hook.
func (w *witness) see(a tenantsim.Access, v tenantsim.View) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mine := a.Actor.ClientID == bubbleApp
	switch {
	case !mine && a.Write():
		for name := range touched(a) {
			w.edited[name] = a.At
		}
	case mine && a.Write():
		w.judge(a, v)
	case mine && !a.Lost:
		w.read(a, v)
	}
}

func touched(a tenantsim.Access) map[string]json.RawMessage {
	all := maps.Clone(a.Before)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	maps.Copy(all, a.After)
	return all
}

// read notes what grantd is told.
func (w *witness) read(a tenantsim.Access, v tenantsim.View) {
	switch a.Operation {
	case "GET /clients/{id}":
		if raw := v.Client(a.Vars[0]); raw != nil {
			w.sighted(read[seenClient](raw), a.At, false)
		}
	case "GET /clients":
		for _, raw := range items(a.Answer, "clients") {
			if c := read[seenClient](raw); c.ID != "" {
				w.sighted(read[seenClient](v.Client(c.ID)), a.At, true)
			}
		}
	case "GET /client-grants":
		for _, raw := range items(a.Answer, "client_grants") {
			w.showed(read[seenGrant](raw), a.At)
		}
	}
}

func items(answer []byte, name string) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(answer, &list) == nil {
		return list
	}
	return read[[]json.RawMessage](read[map[string]json.RawMessage](answer)[name])
}

func (w *witness) sighted(c seenClient, at time.Time, list bool) {
	s := append(w.sights[c.ID], sight{at: at, eligible: w.eligible(c), list: list})
	w.sights[c.ID] = s[max(0, len(s)-sightsKept):]
}

func (w *witness) fail(a tenantsim.Access, format string, args ...any) {
	w.violated = append(w.violated, fmt.Sprintf("%s: %s %s %s: %s", a.At.Format("15:04:05.000"), a.Operation, strings.Join(a.Vars, " "), a.Body, fmt.Sprintf(format, args...)))
}

// judges are the only writes that grantd ever makes, by operation.
func judges() map[string]func(*witness, tenantsim.Access, tenantsim.View) {
	return map[string]func(*witness, tenantsim.Access, tenantsim.View){
		"PATCH /clients/{id}":             (*witness).promotes,
		"POST /client-grants":             (*witness).grants,
		"PATCH /client-grants/{id}":       (*witness).regrants,
		"PATCH /connections/{id}/clients": (*witness).enables,
		"PATCH /connections/{id}":         (*witness).opens,
	}
}

// judge judges a write by grantd.
func (w *witness) judge(a tenantsim.Access, v tenantsim.View) {
	if strings.HasPrefix(a.Operation, "DELETE") {
		w.deletes++
	}
	judge := judges()[a.Operation]
	if judge == nil {
		w.fail(a, "grantd never makes such a write")
		return
	}
	if a.Status >= 300 {
		return
	}
	w.writes++
	if a.Operation == "PATCH /connections/{id}/clients" {
		w.tried++
	}
	if w.last = append(w.last, fmt.Sprintf("%s %s %v %s lost %v", a.At.Format("15:04:05.000"), a.Operation, a.Vars, a.Body, a.Lost)); len(w.last) > 20 {
		w.last = w.last[1:]
	}
	if !a.Lost {
		w.answered[a.Actor.CorrelationID] = a.At
	}
	if !w.any(func(r rules) bool { return !r.dryRun }) {
		w.fail(a, "in a dry run")
	}
	judge(w, a, v)
	for name, raw := range a.After {
		if strings.HasPrefix(name, "client-grants/") {
			w.showed(read[seenGrant](raw), a.At)
		}
	}
}

// touches: the client of a write must be eligible.
func (w *witness) touches(a tenantsim.Access, raw json.RawMessage) (c seenClient) {
	if raw == nil {
		w.fail(a, "of no client")
		return c
	}
	c = read[seenClient](raw)
	for _, b := range w.brakes {
		if at, covered := b.since(raw); covered && a.At.Sub(at) > inFlight {
			w.fail(a, "held since %s: %s", at.Format("15:04:05"), b.name)
		}
	}
	if w.eligible(c) {
		return c
	}
	seen := w.sights[c.ID]
	for i, s := range seen {
		age := a.At.Sub(s.at)
		last := i == len(seen)-1
		if s.eligible && (age <= inFlight || last && s.list && age <= sweptFor) {
			w.raced++
			return c
		}
	}
	w.fail(a, "the client is not eligible, and grantd had no reason to think so: %s; it saw %+v", raw, seen)
	return c
}

// only: nothing but these objects changed, and of each nothing but the fields
// named; "*" stands for a whole object.
func (w *witness) only(a tenantsim.Access, allowed map[string][]string) {
	for name := range touched(a) {
		fields, ok := allowed[name]
		if !ok {
			w.fail(a, "it changed %s", name)
			continue
		}
		if slices.Contains(fields, "*") {
			continue
		}
		was, is := read[map[string]json.RawMessage](a.Before[name]), read[map[string]json.RawMessage](a.After[name])
		for field := range is {
			if string(was[field]) != string(is[field]) && !slices.Contains(fields, field) {
				w.fail(a, "it changed %s of %s from %s to %s", field, name, was[field], is[field])
			}
		}
		for field := range was {
			if _, kept := is[field]; !kept && !slices.Contains(fields, field) {
				w.fail(a, "it took %s from %s", field, name)
			}
		}
	}
}

// sent: the body has no other fields than these.
func (w *witness) sent(a tenantsim.Access, body map[string]json.RawMessage, fields ...string) {
	for name := range body {
		if !slices.Contains(fields, name) {
			w.fail(a, "it sent %s", name)
		}
	}
}
