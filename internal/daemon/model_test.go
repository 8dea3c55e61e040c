package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// TestModel lets random actors edit the tenant at random: clients that register,
// admins, other programs, users, forgers with the webhook's secret, bad weather,
// restarts and reloads of the daemon, time. Every write by grantd is judged when
// it happens, and after each batch the oracle says what there must be.
//
//	GRANTD_MODEL_STEPS=100000 GRANTD_MODEL_SEED=7 go test ./internal/daemon -run TestModel -timeout 0
//
// The seed decides what the actors do; the daemon's own jitter and scheduling
// stay random, so that a seed and step lead to the same edits, and nearly always
// to the same end.
func TestModel(t *testing.T) {
	t.Parallel()
	steps := setting(t, "GRANTD_MODEL_STEPS", 2000)
	seed := uint64(setting(t, "GRANTD_MODEL_SEED", 1))
	// A tenant and its log grow, so that many steps are several tenants.
	const most = 2000
	began, total := time.Now(), modelStats{}
	for done := 0; done < steps; done += most {
		n := min(most, steps-done)
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, seed)
			m.run(n)
			total.add(m)
		})
		if t.Failed() {
			return
		}
		if seed++; steps > most {
			t.Logf("%d steps, %v: %+v", done+n, time.Since(began).Round(time.Second), total)
		}
	}
	t.Logf("%d steps in %v, %.0f a second: %+v", steps, time.Since(began).Round(time.Millisecond), float64(steps)/time.Since(began).Seconds(), total)
}

// modelStats are what a run came to.
type modelStats struct {
	Clients, Writes, Raced, Calls, Faults, Restarts, Reloads, Settled int
	Simulated                                                         time.Duration
}

func (s *modelStats) add(m *model) {
	s.Clients += m.made
	s.Writes += m.witness.writes
	s.Raced += m.witness.raced
	s.Calls += m.weather.calls
	for _, n := range m.weather.hit {
		s.Faults += n
	}
	s.Restarts += m.restarts
	s.Reloads += m.reloads
	s.Settled += m.settled
	s.Simulated += time.Since(m.began)
}

// model is one tenant with its actors.
type model struct {
	*world
	seed    uint64
	rand    *rand.Rand
	rules   rules
	witness *witness
	weather *weather
	drops   bool // the tenant forgets per-client connections
	fair    bool // nothing keeps grantd from hearing of everything and doing it at once, since the last settling
	lacked  bool // permissions were changed, and the token may be of before

	began     time.Time
	step      int
	history   []string
	made      int // clients
	off       switchedOff
	gone      []string // ids of deleted clients, for forgers
	forgeries int
	restarts  int
	reloads   int
	settled   int
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), weather: newWeather(seed), began: time.Now()}
	o := tenantsim.Options{Plan: tenantsim.Enterprise, DCR: tenantsim.DCR(m.rand.IntN(2))}
	o.Quirks.SearchDoubles = m.rand.IntN(2) == 0
	o.Quirks.FailuresLogged = m.rand.IntN(2) == 0
	o.Quirks.OldLogs = m.rand.IntN(8) == 0
	o.Quirks.ScopeRemovalPrunes = m.rand.IntN(3) == 0
	if o.Quirks.ConflictCode = ""; m.rand.IntN(2) == 0 {
		o.Quirks.ConflictCode = "conflict"
	}
	if m.drops = m.rand.IntN(3) == 0; m.drops {
		o.Quirks.PermissiveMembers = tenantsim.MemberDropped
	}
	m.world = newWorld(t, o)
	m.rules = rules{allowed: []string{"chatgpt"}, scopes: []string{"notes:read", "notes:write"}, connections: []string{"google-oauth2"}}
	m.witness = newWitness(m.rules)
	m.witness.brakes = []brake{m.off.brake()}
	m.environ["GRANTD_POLL_SCHEDULE"] = "@every 1m"
	m.tenant.AddConnection("backup", true)
	m.tenant.AddConnection("staff", false)
	for range 6 { // from before grantd
		m.preexisting()
	}
	m.latency()
	m.tenant.Watch(m.witness.see)
	m.tenant.Faults(m.weather.strike)
	return m
}

