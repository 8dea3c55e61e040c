package feed_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/feed"
)

func TestPollLeavesOwnCallsOut(t *testing.T) {
	const without = "(type:f OR type:sapi) AND date:[2026-08-31T12:00:00.000Z TO *]"
	for _, tt := range []struct{ own, want string }{
		{"own_App-1", `(type:f OR (type:sapi AND NOT client_id:"own_App-1")) AND date:[2026-08-31T12:00:00.000Z TO *]`},
		{"", without},
		{`x") OR (type:"s`, without},
		{strings.Repeat("x", 129), without},
	} {
		pt := newPollTest(t)
		pt.start(func(o *feed.PollerOptions) { o.OwnClientID = func() string { return tt.own } })
		pt.tick(t)
		if got := pt.log.queries[0].Q; got != tt.want {
			t.Errorf("own client %q: query %s, want %s", tt.own, got, tt.want)
		}
	}
}

// A poll that cannot have seen everything says so, once for each gap.
func TestPollGap(t *testing.T) {
	const first = "the tenant log was never polled before"
	tests := []struct {
		name   string
		script func(*pollTest)
		want   []string
	}{
		{"first start", func(*pollTest) {}, []string{first}},
		{"no gap", func(pt *pollTest) {
			for range 20 {
				pt.clock.advance(15 * time.Second)
				pt.tick(t)
			}
		}, []string{first}},
		{"away for less than a day", func(pt *pollTest) {
			pt.clock.advance(24*time.Hour - 10*time.Minute)
			pt.tick(t)
		}, []string{first}},
		{"away for longer", func(pt *pollTest) {
			pt.clock.advance(30 * time.Hour)
			pt.tick(t)
			pt.clock.advance(15 * time.Second)
			pt.tick(t)
		}, []string{first, "the tenant log was last polled up to 2026-09-01T11:50:00.000Z, more than a day ago"}},
		{"told when the log can be read again", func(pt *pollTest) {
			pt.clock.advance(30 * time.Hour)
			pt.log.before = func(int) error { return errors.New("broken") }
			for range 3 {
				if err := pt.Tick(t.Context()); err == nil {
					t.Error("the poll ended well")
				}
				pt.clock.advance(15 * time.Second)
			}
			if len(pt.gaps) > 1 {
				t.Errorf("told while nothing can be read: %q", pt.gaps)
			}
			pt.log.before = nil
			pt.tick(t)
		}, []string{first, "the tenant log was last polled up to 2026-09-01T11:50:00.000Z, more than a day ago"}},
		{"more than search shows of a millisecond", func(pt *pollTest) {
			pt.clock.advance(15 * time.Second)
			pt.log.add("a", 1100, pt.clock.now(), 0)
			for range 4 { // met again by the overlap
				pt.tick(t)
				pt.clock.advance(15 * time.Second)
			}
			pt.log.add("b", 1100, pt.clock.now(), 0)
			pt.tick(t)
		}, []string{first, "more than 1000 log entries of one millisecond, 2026-09-01T12:00:15.000Z", "more than 1000 log entries of one millisecond, 2026-09-01T12:01:15.000Z"}},
		{"two in one poll", func(pt *pollTest) {
			pt.clock.advance(30 * time.Hour)
			pt.log.add("a", 1100, pt.clock.now().Add(-time.Minute), 0)
			pt.tick(t)
			if len(pt.gaps) != 2 {
				t.Errorf("told of %q in two polls", pt.gaps)
			}
			pt.tick(t)
			pt.tick(t)
		}, []string{
			first, "the tenant log was last polled up to 2026-09-01T11:50:00.000Z, more than a day ago",
			"more than 1000 log entries of one millisecond, 2026-09-02T17:59:00.000Z",
		}},
		{"without usable dates", func(pt *pollTest) {
			pt.log.add("a", 1100, noon().Add(48*time.Hour), 0)
			for range 3 {
				pt.tick(t)
			}
			pt.log.entries = nil
			pt.tick(t)
			pt.log.add("b", 1100, noon().Add(48*time.Hour), 0)
			pt.tick(t)
		}, []string{first, "1000 log entries without a usable date", "1000 log entries without a usable date"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pt := newPollTest(t)
			pt.tick(t)
			tt.script(pt)
			if diff := cmp.Diff(tt.want, pt.gaps); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// The gap is told of before the checkpoint passes it: a crash in between must
// not lose it.
func TestPollTellsOfAGapBeforeItIsKept(t *testing.T) {
	pt := newPollTest(t)
	var kept []dcr.FeedStatus
	pt.start(func(o *feed.PollerOptions) {
		o.OnGap = func(string) { kept = append(kept, pt.status(t, dcr.FeedPoll)) }
	})
	pt.tick(t)
	if diff := cmp.Diff([]dcr.FeedStatus{{}}, kept); diff != "" {
		t.Errorf("kept when told (-want +got):\n%s", diff)
	}
}

// Behind a gap the poll begins where entries are sure to be kept.
func TestPollAfterAGap(t *testing.T) {
	pt := newPollTest(t)
	pt.tick(t)
	pt.clock.advance(240 * time.Hour)
	pt.tick(t)
	if got, want := pt.froms()[1], "2026-09-10T12:00:00.000Z"; got != want {
		t.Errorf("begins at %s, want %s", got, want)
	}
}

// A backlog is read 50 pages at a time, and nothing of it twice: going back by
// the overlap, which holds all of it, would never come to its end.
func TestPollBound(t *testing.T) {
	pt := newPollTest(t)
	pt.log.add("a", 5_500, noon().Add(-time.Hour), 10*time.Millisecond)
	for i, want := range []int{50, 6, 1} {
		n, _ := pt.tick(t)
		if n != want {
			t.Errorf("tick %d: %d calls, want %d", i, n, want)
		}
		if got := pt.polled[i]; got.Reason != "" || got.Calls != n {
			t.Errorf("tick %d: told of %+v", i, got)
		}
		if done := !pt.status(t, dcr.FeedPoll).LastSuccessAt.IsZero(); done != (i >= 1) {
			t.Errorf("tick %d: all is read: %v", i, done)
		}
		pt.clock.advance(15 * time.Second)
	}
	if got := len(pt.clients(t)); got != 5_500 || newSightings(pt) != got {
		t.Errorf("%d clients, %d sightings, want 5500", got, newSightings(pt))
	}
}

// A restart in the middle of a backlog goes on from the checkpoint.
func TestPollBoundSurvivesARestart(t *testing.T) {
	pt := newPollTest(t)
	pt.log.add("a", 5_500, noon().Add(-time.Hour), 100*time.Millisecond)
	pt.tick(t)
	pt.start()
	if n, _ := pt.tick(t); n > 30 {
		t.Errorf("%d calls for the rest", n)
	}
	if got := len(pt.clients(t)); got != 5_500 || newSightings(pt) != got {
		t.Errorf("%d clients, %d sightings, want 5500", got, newSightings(pt))
	}
}

// What comes to light late is found, also by polls that are cut short one after
// the other: none begins behind what could still be hidden from the one before.
func TestPollBoundFindsLateEntries(t *testing.T) {
	pt := newPollTest(t)
	pt.start(func(o *feed.PollerOptions) { o.Overlap = 15 * time.Second })
	pt.log.add("a", 5_050, noon().Add(-3*time.Second), 400*time.Microsecond)
	pt.log.add("b", 5_050, noon().Add(12900*time.Millisecond), 400*time.Microsecond)
	for i := range pt.log.entries {
		pt.log.entries[i].from = pt.log.entries[i].at
	}
	pt.log.entries = append(pt.log.entries, hidden{
		logged: registers("late", "late", noon().Add(-2*time.Second)), from: noon().Add(12 * time.Second),
	})
	cut := 0
	for range 5 {
		if n, _ := pt.tick(t); n == 50 {
			cut++
		}
		pt.clock.advance(15 * time.Second)
	}
	if cut < 2 {
		t.Errorf("%d polls were cut short: the test is too small", cut)
	}
	if _, err := pt.ledger.Client(t.Context(), "late"); err != nil {
		t.Error(err)
	}
	if got := len(pt.clients(t)); got != len(pt.log.entries) {
		t.Errorf("%d clients, want %d", got, len(pt.log.entries))
	}
}

// A clock that was ahead, and a checkpoint in the future with it, does not stop
// the poll.
func TestPollAfterTheClockWentBack(t *testing.T) {
	pt := newPollTest(t)
	pt.clock.advance(72 * time.Hour)
	pt.tick(t)
	pt.clock.advance(-72 * time.Hour)
	pt.log.add("missed", 1, noon().Add(-20*time.Hour), 0)
	pt.tick(t)
	for i := range 4 {
		pt.clock.advance(15 * time.Second)
		pt.log.add("new"+string(rune('a'+i)), 1, pt.clock.now(), 0)
		if n, _ := pt.tick(t); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	}
	if diff := cmp.Diff([]string{"missed0000", "newa0000", "newb0000", "newc0000", "newd0000"}, pt.clients(t)); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	want := []string{"the tenant log was never polled before", "the clock went back: the tenant log was last polled up to 2026-09-04T11:50:00.000Z"}
	if diff := cmp.Diff(want, pt.gaps); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if got, want := pt.froms()[2], "2026-09-01T11:58:00.000Z"; got != want {
		t.Errorf("the next poll begins at %s, want %s: not all again", got, want)
	}
	pt.clock.advance(80 * time.Hour) // beyond the checkpoint: as ever
	if _, got := pt.tick(t); !got.Equal(pt.clock.now().Add(-10 * time.Minute)) {
		t.Errorf("checkpoint %v at %v", got, pt.clock.now())
	}
}

// Where a poll left off is no use either when the clock went back behind it.
func TestPollAfterTheClockWentBackInABacklog(t *testing.T) {
	pt := newPollTest(t)
	pt.clock.advance(72 * time.Hour)
	pt.log.before = func(int) error { return errors.New("broken") }
	if err := pt.Tick(t.Context()); err == nil {
		t.Fatal("the poll ended well")
	}
	pt.log.before = nil
	pt.clock.advance(-72 * time.Hour)
	pt.log.add("a", 1, noon().Add(-time.Minute), 0)
	pt.tick(t)
	if got := pt.clients(t); len(got) != 1 {
		t.Errorf("clients %v", got)
	}
}
