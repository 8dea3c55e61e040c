package reconcile

import (
	"fmt"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
)

func TestObservations(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		rec    dcr.Record
		digest string
		now    time.Time
		want   bool
	}{
		{"at once", dcr.Record{Seq: 7}, "d", at, true},
		{"at the last moment", dcr.Record{Seq: 7, LastCheckedAt: at}, "d", at.Add(observationAge), true},
		{"too late", dcr.Record{Seq: 7}, "d", at.Add(observationAge + 1), false},
		{"the clock was set back", dcr.Record{Seq: 7}, "d", at.Add(-1), false},
		{"made due since", dcr.Record{Seq: 8}, "d", at, false},
		{"checked since", dcr.Record{Seq: 7, LastCheckedAt: at.Add(1)}, "d", at.Add(1), false},
		{"another desired state", dcr.Record{Seq: 7}, "e", at, false},
		{"another client", dcr.Record{Seq: 7, ClientID: "tpc_b"}, "d", at, false},
	}
	for _, tt := range tests {
		var o observations
		o.put("tpc_a", observation{seq: 7, at: at, digest: "d", seen: plan.Observed{Foreign: true}})
		if tt.rec.ClientID == "" {
			tt.rec.ClientID = "tpc_a"
		}
		seen, ok := o.take(tt.rec, tt.digest, tt.now)
		if ok != tt.want || ok != seen.seen.Foreign {
			t.Errorf("%s: %+v, %v", tt.name, seen, ok)
		}
		if _, again := o.take(tt.rec, tt.digest, tt.now); again {
			t.Errorf("%s: used twice", tt.name)
		}
	}
}

// What sweeps see does not fill the memory, and what is of no use makes room.
func TestObservationsAreBounded(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	var o observations
	fill := func(from, to int, seen observation) {
		for i := range to - from {
			o.put(fmt.Sprint("tpc_", from+i), seen)
		}
	}
	fill(0, maxObservations+10, observation{at: at})
	if n := len(o.byID); n != maxObservations {
		t.Errorf("%d are kept", n)
	}
	fill(0, 1, observation{at: at, seq: 5})
	if o.byID["tpc_0"].seq != 5 {
		t.Error("what was seen again is not kept")
	}
	o.prune(at.Add(observationAge))
	if n := len(o.byID); n != maxObservations {
		t.Errorf("%d are left of those that can be used", n)
	}
	o.prune(at.Add(observationAge + 1))
	fill(0, 1, observation{at: at})
	o.prune(at.Add(-1))
	if n := len(o.byID); n != 0 {
		t.Errorf("%d are left", n)
	}
}
