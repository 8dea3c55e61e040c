package reconcile

import (
	"fmt"
	"sync"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// Alarm is something that a person should hear of at once.
type Alarm string

// The alarms.
const (
	// AlarmTurnedBad: a client that was ready is not to be touched any more.
	AlarmTurnedBad Alarm = "client_turned_bad"
	// AlarmStorm: more clients register than Settings.StormAfter.
	AlarmStorm Alarm = "registration_storm"
	// AlarmFighting: somebody else undoes the same change again and again.
	AlarmFighting Alarm = "fighting"
)

// Alarms are all alarms.
func Alarms() []Alarm { return []Alarm{AlarmTurnedBad, AlarmStorm, AlarmFighting} }

const (
	// stormWindow is the time in which registrations count together.
	stormWindow = 10 * time.Minute
	// stormSeconds is the same in seconds, by which they are counted.
	stormSeconds = int64(stormWindow / time.Second)
	// stormAfter is what Settings.StormAfter is when zero.
	stormAfter = 20
)

func (s *Settings) stormAfter() int {
	if s.StormAfter == 0 {
		return stormAfter
	}
	return s.StormAfter
}

// storm counts the eligible registrations of the last ten minutes. It is in
// memory alone: a restart begins anew, and lets through as many as at first.
type storm struct {
	mu      sync.Mutex
	seconds [stormSeconds]struct {
		at int64 // since 1970
		n  int
	}
	on bool
}

// stormEvent is what changed by asking.
type stormEvent int

const (
	stormNone stormEvent = iota
	stormBegan
	stormEnded
)

// add counts a registration, unless it is from before the window, and returns
// how many there are. One of the future is of now: clocks differ.
func (s *storm) add(at, now time.Time, after int) (n int, counted bool, e stormEvent) {
	if at.IsZero() || at.After(now) {
		at = now
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(at) < stormWindow && now.Unix()-at.Unix() < stormSeconds {
		second := &s.seconds[at.Unix()%stormSeconds]
		if second.at != at.Unix() {
			second.at, second.n = at.Unix(), 0
		}
		second.n++
		counted = true
	}
	n, e = s.state(now, after)
	return n, counted, e
}

// look tells how many there are now, and whether it is a storm.
func (s *storm) look(now time.Time, after int) (n int, on bool, e stormEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, e = s.state(now, after)
	return n, s.on, e
}

// state counts. A storm is over when half of what it takes is left, so that it
// does not begin anew with every registration. The caller holds the mutex.
func (s *storm) state(now time.Time, after int) (n int, e stormEvent) {
	for _, second := range s.seconds {
		if age := now.Unix() - second.at; 0 <= age && age < stormSeconds {
			n += second.n
		}
	}
	switch {
	case !s.on && n > after:
		s.on, e = true, stormBegan
	case s.on && n <= after/2:
		s.on, e = false, stormEnded
	}
	return n, e
}

// tellStorm says once that a storm has begun, and once that it is over.
func (r *Reconciler) tellStorm(e stormEvent, n, after int) {
	switch e {
	case stormBegan:
		r.log.Error("[dcr] registration storm", "registrations", n, "window", stormWindow, "after", after, "held", r.settings.Load().StormHold)
		r.alarm(AlarmStorm)
	case stormEnded:
		r.log.Info("[dcr] registration storm is over", "registrations", n, "window", stormWindow)
	}
}

// Storm reports whether a registration storm is on.
func (r *Reconciler) Storm() bool {
	after := r.settings.Load().stormAfter()
	n, on, e := r.storm.look(r.now(), after)
	r.tellStorm(e, n, after)
	return on
}

// Crowded reports whether one more registration would be one too many, so that
// it can wait.
func (r *Reconciler) Crowded() bool {
	after := r.settings.Load().stormAfter()
	n, _, e := r.storm.look(r.now(), after)
	r.tellStorm(e, n, after)
	return n >= after
}

// excess counts an eligible client's registration, once, when it is first
// looked at, and reports whether the job ends here because it is one too many:
// the client is put back behind everything else, or held.
func (j *job) excess(o plan.Observed) bool {
	registered := j.was.FirstSeenFeed == dcr.FeedWebhook || j.was.FirstSeenFeed == dcr.FeedPoll
	if !registered || j.was.Checked() || !j.was.ReadyAt.IsZero() {
		return false
	}
	j.rec.LastCheckedAt = j.started // which is how it is known to be counted
	after := j.s.stormAfter()
	n, counted, e := j.r.storm.add(j.was.RegisteredAt, j.r.now(), after)
	j.r.tellStorm(e, n, after)
	switch {
	case !counted || n <= after:
		return false
	case j.s.StormHold:
		h := dcr.Hold{Scope: dcr.HoldClient, ClientID: j.rec.ClientID, Reason: dcr.RegistrationStorm, Since: j.r.now()}
		j.setHolds = append(j.setHolds, h)
		j.heldBack(h)
		return true
	case j.rec.Class == dcr.Background:
		return false
	}
	j.r.observed.put(j.rec.ClientID, observation{
		seq: j.rec.Seq, at: j.started, digest: j.s.Desired.Digest(), seen: o, own: true,
	})
	j.phase(dcr.Pending, plan.Finding{Reason: dcr.RegistrationStorm, Message: fmt.Sprintf(
		"%d clients registered in 10 minutes, more than GRANTD_STORM_AFTER=%d: this one waits behind everything else", n, after)})
	j.rec.NextAttemptAt, j.rec.Class, j.rec.Attempts, j.rec.LastError = j.r.now(), dcr.Background, 0, ""
	return true
}
