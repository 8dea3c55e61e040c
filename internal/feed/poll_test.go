package feed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/store"
)

func TestPollFirstStartLooksADayBack(t *testing.T) {
	pt := newPollTest(t)
	pt.log.add("tpc_old_", 1, noon().Add(-24*time.Hour-time.Second), 0)
	pt.log.add("tpc_", 1, noon().Add(-24*time.Hour), 0)
	if calls, _ := pt.tick(t); calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
	want := auth0.LogQuery{Q: "(type:f OR type:sapi) AND date:[2026-08-31T12:00:00.000Z TO *]", PerPage: 100, Sort: "date:1"}
	if diff := cmp.Diff([]auth0.LogQuery{want}, pt.log.queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tpc_0000"}, pt.clients(t)); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
}

// Every tick is one call, begins the overlap before the checkpoint, and takes
// nothing twice.
func TestPollTick(t *testing.T) {
	pt := newPollTest(t)
	newest := noon().Add(-5 * time.Second)
	pt.log.add("tpc_", 3, newest.Add(-2*time.Second), time.Second)
	if _, got := pt.tick(t); !got.Equal(newest) {
		t.Errorf("checkpoint %v, want that of the newest entry, %v", got, newest)
	}
	if got := pt.status(t, dcr.FeedPoll); !got.LastSuccessAt.Equal(noon()) || !got.LastEventAt.Equal(newest) || !got.LastDeliveryAt.Equal(noon()) || got.Events != 0 {
		t.Errorf("status %+v", got)
	}
	calls := len(pt.calls)
	for range 3 {
		pt.clock.advance(15 * time.Second)
		if n, _ := pt.tick(t); n != 1 {
			t.Errorf("%d searches, want 1", n)
		}
	}
	if len(pt.calls) != calls {
		t.Errorf("woken again: %v", pt.calls)
	}
	want := []string{"2026-08-31T12:00:00.000Z", "2026-09-01T11:57:55.000Z", "2026-09-01T11:57:55.000Z", "2026-09-01T11:57:55.000Z"}
	if diff := cmp.Diff(want, pt.froms()); diff != "" {
		t.Errorf("queries begin at (-want +got):\n%s", diff)
	}
	if got := pt.polled[3]; got.Reason != "" || got.Err != nil || got.Calls != 1 || !got.At.Equal(pt.clock.now()) {
		t.Errorf("told of %+v", got)
	}
}

// When nothing happens the checkpoint follows at a distance; it never passes
// the present and never goes back.
func TestPollCheckpoint(t *testing.T) {
	pt := newPollTest(t)
	if _, got := pt.tick(t); !got.Equal(noon().Add(-10 * time.Minute)) {
		t.Errorf("after an empty poll: %v", got)
	}
	pt.log.add("tpc_future_", 1, noon().Add(30*time.Minute), 0)
	if _, got := pt.tick(t); !got.Equal(noon()) {
		t.Errorf("after an entry from the future: %v", got)
	}
	pt.clock.advance(-time.Hour)
	if _, got := pt.tick(t); !got.Equal(noon()) {
		t.Errorf("after the clock went back: %v", got)
	}
	pt.clock.advance(3 * time.Hour)
	if _, got := pt.tick(t); !got.Equal(noon().Add(2*time.Hour - 10*time.Minute)) {
		t.Errorf("after two quiet hours: %v", got)
	}
}

// Search is eventually consistent: what comes to light late, and in whatever
// order, is found within the overlap.
func TestPollFindsLateEntries(t *testing.T) {
	pt := newPollTest(t)
	for i := range 240 {
		at := noon().Add(time.Duration(i) * time.Second)
		late := time.Duration(i*37%118) * time.Second
		pt.log.entries = append(pt.log.entries, hidden{logged: registers(fmt.Sprint("l", i), fmt.Sprintf("tpc_%04d", i), at), from: at.Add(late)})
	}
	for range 30 {
		pt.clock.advance(15 * time.Second)
		pt.tick(t)
	}
	if got := len(pt.clients(t)); got != 240 {
		t.Errorf("%d clients found, want 240", got)
	}
	if got := newSightings(pt); got != 240 {
		t.Errorf("%d sightings, want 240", got)
	}
}

// More than a page is read at once, however the dates lie.
func TestPollReadsAll(t *testing.T) {
	start := noon().Add(-time.Hour)
	tests := []struct {
		name  string
		fill  func(*memoryLog)
		calls int
	}{
		{"99", func(l *memoryLog) { l.add("a", 99, start, time.Second) }, 1},
		{"a page exactly", func(l *memoryLog) { l.add("a", 100, start, time.Second) }, 2},
		{"250", func(l *memoryLog) { l.add("a", 250, start, time.Second) }, 3},
		{"250 of one millisecond", func(l *memoryLog) { l.add("a", 250, start, 0) }, 4},
		{"pages end within a millisecond", func(l *memoryLog) { l.add("a", 400, start, 300*time.Microsecond) }, 5},
		{"beyond the end of search", func(l *memoryLog) { l.add("a", 1150, start, 10*time.Millisecond) }, 12},
		{"a thousand of one millisecond among others", func(l *memoryLog) {
			l.add("a", 50, start, time.Millisecond)
			l.add("b", 990, start.Add(time.Second), 0)
			l.add("c", 150, start.Add(2*time.Second), time.Millisecond)
		}, 13},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pt := newPollTest(t)
			tt.fill(pt.log)
			calls, checkpoint := pt.tick(t)
			if calls != tt.calls {
				t.Errorf("%d calls, want %d", calls, tt.calls)
			}
			if got := len(pt.clients(t)); got != len(pt.log.entries) || newSightings(pt) != got {
				t.Errorf("%d clients, %d sightings, want %d", got, newSightings(pt), len(pt.log.entries))
			}
			if checkpoint.Before(start) {
				t.Errorf("checkpoint %v", checkpoint)
			}
			if n, _ := pt.tick(t); n > 3 {
				t.Errorf("the next tick made %d calls", n)
			}
		})
	}
}

