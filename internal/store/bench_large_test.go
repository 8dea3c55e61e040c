package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

const (
	large     = 100_000
	largePage = 100 // clients on a page of Auth0's lists
)

// sweptReady is what a sweep finds of client n when it is as desired.
func sweptReady(n int, at time.Time) store.Swept {
	fine := dcr.Condition{Status: true, Since: at}
	return store.Swept{ObservedAt: at, Record: dcr.Record{
		ClientID: fmt.Sprintf("tpc_%06d0000000000000000000000", n), Name: "ChatGPT", Registration: dcr.RegistrationDCR,
		SecurityMode: dcr.Strict, Callbacks: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
		Phase: dcr.Ready, ReadyAt: at, LastCheckedAt: at, Digest: "d0", GrantID: fmt.Sprintf("cgr_%06d", n), GrantMade: true,
		Conditions: dcr.Conditions{Promoted: fine, Connected: fine, Granted: fine}, Cause: dcr.Cause{Feed: dcr.FeedSweep, Digest: "d0"},
	}}
}

// openLarge makes a ledger of 100,000 clients that are ready.
func openLarge(b *testing.B, options ...func(*store.Options)) (*store.Ledger, string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "grantd.db")
	l := storetest.Open(b, append(options, at(path))...)
	all := make([]store.Swept, large)
	now := time.Now()
	for n := range all {
		all[n] = sweptReady(n, now)
	}
	for part := range slices.Chunk(all, 5000) {
		if _, err := l.SaveSwept(b.Context(), part); err != nil {
			b.Fatal(err)
		}
	}
	return l, path
}

func BenchmarkOpen100k(b *testing.B) {
	l, path := openLarge(b)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, err := childOpen(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// Benchmark100k is what the daemon asks of a ledger with 100,000 clients that
// are ready, again and again.
func Benchmark100k(b *testing.B) {
	l, _ := openLarge(b)
	ctx := b.Context()
	round := func(name string, fn func(n int) error) {
		b.Run(name, func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				if err := fn(n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	round("Counts", func(int) error { _, err := l.Counts(ctx); return err })
	round("DueCounts", func(int) error { _, err := l.DueCounts(ctx, time.Now()); return err })
	round("Due", func(int) error { _, _, err := l.Due(ctx, dcr.Urgent, time.Now(), 128); return err })
	round("Clients", func(n int) error {
		_, _, err := l.Clients(ctx, store.Query{Phase: dcr.Ready, Limit: 50, After: sweptReady(n*50%large, time.Time{}).Record.ClientID})
		return err
	})
	round("Record", func(n int) error {
		s := registered(fmt.Sprint("new_", time.Now().UnixNano()), fmt.Sprint("new", time.Now().UnixNano()))
		_, err := l.Record(ctx, store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{s}})
		return err
	})
	round("SweepPageInSync", func(n int) error { return sweepPage(ctx, l, n*largePage, false) })
	round("SweepPageDue", func(n int) error { return sweepPage(ctx, l, n*largePage, true) })
}

// Passes over all records, which run in the background and in parts.
func BenchmarkPass100k(b *testing.B) {
	l, _ := openLarge(b)
	ctx := b.Context()
	pass := func(name string, fn func(n int) (int, error), want int) {
		b.Run(name, func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				if got, err := fn(n); err != nil || got != want {
					b.Fatal(got, err)
				}
			}
		})
	}
	pass("Adopt", func(int) (int, error) { return l.Adopt(ctx) }, 0)
	pass("QueueUnlistedNone", func(int) (int, error) {
		_, n, err := l.QueueUnlisted(ctx, time.Unix(0, 0), "d0", -1, dcr.Cause{})
		return n, err
	}, 0)
	pass("SetDigest", func(n int) (int, error) { return l.SetDigest(ctx, fmt.Sprint("d", n+1, time.Now().UnixNano())) }, large)
	b.Run("Check", func(b *testing.B) {
		for b.Loop() {
			if err := l.Check(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMemory100k is the anonymous memory of a process that opens such a
// ledger, takes a new digest and sweeps all of it.
func BenchmarkMemory100k(b *testing.B) {
	l, path := openLarge(b)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		out, err := child(b, "sweep", path).Output()
		if err != nil {
			b.Fatal(err)
		}
		var kib float64
		if _, err := fmt.Sscanf(string(out), "RssAnon: %f kB", &kib); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(kib/1024, "MiB-anonymous")
	}
}

// childSweep sweeps a large ledger and prints its memory.
func childSweep(path string) {
	ctx := context.Background()
	l, err := childOpen(path)
	must(err)
	_, err = l.SetDigest(ctx, fmt.Sprint("d", time.Now().UnixNano()))
	must(err)
	for n := 0; n < large; n += largePage {
		must(sweepPage(ctx, l, n, false))
	}
	_, _, err = l.QueueUnlisted(ctx, time.Now(), "d0", -1, dcr.Cause{})
	must(err)
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "RssAnon:") {
			fmt.Print(line)
		}
	}
	must(l.Close())
}

// sweepPage reads the records of a page of a sweep and keeps what was found.
func sweepPage(ctx context.Context, l *store.Ledger, first int, due bool) error {
	var ids []string
	now := time.Now()
	for i := range largePage {
		ids = append(ids, sweptReady((first+i)%large, now).Record.ClientID)
	}
	records, err := l.Records(ctx, ids)
	if err != nil {
		return err
	}
	var found []store.Swept
	for _, id := range ids {
		r := records[id]
		r.Phase, r.LastCheckedAt = dcr.Ready, now
		found = append(found, store.Swept{Record: r, ObservedAt: now, Due: due, DueAt: now})
	}
	seqs, err := l.SaveSwept(ctx, found)
	if err == nil && slices.Contains(seqs, 0) {
		err = fmt.Errorf("page at %d: a record was left alone", first)
	}
	return err
}

// BenchmarkDue10k is the question what is due while 10,000 urgent clients are,
// of one source or of many.
func BenchmarkDue10k(b *testing.B) {
	for _, sources := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(sources, " sources"), func(b *testing.B) {
			l := storetest.Open(b)
			var all []dcr.Sighting
			for n := range 10_000 {
				s := registered(fmt.Sprintf("tpc_%05d", n), fmt.Sprint("log", n))
				s.SourceIP = fmt.Sprintf("10.1.%d.%d", n%sources/250, n%sources%250)
				all = append(all, s)
			}
			record(b, l, all...)
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if due, _, err := l.Due(b.Context(), dcr.Urgent, now, 128); err != nil || len(due) != 128 {
					b.Fatal(len(due), err)
				}
			}
		})
	}
}

// BenchmarkHoldAll100k is how long a hold on everything takes to mark all
// clients, and its release.
func BenchmarkHoldAll100k(b *testing.B) {
	l, _ := openLarge(b)
	for b.Loop() {
		setHolds(b, l, dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held})
		release(b, l, store.HoldSelector{All: true})
	}
}
