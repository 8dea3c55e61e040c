package reconcile_test

import (
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/store"
)

// Due tells why there is to be a sweep at a start.
func TestSweepDue(t *testing.T) {
	missed := func(time.Time) bool { return true }
	kept := func(time.Time) bool { return false }
	w := newWorld(t, domainLevel())
	w.fill(300)
	check := func(what string, missed func(time.Time) bool, want bool) {
		t.Helper()
		if due, err := w.sweeper().Due(t.Context(), missed); due != want || err != nil {
			t.Errorf("%s: due %v, %v", what, due, err)
		}
	}
	check("none ever", kept, true)
	w.sweep()
	w.clock.advance(time.Minute)
	check("swept", kept, false)
	check("one was missed", missed, true)
	w.interrupted()
	check("interrupted", kept, true)
	w.sweep()
	w.SetSettings(desire(t, func(d *plan.Desired) { d.Scopes = []string{"notes:read"} }))
	check("another desired state", kept, true)
}

// What a sweep was to see is not forgotten when the process ends before one
// began: a desired state that came and went again, and an edit of a connection.
func TestSweepDueForWhatHappened(t *testing.T) {
	for name, happens := range map[string]func(*world){
		"the desired state changed, and back": func(w *world) {
			for _, digest := range []string{"another", desire(t, nil).Desired.Digest()} {
				if _, err := w.ledger.SetDigest(t.Context(), digest); err != nil {
					t.Error(err)
				}
			}
		},
		"a connection was edited": func(w *world) {
			s := dcr.Sighting{Kind: dcr.Changed, Class: dcr.Urgent, ConnectionID: "con_1", LogID: "edit"}
			if _, err := w.ledger.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{s}}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			kept := func(time.Time) bool { return false }
			w := newWorld(t, domainLevel())
			id := w.fill(1)[0]
			w.sweep()
			w.clock.advance(time.Minute)
			happens(w)
			next := w.sweeper()
			if due, err := next.Due(t.Context(), kept); !due || err != nil {
				t.Errorf("due %v, %v", due, err)
			}
			if _, err := next.Sweep(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if r := w.record(id); r.Phase != dcr.Ready {
				t.Errorf("%+v", r)
			}
			if due, err := w.sweeper().Due(t.Context(), kept); due || err != nil {
				t.Errorf("after that: due %v, %v", due, err)
			}
		})
	}
}
