package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// resident is how much memory grantd holds that is its own, in MiB.
func (f *fortress) resident() int {
	f.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.daemon.PID()))
	if err != nil {
		f.Skip("this needs /proc: ", err)
	}
	kb := 0
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "RssAnon: %d kB", &kb); err == nil {
			return kb >> 10
		}
	}
	f.Fatal("no RssAnon")
	return 0
}

// pour posts what a reader has, with the secret, and returns the status; 0 if
// the connection was closed while it was sent.
func (f *fortress) pour(r io.Reader, header ...string) int {
	f.Helper()
	req, err := http.NewRequestWithContext(f.ctx(), http.MethodPost, "http://"+f.daemon.Public+"/auth0-log-webhook", r)
	if err != nil {
		f.Fatal(err)
	}
	req.Header.Set("Authorization", secret)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// repeated is n bytes of a text again and again.
func repeated(text string, n int64) io.Reader {
	return io.LimitReader(&again{text: strings.Repeat(text, 1+32<<10/len(text))}, n)
}

type again struct {
	text string
	at   int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.text[a.at:])
	a.at = (a.at + n) % len(a.text)
	return n, nil
}

// Bodies made to exhaust, confuse or crash: the answer is the documented one,
// what is good beside them is taken, and memory is bounded.
func TestAttackPayloads(t *testing.T) {
	f := newFortress(t, setup{})
	const limit = 10 << 20
	good := func(n string) string { return string(registration("good-"+n, "tpc_nobody", otherApp)) + "\n" }
	bomb := zipped(t, bytes.Repeat([]byte("[["), 100<<20)) // 200 MiB in some 200 kB
	gzip := []string{"Content-Encoding", "gzip"}
	whole := zipped(t, []byte(good("0")))
	deep := strings.Repeat("[", 1_000_000)
	before := f.resident()
	for _, tt := range []struct {
		name   string
		body   io.Reader
		status string // one of
		header []string
	}{
		{"10 MiB", io.MultiReader(strings.NewReader("[]"), repeated(" ", limit-2)), "200", nil},
		{"10 MiB and a byte", io.MultiReader(strings.NewReader("[]"), repeated(" ", limit-1)), "413", nil},
		{"endless", repeated(good("1"), 1<<40), "413 0", nil},
		{"10 MiB inflated", bytes.NewReader(zipped(t, append([]byte("[]"), bytes.Repeat([]byte(" "), limit-2)...))), "200", gzip},
		{"10 MiB and a byte inflated", bytes.NewReader(zipped(t, append([]byte("[]"), bytes.Repeat([]byte(" "), limit-1)...))), "413", gzip},
		{"a bomb", bytes.NewReader(bomb), "413 400", gzip},
		{"a bomb that says nothing of it", bytes.NewReader(bomb), "413 400", nil},
		{"a bomb in a bomb", bytes.NewReader(zipped(t, bomb)), "400", gzip},
		{"gzip that is none", strings.NewReader("\x1f\x8bnonsense"), "400", gzip},
		{"gzip cut", bytes.NewReader(whole[:len(whole)/2]), "400", gzip},
		{"gzip with a wrong checksum", bytes.NewReader(append(whole[:len(whole)-8:len(whole)-8], 1, 2, 3, 4, 5, 6, 7, 8)), "200 400", gzip},
		{"gzip, twice", bytes.NewReader(append(slices.Clip(whole), zipped(t, []byte(good("2")))...)), "200", gzip},
		{"gzip with rubbish behind", bytes.NewReader(append(slices.Clip(whole), "rubbish"...)), "200 400", gzip},
		{"gzip with a name of 1 MB", bytes.NewReader(append([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"), bytes.Repeat([]byte("n"), 1<<20)...)), "400", gzip},
		{"a million deep", strings.NewReader(deep), "400", nil},
		{"a million deep, closed", strings.NewReader(deep + strings.Repeat("]", 1_000_000)), "200 400", nil},
		{"objects a million deep", strings.NewReader(strings.Repeat(`{"a":`, 1_000_000)), "400", nil},
		{"a million deep within an entry", strings.NewReader(`{"type":"sapi","x":` + deep + strings.Repeat("]", 1_000_000) + "}\n" + good("3")), "200", nil},
		{"one line of 50 MB", repeated("x", 50<<20), "413 0", nil},
		{"one line of 50 MB, zipped", bytes.NewReader(zipped(t, bytes.Repeat([]byte("x"), 50<<20))), "413", gzip},
		{"one line of 9 MB, and a good one", io.MultiReader(strings.NewReader(`{"type":"`), repeated("x", 9<<20), strings.NewReader("\"}\n"+good("4"))), "200", nil},
		{"duplicate keys", strings.NewReader(strings.Replace(good("5"), `"client_id":"tpc_nobody"`, `"client_id":"tpc_nobody","client_id":"`+ownApp+`"`, 1)), "200 400", nil},
		{"keys of another case", strings.NewReader(strings.Replace(good("6"), `"type":"sapi"`, `"TYPE":"sapi"`, 1)), "200 400", nil},
		{"invalid UTF-8", strings.NewReader(strings.Replace(good("7"), "Dynamic", "\xff\xfe\xc0\xaf\xed\xa0\x80", 1)), "200 400", nil},
		{"lone surrogates", strings.NewReader(strings.Replace(good("8"), "Dynamic", `\ud800\udfff\u0000`, 1)), "200", nil},
		{"a huge number", strings.NewReader(`{"type":1` + strings.Repeat("0", 500_000) + `,"date":1e999999999}` + "\n" + good("9")), "200", nil},
		{"dates", strings.NewReader(`{"type":"sapi","date":"99999-99-99T99:99:99Z"}` + "\n" + `{"type":"s","date":-1e308}` + "\n" + good("10")), "200", nil},
		{"a byte order mark", strings.NewReader("\ufeff" + good("11")), "200", nil},
		{"UTF-16", strings.NewReader("\xff\xfe{\x00}\x00"), "400", nil},
		{"NULs", repeated("\x00", 1<<20), "400", nil},
		{"a million empty entries", io.MultiReader(strings.NewReader("["), repeated("{},", 3_000_000), strings.NewReader("{}]")), "200 400", nil},
		{"a million newlines", repeated("\n", 1_000_000), "200 400", nil},
		{"a page", strings.NewReader("<html>" + canary), "400", nil},
		{"a form", strings.NewReader("a=b&c=" + canary), "400", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"an external entity", strings.NewReader(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`), "400", []string{"Content-Type", "application/xml"}},
		{"secrets in an entry", strings.NewReader(fmt.Sprintf(`{"type":"sapi","log_id":%q,"date":%q,"details":{"request":{"path":%q,"method":%q}}}`, canary, canary, "/"+canary, canary)), "200 400", nil},
	} {
		if got := fmt.Sprint(f.pour(tt.body, tt.header...)); !strings.Contains(" "+tt.status+" ", " "+got+" ") {
			t.Errorf("%s: %s, want one of %s", tt.name, got, tt.status)
		}
	}
	t.Logf("resident before %d MiB, after %d MiB", before, f.resident())
	if grown := f.resident() - before; grown > 96 {
		t.Errorf("%d MiB more are resident", grown)
	}
	f.unharmed()
}

// A delivery can bring many registrations of clients that do not exist. They
// cost a bounded number of calls and bytes, and no other client its turn.
func TestAttackManyRegistrations(t *testing.T) {
	f := newFortress(t, setup{})
	const n = 1000
	var b bytes.Buffer
	for i := range n {
		b.Write(registration(fmt.Sprintf("many-%d", i), fmt.Sprintf("tpc_many%d", i), otherApp))
		b.WriteByte('\n')
	}
	f.tenant.SetLatency(0)
	mark := f.mark()
	if r := f.post(b.Bytes()); r.Registrations != n {
		t.Errorf("receipt %+v", r)
	}
	friend := f.register("meanwhile")
	f.post(body(f.lines()))
	f.await(friend.ID, "ready")
	f.eventually("nothing is due", func() bool { return f.due() == 0 })
	if calls := len(f.calls(mark)); calls > 2*n+10 {
		t.Errorf("%d calls for %d clients", calls, n)
	}
	for _, c := range f.tenant.Calls()[mark:] {
		if c.Write() && !strings.Contains(c.Path+string(c.Body), friend.ID) {
			t.Errorf("a write: %s %s", c.Method, c.Path)
		}
	}
	f.theirs = map[string]string{}
	f.unharmed()
}

// A body that is not read is answered all the same: who sends 10 GB with a wrong
// secret is told so at once.
func TestAttackUnreadBody(t *testing.T) {
	f := newFortress(t, setup{noStream: true})
	for _, header := range []string{"X-Webhook-Secret: wrong\r\n", ""} {
		got := f.speak(f.daemon.Public, "POST /auth0-log-webhook HTTP/1.1\r\nHost: x\r\n"+header+"Content-Length: 10000000000\r\n\r\n"+strings.Repeat(canary, 100_000))
		if s := statuses(got); len(s) > 1 || len(s) == 1 && s[0] != "403" && s[0] != "401" {
			t.Errorf("got %.200q", got)
		}
	}
	var problem struct{ Error string }
	if _, answer, _ := f.send("POST", "http://"+f.daemon.Public+"/auth0-log-webhook", []byte(canary)); json.Unmarshal(answer, &problem) != nil || problem.Error != "unauthorized" {
		t.Errorf("got %s", answer)
	}
	f.letGo(5)
	f.logIsClean()
}
