package feed_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/feed"
)

// registration is the log entry of a dynamic registration, bare.
func registration(id string) string {
	return fmt.Sprintf(`{"date":"2026-09-01T10:00:00.123Z","type":"sapi","description":"Dynamic client registration","client_id":null,"log_id":"log-%s","details":{"request":{"method":"post","path":"/oidc/register"},"response":{"statusCode":201,"body":{"client_id":%q}}}}`, id, id)
}

// other is an entry of no interest.
const other = `{"type":"s","date":"2026-09-01T10:00:01.000Z","log_id":"900"}`

func wrapped(entry string) string { return `{"log_id":"w","data":` + entry + `}` }

func zipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// seen sums a result up: the clients sighted, and the counts.
func seen(r feed.Result) string {
	var b strings.Builder
	for _, s := range r.Sightings {
		b.WriteString(s.ClientID + " ")
	}
	fmt.Fprintf(&b, "%d/%d", r.Received, r.Malformed)
	return b.String()
}

func TestDecodeForms(t *testing.T) {
	a, b, w := registration("a"), registration("b"), wrapped(registration("w"))
	pretty := strings.NewReplacer("{", "{\n  ", ",", ",\n  ", "}", "\n}").Replace
	tests := []struct{ name, in, want string }{
		{"lines", a + "\n" + other + "\n" + w + "\n", "a w 3/0"},
		{"no last newline", a + "\n" + b, "a b 2/0"},
		{"CRLF and blank lines", "\r\n" + a + "\r\n\r\n \t\r\n" + b + "\r\n\r\n", "a b 2/0"},
		{"array", "[" + a + "," + w + " , " + other + "]", "a w 3/0"},
		{"array over lines", "[\n" + a + ",\n" + b + "\n]\n", "a b 2/0"},
		{"object", a, "a 1/0"},
		{"wrapped object", w, "w 1/0"},
		{"concatenated", a + b + w, "a b w 3/0"},
		{"pretty", pretty(a) + "\n" + pretty(w), "a w 2/0"},
		{"logs", `{"logs":[` + a + "," + w + `]}`, "a w 2/0"},
		{"logs amid totals", `{"start":0, "limit":50, "logs" : [` + a + `], "length":1,"x":{"logs":[1]}}`, "a 1/0"},
		{"logs twice", `{"logs":[` + a + `],"logs":[` + b + `]}`, "a b 2/0"},
		{"logs, escaped", `{"log\u0073":[` + a + `]}`, "a 1/0"},
		{"several envelopes", `{"logs":[` + a + `]}{"logs":[]}` + b, "a b 2/0"},
		{"arrays by line", "[" + a + "]\n[" + b + "]", "a b 2/0"},
		{"byte-order mark", "\ufeff" + a, "a 1/0"},
		{"gzip", zipped(t, a+"\n"+b), "a b 2/0"},
		{"gzip members", zipped(t, a+"\n") + zipped(t, b), "a b 2/0"},
		{"gzip with byte-order mark", zipped(t, "\ufeff["+a+"]"), "a 1/0"},
		{"empty array", " [ ] ", "0/0"},
		{"empty logs", `{"logs":[]}`, "0/0"},
		{"nulls", `{"type":"s","date":null,"log_id":null,"details":null,"data":null,"logs":null,"ip":null}`, "1/0"},
		{"unknown members", `{"new":{"deep":[1,{"x":[]}]},"type":"s","more":-1.5e+10}`, "1/0"},
		{"wrong types", `{"type":"s","date":5,"log_id":{},"details":"x","ip":[],"client_id":1}`, "1/0"},
		{"type outside too", `{"type":"cloudevent","data":` + a + `}`, "a 1/0"},
		{"logs in an entry", `{"type":"s","logs":[1,2]}`, "1/0"},
		{"escaped names and type", strings.NewReplacer(`"type"`, `"t\u0079pe"`, `"sapi"`, `"s\u0061pi"`, `"response"`, `"r\u0065sponse"`).Replace(a), "a 1/0"},
		{"other case is another name", `{"type":"s","Type":"sapi","TYPE":1,"type ":2}`, "1/0"},
		{"invalid UTF-8", "{\"type\":\"s\",\"description\":\"\xff\xfe\"}", "1/0"},
	}
	d := feed.NewDecoder(feed.Limits{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"at once":     strings.NewReader(tt.in),
				"by byte":     iotest.OneByteReader(strings.NewReader(tt.in)),
				"with EOF":    iotest.DataErrReader(strings.NewReader(tt.in)),
				"nothing now": &hesitant{src: strings.NewReader(tt.in)},
			} {
				got, err := d.Decode(r, now)
				if err != nil || seen(got) != tt.want {
					t.Errorf("%s: %s (%v), %v; want %s", name, seen(got), got.Flawed, err, tt.want)
				}
			}
		})
	}
}

