package feed_test

import (
	"testing"
	"time"
)

// Somebody writes much, more than a page in the time of the overlap. A tick is
// one search all the same, the overlap is read once in its own time, and what
// comes to light late is found.
func TestPollCrowdedOverlap(t *testing.T) {
	pt := newPollTest(t)
	pt.tick(t)
	pt.log.add("crowd", 350, pt.clock.now(), 100*time.Millisecond)
	pt.clock.advance(40 * time.Second)
	// Logged at the end of it, and hidden for almost as long as the overlap.
	late := hidden{logged: registers("log_late", "late", pt.clock.now().Add(-time.Second)), from: pt.clock.now().Add(115 * time.Second)}
	pt.log.entries = append(pt.log.entries, late)
	if calls, _ := pt.tick(t); calls != 4 {
		t.Errorf("%d searches for 350 entries, want 4", calls)
	}
	total, most := 0, 0
	for range 40 { // 10 minutes
		pt.clock.advance(15 * time.Second)
		calls, _ := pt.tick(t)
		total, most = total+calls, max(most, calls)
	}
	if most > 5 || total > 40+5*3 { // the overlap five times
		t.Errorf("%d searches in 40 ticks, at most %d in one", total, most)
	}
	if got := len(pt.clients(t)); got != 351 {
		t.Errorf("%d clients found, want 351", got)
	}
	if calls, _ := pt.tick(t); calls != 1 {
		t.Errorf("%d searches when it is over", calls)
	}
}

// While it goes on, new entries are found by the next tick, as ever.
func TestPollCrowdedGoesOn(t *testing.T) {
	pt := newPollTest(t)
	pt.tick(t)
	pt.log.add("crowd", 3000, pt.clock.now(), 100*time.Millisecond) // 5 minutes of them
	for i := range pt.log.entries {
		pt.log.entries[i].from = pt.log.entries[i].at
	}
	single := 0
	for i := range 20 {
		pt.clock.advance(15 * time.Second)
		calls, _ := pt.tick(t)
		if calls <= 2 { // 150 new ones
			single++
		}
		if got := len(pt.clients(t)); got < 150*(i+1) {
			t.Fatalf("tick %d: %d clients found, want %d", i, got, 150*(i+1))
		}
	}
	if single < 15 {
		t.Errorf("%d of 20 ticks were short", single)
	}
}