// More than search can show of one millisecond is given up, not everything
// behind it.
func TestPollGoesOnBehindAFullMillisecond(t *testing.T) {
	pt := newPollTest(t)
	pt.clock.advance(500 * time.Microsecond) // dates have milliseconds, clocks have more
	pt.log.add("a", 1100, noon().Add(-24*time.Hour), 0)
	pt.log.add("z", 10, noon().Add(-time.Minute), time.Second)
	pt.tick(t)
	if got := pt.clients(t); len(got) != 1010 || got[1009] != "z0009" {
		t.Errorf("%d clients", len(got))
	}
	if said := pt.intakeTest.log.String(); !strings.Contains(said, "one millisecond") {
		t.Errorf("nothing said: %s", said)
	}
}

// A page full of entries without a usable date cannot be gone beyond.
func TestPollWithoutDates(t *testing.T) {
	pt := newPollTest(t)
	pt.log.add("a", 1100, noon().Add(48*time.Hour), 0)
	if calls, _ := pt.tick(t); calls != 10 {
		t.Errorf("%d calls, want 10", calls)
	}
}

// The end that page numbers count from moves while pages are read: entries
// expire at the front, and come to light in the middle.
func TestPollWhileEntriesMove(t *testing.T) {
	pt := newPollTest(t)
	start := noon().Add(-time.Minute)
	pt.log.add("a", 250, start, time.Millisecond)
	for i := range pt.log.entries {
		if i < 60 {
			pt.log.entries[i].until = noon().Add(time.Second)
		}
		if i%100 == 50 {
			pt.log.entries[i].from = noon().Add(time.Second)
		}
	}
	pt.log.before = func(call int) error {
		if call == 2 {
			pt.clock.advance(time.Second)
		}
		return nil
	}
	pt.tick(t)
	pt.tick(t)
	if got := len(pt.clients(t)); got != 249 { // a0050 expired before it came to light
		t.Errorf("%d clients, want 249", got)
	}
}