func (m *model) run(steps int) {
	defer func() {
		m.stop()
		if m.Failed() {
			m.Logf("seed %d, step %d; to run it again: GRANTD_MODEL_SEED=%d GRANTD_MODEL_STEPS=%d\nthe last steps:\n  %s",
				m.seed, m.step, m.seed, m.step, strings.Join(m.history, "\n  "))
		}
	}()
	m.start()
	m.settle() // the first sweep: from here on, grants are known
	table := actors()
	weights := 0
	for _, a := range table {
		weights += a.weight
	}
	next := m.batch()
	for m.step = 1; m.step <= steps && !m.Failed(); m.step++ {
		pick := m.rand.IntN(weights)
		for _, a := range table {
			if pick -= a.weight; pick < 0 {
				if a.rough && m.fair {
					a = actor{name: "time", act: (*model).pass}
				}
				m.note("%s: %s", a.name, a.act(m))
				break
			}
		}
		m.violations()
		if next--; next == 0 || m.step == steps {
			m.settle()
			next, m.fair = m.batch(), m.rand.IntN(3) == 0
		}
	}
	m.journalled()
	if err := m.d.ledger.Check(context.Background()); err != nil { //nolint:usetesting // it may outlive the part of the test
		m.Errorf("the ledger: %v", err)
	}
}

// batch is how many steps are before the next settling.
func (m *model) batch() int { return 40 + m.rand.IntN(120) }

const historyKept = 45

func (m *model) note(format string, args ...any) {
	line := fmt.Sprintf("%5d %s ", m.step, time.Since(m.began).Round(time.Millisecond)) + fmt.Sprintf(format, args...)
	if m.history = append(m.history, line); len(m.history) > historyKept {
		m.history = m.history[1:]
	}
}

func (m *model) violations() {
	m.witness.mu.Lock()
	defer m.witness.mu.Unlock()
	for _, v := range m.witness.violated {
		m.Errorf("a write that must never be:\n  %s", v)
	}
	m.witness.violated = nil
}

// settle ends all weather, lets time pass, and asks the oracle.
func (m *model) settle() {
	m.calm()
	if m.halt == nil {
		m.startAgain()
	}
	began := time.Now()
	if m.rand.IntN(2) == 0 && !m.fair { // a person who does not want to wait for the next sweep
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour) //nolint:usetesting // it may outlive the part of the test
		_, err := m.d.Sync(ctx, false, func(api.Progress) {})
		cancel()
		m.note("settling by a sync: %v", err)
	}
	patience := 3 * time.Hour
	if m.fair && !m.drops { // what was heard of needs no sweep; what Auth0 drops after a sweep, the next one sees
		patience = 5 * time.Minute
	}
	deadline := began.Add(patience)
	wait, complaints := time.Second, []string(nil)
	for {
		synctest.Wait()
		m.violations()
		if complaints = m.complaints(); len(complaints) == 0 || m.Failed() {
			break
		}
		if until := m.heldUntil(); until.Add(patience).After(deadline) {
			deadline = until.Add(3 * time.Hour)
		}
		if time.Now().After(deadline) {
			m.Errorf("not settled after %v by %+v:\n  %s\nthe daemon's log:\n%s", since(began), m.rules, strings.Join(complaints, "\n  "), m.log.about())
			return
		}
		time.Sleep(wait)
		wait = min(wait*2, 5*time.Minute)
	}
	m.settled++
	m.quiet()
	m.note("settled after %v", since(began))
}

// quiet: once all is as desired, nothing is written.
func (m *model) quiet() {
	count := func() int {
		m.witness.mu.Lock()
		defer m.witness.mu.Unlock()
		if m.drops {
			return m.witness.writes - m.witness.tried
		}
		return m.witness.writes
	}
	before := count()
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	m.violations()
	if n := count() - before; n > 0 {
		m.Errorf("%d writes although all was as desired:\n  %s\n%s", n, strings.Join(m.witness.last, "\n  "), m.log.about("[dcr]"))
	}
}

func (w *witness) writesSoFar() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes
}

// heldUntil is when the last hold for a fight ends.
func (m *model) heldUntil() (last time.Time) {
	holds, err := m.d.ledger.Holds(context.Background()) //nolint:usetesting // the same
	if err != nil {
		m.Fatal(err)
	}
	for _, h := range holds {
		if h.Reason == dcr.Fighting && h.Active(time.Now()) && h.Until.After(last) {
			last = h.Until
		}
	}
	return last
}

