package store_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// BenchmarkRecordWhilePruning is how long registrations take to be recorded
// while half of a journal of 200,000 entries is forgotten, and how much disk
// each counted byte of the journal takes.
func BenchmarkRecordWhilePruning(b *testing.B) {
	for b.Loop() {
		path := b.TempDir() + "/grantd.db"
		l := storetest.Open(b, at(path))
		for range 200 {
			var entries []dcr.JournalEntry
			for n := range 1000 {
				entries = append(entries, dcr.JournalEntry{
					ClientID: fmt.Sprintf("tpc_%028d", n), Cause: dcr.Cause{Feed: dcr.FeedWebhook, LogID: fmt.Sprintf("%090d", n)},
					Change: dcr.Change{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"notes:read", "notes:write"}, "audience": storetest.Audience}},
				})
			}
			if err := l.AddJournal(b.Context(), entries...); err != nil {
				b.Fatal(err)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		full := l.JournalBytes()
		b.ReportMetric(float64(info.Size())/float64(full), "disk/counted")
		l.SetJournalLimits(store.JournalLimits{MaxBytes: int64(full / 2)})
		done := make(chan error, 1)
		start := time.Now()
		go func() { _, err := l.Prune(b.Context()); done <- err }()
		var took []time.Duration
		for n := 0; ; n++ {
			at := time.Now()
			record(b, l, registered(fmt.Sprint("tpc_new", n), fmt.Sprint("new", n)))
			took = append(took, time.Since(at))
			select {
			case err := <-done:
				if err != nil {
					b.Fatal(err)
				}
			default:
				continue
			}
			break
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		b.ReportMetric(float64(took[len(took)-1])/1e6, "max-ms")
		b.ReportMetric(time.Since(start).Seconds(), "prune-s")
		b.ReportMetric(float64(len(took)), "records")
	}
}