// A restart goes on from the checkpoint, and what was read is not lost by a
// search that fails.
func TestPollGoesOnAfterFailure(t *testing.T) {
	pt := newPollTest(t)
	pt.log.add("a", 250, noon().Add(-time.Hour), time.Second)
	broken := errors.New("broken")
	pt.log.before = func(call int) error {
		if call == 2 {
			return broken
		}
		return nil
	}
	if err := pt.Tick(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("error = %v", err)
	}
	if got := pt.status(t, dcr.FeedPoll); !got.Checkpoint.Equal(noon().Add(-time.Hour+99*time.Second)) || !got.LastSuccessAt.IsZero() {
		t.Errorf("status %+v", got)
	}
	if got := pt.polled[0]; got.Reason != dcr.PollFailing || !errors.Is(got.Err, broken) || got.Calls != 2 {
		t.Errorf("told of %+v", got)
	}
	pt.start()
	pt.tick(t)
	if got := len(pt.clients(t)); got != 250 || newSightings(pt) != 250 {
		t.Errorf("%d clients, %d sightings", got, newSightings(pt))
	}
	if got, want := pt.froms()[2], "2026-09-01T10:59:39.000Z"; got != want {
		t.Errorf("the next poll begins at %s, want %s", got, want)
	}
}

// The checkpoint and what it covers are kept together or not at all.
func TestPollLedgerFails(t *testing.T) {
	pt := newPollTest(t)
	pt.log.add("a", 10, noon().Add(-time.Minute), time.Second)
	pt.use(failingLedger{store.ErrUnavailable})
	pt.start()
	if err := pt.Tick(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("error = %v", err)
	}
	if got := pt.status(t, dcr.FeedPoll); got != (dcr.FeedStatus{}) {
		t.Errorf("status %+v", got)
	}
	pt.use(pt.ledger)
	pt.start()
	pt.tick(t)
	if got := len(pt.clients(t)); got != 10 {
		t.Errorf("%d clients, want 10", got)
	}
}

// By webhook and poll both, an entry is one sighting.
func TestPollAfterWebhook(t *testing.T) {
	pt := newPollTest(t)
	pt.log.add("a", 3, noon().Add(-time.Minute), time.Second)
	pt.take(t, dcr.FeedWebhook, lines(pt.log.entries[0].logged, pt.log.entries[1].logged))
	own := edits("own", "a0000", noon())
	own.correlation = pt.ledger.Prefix() + "1"
	pt.log.entries = append(pt.log.entries, hidden{logged: own})
	pt.tick(t)
	if got := newSightings(pt); got != 3 {
		t.Errorf("%d sightings, want 3", got)
	}
	r, err := pt.ledger.Client(t.Context(), "a0002")
	if err != nil || r.FirstSeenFeed != dcr.FeedPoll {
		t.Errorf("found by %q, %v, want the poll", r.FirstSeenFeed, err)
	}
}

// One entry that cannot be used does not stop the poll.
func TestPollPassesMalformedEntries(t *testing.T) {
	pt := newPollTest(t)
	pt.log.raw = `[{"date":"2026-09-01T11:59:00.000Z"},[1]]`
	if calls, checkpoint := pt.tick(t); calls != 1 || checkpoint.IsZero() {
		t.Errorf("%d calls, checkpoint %v", calls, checkpoint)
	}
	if got := pt.taken[0].Receipt.Malformed; got != 2 {
		t.Errorf("%d malformed, want 2", got)
	}
}

func TestPollTellsWhy(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want []dcr.Reason
	}{
		{"missing scope", t.Context(), &auth0.Error{Op: "search_logs", Reason: dcr.MissingScope, Scope: "read:logs"}, []dcr.Reason{dcr.PollUnauthorized}},
		{"server error", t.Context(), &auth0.Error{Op: "search_logs", Status: 502, Reason: dcr.ServerError}, []dcr.Reason{dcr.PollFailing}},
		{"anything else", t.Context(), errors.New("broken"), []dcr.Reason{dcr.PollFailing}},
		{"interrupted", canceled, context.Canceled, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pt := newPollTest(t)
			pt.log.before = func(int) error { return tt.err }
			if err := pt.Tick(tt.ctx); !errors.Is(err, tt.err) {
				t.Errorf("error = %v, want %v", err, tt.err)
			}
			var got []dcr.Reason
			for _, p := range pt.polled {
				got = append(got, p.Reason)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			pt.log.before = nil
			pt.tick(t)
		})
	}
}
