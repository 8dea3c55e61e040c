package bench

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// rounds is how often a measurement is made that is of one delivery. The numbers
// of rounds are fixed: a benchmark here is run once.
const rounds = 20

// mode is a kind of tenant that makes a difference to what a client costs.
type mode struct {
	name  string
	setup setup
}

func modes() []mode {
	return []mode{{"strict", setup{domainLevel: true}}, {"permissive", setup{permissive: true}}}
}

// BenchmarkOnboard is one client, from the delivery's arrival to phase ready.
func BenchmarkOnboard(b *testing.B) {
	for _, c := range modes() {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, c.setup)
			var took times
			for range rounds {
				took = append(took, w.ready(w.register(1)...))
			}
			b.ReportMetric(float64(len(w.tenant.Calls()))/float64(len(took)), "calls")
			took.report(b, "ready", 50, 99)
		})
	}
}

// BenchmarkCheckInSync is a look at a recorded client that is as it should be.
func BenchmarkCheckInSync(b *testing.B) {
	for _, c := range modes() {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, c.setup)
			r := w.register(1)[0]
			w.ready(r)
			w.tenant.ResetCalls()
			var took times
			for range rounds {
				before, err := w.daemon.Client(b.Context(), r.id)
				if err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				w.post(fmt.Appendf(nil, `{"log_id":"edit-%d","type":"sapi","date":%q,"details":{"request":{"method":"patch","path":"/api/v2/clients/%s"},"response":{"statusCode":200,"body":{"client_id":%q}}}}`,
					len(took), began.UTC().Format(time.RFC3339Nano), r.id, r.id))
				if _, err := w.daemon.AwaitFunc(b.Context(), r.id, func(c child.Client) bool {
					return c.Phase == "ready" && c.LastCheckedAt != nil && *c.LastCheckedAt != *before.LastCheckedAt
				}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			b.ReportMetric(float64(len(w.tenant.Calls()))/float64(len(took)), "calls")
			took.report(b, "checked", 50, 99)
		})
	}
}

// BenchmarkRedelivery is the same delivery again.
func BenchmarkRedelivery(b *testing.B) {
	w := newWorld(b, setup{domainLevel: true})
	rs := w.register(100)
	w.ready(rs...)
	w.tenant.ResetCalls()
	body := delivery(rs...)
	var took times
	for range rounds {
		began := time.Now()
		w.post(body)
		took = append(took, time.Since(began))
	}
	b.ReportMetric(float64(len(w.tenant.Calls())), "calls")
	took.report(b, "answered", 50, 99)
}

// BenchmarkHundred is 100 clients at once, in one delivery or in one each.
func BenchmarkHundred(b *testing.B) {
	for _, c := range []struct {
		name  string
		setup setup
		one   bool
	}{
		{"one-delivery/strict", setup{domainLevel: true}, true},
		{"one-delivery/permissive", setup{permissive: true}, true},
		{"deliveries/strict", setup{domainLevel: true}, false},
		{"deliveries/permissive", setup{permissive: true}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, c.setup)
			var took times
			for range 5 {
				rs := w.register(100)
				began := time.Now()
				if c.one {
					w.post(delivery(rs...))
				} else {
					var wg sync.WaitGroup
					for _, r := range rs {
						wg.Go(func() { w.post(delivery(r)) })
					}
					wg.Wait()
				}
				w.awaitReady(rs)
				took = append(took, time.Since(began))
			}
			n := float64(len(took))
			b.ReportMetric(float64(len(w.tenant.Calls()))/n, "calls")
			b.ReportMetric(float64(w.tenant.Count("PATCH /connections/{id}/clients"))/n, "connection-calls")
			took.report(b, "all-ready", 50)
		})
	}
}

// BenchmarkFreePlan is 1 and 20 clients at 2 calls a second. A real free
// tenant holds 10 applications; this one is made to hold more.
func BenchmarkFreePlan(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprintf("%d-clients", n), func(b *testing.B) {
			w := newWorld(b, setup{domainLevel: true, plan: tenantsim.Free})
			var took times
			for i := range 3 {
				var crowd []registered
				for j := range n {
					crowd = append(crowd, w.newcomer(i*n+j))
				}
				took = append(took, w.ready(crowd...))
			}
			b.ReportMetric(float64(w.limited()), "429s")
			took.report(b, "all-ready", 50)
		})
	}
}

// BenchmarkAcknowledge is the webhook's answer at 200 deliveries a second, each
// of one registration and so of one commit, while the clients are worked on.
func BenchmarkAcknowledge(b *testing.B) {
	const rate, seconds = 200, 5
	w := newWorld(b, setup{domainLevel: true})
	var took times
	for range 3 {
		rs := w.register(rate * seconds)
		var mu sync.Mutex
		var wg sync.WaitGroup
		tick := time.NewTicker(time.Second / rate)
		for _, r := range rs {
			<-tick.C
			wg.Go(func() {
				began := time.Now()
				w.post(delivery(r))
				d := time.Since(began)
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			})
		}
		wg.Wait()
		tick.Stop()
	}
	took.report(b, "ack", 50, 99)
}

// BenchmarkIrrelevant is log traffic that concerns nobody here, through the
// webhook: entries of 1 kB, 500 a delivery, from four senders.
func BenchmarkIrrelevant(b *testing.B) {
	w := newWorld(b, setup{domainLevel: true})
	body := irrelevant(500, 1024)
	const senders = 4
	peak := 0.0
	deliveries := 0
	began := time.Now()
	for range rounds {
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range 50 {
					w.post(body)
				}
			})
		}
		wg.Wait()
		deliveries += senders * 50
		peak = max(peak, w.anonymous())
	}
	b.ReportMetric(float64(deliveries*500)/time.Since(began).Seconds(), "entries/s")
	b.ReportMetric(peak/(1<<20), "RssAnon-MiB")
	b.ReportMetric(0, "ns/op")
}

// irrelevant is a delivery of n entries of the given size in JSON lines.
func irrelevant(n, size int) []byte {
	var body []byte
	for i := range n {
		entry := fmt.Sprintf(`{"log_id":"90020261123%045d","data":{"date":"2026-11-23T10:00:00.000Z","type":"seacft","description":"","connection_id":"","client_id":"AaiyAPdpYdesoKnqjj8HJqRn4T5titww","client_name":"My application","ip":"203.0.113.9","user_agent":"Chrome 140.0.0 / Mac OS X","details":{"code":"*****VM-","pad":"`, i)
		pad := make([]byte, max(0, size-len(entry)-20))
		for j := range pad {
			pad[j] = 'x'
		}
		body = append(body, entry...)
		body = append(body, pad...)
		body = append(body, "\"},\"user_id\":\"a\"}}\n"...)
	}
	return body
}

// BenchmarkStart is from exec to serving, on an empty ledger.
func BenchmarkStart(b *testing.B) {
	build(b)
	var took times
	for range rounds {
		began := time.Now()
		w := newWorldUnwarmed(b)
		took = append(took, time.Since(began))
		w.Kill()
	}
	took.report(b, "start", 50)
}
