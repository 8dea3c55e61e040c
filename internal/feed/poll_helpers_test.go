package feed_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/feed"
)

// hidden is a log entry that search shows from some time on, up to another.
type hidden struct {
	logged
	from, until time.Time // zero: always, for ever
}

// memoryLog is a tenant log that answers the poll's queries, and no others.
type memoryLog struct {
	t       testing.TB
	clock   *testClock
	entries []hidden
	raw     string               // answered instead, unless empty
	queries []auth0.LogQuery     // those asked
	before  func(call int) error // called before each answer, from 1
}

var pollQuery = regexp.MustCompile(`^\(type:f OR (?:type:sapi|\(type:sapi AND NOT client_id:"[\w-]+"\))\) AND date:\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) TO \*\]$`)

func (l *memoryLog) SearchLogs(ctx context.Context, q auth0.LogQuery) ([]byte, error) {
	l.queries = append(l.queries, q)
	if l.before != nil {
		if err := l.before(len(l.queries)); err != nil {
			return nil, err
		}
	}
	if l.raw != "" {
		return []byte(l.raw), nil
	}
	m := pollQuery.FindStringSubmatch(q.Q)
	if m == nil || q.Sort != "date:1" || q.PerPage != 100 || q.Page > 9 {
		l.t.Errorf("query %+v", q)
		return []byte("[]"), nil
	}
	from, err := time.Parse(time.RFC3339, m[1])
	if err != nil {
		return nil, err
	}
	now := l.clock.now()
	var hits []*hidden
	for i := range l.entries {
		e := &l.entries[i]
		if !e.at.Before(from) && !now.Before(e.from) && (e.until.IsZero() || now.Before(e.until)) {
			hits = append(hits, e)
		}
	}
	slices.SortStableFunc(hits, func(a, b *hidden) int { return a.at.Compare(b.at) })
	hits = hits[min(len(hits), 100*q.Page):]
	hits = hits[:min(len(hits), 100)]
	texts := make([]string, len(hits))
	for i, e := range hits {
		texts[i] = e.String()
	}
	return []byte("[" + strings.Join(texts, ",") + "]"), nil
}

// add puts registrations into the log, one each step from a time on.
func (l *memoryLog) add(prefix string, n int, from time.Time, step time.Duration) {
	for i := range n {
		id := fmt.Sprintf("%s%04d", prefix, i)
		l.entries = append(l.entries, hidden{logged: registers("log_"+id, id, from.Add(time.Duration(i)*step))})
	}
}

// pollTest is a Poller between a log and a ledger.
type pollTest struct {
	*intakeTest
	*feed.Poller
	log    *memoryLog
	polled []feed.Polled
	gaps   []string
}

func newPollTest(t testing.TB) *pollTest {
	t.Helper()
	pt := &pollTest{intakeTest: newIntakeTest(t)}
	pt.log = &memoryLog{t: t, clock: pt.clock}
	pt.start()
	return pt
}

// start makes a new Poller, as a restart does.
func (pt *pollTest) start(set ...func(*feed.PollerOptions)) {
	o := feed.PollerOptions{
		Intake: pt.Intake, Logs: pt.log, Checkpoints: pt.ledger, Now: pt.clock.now,
		Logger:   slog.New(slog.NewTextHandler(pt.intakeTest.log, nil)),
		OnPolled: func(p feed.Polled) { pt.polled = append(pt.polled, p) },
		OnGap:    func(reason string) { pt.gaps = append(pt.gaps, reason) },
	}
	for _, s := range set {
		s(&o)
	}
	pt.Poller = feed.NewPoller(o)
}

// tick polls, and returns how many searches it made and the checkpoint then.
func (pt *pollTest) tick(t testing.TB) (calls int, checkpoint time.Time) {
	t.Helper()
	before := len(pt.log.queries)
	if err := pt.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	return len(pt.log.queries) - before, pt.status(t, dcr.FeedPoll).Checkpoint
}

// froms are the dates the queries begin at.
func (pt *pollTest) froms() []string {
	var out []string
	for _, q := range pt.log.queries {
		out = append(out, pollQuery.FindStringSubmatch(q.Q)[1])
	}
	return out
}

func newSightings(pt *pollTest) (n int) {
	for _, taken := range pt.taken {
		n += taken.Receipt.Sightings
	}
	return n
}
