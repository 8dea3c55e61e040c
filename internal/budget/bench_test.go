package budget_test

import (
	"net/http"
	"testing"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// The cost of one call's passage when nothing holds it up.
func BenchmarkAcquire(b *testing.B) {
	bud := budget.New(budget.Options{})
	h := http.Header{}
	h.Set("X-RateLimit-Limit", "1000000")
	h.Set("X-RateLimit-Remaining", "999999")
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := bud.Acquire(b.Context(), budget.Call{Class: dcr.Urgent, Source: "192.0.2.1"})
		if err != nil {
			b.Fatal(err)
		}
		ticket.Done(http.StatusOK, h)
	}
}
