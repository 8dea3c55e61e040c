package feed_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/store/storetest"
)

// BenchmarkTakeIrrelevant is the traffic of a busy tenant: deliveries of 500
// entries of 1 kB, none of interest, into a real ledger.
func BenchmarkTakeIrrelevant(b *testing.B) {
	const entries = 500
	intake := feed.NewIntake(feed.IntakeOptions{Ledger: storetest.Open(b), Logger: slog.New(slog.DiscardHandler)})
	body := delivery(entries, "", "\n", "\n")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := intake.Take(b.Context(), dcr.FeedWebhook, bytes.NewReader(body))
		if err != nil || r.Received != entries || r.Malformed > 0 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
	b.ReportMetric(float64(entries*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkTakeUses is the same where every entry of a delivery is another
// client's.
func BenchmarkTakeUses(b *testing.B) {
	const entries = 500
	intake := feed.NewIntake(feed.IntakeOptions{Ledger: storetest.Open(b), Logger: slog.New(slog.DiscardHandler)})
	var body []byte
	for i := range entries {
		id := fmt.Sprintf("tpc_vbc2Y77hGZfbhkS%07d", i)
		body = append(bytes.ReplaceAll(irrelevant(i), []byte("tpc_vbc2Y77hGZfbhkSi7y3gTh"), []byte(id)), append([]byte("\n"), body...)...)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := intake.Take(b.Context(), dcr.FeedWebhook, bytes.NewReader(body))
		if err != nil || r.Received != entries || r.Malformed > 0 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
	b.ReportMetric(float64(entries*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkTakeAgain is a delivery of registrations made a second time: it
// costs a look at the ledger and no commit.
func BenchmarkTakeAgain(b *testing.B) {
	const entries = 100
	it := newIntakeTest(b)
	var all []logged
	for i := range entries {
		id := string(rune('a'+i%26)) + string(rune('a'+i/26))
		all = append(all, registers("log_"+id, "tpc_"+id, noon()))
	}
	body := lines(all...)
	it.use(it.ledger, func(o *feed.IntakeOptions) { o.Logger, o.OnTaken = slog.New(slog.DiscardHandler), nil })
	it.take(b, dcr.FeedWebhook, body)
	for b.Loop() {
		if r := it.take(b, dcr.FeedWebhook, body); r.Sightings > 0 {
			b.Fatalf("%+v", r)
		}
	}
	b.ReportMetric(float64(entries*b.N)/b.Elapsed().Seconds(), "entries/s")
}
