package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// BenchmarkRecord is a lone delivery of one registration: a commit of its own.
func BenchmarkRecord(b *testing.B) {
	l := storetest.Open(b)
	n := 0
	for b.Loop() {
		n++
		record(b, l, registered(fmt.Sprint("tpc_", n), fmt.Sprint("log", n)))
	}
}

// BenchmarkRecord100 is a delivery of 100 registrations.
func BenchmarkRecord100(b *testing.B) {
	l := storetest.Open(b)
	n := 0
	for b.Loop() {
		var all []dcr.Sighting
		for range 100 {
			n++
			all = append(all, registered(fmt.Sprint("tpc_", n), fmt.Sprint("log", n)))
		}
		record(b, l, all...)
	}
}

// BenchmarkRecordParallel is 64 deliveries at a time, which share commits.
func BenchmarkRecordParallel(b *testing.B) {
	l := storetest.Open(b)
	var n atomic.Int64
	before := l.Commits()
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			s := registered(fmt.Sprint("tpc_", i), fmt.Sprint("log", i))
			if _, err := l.Record(b.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{s}}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(n.Load())/float64(l.Commits()-before), "records/commit")
}

// BenchmarkRedelivery is a delivery of 100 entries that were all taken before.
func BenchmarkRedelivery(b *testing.B) {
	l := storetest.Open(b)
	var all []dcr.Sighting
	for n := range 100 {
		all = append(all, registered(fmt.Sprint("tpc_", n), fmt.Sprint("log", n)))
	}
	record(b, l, all...)
	before := l.Commits()
	for b.Loop() {
		record(b, l, all...)
	}
	b.ReportMetric(float64(l.Commits()-before), "commits")
}

// BenchmarkStatus is a delivery of nothing of interest.
func BenchmarkStatus(b *testing.B) {
	l := storetest.Open(b)
	for b.Loop() {
		if _, err := l.Record(b.Context(), store.Batch{Feed: dcr.FeedWebhook, Status: dcr.FeedStatus{Events: 500}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSave(b *testing.B) {
	l := storetest.Open(b)
	record(b, l, registered("tpc_a", "log1"))
	o := dcr.Outcome{Record: client(b, l, "tpc_a"), Changes: []dcr.Change{{Step: dcr.StepPromote}, {Step: dcr.StepGrant}}}
	o.Record.Phase = dcr.Ready
	for b.Loop() {
		if _, err := l.Save(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
}
