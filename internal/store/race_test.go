package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// TestConcurrent lets 100 deliveries and 20 workers at the same 10 clients. In
// the end every delivery has been seen by a worker that read the record after
// it, or the client is still due.
func TestConcurrent(t *testing.T) {
	const clients, deliveries, workers = 10, 100, 20
	l := storetest.Open(t)
	id := func(n int) string { return fmt.Sprint("tpc_", n) }
	for n := range clients {
		record(t, l, registered(id(n), "first-"+id(n)))
	}
	var recording, working sync.WaitGroup
	stop := make(chan struct{})
	for n := range deliveries {
		recording.Go(func() {
			s := dcr.Sighting{Kind: dcr.Changed, Class: dcr.Urgent, ClientID: id(n % clients), LogID: fmt.Sprint("log", n)}
			got, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{s}, Status: dcr.FeedStatus{Events: 1}})
			if err != nil || got.Sightings != 1 {
				t.Errorf("recorded %+v, error %v", got, err)
			}
		})
	}
	type settled struct {
		id  string
		seq uint64
	}
	seen := make([]map[settled]string, workers) // the cause that each settling save had seen
	for w := range workers {
		seen[w] = map[settled]string{}
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := l.Client(t.Context(), id(rand.IntN(clients)))
				if err != nil {
					t.Error(err)
					return
				}
				r.Phase, r.NextAttemptAt = dcr.Ready, r.ReadyAt
				ok, err := l.Save(t.Context(), dcr.Outcome{Record: r})
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					seen[w][settled{r.ClientID, r.Seq}] = r.Cause.LogID
				}
			}
		})
	}
	recording.Wait()
	close(stop)
	working.Wait()
	for n := range clients {
		r := client(t, l, id(n))
		if r.Phase == dcr.Pending {
			if r.NextAttemptAt.IsZero() {
				t.Errorf("client %s is pending and not due", r.ClientID)
			}
			continue
		}
		known := false
		for _, s := range seen {
			known = known || s[settled{r.ClientID, r.Seq}] == r.Cause.LogID
		}
		if !known {
			t.Errorf("client %s is %s for a cause %q that no worker saw", r.ClientID, r.Phase, r.Cause.LogID)
		}
	}
	feeds, err := l.Feeds(t.Context())
	if err != nil || feeds[dcr.FeedWebhook].Events != deliveries {
		t.Errorf("%d events of %d, error %v", feeds[dcr.FeedWebhook].Events, deliveries, err)
	}
}

