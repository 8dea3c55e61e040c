package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// use tells the ledger that clients were used at a time.
func use(t testing.TB, l *store.Ledger, at time.Time, ids ...string) {
	t.Helper()
	b := store.Batch{Feed: dcr.FeedWebhook}
	for _, id := range ids {
		b.Uses = append(b.Uses, dcr.Use{ClientID: id, At: at})
	}
	if got, err := l.Record(t.Context(), b); err != nil || got != (store.Recorded{}) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func flush(t testing.TB, l *store.Ledger) {
	t.Helper()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestUse: when a client was last used is what its newest entry says, whatever
// phase it is in, but for one that is gone; and that is all that changes.
func TestUse(t *testing.T) {
	minutes := func(n float64) time.Duration { return time.Duration(n * float64(time.Minute)) }
	for name, tt := range map[string]struct {
		phase dcr.Phase
		was   time.Duration // before now; 0: never
		uses  []time.Duration
		want  time.Duration // before now; -1: never
	}{
		"first":                     {dcr.Ready, 0, []time.Duration{minutes(3)}, minutes(3)},
		"just now":                  {dcr.Ready, 0, []time.Duration{0}, 0},
		"the newest of several":     {dcr.Ready, 0, []time.Duration{minutes(3), minutes(2), minutes(5)}, minutes(2)},
		"later":                     {dcr.Ready, minutes(10), []time.Duration{minutes(9)}, minutes(9)},
		"less than a minute later":  {dcr.Ready, minutes(10), []time.Duration{minutes(9.1)}, minutes(10)},
		"earlier":                   {dcr.Ready, minutes(10), []time.Duration{minutes(30)}, minutes(10)},
		"ahead of the clock":        {dcr.Ready, minutes(10), []time.Duration{minutes(-30)}, 0},
		"in 2099":                   {dcr.Ready, 0, []time.Duration{-73 * 365 * 24 * time.Hour}, 0},
		"after a clock far ahead":   {dcr.Ready, -24 * time.Hour, []time.Duration{minutes(3)}, minutes(3)},
		"without a date":            {dcr.Ready, 0, []time.Duration{1 << 62}, 0},
		"blocked":                   {dcr.Blocked, 0, []time.Duration{minutes(3)}, minutes(3)},
		"refused, and yet it works": {dcr.Refused, 0, []time.Duration{minutes(3)}, minutes(3)},
		"gone":                      {dcr.Gone, 0, []time.Duration{minutes(3)}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			l := storetest.Open(t, c.option)
			record(t, l, registered("tpc_a", "log1"))
			settle(t, l, "tpc_a", tt.phase, func(r *dcr.Record) {
				if tt.was != 0 {
					r.LastUsedAt = c.at.Add(-tt.was)
				}
			})
			want, remembered := client(t, l, "tpc_a"), l.Remembered()
			if want.LastUsedAt = c.at.Add(-tt.want); tt.want < 0 {
				want.LastUsedAt = time.Time{}
			}
			for _, ago := range tt.uses {
				at := c.at.Add(-ago)
				if ago == 1<<62 {
					at = time.Time{}
				}
				use(t, l, at, "tpc_a")
			}
			flush(t, l)
			diff(t, client(t, l, "tpc_a"), want)
			if l.Remembered() != remembered {
				t.Error("a log entry is remembered")
			}
		})
	}
}

// TestUseIsNoReasonToLook: neither is a sighting of that kind.
func TestUseIsNoReasonToLook(t *testing.T) {
	l := storetest.Open(t)
	record(t, l, registered("tpc_a", "log1"))
	settle(t, l, "tpc_a", dcr.Ready)
	before := l.Commits()
	if got := record(t, l, dcr.Sighting{Kind: dcr.Used, Class: dcr.Urgent, ClientID: "tpc_a", LogID: "log2"}); got != (store.Recorded{}) {
		t.Errorf("%+v", got)
	}
	use(t, l, time.Now(), "tpc_b")
	flush(t, l)
	if n := l.Commits() - before; n != 0 {
		t.Errorf("%d commits for what is nothing to keep", n)
	}
}

// TestUseWhileWorkedOn: the worker that read the record before settles it, and
// does not wipe out the use.
func TestUseWhileWorkedOn(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log1"))
	r := client(t, l, "tpc_a")
	use(t, l, c.at, "tpc_a")
	flush(t, l)
	r.Phase, r.NextAttemptAt = dcr.Ready, time.Time{}
	settled, err := l.Save(t.Context(), dcr.Outcome{Record: r})
	if err != nil || !settled {
		t.Errorf("settled %v, %v", settled, err)
	}
	if got := client(t, l, "tpc_a").LastUsedAt; !got.Equal(c.at) {
		t.Errorf("last used %s", got)
	}
}

// TestUsesSurvive: what was flushed is in a copy of the file as a kill leaves
// it, what was not is not; and a close flushes.
func TestUsesSurvive(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "grantd.db")
	open := func(path string) *store.Ledger {
		return storetest.Open(t, c.option, func(o *store.Options) { o.Path = path })
	}
	killed := func(id string) time.Time {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := os.WriteFile(copied, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return client(t, open(copied), id).LastUsedAt
	}
	l := open(path)
	record(t, l, registered("tpc_a", "log1"), registered("tpc_b", "log2"))
	use(t, l, c.at, "tpc_a")
	if got := killed("tpc_a"); !got.IsZero() {
		t.Errorf("before the flush: %s", got)
	}
	flush(t, l)
	use(t, l, c.at, "tpc_b")
	if got := killed("tpc_a"); !got.Equal(c.at) {
		t.Errorf("after the flush: %s", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := client(t, open(path), "tpc_b").LastUsedAt; !got.Equal(c.at) {
		t.Errorf("after the close: %s", got)
	}
}

// TestUsesUnwritten: uses that could not be written wait for the next flush.
func TestUsesUnwritten(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_a", "log1"))
	use(t, l, c.at, "tpc_a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Flush(ctx); err == nil {
		t.Fatal("flushed by a context that had ended")
	}
	flush(t, l)
	if got := client(t, l, "tpc_a").LastUsedAt; !got.Equal(c.at) {
		t.Errorf("last used %s", got)
	}
}

// TestBusyClients: clients that work all the time cost a record a minute each,
// in short transactions, and nothing in between.
func TestBusyClients(t *testing.T) {
	const clients = 1_000
	c := newClock()
	l := storetest.Open(t, c.option)
	var ids []string
	for n := range clients {
		ids = append(ids, fmt.Sprint("tpc_", n))
		record(t, l, registered(ids[n], fmt.Sprint("log", n)))
	}
	use(t, l, c.at, ids...)
	flush(t, l)
	before := l.Commits()
	for range 11 { // 55 s
		c.advance(5 * time.Second)
		use(t, l, c.at, ids...)
		flush(t, l)
	}
	if n := l.Commits() - before; n != 0 {
		t.Errorf("%d commits within a minute", n)
	}
	c.advance(5 * time.Second)
	use(t, l, c.at, ids...)
	flush(t, l)
	if n := l.Commits() - before; n != 4 {
		t.Errorf("%d commits for %d records, want one each 256", n, clients)
	}
	for _, id := range []string{ids[0], ids[clients-1]} {
		if got := client(t, l, id).LastUsedAt; !got.Equal(c.at) {
			t.Errorf("%s last used %s", id, got)
		}
	}
}

// TestUsesAreBounded: whoever has the webhook's secret can name any number of
// clients.
func TestUsesAreBounded(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	record(t, l, registered("tpc_late", "log1"))
	for i := range 10 {
		var ids []string
		for n := range 10_000 {
			ids = append(ids, fmt.Sprintf("forged_%d_%d", i, n))
		}
		use(t, l, c.at, ids...)
	}
	if n := l.UsesWaiting(); n > 20_000 {
		t.Errorf("%d uses wait in memory", n)
	}
	before := l.Commits()
	flush(t, l)
	if n := l.Commits() - before; n != 0 {
		t.Errorf("%d commits for clients that nobody knows", n)
	}
	use(t, l, c.at, "tpc_late")
	flush(t, l)
	if got := client(t, l, "tpc_late").LastUsedAt; !got.Equal(c.at) {
		t.Errorf("last used %s", got)
	}
}

// BenchmarkUses is what 10,000 busy clients cost: deliveries of 500 uses of
// them, flushed every 5 s, at so many uses a second. Each of 280 is news of its
// client, of 5,000 every thirtieth. Written is what transactions wrote.
func BenchmarkUses(b *testing.B) {
	for _, rate := range []int{280, 5_000} {
		b.Run(fmt.Sprint(rate, "/s"), func(b *testing.B) { benchUses(b, rate) })
	}
}

func benchUses(b *testing.B, rate int) {
	const clients, delivery = 10_000, 500
	c := newClock()
	l := storetest.Open(b, c.option)
	ids := make([]string, clients)
	var some []dcr.Sighting
	for n := range ids {
		ids[n] = fmt.Sprintf("tpc_%022d", n*7919%clients)
		some = append(some, registered(ids[n], fmt.Sprint("log", n)))
	}
	record(b, l, some...)
	written, commits, n := l.Written(), l.Commits(), 0
	batch := store.Batch{Feed: dcr.FeedWebhook, Uses: make([]dcr.Use, delivery)}
	for b.Loop() {
		for i := range batch.Uses {
			batch.Uses[i] = dcr.Use{ClientID: ids[(n+i)*31%clients], At: c.at}
		}
		if _, err := l.Record(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if n += delivery; n%(5*rate) < delivery {
			c.advance(5 * time.Second)
			flush(b, l)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "uses/s")
	b.ReportMetric(float64(l.Written()-written)/float64(n), "B/use")
	b.ReportMetric(float64(l.Commits()-commits), "commits")
}

// TestUsesWhileFlushed: nothing is lost between those who tell of uses and those
// who write them.
func TestUsesWhileFlushed(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	var ids []string
	for n := range 200 {
		ids = append(ids, fmt.Sprint("tpc_", n))
		record(t, l, registered(ids[n], fmt.Sprint("log", n)))
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			b := store.Batch{Feed: dcr.FeedWebhook, Uses: []dcr.Use{{ClientID: id, At: c.at.Add(-time.Hour)}, {ClientID: id, At: c.at}}}
			if _, err := l.Record(t.Context(), b); err != nil {
				t.Error(err)
			}
			if err := l.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	flush(t, l)
	for _, id := range ids {
		if got := client(t, l, id).LastUsedAt; !got.Equal(c.at) {
			t.Errorf("%s last used %s", id, got)
		}
	}
}
