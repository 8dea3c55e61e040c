package reconcile

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
)

// holdJob is a job of tpc_a under holds, at noon.
func holdJob(holds ...dcr.Hold) (*job, time.Time) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	r := &Reconciler{now: func() time.Time { return now }, fights: Fights{}.withDefaults(), alarm: func(Alarm) {}}
	j := r.job(&Settings{}, dcr.Record{ClientID: "tpc_a"}, slog.New(slog.DiscardHandler))
	j.holds = holds
	return j, now
}

// Of several holds the longest one tells until when a step is not made, and the
// client is looked at again when the first one ends that it waits for.
func TestSeveralHolds(t *testing.T) {
	_, now := holdJob()
	fight := func(client string, field dcr.StepKind, until time.Duration) dcr.Hold {
		return dcr.Hold{Scope: dcr.HoldField, ClientID: client, Field: field, Reason: dcr.Fighting, Until: now.Add(until)}
	}
	short, long := fight("tpc_a", dcr.StepGrant, time.Minute), fight("", dcr.StepGrant, time.Hour)
	other, over := fight("tpc_b", dcr.StepGrant, 2*time.Hour), fight("tpc_a", dcr.StepGrant, -1)
	field := fight("tpc_a", dcr.StepPromote, time.Second)
	mine := dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.Held, Until: now.Add(time.Second)}
	all := dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held}
	tests := []struct {
		name  string
		holds []dcr.Hold
		want  dcr.Hold      // of the grant
		until time.Duration // for reason fighting; 0: none
	}{
		{"none", []dcr.Hold{other, over}, dcr.Hold{}, 0},
		{"the longer one", []dcr.Hold{short, long, short}, long, time.Minute},
		{"one without an end", []dcr.Hold{short, all, long}, all, time.Minute},
		{"one without an end first", []dcr.Hold{all, long}, all, time.Hour},
		{"another field ends earlier", []dcr.Hold{long, field}, long, time.Second},
		{"of another reason", []dcr.Hold{all}, all, 0},
		{"of another reason, ending earlier", []dcr.Hold{long, mine}, long, time.Hour},
	}
	for _, tt := range tests {
		j, now := holdJob(tt.holds...)
		if h, held := j.held(dcr.StepGrant); h != tt.want || held != (tt.want != dcr.Hold{}) {
			t.Errorf("%s: held %v by %+v, want %+v", tt.name, held, h, tt.want)
		}
		want := time.Time{}
		if tt.until != 0 {
			want = now.Add(tt.until)
		}
		if got := j.heldUntil(dcr.Fighting); !got.Equal(want) {
			t.Errorf("%s: looks again at %v, want %v", tt.name, got, want)
		}
	}
}

// A fight is held longer each time in a row of the same field, up to a day.
func TestHoldGrows(t *testing.T) {
	for times, want := range map[int]time.Duration{0: 10 * time.Minute, 1: 20 * time.Minute, 7: 1280 * time.Minute, 8: 24 * time.Hour, 1000: 24 * time.Hour} {
		j, now := holdJob(
			dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Times: times},
			dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_b", Field: dcr.StepGrant, Times: 3},
			dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepPromote, Times: 4},
			dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_a", Times: 5},
		)
		j.fight(dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant})
		if h := j.setHolds[0]; h.Times != times+1 || h.Until.Sub(now) != want {
			t.Errorf("after %d: the %d. time, for %v; want %v", times, h.Times, h.Until.Sub(now), want)
		}
	}
}

// A hold answers the repairs that led to it: counting begins again, of that step
// alone.
func TestCountingBeginsAgain(t *testing.T) {
	j, now := holdJob()
	j.rec.Undone = map[dcr.StepKind][]time.Time{dcr.StepPromote: {now}}
	var tenant repairs
	for i := range 6 {
		want := i%5 + 1
		if n := len(j.undone(dcr.StepGrant)); n != want {
			t.Errorf("repair %d is number %d", i+1, n)
		}
		if n := len(tenant.add(now, j.r.fights)); n != want {
			t.Errorf("repair %d of the tenant's is number %d", i+1, n)
		}
	}
	if n := len(j.rec.Undone[dcr.StepPromote]); n != 1 {
		t.Errorf("%d repairs of another step", n)
	}
}

// The command that releases a client's hold can be pasted, whatever the id.
func TestReleaseOfAnIDThatBeginsWithADash(t *testing.T) {
	for _, h := range []dcr.Hold{{Scope: dcr.HoldClient, ClientID: "-a"}, {Scope: dcr.HoldField, Field: dcr.StepGrant, ClientID: "-a"}} {
		if said := releaseOf(h).String(); !strings.HasPrefix(said, "grantd hold release -- -a lets") {
			t.Error(said)
		}
	}
}
