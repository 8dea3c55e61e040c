package http_test

import (
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"grantd/internal/http"
)

// irrelevant is a delivery of 500 entries of 1 kB that are of no interest.
func irrelevant() string {
	var b strings.Builder
	for i := range 500 {
		entry := fmt.Sprintf(`{"log_id":"90020261123%032d","data":{"date":"2026-11-23T06:00:00.%03dZ","type":"seacft","description":"","connection_id":"","client_id":"AaiyAPdpYdesoKnqjj8HJqRn4T5titww","client_name":"My application","ip":"203.0.113.7","user_agent":"curl/8","details":{"pad":"`, i, i)
		b.WriteString(entry)
		b.WriteString(strings.Repeat("x", 1024-len(entry)-5))
		b.WriteString("\"}}}\n")
	}
	return b.String()
}

// BenchmarkWebhookIrrelevant is the whole way of a delivery that says nothing
// new, with the real intake and ledger.
func BenchmarkWebhookIrrelevant(b *testing.B) {
	delivery := irrelevant()
	report := func(b *testing.B) {
		b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	}
	b.Run("handler", func(b *testing.B) {
		o, _ := publicOptions(b)
		h := http.Public(o)
		b.SetBytes(int64(len(delivery)))
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequestWithContext(b.Context(), "POST", path, strings.NewReader(delivery))
			r.Header.Set("Authorization", "Bearer "+secret)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != nethttp.StatusOK {
				b.Fatal(w.Code, w.Body)
			}
		}
		report(b)
	})
	b.Run("socket", func(b *testing.B) {
		o, _ := publicOptions(b)
		url := serve(b, http.Public(o)) + path
		b.SetBytes(int64(len(delivery)))
		b.ReportAllocs()
		for b.Loop() {
			if got := request(b, "POST", url, delivery, bearer); got.status != nethttp.StatusOK {
				b.Fatal(got)
			}
		}
		report(b)
	})
}

// BenchmarkWebhookRefused is what a stranger costs.
func BenchmarkWebhookRefused(b *testing.B) {
	h := http.Public(stubbed(drained))
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), "POST", path, nil)
		r.Header.Set("Authorization", "Bearer nope")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
