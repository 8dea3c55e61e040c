package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// speak sends bytes as they are to one of grantd's listeners and reads what it
// says until it hangs up, which it must do within the patience of a test.
func (f *fortress) speak(address, text string) string {
	f.Helper()
	var d net.Dialer
	c, err := d.DialContext(f.ctx(), "tcp", address)
	if err != nil {
		f.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		f.Fatal(err)
	}
	go func() { _, _ = io.WriteString(c, text) }() // what it does not want, it need not take
	answer, err := io.ReadAll(c)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		f.Errorf("no end after %.100q", text)
	}
	return string(answer)
}

// statuses are those of the answers in what was said.
func statuses(answer string) []string {
	var all []string
	for line := range strings.Lines(answer) {
		if strings.HasPrefix(line, "HTTP/1.") && len(line) > 12 {
			all = append(all, line[9:12])
		}
	}
	return all
}

// Requests that a proxy in front and grantd could take for different ones, and
// other abuse of HTTP: refused, or taken for one request and no more, and no
// credential of one counts for another.
func TestAttackHTTP(t *testing.T) {
	f := newFortress(t, setup{})
	const hook = "/auth0-log-webhook"
	auth := "Host: x\r\nAuthorization: " + secret + "\r\n"
	smuggled := "POST " + hook + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
	for name, tt := range map[string]struct {
		text string
		want []string // of each answer; the first of alternatives by |
	}{
		"CL and TE":                         {"POST " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []string{"400"}},
		"TE and CL of other cases":          {"POST " + hook + " HTTP/1.1\r\n" + auth + "content-length: 6\r\ntransfer-ENCODING: Chunked\r\n\r\n0\r\n\r\n", []string{"400"}},
		"two lengths":                       {"POST " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: 2\r\nContent-Length: 4\r\n\r\n[][]", []string{"400"}},
		"a list of lengths":                 {"POST " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: 2, 4\r\n\r\n[][]", []string{"400"}},
		"a negative length":                 {"POST " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: -1\r\n\r\n[]", []string{"400"}},
		"a length with a sign":              {"POST " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: +2\r\n\r\n[]", []string{"400"}},
		"a huge length":                     {"POST " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: 99999999999999999999\r\n\r\n[]", []string{"400"}},
		"two encodings":                     {"POST " + hook + " HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", []string{"501"}},
		"TE twice":                          {"POST " + hook + " HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", []string{"400|501"}},
		"a name with a blank":               {"POST " + hook + " HTTP/1.1\r\n" + auth + "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n[]", []string{"400"}},
		"a folded header":                   {"POST " + hook + " HTTP/1.1\r\nHost: x\r\nX: y\r\n Authorization: " + secret + "\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]", []string{"401|400"}},
		"a broken chunk":                    {"POST " + hook + " HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n", []string{"400"}},
		"a huge chunk":                      {"POST " + hook + " HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n[]", []string{"400"}},
		"a chunk extension":                 {"POST " + hook + " HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;" + strings.Repeat("x", 20<<10) + "\r\n[]\r\n0\r\n\r\n", []string{"400"}},
		"trailers":                          {"POST " + hook + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n2\r\n[]\r\n0\r\nAuthorization: " + secret + "\r\n\r\n", []string{"401"}},
		"a newline for an end":              {"POST " + hook + " HTTP/1.1\nHost: x\nContent-Length: 2\nConnection: close\n\n[]", []string{"401"}},
		"a carriage return alone":           {"POST " + hook + " HTTP/1.1\r\nHost: x\rAuthorization: " + secret + "\r\nContent-Length: 2\r\n\r\n[]", []string{"400"}},
		"a newline in the secret":           {"POST " + hook + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + secret[:8] + "\r\n" + secret[8:] + "\r\nContent-Length: 2\r\n\r\n[]", []string{"400"}},
		"NUL in a header":                   {"POST " + hook + " HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", []string{"400"}},
		"pipelined, secret in first":        {"POST " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: 2\r\n\r\n[]" + smuggled, []string{"200", "401"}},
		"a body no one reads, then another": {"POST " + hook + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(smuggled)) + "\r\n\r\n" + smuggled, []string{"401"}},
		"no host":                           {"GET /healthz HTTP/1.1\r\n\r\n", []string{"400"}},
		"two hosts":                         {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []string{"400"}},
		"HTTP/1.0":                          {"GET /healthz HTTP/1.0\r\n\r\n", []string{"200"}},
		"HTTP/0.9":                          {"GET /healthz\r\n", []string{"400"}},
		"HTTP/3.9":                          {"GET /healthz HTTP/3.9\r\nHost: x\r\n\r\n", []string{"505|400"}},
		"HTTP/2 preface":                    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []string{"505|400|404"}},
		"h2c upgrade":                       {"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", []string{"200"}},
		"TLS":                               {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", []string{"400"}},
		"absolute form":                     {"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []string{"200"}},
		"absolute form of the API":          {"GET http://127.0.0.1/api/v1/clients HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", []string{"404"}},
		"CONNECT":                           {"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\nConnection: close\r\n\r\n", []string{"404|405"}},
		"OPTIONS *":                         {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []string{"200|404|405"}},
		"TRACE":                             {"TRACE /healthz HTTP/1.1\r\nHost: x\r\nX-Token: " + canary + "\r\nConnection: close\r\n\r\n", []string{"404|405"}},
		"a strange method":                  {"BREW" + hook + " " + hook + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []string{"400|405"}},
		"a method of 10 kB":                 {strings.Repeat("A", 10<<10) + " " + hook + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []string{"405"}},
		"lower case":                        {"post " + hook + " HTTP/1.1\r\n" + auth + "Content-Length: 2\r\nConnection: close\r\n\r\n[]", []string{"405"}},
		"method override":                   {"GET " + hook + " HTTP/1.1\r\n" + auth + "X-HTTP-Method-Override: POST\r\nConnection: close\r\n\r\n", []string{"405"}},
		"a path with dots":                  {"GET /healthz/../api/v1/clients HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []string{"404"}},
		"a path with encoded dots":          {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []string{"404"}},
		"a path with NUL":                   {"GET /healthz%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []string{"404"}},
		"a path of 100 kB":                  {"GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", []string{"431"}},
		"a header of 100 kB":                {"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 100<<10) + "\r\n\r\n", []string{"431"}},
		"10,000 headers":                    {"GET /healthz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 10_000) + "\r\n", []string{"431"}},
		"an unknown expectation":            {"POST " + hook + " HTTP/1.1\r\n" + auth + "Expect: tea\r\nContent-Length: 2\r\n\r\n[]", []string{"417"}},
		"X-Forwarded and friends":           {"GET /api/v1/clients HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: localhost\r\nX-Original-URL: /metrics\r\nX-Rewrite-URL: /metrics\r\nForwarded: for=127.0.0.1\r\nConnection: close\r\n\r\n", []string{"404"}},
		"secret in the query":               {"POST " + hook + "?authorization=" + secret + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]", []string{"401"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.speak(f.daemon.Public, tt.text)
			if strings.Contains(got, canary) || strings.Contains(got, secret) {
				t.Errorf("what was sent comes back: %.300q", got)
			}
			codes := statuses(got)
			for i, code := range codes {
				if i >= len(tt.want) || !slices.Contains(strings.Split(tt.want[i], "|"), code) {
					t.Errorf("answers %v, want %v: %.300q", codes, tt.want, got)
					break
				}
			}
			if len(codes) == 0 {
				t.Errorf("no answer: %q", got)
			}
		})
	}
	f.unharmed()
}

// Tricks with Host and Origin at the admin listener: a page of another site that
// a browser has open gets nothing, whatever name it gives the machine.
func TestAttackAdmin(t *testing.T) {
	f := newFortress(t, setup{})
	_, port, err := net.SplitHostPort(f.daemon.Admin)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ headers, status string }{
		"itself":                    {"Host: 127.0.0.1:" + port + "\r\n", "200"},
		"localhost":                 {"Host: localhost:" + port + "\r\n", "200"},
		"another port":              {"Host: 127.0.0.1:1\r\n", "200"},
		"evil.example":              {"Host: evil.example\r\n", "403"},
		"evil.example with port":    {"Host: evil.example:" + port + "\r\n", "403"},
		"localhost.evil.example":    {"Host: localhost.evil.example:" + port + "\r\n", "403"},
		"127.0.0.1.evil.example":    {"Host: 127.0.0.1.evil.example\r\n", "403"},
		"127.0.0.1.nip.io":          {"Host: 127.0.0.1.nip.io\r\n", "403"},
		"trailing dot":              {"Host: localhost.:" + port + "\r\n", "403"},
		"0.0.0.0":                   {"Host: 0.0.0.0:" + port + "\r\n", "403"},
		"decimal":                   {"Host: 2130706433\r\n", "403"},
		"octal":                     {"Host: 0177.0.0.1\r\n", "403"},
		"short":                     {"Host: 127.1\r\n", "403"},
		"mapped":                    {"Host: [::ffff:127.0.0.1]\r\n", "403"},
		"user info":                 {"Host: localhost@evil.example\r\n", "400|403"},
		"a list":                    {"Host: localhost, evil.example\r\n", "400|403"},
		"empty":                     {"Host: \r\n", "403"},
		"two":                       {"Host: localhost\r\nHost: evil.example\r\n", "400"},
		"missing":                   {"", "400"},
		"forwarded":                 {"Host: evil.example\r\nX-Forwarded-Host: localhost\r\n", "403"},
		"origin of another":         {"Host: localhost:" + port + "\r\nOrigin: https://evil.example\r\n", "403"},
		"origin null":               {"Host: localhost:" + port + "\r\nOrigin: null\r\n", "403"},
		"origin of another port":    {"Host: localhost:" + port + "\r\nOrigin: http://localhost:3000\r\n", "403"},
		"cross-site fetch":          {"Host: localhost:" + port + "\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", "403"},
		"cross-site EventSource":    {"Host: localhost:" + port + "\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\nOrigin: https://evil.example\r\n", "403"},
		"private network preflight": {"Host: localhost:" + port + "\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true\r\n", "403"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "OPTIONS", "POST", "DELETE"} {
				for _, path := range []string{"/", "/api/v1/clients", "/api/v1/config", "/metrics"} {
					got := f.speak(f.daemon.Admin, method+" "+path+" HTTP/1.1\r\n"+tt.headers+"Connection: close\r\n\r\n")
					want := tt.status
					if method != "GET" && want == "200" {
						want = "405"
					}
					if codes := statuses(got); len(codes) != 1 || !slices.Contains(strings.Split(want, "|"), codes[0]) {
						t.Errorf("%s %s: %v, want %s", method, path, codes, want)
					}
					if strings.Contains(got, "Access-Control-") || strings.Contains(got, secret) || strings.Contains(got, ownSecret) {
						t.Errorf("%s %s: %.400q", method, path, got)
					}
				}
			}
		})
	}
	f.letGo(20)
	f.unharmed()
}

// Guessing the secret tells nothing: all wrong ones get the same answer, byte
// for byte, and a right one in the middle of a flood from the same address is
// taken every time. The log grows by a line a minute.
func TestAttackGuessing(t *testing.T) {
	f := newFortress(t, setup{})
	url := "http://" + f.daemon.Public + "/auth0-log-webhook"
	guesses := []string{
		"x", secret[:1], secret[:len(secret)-1], secret + "x", secret[1:], strings.ToUpper(secret), strings.Repeat("x", len(secret)), secret[:len(secret)-1] + "x",
		"x" + secret[1:], "Bearer " + secret + " ", "Bearer x", "Basic " + secret, "Token " + secret, `"` + secret + `"`, secret + "," + secret, strings.Repeat("y", 8<<10), "é", ownSecret,
	}
	answers := map[string]int{}
	for _, g := range guesses {
		for _, header := range []string{"Authorization", "X-Webhook-Secret"} {
			status, answer, h := f.send("POST", url, []byte(canary), header, g)
			h.Del("Date")
			if g == "Bearer "+secret+" " && header == "Authorization" {
				continue // net/http trims it: it is the secret
			}
			answers[fmt.Sprintf("%d %s %v", status, answer, h)]++
		}
	}
	if len(answers) != 1 {
		t.Errorf("wrong secrets are told apart: %v", answers)
	}
	lines, flooded := strings.Count(f.daemon.Logged(), "\n"), time.Now()
	var wg sync.WaitGroup
	done := make(chan struct{})
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if status, _, _ := f.send("POST", url, []byte(canary), "Authorization", fmt.Sprintf("guess-%d-%d", i, n)); status != 403 {
					t.Errorf("a guess got %d", status)
				}
			}
		})
	}
	slowest := time.Duration(0)
	for i := range 150 {
		begun := time.Now()
		if r := f.post(registration(fmt.Sprintf("right-%d", i), fmt.Sprintf("tpc_nobody%d", i%5), otherApp)); r.Received != 1 {
			t.Errorf("receipt %+v", r)
		}
		slowest = max(slowest, time.Since(begun))
	}
	close(done)
	wg.Wait()
	refused := strings.Count(f.daemon.Logged(), "refused delivery")
	if refused < 1 || refused > 2+oneAMinute(flooded) { // the first, and one a minute
		t.Errorf("%d lines tell of refused deliveries", refused)
	}
	t.Logf("slowest of 150 right ones %v; %d lines in all", slowest, strings.Count(f.daemon.Logged(), "\n")-lines)
	f.unharmed()
}

// The time of an answer does not tell how much of a guess is right. Nothing is
// asserted, for a machine has moods: the comparison is of digests, whole, by
// crypto/subtle, whatever was found before; this prints how times compare.
func TestAttackTiming(t *testing.T) {
	f := newFortress(t, setup{noStream: true})
	url := "http://" + f.daemon.Public + "/auth0-log-webhook"
	guesses := []string{strings.Repeat("x", len(secret)), secret[:len(secret)-1] + "x", "x" + secret[1:], secret[:len(secret)/2] + strings.Repeat("x", len(secret)-len(secret)/2)}
	const rounds = 400
	times := make([][]float64, len(guesses))
	for range rounds {
		for i, g := range guesses {
			begun := time.Now()
			f.send("POST", url, nil, "Authorization", g)
			times[i] = append(times[i], float64(time.Since(begun).Microseconds()))
		}
	}
	mean := func(v []float64) (m, deviation float64) {
		slices.Sort(v)
		v = v[:len(v)*9/10] // the machine's moods
		for _, x := range v {
			m += x / float64(len(v))
		}
		for _, x := range v {
			deviation += (x - m) * (x - m) / float64(len(v)-1)
		}
		return m, math.Sqrt(deviation / float64(len(v)))
	}
	base, baseErr := mean(times[0])
	for i, name := range []string{"nothing right", "all but the last", "all but the first", "the first half"} {
		m, e := mean(times[i])
		t.Logf("%-18s %.1f µs ± %.1f, t = %+.1f", name, m, e, (m-base)/math.Hypot(e, baseErr))
	}
	if bytes.Contains([]byte(f.daemon.Logged()), []byte(secret)) {
		t.Error("the secret was logged")
	}
}