// hesitant reads nothing every other time.
type hesitant struct {
	src  io.Reader
	idle bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.idle = !h.idle; h.idle {
		return 0, nil
	}
	return h.src.Read(p)
}

func TestDecodeMalformed(t *testing.T) {
	a, b := registration("a"), registration("b")
	tests := []struct{ name, in, want string }{
		{"a line", a + "\ngarbage\n" + b, "a b 3/1"},
		{"lines", "x\ny\n" + b, "b 3/2"},
		{"a line, indented next", "garbage\n  " + b, "b 2/1"},
		{"broken line", a + "\n" + `{"type":"s",}` + "\n" + b, "a b 3/1"},
		{"truncated line", a + "\n" + `{"type":"s","x":` + "\n" + b, "a b 3/1"},
		{"truncated in a string", a + "\n" + `{"type":"s","x":"\` + "\n" + b, "a b 3/1"},
		{"truncated in arrays", a + "\n" + `{"type":"s","x":[[[` + "\n" + b, "a b 3/1"},
		{"truncated CRLF", a + "\r\n" + `{"type":"s","x` + "\r\n" + b, "a b 3/1"},
		{"stray quote", a + "\n" + `{"type":"s","x":"y"z","u":"v"}` + "\n" + b, "a b 3/1"},
		{"stray bracket", a + "]\n" + b, "a b 3/1"},
		{"two on a line, the first broken", `{"type":s}` + a + "\n" + b, "a b 3/1"},
		{"pretty and broken", "{\n  \"type\":\n  {,\n \"x\": 1\n  }\n}\n" + b, "b 2/1"},
		{"control character", "{\"type\":\"s\",\"x\":\"\x01\"}\n" + b, "b 2/1"},
		{"raw newline", "{\"type\":\"s\",\"x\":\"\n\"}\n" + b, "b 2/1"},
		{"scalars", "1\n\"x\"\nnull\ntrue\n-2.5e3\n" + b, "b 6/5"},
		{"element", "[" + a + `,{"type":tru},` + b + "]", "a b 3/1"},
		{"scalars among elements", "[1,null,\"}{\",[{}]," + b + ",tru]", "b 6/5"},
		{"nothing among elements", "[" + a + ",," + b + "]", "a b 3/1"},
		{"last comma", "[" + a + ",]", "a 2/1"},
		{"no comma", "[" + a + b + "]", "a b 3/1"},
		{"garbage after an element", "[" + a + "x," + b + "]", "a b 3/1"},
		{"too many braces", "[" + a + "}," + b + "]", "a b 3/1"},
		{"elements by line, one broken", "[\n" + a + ",\n{\"type\":\"s\",\n" + b + "\n]", "a b 3/1"},
		{"array cut", "[" + a + ",", "a 2/1"},
		{"array cut after an element", "[" + a, "a 2/1"},
		{"array cut in an element", "[" + a + "," + b[:50], "a 2/1"},
		{"entry cut", a + "\n" + b[:50], "a 2/1"},
		{"logs cut", `{"logs":[` + a + `]`, "a 2/1"},
		{"logs broken behind", `{"logs":[` + a + `],}` + "\n" + b, "a b 3/1"},
		{"logs without comma", `{"logs":[` + a + `]"x":1}` + "\n" + b, "a b 3/1"},
		{"logs within", "[" + `{"logs":[` + a + `]},` + b + "]", "b 2/1"},
		{"no type", `{"log_id":"x","data":{"date":"2026-09-01T10:00:00Z"}}` + b, "b 2/1"},
		{"odd types", `{"type":5}{"type":null}{"type":""}{"type":{}}{}` + b, "b 6/5"},
		{"data is no entry", `{"data":5}{"data":[]}{"log_id":"x","data":null}` + b, "b 4/3"},
		{"type twice", `{"type":"s","type":"sapi"}` + b, "b 2/1"},
		{"type twice, escaped", `{"type":"s","t\u0079pe":"sapi"}` + b, "b 2/1"},
		{"data twice", `{"data":` + a + `,"data":` + a + `}` + b, "b 2/1"},
		{"details twice", strings.Replace(a, `"details"`, `"details":{},"details"`, 1) + b, "b 2/1"},
		{"response twice", strings.Replace(a, `"response"`, `"response":null,"response"`, 1) + b, "b 2/1"},
		{"client id twice", strings.Replace(a, `"client_id":"a"`, `"client_id":"a","client_id":"a"`, 1) + b, "b 2/1"},
		{"bad escape", `{"type":"\x"}` + "\n" + `{"type":"\u12g4"}` + "\n" + b, "b 3/2"},
		{"bad numbers", `{"type":"s","n":01}` + "\n" + `{"type":"s","n":1.}` + "\n" + `{"type":"s","n":-}` + "\n" + `{"type":"s","n":1e}` + "\n" + `{"type":"s","n":.5}` + "\n" + `{"type":"s","n":+1}` + "\n" + b, "b 7/6"},
		{"bad brackets", `{"type":"s","n":[}` + "\n" + `{"type":"s","n":{]}` + "\n" + `{"type":"s","n":[1}]` + "\n" + b, "b 4/3"},
		{"deep", a + "\n" + `{"type":"s","n":` + strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000) + "}\n" + b, "a b 3/1"},
		{"deep in an array", "[" + a + `,{"type":"s","n":` + strings.Repeat(`{"x":`, 200_000) + "0" + strings.Repeat("}", 200_000) + "}," + b + "]", "a b 3/1"},
		{"large line", a + "\n" + `{"type":"s","x":"` + strings.Repeat("y", 3<<20) + "\"}\n" + b, "a b 3/1"},
		{"large element", "[" + a + `,{"type":"s","x":"` + strings.Repeat(`\"}`, 1<<20) + "\"}," + b + "]", "a b 3/1"},
		{"large and concatenated", a + `{"type":"s","x":"` + strings.Repeat("y", 3<<20) + `"}` + b, "a b 3/1"},
		{"large garbage", a + "\n" + strings.Repeat("{", 3<<20) + "\n" + b, "a b 3/1"},
		{"large scalar", a + "\n\"" + strings.Repeat("x", 3<<20) + "\"\n" + b, "a b 3/1"},
		{"gzip and more", zipped(t, a+"\n") + "more", "a 2/1"},
	}
	d := feed.NewDecoder(feed.Limits{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := d.Decode(strings.NewReader(tt.in), now)
			if err != nil || seen(got) != tt.want {
				t.Errorf("%s (%v), %v; want %s", seen(got), got.Flawed, err, tt.want)
			}
			if len(got.Flawed) != min(got.Malformed, 5) {
				t.Errorf("%d malformed, %d described", got.Malformed, len(got.Flawed))
			}
		})
	}
}

func TestDecodeGzipCut(t *testing.T) {
	z := zipped(t, registration("a")+"\n"+delivered(200)+registration("b"))
	got, err := feed.NewDecoder(feed.Limits{}).Decode(strings.NewReader(z[:len(z)-100]), now)
	if err != nil || got.Malformed == 0 || len(got.Sightings) != 1 {
		t.Errorf("%s (%v), %v", seen(got), got.Flawed, err)
	}
}

func delivered(n int) string { return string(delivery(n, "", "\n", "\n")) }

func TestDecodeNothingReadable(t *testing.T) {
	d := feed.NewDecoder(feed.Limits{})
	for _, in := range []string{
		"", " \r\n\t", "\ufeff", "garbage", "5", "null", `"x"`, "[", "[1,2]", "[[]]", "{", "{}", "}", "]", `{"logs":null}`, `{"logs":5}`, `{"logs":[`,
		`{"logs":[5]}`, "[]]", "\x1f\x8b", "\x1f", "\x1f\x8bgarbage", zipped(t, ""), zipped(t, "garbage"), "\x00", "\xff\xfe{\x00}\x00", "<html></html>", "a=b&c=d",
	} {
		if got, err := d.Decode(strings.NewReader(in), now); !errors.Is(err, feed.ErrNothingReadable) {
			t.Errorf("Decode(%q) = %s, %v", in, seen(got), err)
		}
	}
	// One impossible id is not a broken delivery: sending it again would not help.
	if got, err := d.Decode(strings.NewReader(registration("../x")), now); err != nil || seen(got) != "1/1" {
		t.Errorf("an odd id: %s, %v", seen(got), err)
	}
}

func TestDecodeTooLarge(t *testing.T) {
	body := delivered(100)
	zip := zipped(t, body)
	tests := []struct {
		name  string
		limit int
		in    string
		want  error
	}{
		{"exactly", len(body), body, nil},
		{"one more", len(body) - 1, body, feed.ErrTooLarge},
		{"inflated exactly", len(body), zip, nil},
		{"inflated one more", len(body) - 1, zip, feed.ErrTooLarge},
		{"compressed", len(zip) - 1, zip, feed.ErrTooLarge},
		{"bomb", 10 << 20, zipped(t, strings.Repeat(" ", 11<<20)), feed.ErrTooLarge},
		{"line of 50 MB", 10 << 20, `{"type":"` + strings.Repeat("x", 50<<20), feed.ErrTooLarge},
		{"one byte", 1, body, feed.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := feed.NewDecoder(feed.Limits{Bytes: int64(tt.limit)}).Decode(strings.NewReader(tt.in), now)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if tt.want != nil && got.Received != 0 {
				t.Errorf("too large, and yet %d received", got.Received)
			}
		})
	}
}

func TestDecodeReadError(t *testing.T) {
	broken := errors.New("connection reset")
	d := feed.NewDecoder(feed.Limits{})
	for _, head := range []string{"", "{", registration("a"), registration("a") + "\n", zipped(t, registration("a"))[:50]} {
		got, err := d.Decode(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), now)
		if !errors.Is(err, broken) || got.Received != 0 {
			t.Errorf("after %q: %s, %v", head, seen(got), err)
		}
	}
	if _, err := d.Decode(stuck{}, now); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that reads nothing for ever: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestDecodeLastEvent(t *testing.T) {
	entry := func(date string) string { return `{"type":"s","date":"` + date + `"}` }
	tests := []struct{ name, in, want string }{
		{"newest", entry("2026-09-01T10:00:00.123Z") + entry("2026-09-01T10:00:02.000Z") + entry("2026-09-01T10:00:01.999Z"), "2026-09-01T10:00:02Z"},
		{"fractions", entry("2026-09-01T10:00:00.5Z") + entry("2026-09-01T10:00:00Z"), "2026-09-01T10:00:00.5Z"},
		{"offset", entry("2026-09-01T10:00:00+02:00") + entry("2026-09-01T08:00:01.000Z"), "2026-09-01T08:00:01Z"},
		{"a little ahead", entry("2026-11-01T13:00:00Z"), "2026-11-01T13:00:00Z"},
		{"far ahead", entry("2026-09-01T10:00:00Z") + entry("2026-11-01T13:00:01Z") + entry("9999-12-31T23:59:59Z"), "2026-09-01T10:00:00Z"},
		{"no dates", entry("") + entry("yesterday") + entry("2026-09-01") + entry("2026-13-01T10:00:00Z") + `{"type":"s","date":1756720800}{"type":"s"}`, "0001-01-01T00:00:00Z"},
		{"not of a malformed one", entry("2026-09-01T10:00:00Z") + `{"date":"2026-09-01T11:00:00Z"}`, "2026-09-01T10:00:00Z"},
		{"of one with an odd id", strings.Replace(registration("../x"), "2026-09-01", "2026-09-02", 1) + other, "2026-09-02T10:00:00.123Z"},
	}
	for _, tt := range tests {
		got, err := feed.NewDecoder(feed.Limits{}).Decode(strings.NewReader(tt.in), now)
		if at := got.LastEventAt.Format(time.RFC3339Nano); err != nil || at != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, at, err, tt.want)
		}
	}
}

// The newest date of a Management API call is kept apart: no log stream is
// without them, whatever else it is filtered to.
func TestDecodeLastManagementCall(t *testing.T) {
	entry := func(kind string, second int) string {
		return fmt.Sprintf(`{"type":%q,"date":"2026-09-01T10:00:%02dZ"}`, kind, second)
	}
	tests := []struct{ name, in, want string }{
		{"newest", entry("sapi", 1) + entry("sapi", 3) + entry("sapi", 2), "2026-09-01T10:00:03Z"},
		{"others do not count", entry("f", 5) + entry("sapi", 1) + entry("s", 9) + entry("fapi", 7) + entry("mgmt_api_read", 8), "2026-09-01T10:00:01Z"},
		{"as a stream sends it", `{"log_id":"x","data":` + entry("sapi", 4) + `}`, "2026-09-01T10:00:04Z"},
		{"escaped", `{"type":"s\u0061pi","date":"2026-09-01T10:00:06Z"}`, "2026-09-01T10:00:06Z"},
		{"far ahead", `{"type":"sapi","date":"2026-11-01T13:00:01Z"}` + entry("sapi", 1), "2026-09-01T10:00:01Z"},
		{"none", entry("s", 1), "0001-01-01T00:00:00Z"},
	}
	for _, tt := range tests {
		got, err := feed.NewDecoder(feed.Limits{}).Decode(strings.NewReader(tt.in), now)
		if at := got.LastManagementAt.Format(time.RFC3339Nano); err != nil || at != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, at, err, tt.want)
		}
	}
}

