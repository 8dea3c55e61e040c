package notify

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What is known to have been told is bounded, whoever makes things up.
func TestKnownIsBounded(t *testing.T) {
	t.Parallel()
	now, dropped := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), 0
	p := newPending(func(n int) { dropped += n })
	for i := range 3 * maxKnown {
		p.add(Event{Key: fmt.Sprint(i), Line: "x"}, now)
		if len(p.known) > maxKnown || len(p.lines) > maxLines {
			t.Fatalf("%d known, %d wait", len(p.known), len(p.lines))
		}
	}
	if dropped != 3*maxKnown-maxLines {
		t.Errorf("%d dropped", dropped)
	}
}

// answers is a chat that answers with a status and a body.
type answers struct {
	status int
	body   io.Reader
}

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(a.body)}, nil
}

// endless is a body that counts what is read of it, and ends where nobody should
// get to.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	if e.read += len(b); e.read > 1<<20 {
		return 0, io.ErrUnexpectedEOF
	}
	return len(b), nil
}

// Of an answer only its beginning is read, and nothing of it is repeated that
// could be of the address.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const address = "http://chat.example.com/hooks/secretpart"
	e := &endless{}
	if f := post(t.Context(), newClient(answers{http.StatusOK, e}), address, "x"); f != nil || e.read > 64<<10 {
		t.Errorf("%v, %d bytes read", f, e.read)
	}
	for body, want := range map[string]string{
		"no_service": "it answers with status 404 (no_service)", "secretpart": "it answers with status 404", "secret": "it answers with status 404",
		"<html>": "it answers with status 404", strings.Repeat("a", 41): "it answers with status 404",
	} {
		f := post(t.Context(), newClient(answers{http.StatusNotFound, strings.NewReader(body)}), address, "x")
		if f == nil || f.what != want || f.again {
			t.Errorf("%s: %+v", body, f)
		}
	}
}

// An entity in a name is text, and not what Slack makes of it.
func TestEscape(t *testing.T) {
	t.Parallel()
	if got := escape("&lt;!here&gt; <a> & b"); got != "&amp;lt;!here&amp;gt; &lt;a&gt; &amp; b" {
		t.Error(got)
	}
}