// TestConcurrentSweep lets deliveries, workers and sweeps at the same clients,
// some of which nobody knows at first. In the end every delivery has been seen
// by a worker or a sweep that read the record after it, or the client is still
// due.
func TestConcurrentSweep(t *testing.T) {
	const clients, feeds, deliveries, workers, sweeps = 10, 10, 20, 4, 4
	l := storetest.Open(t)
	id := func(n int) string { return fmt.Sprint("tpc_", n) }
	for n := range clients / 2 {
		record(t, l, registered(id(n), "first-"+id(n)))
	}
	var recording, working sync.WaitGroup
	stop := make(chan struct{})
	for feed := range feeds {
		recording.Go(func() {
			for n := range deliveries {
				s := registered(id((feed+n)%clients), fmt.Sprint("log", feed, ".", n))
				s.Class = []dcr.Class{dcr.Urgent, dcr.Background}[n%2]
				if got, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{s}}); err != nil || got.Sightings != 1 {
					t.Errorf("recorded %+v, error %v", got, err)
				}
			}
		})
	}
	var mu sync.Mutex
	seen := map[string]map[uint64]bool{} // by client: the numbers that were settled
	settled := func(id string, seq uint64) {
		mu.Lock()
		defer mu.Unlock()
		if seen[id] == nil {
			seen[id] = map[uint64]bool{}
		}
		seen[id][seq] = true
	}
	repeat := func(fn func() error) {
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range workers {
		repeat(func() error {
			r, err := l.Client(t.Context(), id(rand.IntN(clients)))
			if errors.Is(err, store.ErrNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			r.Phase, r.NextAttemptAt = dcr.Ready, time.Time{} // not LastCheckedAt, or sweeps would always be late
			ok, err := l.Save(t.Context(), dcr.Outcome{Record: r})
			if ok {
				settled(r.ClientID, r.Seq)
			}
			return err
		})
	}
	var ids []string
	for n := range clients {
		ids = append(ids, id(n))
	}
	newest := map[string]uint64{}
	repeat(func() error { // reads more often than anybody writes
		records, err := l.Records(t.Context(), ids)
		for id, r := range records {
			if r.Seq < newest[id] {
				t.Errorf("client %s is back at number %d from %d: a sighting was lost", id, r.Seq, newest[id])
			}
			newest[id] = r.Seq
		}
		return err
	})
	for range sweeps {
		repeat(func() error {
			observed := time.Now()
			records, err := l.Records(t.Context(), ids)
			if err != nil {
				return err
			}
			var found []store.Swept
			for _, id := range ids {
				r := records[id]
				r.ClientID, r.Phase, r.NextAttemptAt, r.LastCheckedAt = id, dcr.Ready, time.Time{}, observed
				found = append(found, store.Swept{Record: r, ObservedAt: observed, Due: rand.IntN(3) == 0})
			}
			seqs, err := l.SaveSwept(t.Context(), found)
			for i, seq := range seqs {
				if seq != 0 && !found[i].Due {
					settled(found[i].Record.ClientID, seq)
				}
			}
			return err
		})
	}
	recording.Wait()
	close(stop)
	working.Wait()
	for n := range clients {
		r := client(t, l, id(n))
		switch {
		case r.Phase == dcr.Pending && r.NextAttemptAt.IsZero():
			t.Errorf("client %s is pending and not due", r.ClientID)
		case r.Phase == dcr.Ready && !seen[r.ClientID][r.Seq]:
			t.Errorf("client %s is ready with number %d that nobody saw", r.ClientID, r.Seq)
		}
	}
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSameDeliveryAtOnce: of many deliveries of one entry at once, by webhook
// and poll, exactly one is new.
func TestSameDeliveryAtOnce(t *testing.T) {
	l := storetest.Open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := store.Recorded{}
	for n := range 100 {
		wg.Go(func() {
			feed := []dcr.Feed{dcr.FeedWebhook, dcr.FeedPoll}[n%2]
			got, err := l.Record(t.Context(), store.Batch{Feed: feed, Sightings: []dcr.Sighting{registered("tpc_a", "log1")}})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total.Sightings += got.Sightings
			total.Registrations += got.Registrations
		})
	}
	wg.Wait()
	diff(t, total, store.Recorded{Sightings: 1, Registrations: 1})
}

// TestSharedCommits: many writers at once need fewer commits than calls.
func TestSharedCommits(t *testing.T) { synctest.Test(t, sharedCommits) }

func sharedCommits(t *testing.T) {
	const writers = 200
	l := storetest.Open(t, at(filepath.Join(t.TempDir(), "grantd.db")))
	before := l.Commits()
	var wg sync.WaitGroup
	start := make(chan struct{})
	wg.Go(func() {
		if err := store.Hang(l, start); err != nil { // while that commits, all others come
			t.Error(err)
		}
	})
	synctest.Wait()
	for n := range writers {
		wg.Go(func() {
			s := registered(fmt.Sprint("tpc_", n), fmt.Sprint("log", n))
			if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{s}}); err != nil {
				t.Error(err)
			}
		})
	}
	synctest.Wait()
	close(start)
	wg.Wait()
	if n := l.Commits() - before; n >= writers/2 {
		t.Errorf("%d commits for %d writers", n, writers)
	}
	if counts, err := l.Counts(t.Context()); err != nil || counts[dcr.Pending] != writers {
		t.Errorf("%v, error %v", counts, err)
	}
}