// complaints are what is not as the oracle says.
func (m *model) complaints() (out []string) {
	s := lookAt(m.tenant, m.drops)
	s.brakes = m.witness.brakes
	records := m.records()
	foreign := func(id string) bool {
		return slices.ContainsFunc(s.grants[id], func(g seenGrant) bool { return m.witness.foreignGrant(g.ID) }) || records[id].Unadopted
	}
	for id, rec := range records {
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`).MatchString(id) {
			m.Errorf("%q was taken for a client id", id)
		}
		w := m.rules.expect(s, id, foreign(id))
		if rec.Phase == dcr.Gone && unlisted(w.reason) || w.phase == "gone" && rec.Phase == dcr.Refused && unlisted(string(rec.Reason)) {
			continue
		}
		if string(rec.Phase) != w.phase {
			out = append(out, fmt.Sprintf("%s is %s (%s), want %s (%s); %v", id, rec.Phase, rec.Reason, w.phase, w.reason, w.wrong))
		} else if w.phase == "refused" && !refusedFor(rec.Reason, w.reason) {
			out = append(out, fmt.Sprintf("%s is refused for %s, want %s", id, rec.Reason, w.reason))
		}
		if w.phase != "pending" && len(w.wrong) > 0 && !m.rules.dryRun {
			out = append(out, fmt.Sprintf("%s: %v", id, w.wrong))
		}
	}
	for id, c := range s.clients {
		if _, known := records[id]; !known && m.rules.refusal(c) == "" {
			out = append(out, id+" is eligible and has no record")
		}
		if m.rules.refusal(c) == "" && len(s.grants[id]) > 1 {
			out = append(out, fmt.Sprintf("%s has %d grants", id, len(s.grants[id])))
		}
	}
	slices.Sort(out)
	return out
}

// unlisted: refused clients that no sweep lists. That one was deleted, or was
// not and a false 404 said so, may stay unnoticed: they are not to be touched.
func unlisted(reason string) bool {
	return reason == "first_party" || reason == "global_client" || reason == "own_client" || reason == "machine_to_machine"
}

// refusedFor: a client may be ineligible for several reasons, of which the
// contract does not say which comes first; that it is one of them is enough.
func refusedFor(got dcr.Reason, want string) bool {
	return got != "" && (string(got) == want || want == "first_party" && got == dcr.MachineToMachine)
}

// adopted: from now on grantd may narrow what was there before it.
func (w *witness) adopted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.foreign)
	clear(w.unmade)
	w.adoptedAt = time.Now()
}

func (w *witness) foreignGrant(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.foreign[id]
}

// journalled: the journal has every write whose answer arrived, and no other.
func (m *model) journalled() {
	if m.Failed() {
		return
	}
	seen := map[string]bool{}
	for after, more := "", true; more; {
		page, next, err := m.d.ledger.Journal(context.Background(), store.JournalQuery{Limit: 1000, After: after}) //nolint:usetesting // the same
		if err != nil {
			m.Fatal(err)
		}
		for _, e := range page {
			seen[e.CorrelationID] = true
		}
		after, more = next, next != ""
	}
	m.witness.mu.Lock()
	defer m.witness.mu.Unlock()
	for id, at := range m.witness.answered {
		// An answer that comes when the daemon gives up waiting is lost as well.
		cut := slices.ContainsFunc(m.stops, func(s time.Time) bool { return at.After(s.Add(-drain)) && at.Before(s.Add(2*drain)) })
		if !seen[id] && !cut {
			m.Errorf("a write is not in the journal: %s", id)
		}
	}
	for id := range seen {
		if _, made := m.witness.answered[id]; id != "" && !made {
			m.Errorf("the journal has a write that was never made: %s", id)
		}
	}
}

// pick is one of the clients that keep says yes to, by the model's own dice.
func (m *model) pick(keep func(seenClient) bool) (seenClient, bool) {
	var found []seenClient
	for _, c := range m.tenant.Clients() { // in the order in which they came, which the seed decides
		seen := seenClient{
			ID: c.ID, AppType: c.AppType, AuthMethod: c.TokenEndpointAuthMethod, GrantTypes: c.GrantTypes, Callbacks: c.Callbacks,
			Mode: c.SecurityMode, Document: c.ExternalClientID,
		}
		if !c.FirstPartyHidden {
			seen.FirstParty = &c.FirstParty
		}
		if c.ID != bubbleApp && keep(seen) {
			found = append(found, seen)
		}
	}
	if len(found) == 0 {
		return seenClient{}, false
	}
	return found[m.rand.IntN(len(found))], true
}

func anyClient(seenClient) bool { return true }

func third(c seenClient) bool { return c.FirstParty != nil && !*c.FirstParty }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// as makes a call and says what came of it.
func (m *model) as(who tenantsim.Actor, method, path string, body any) string {
	status, _ := m.tenant.Do(who, method, "/api/v2"+path, body)
	return fmt.Sprintf("%s %s %s: %d", method, path, mustJSON(body), status)
}

func choose[T any](m *model, of ...T) T { return of[m.rand.IntN(len(of))] }
