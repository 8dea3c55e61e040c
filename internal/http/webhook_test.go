package http_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/feed"
	"grantd/internal/http"
)

func zipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWebhookTakes(t *testing.T) {
	o, ledger := publicOptions(t)
	url := serve(t, http.Public(o)) + path
	one := registration("log1", "tpc_aaaaaaaaaaaaaaaaaaaaaaaa")
	for _, tc := range []struct {
		name, body, want string
		headers          []string
	}{
		{name: "nothing new", body: `[]`, want: `{"received":0,"sightings":0,"registrations":0,"malformed":0}`},
		{name: "a registration", body: one, want: `{"received":1,"sightings":1,"registrations":1,"malformed":0}`},
		{name: "the same again", body: one, want: `{"received":1,"sightings":0,"registrations":0,"malformed":0}`},
		{
			name: "good and bad", body: registration("log2", "tpc_bbbbbbbbbbbbbbbbbbbbbbbb") + "\n{\"type\":\n" + `{"type":"s"}`,
			want: `{"received":3,"sightings":1,"registrations":1,"malformed":1}`,
		},
		{
			name: "gzip", body: zipped(t, registration("log3", "tpc_cccccccccccccccccccccccc")), headers: []string{"Content-Encoding: gzip"},
			want: `{"received":1,"sightings":1,"registrations":1,"malformed":0}`,
		},
		{name: "any content type", body: `[]`, headers: []string{"Content-Type: image/png"}, want: `{"received":0,"sightings":0,"registrations":0,"malformed":0}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := request(t, "POST", url, tc.body, append(tc.headers, bearer)...)
			if got.status != 200 || got.body != tc.want {
				t.Errorf("got %d %s, want 200 %s", got.status, got.body, tc.want)
			}
		})
	}
	if _, err := ledger.Client(t.Context(), "tpc_cccccccccccccccccccccccc"); err != nil {
		t.Errorf("acknowledged and not kept: %v", err)
	}
}

func TestWebhookRefuses(t *testing.T) {
	o, _ := publicOptions(t)
	url := serve(t, http.Public(o), patient) + path
	const (
		unauthorized = `{"error":"unauthorized","message":"Send the webhook's secret in Authorization or X-Webhook-Secret."}`
		forbidden    = `{"error":"forbidden","message":"The webhook's secret is a different one."}`
		tooLarge     = `{"error":"too_large","message":"A delivery may have 10 MiB, on the wire and inflated."}`
		unreadable   = `{"error":"nothing_readable","message":"There is no log entry in the body that can be read."}`
	)
	big := strings.Repeat(" ", 10<<20) + "[]"
	for _, tc := range []struct {
		name   string
		body   io.Reader
		header string
		status int
		want   string
	}{
		{"no credential", strings.NewReader(`[]`), "X-Other: 1", 401, unauthorized},
		{"an empty bearer", strings.NewReader(`[]`), "Authorization: Bearer ", 401, unauthorized},
		{"another secret", strings.NewReader(`[]`), "Authorization: Bearer nope", 403, forbidden},
		{"a part of the secret", strings.NewReader(`[]`), bearer[:len(bearer)-1], 403, forbidden},
		{"more than the secret", strings.NewReader(`[]`), bearer + "x", 403, forbidden},
		{"the secret in other letters", strings.NewReader(`[]`), strings.ToUpper(bearer), 403, forbidden},
		{"too large, as announced", strings.NewReader(big), bearer, 413, tooLarge},
		{"too large, unannounced", struct{ io.Reader }{strings.NewReader(big)}, bearer, 413, tooLarge},
		{"too large inflated", strings.NewReader(zipped(t, big)), bearer, 413, tooLarge},
		{"empty", strings.NewReader(""), bearer, 400, unreadable},
		{"white space", strings.NewReader(" \r\n"), bearer, 400, unreadable},
		{"not JSON", strings.NewReader("hello"), bearer, 400, unreadable},
		{"broken gzip", strings.NewReader(zipped(t, "[]")[:12]), bearer, 400, unreadable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := send(t, "POST", url, tc.body, tc.header)
			if got.status != tc.status || got.body != tc.want {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tc.status, tc.want)
			}
			if ct := got.header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
				t.Errorf("content type %q", ct)
			}
			if www := got.header.Get("WWW-Authenticate"); (www != "") != (tc.status == 401) {
				t.Errorf("WWW-Authenticate %q with %d", www, got.status)
			}
		})
	}
}

func TestWebhookCredentials(t *testing.T) {
	o := stubbed(drained)
	o.Secrets = http.NewSecrets(secret, "the-secret-before-it", "")
	url := serve(t, http.Public(o)) + path
	for name, tc := range map[string]struct {
		headers []string
		status  int
	}{
		"bearer":                    {[]string{bearer}, 200},
		"bearer in any case":        {[]string{"Authorization: bEaReR " + secret}, 200},
		"bearer and more space":     {[]string{"Authorization: Bearer   " + secret}, 200},
		"verbatim":                  {[]string{"Authorization: " + secret}, 200},
		"a header of its own":       {[]string{"X-Webhook-Secret: " + secret}, 200},
		"the previous one":          {[]string{"Authorization: the-secret-before-it"}, 200},
		"wrong and right":           {[]string{"Authorization: Bearer nope", "X-Webhook-Secret: " + secret}, 200},
		"right and wrong":           {[]string{bearer, "X-Webhook-Secret: nope"}, 200},
		"both wrong":                {[]string{"Authorization: Bearer nope", "X-Webhook-Secret: nope"}, 403},
		"basic is not spoken":       {[]string{"Authorization: Basic " + secret}, 403},
		"bearer in the other":       {[]string{"X-Webhook-Secret: Bearer " + secret}, 403},
		"an empty one is no secret": {[]string{"X-Webhook-Secret: "}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			if got := request(t, "POST", url, `[]`, tc.headers...); got.status != tc.status {
				t.Errorf("got %d, want %d", got.status, tc.status)
			}
		})
	}

	t.Run("configured with the word Bearer", func(t *testing.T) {
		o.Secrets.Set("Bearer " + secret)
		if got := request(t, "POST", url, `[]`, bearer); got.status != 200 {
			t.Errorf("got %d for what Auth0 sends then", got.status)
		}
	})
	t.Run("replaced while serving", func(t *testing.T) {
		o.Secrets.Set("another-secret-altogether")
		if got := request(t, "POST", url, `[]`, bearer); got.status != 403 {
			t.Errorf("got %d for the old secret", got.status)
		}
		if got := request(t, "POST", url, `[]`, "Authorization: another-secret-altogether"); got.status != 200 {
			t.Errorf("got %d for the new secret", got.status)
		}
	})
	t.Run("no secret lets nobody in", func(t *testing.T) {
		o.Secrets.Set("", "")
		if got := request(t, "POST", url, `[]`, "Authorization: x"); got.status != 403 {
			t.Errorf("got %d", got.status)
		}
	})
}

// TestWebhookLedgerUnavailable: what was not kept is not acknowledged.
func TestWebhookLedgerUnavailable(t *testing.T) {
	o, ledger := publicOptions(t)
	url := serve(t, http.Public(o)) + path
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	got := request(t, "POST", url, registration("log1", "tpc_aaaaaaaaaaaaaaaaaaaaaaaa"), bearer)
	want := `{"error":"unavailable","message":"The ledger cannot be written; the delivery was not kept."}`
	if got.status != 503 || got.body != want || got.header.Get("Retry-After") != "5" {
		t.Errorf("got %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
}

// TestWebhookInFlight: bodies are read so many at a time; who waits too long
// is told to come again, and who does not is served in turn.
func TestWebhookInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		o := stubbed(func(context.Context, io.Reader) (feed.Receipt, error) {
			entered <- struct{}{}
			<-leave
			return feed.Receipt{}, nil
		})
		o.InFlight = 1
		h := http.Public(o)
		answers := make(chan int, 2)
		deliver := func() { answers <- record(t, h, "POST", path, bearer).Code }
		go deliver()
		<-entered
		began := time.Now()
		if got := record(t, h, "POST", path, bearer); got.Code != 503 || got.Header().Get("Retry-After") != "5" || time.Since(began) != 10*time.Second {
			t.Errorf("the second got %d, Retry-After %q after %v", got.Code, got.Header().Get("Retry-After"), time.Since(began))
		}
		go deliver()
		synctest.Wait() // it waits for the first
		for range 2 {
			leave <- struct{}{}
			if got := <-answers; got != 200 {
				t.Errorf("got %d", got)
			}
			select {
			case <-entered:
			case <-time.After(time.Second): // after the last
			}
		}
	})
}

// TestWebhookErrors: whose fault a failure is decides the answer, whatever the
// intake makes of the body's errors.
func TestWebhookErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		intake intakeFunc
		status int
	}{
		"nothing readable": {func(context.Context, io.Reader) (feed.Receipt, error) { return feed.Receipt{}, feed.ErrNothingReadable }, 400},
		"too large":        {func(context.Context, io.Reader) (feed.Receipt, error) { return feed.Receipt{}, feed.ErrTooLarge }, 413},
		"given up":         {func(context.Context, io.Reader) (feed.Receipt, error) { return feed.Receipt{}, context.Canceled }, 503},
		"anything else":    {func(context.Context, io.Reader) (feed.Receipt, error) { return feed.Receipt{}, errors.New("disk full") }, 503},
		"a limit of the wire it did not understand": {
			func(_ context.Context, r io.Reader) (feed.Receipt, error) {
				_, _ = io.Copy(io.Discard, r)
				return feed.Receipt{}, errors.New("what?")
			}, 413,
		},
		"a panic": {func(context.Context, io.Reader) (feed.Receipt, error) { panic("defect") }, 500},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, http.Public(stubbed(tc.intake)), patient) + path
			body := `[]`
			if tc.status == 413 {
				body = strings.Repeat(" ", 10<<20+1)
			}
			got := send(t, "POST", url, struct{ io.Reader }{strings.NewReader(body)}, bearer)
			if got.status != tc.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, tc.status)
			}
			if strings.Contains(got.body, "disk full") || strings.Contains(got.body, "defect\n") {
				t.Errorf("the caller is told too much: %s", got.body)
			}
		})
	}
}

// TestWebhookSecretComesFirst: without it not a byte of the body is waited
// for.
func TestWebhookSecretComesFirst(t *testing.T) {
	read := make(chan struct{}, 1)
	url := serve(t, http.Public(stubbed(func(context.Context, io.Reader) (feed.Receipt, error) {
		read <- struct{}{}
		return feed.Receipt{}, nil
	})))
	for _, tc := range []struct {
		header, status string
	}{{"X-Other: 1", "401"}, {"Authorization: nope", "403"}} {
		conn := dial(t, url)
		conn.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + tc.header + "\r\nContent-Length: 1000\r\n\r\n")
		if got := conn.rest(); !strings.HasPrefix(got, "HTTP/1.1 "+tc.status+" ") {
			t.Errorf("got %.60q, want %s and the connection closed", got, tc.status)
		}
	}
	select {
	case <-read:
		t.Error("the body was read")
	default:
	}
}

// logged keeps log lines.
type logged struct{ lines chan string }

func (l logged) Write(p []byte) (int, error) {
	l.lines <- string(p)
	return len(p), nil
}

// TestRefusalsAreLoggedOnceAMinute, with what a person needs and no secret.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	out := logged{make(chan string, 100)}
	now := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	o := stubbed(drained)
	o.Logger, o.Now = textLogger(out), func() time.Time { return now }
	h := http.Public(o)
	try := func(n int) {
		for range n {
			record(t, h, "POST", path, "Authorization: Bearer my-wrong-guess")
		}
	}
	try(5)
	now = now.Add(time.Minute)
	try(5)
	close(out.lines)
	var got []string
	for l := range out.lines {
		got = append(got, l)
	}
	want := []string{
		"level=WARN msg=\"[webhook] refused delivery\" reason=wrong_credential from=192.0.2.1 count=1\n",
		"level=WARN msg=\"[webhook] refused delivery\" reason=wrong_credential from=192.0.2.1 count=5\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// FuzzWebhookCredentials: nothing but the secret itself lets a caller in.
func FuzzWebhookCredentials(f *testing.F) {
	f.Add("Bearer "+secret, "")
	f.Add(secret, "nope")
	f.Add("Bearer", secret)
	f.Add("Basic "+secret, "\x00")
	h := http.Public(stubbed(drained))
	f.Fuzz(func(t *testing.T, authorization, other string) {
		w := recordHeader(t, h, "POST", path, nethttp.Header{"Authorization": {authorization}, "X-Webhook-Secret": {other}})
		scheme, rest, _ := strings.Cut(authorization, " ")
		right := authorization == secret || other == secret ||
			strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(rest) == secret
		if (w.Code == 200) != right {
			t.Errorf("%q %q: %d", authorization, other, w.Code)
		}
	})
}
