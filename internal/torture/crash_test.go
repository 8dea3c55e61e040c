package torture_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// tally is what a run came to.
type tally struct {
	seed        uint64
	rounds      int
	random      int            // kills at any moment
	starting    int            // kills within a start
	points      map[string]int // kills at points
	missed      map[string]int // points that were not come to
	acked       int            // registrations that were acknowledged
	lost        int
	duplicates  int // grants
	conflicts   int // grants that Auth0 would not create twice
	unjournaled int // writes of which a kill took the journal entry
	lives       int
	began       time.Time
}

func (t *tally) name() string { return fmt.Sprintf("%s=%d, round %d", seedEnv, t.seed, t.rounds) }

func (t *tally) String() string {
	took := time.Since(t.began)
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds in %s (%s each), %d tenants, %d registrations acknowledged\n", t.rounds, took.Round(time.Second),
		(took / time.Duration(max(1, t.rounds))).Round(time.Millisecond), t.lives, t.acked)
	fmt.Fprintf(&b, "lost: %d, duplicate grants: %d; creations refused because the grant was there: %d; writes whose journal entry a kill took: %d\n",
		t.lost, t.duplicates, t.conflicts, t.unjournaled)
	fmt.Fprintf(&b, "kills at random moments: %d, within a start: %d, at points: %d\n", t.random, t.starting, sum(t.points))
	for _, name := range slices.Sorted(maps.Keys(t.points)) {
		fmt.Fprintf(&b, "  %-28s%5d", name, t.points[name])
		if n := t.missed[name]; n > 0 {
			fmt.Fprintf(&b, "  (and %d times not come to)", n)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// roundsALife is how many deaths one ledger has to survive.
const roundsALife = 8

// TestCrash kills grantd again and again, at every point in turn and at random
// moments, while clients register. After each death the ledger is whole and
// holds all that was acknowledged; after the next start all is settled, each
// client has one grant, and nothing else was touched.
func TestCrash(t *testing.T) {
	tl := &tally{seed: seed(t), points: map[string]int{}, missed: map[string]int{}, began: time.Now()}
	r := rand.New(rand.NewPCG(tl.seed, 1))
	rounds := int(number(t, roundsEnv, 5))
	var deck []point
	var l *life
	defer func() {
		if l != nil {
			l.end()
		}
		t.Log(tl)
	}()
	told := time.Now()
	for tl.rounds < rounds {
		tl.rounds++
		var p point
		if tl.rounds%2 == 1 {
			if len(deck) == 0 {
				deck = points()
				r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
			}
			p, deck = deck[0], deck[1:]
		}
		if l == nil || !l.suits(p) {
			l.close()
			l = newLife(t, r, p.life.or(r), tl)
			tl.lives++
		}
		l.turn(p)
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			t.Logf("%d of %d rounds, %d registrations acknowledged, %d lost, %d duplicate grants", tl.rounds, rounds, tl.acked+len(l.acked), tl.lost, tl.duplicates)
		}
	}
	l.close()
	l = nil
	for name := range tl.missed {
		if tl.points[name] == 0 {
			t.Errorf("point %s was never come to", name)
		}
	}
}

// or returns what is needed, and for the rest something at random.
func (tr traits) or(r *rand.Rand) traits {
	if tr == (traits{}) {
		tr.permissive, tr.crowd = r.IntN(3) == 0, r.IntN(6) == 0
		tr.poll = r.IntN(8) == 0
	}
	return tr
}

// suits reports whether the point can be come to in this life.
func (l *life) suits(p point) bool {
	need, have := p.life, l.traits
	return l.rounds < roundsALife && !need.virgin && !need.old && !need.promote &&
		(have.permissive || !need.permissive) && (have.poll || !need.poll) && (have.crowd || !need.crowd)
}

// turn is one round: grantd is killed at the point, or at any moment if there is
// none, and started again.
func (l *life) turn(p point) {
	l.Helper()
	l.rounds++
	if p.name == "" {
		l.round = "at a random moment"
		l.anyMoment()
	} else {
		nth := 1 + l.rand.IntN(p.most)
		l.round = fmt.Sprintf("at %s:%d", p.name, nth)
		l.atPoint(p, nth)
	}
	l.autopsy()
	if l.rand.IntN(4) == 0 { // and again, while it recovers
		l.round += ", then soon after the start"
		l.shortly()
		l.autopsy()
	}
	l.run()
	l.converge()
}

// run has grantd run, with no failpoint.
func (l *life) run() {
	l.Helper()
	if l.daemon == nil {
		l.start("", 0)
	}
}

// atPoint kills grantd at the n-th time it comes to the point.
func (l *life) atPoint(p point, nth int) {
	l.Helper()
	if !p.life.virgin {
		l.run()
		l.converge()
		if l.rand.IntN(2) == 0 {
			l.stop()
		} else {
			l.daemon.Kill()
			l.bury()
		}
	}
	if l.start(fmt.Sprintf("%s:%d", p.name, nth), 0) {
		died := l.load(p.drive)
		if !died {
			l.daemon.Kill()
		}
		l.bury()
		if !died {
			l.tally.missed[p.name]++
			return
		}
	}
	l.tally.points[p.name]++
}

// anyMoment kills grantd while it starts, or a moment after.
func (l *life) anyMoment() {
	l.Helper()
	if l.rand.IntN(5) == 0 {
		l.stop()
		l.shortly()
		return
	}
	l.run()
	p, d := l.daemon, time.Duration(l.rand.IntN(120))*time.Millisecond
	timer := time.AfterFunc(d, p.Kill)
	defer timer.Stop()
	l.load(nil)
	l.bury()
	l.tally.random++
}

// shortly kills grantd within a few milliseconds of its start.
func (l *life) shortly() {
	l.Helper()
	limit := time.Duration(1+l.rand.IntN(60)) * time.Millisecond
	if l.start("", limit) {
		l.wait(time.Duration(l.rand.IntN(30)) * time.Millisecond)
		l.daemon.Kill()
		l.bury()
		l.tally.random++
		return
	}
	l.tally.starting++
}

// close ends a life in peace: a grantd that was told to stop leaves nothing
// to do and nothing without its entry in the journal.
func (l *life) close() {
	if l == nil {
		return
	}
	l.Helper()
	l.round = "at the end of a life"
	l.run()
	l.converge()
	l.stop()
	l.autopsy()
	for id, due := range l.due {
		if due && l.want[id] == "ready" {
			l.fatalf("client %s is due after a stop", id)
		}
	}
	l.tally.acked += len(l.acked)
	l.tally.conflicts += l.conflicts()
	l.end()
}
