package feed_test

import (
	"bytes"
	"fmt"
	"strings"

	"testing"
	"time"

	"grantd/internal/feed"
)

// now is later than every date in these tests.
var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// irrelevant is entry number i of a busy tenant, a refreshed token, in the form
// of a log stream and 1 kB long.
func irrelevant(i int) []byte {
	id := fmt.Sprintf("900202609011000%02d123996607000000000000001223372045%06d", i%60, i)
	return fmt.Appendf(nil, `{"log_id":%q,"data":{"date":"2026-09-01T10:%02d:%02d.123Z","type":"sertft","description":"","connection_id":"","client_id":"tpc_vbc2Y77hGZfbhkSi7y3gTh","client_name":"ChatGPT","ip":"20.161.0.%d","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36","hostname":"acme.eu.auth0.com","user_id":"google-oauth2|1078429%08d","user_name":"jane.doe@example.com","audience":"https://gateway.example.com/mcp","scope":["openid","profile","read:things","write:things","offline_access"],"details":{"familyId":"fam_01J9ZP3W6B5Q%08d","tokenCounter":%d,"policy_used":"rotating","requested_audience":"https://gateway.example.com/mcp","requested_scope":"openid profile read:things write:things offline_access","refresh_token":{"access":"offline"}},"auth0_client":{"name":"auth0.js","version":"9.28.0","env":{"node":"22"}},"environment_name":"prod-eu-1","tenant_name":"acme","$event_schema":{"version":"1.0.0"},"log_id":%q}}`,
		id, i/60%60, i%60, i%256, i, i, i%100, id)
}

// delivery is n irrelevant entries between head and tail.
func delivery(n int, head, separator, tail string) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	for i := range n {
		if i > 0 {
			b.WriteString(separator)
		}
		b.Write(irrelevant(i))
	}
	b.WriteString(tail)
	return b.Bytes()
}

// BenchmarkDecodeManagementCalls reads entries of type sapi, the most work an
// entry can be.
func BenchmarkDecodeManagementCalls(b *testing.B) {
	for _, c := range []struct{ name, entry string }{
		{"registrations", dynamic},
		{"elsewhere", deleteOrganization},
	} {
		b.Run(c.name, func(b *testing.B) {
			const n = 500
			body := []byte(strings.Repeat(strings.ReplaceAll(c.entry, "\n", "")+"\n", n))
			d := feed.NewDecoder(feed.Limits{})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if res, err := d.Decode(bytes.NewReader(body), now); err != nil || res.Received != n || res.Malformed != 0 {
					b.Fatal(res, err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

func BenchmarkDecodeIrrelevant(b *testing.B) {
	const n = 500
	for _, form := range []struct{ name, head, separator, tail string }{
		{"lines", "", "\n", "\n"},
		{"array", "[", ",", "]"},
		{"objects", "", "", ""},
		{"logs", `{"logs":[`, ",", "]}"},
	} {
		b.Run(form.name, func(b *testing.B) {
			body := delivery(n, form.head, form.separator, form.tail)
			d := feed.NewDecoder(feed.Limits{})
			r := bytes.NewReader(body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(body)
				res, err := d.Decode(r, now)
				if err != nil || res.Received != n || res.Malformed != 0 {
					b.Fatal(res, err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(len(body))/n, "B/entry")
		})
	}
}