func TestDecodeDescribes(t *testing.T) {
	secret := "jane@example.com"
	in := registration("a") + "\n" + secret + "\n" + `{"type":"` + secret + `"}` + "\n" + registration(secret)
	got, err := feed.NewDecoder(feed.Limits{}).Decode(strings.NewReader(in), now)
	if err != nil {
		t.Fatal(err)
	}
	at := int64(len(registration("a")) + 1)
	if diff := cmp.Diff([]feed.Malformed{{1, at, feed.Syntax}, {3, at + 45, feed.BadClientID}}, got.Flawed); diff != "" {
		t.Errorf("Flawed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]feed.Sample{{"sapi", "/oidc/register"}, {"?", ""}, {"sapi", "/oidc/register"}}, got.Samples); diff != "" {
		t.Errorf("Samples (-want +got):\n%s", diff)
	}
	if s := got.Flawed[0].String(); s != fmt.Sprintf("entry 1 at byte %d: not JSON", at) {
		t.Error(s)
	}
	if strings.Contains(fmt.Sprint(got.Flawed, got.Samples), secret) {
		t.Error("content is shown")
	}
	for f := feed.Syntax; f <= feed.Contradiction; f++ {
		if f.String() == "none" || f.Error() != f.String() {
			t.Errorf("flaw %d has no text", f)
		}
	}
}

// What is held does not grow with the input.
func TestDecodeAllocatesLittle(t *testing.T) {
	d := feed.NewDecoder(feed.Limits{})
	few, many := delivery(100, "", "\n", ""), delivery(2000, "", "\n", "")
	count := func(body []byte) float64 {
		r := bytes.NewReader(nil)
		return testing.AllocsPerRun(20, func() {
			r.Reset(body)
			if _, err := d.Decode(r, now); err != nil {
				t.Fatal(err)
			}
		})
	}
	// A collection may empty the pool meanwhile, hence the slack.
	if a, b := count(few), count(many); b > a+10 {
		t.Errorf("100 entries: %v allocations, 2000 entries: %v", a, b)
	}
}

func TestSightingsOutliveTheWindow(t *testing.T) {
	d := feed.NewDecoder(feed.Limits{})
	first, err := d.Decode(strings.NewReader(registration("first")), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(strings.NewReader(strings.Repeat(registration("other")+"\n", 500)), now); err != nil {
		t.Fatal(err)
	}
	want := []dcr.Sighting{{
		Kind: dcr.Registered, Class: dcr.Urgent, ClientID: "first", LogID: "log-first", Registration: dcr.RegistrationDCR,
		At: time.Date(2026, 9, 1, 10, 0, 0, 123e6, time.UTC),
	}}
	if diff := cmp.Diff(want, first.Sightings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
