package http_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// raw is a connection whose other end may be rude.
type raw struct {
	net.Conn
	t testing.TB
}

func dial(t testing.TB, url string) raw {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	// Only a test that fails meets the deadline.
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return raw{c, t}
}

func (r raw) send(s string) {
	r.t.Helper()
	if _, err := io.WriteString(r, s); err != nil {
		r.t.Fatal(err)
	}
}

// rest reads until the server closes the connection.
func (r raw) rest() string {
	r.t.Helper()
	b, err := io.ReadAll(r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Fatalf("the server did not hang up: %v", err)
	}
	return string(b)
}

// record makes a request of the handler without a socket.
func record(t testing.TB, h nethttp.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	header := nethttp.Header{}
	for _, v := range headers {
		name, value, _ := strings.Cut(v, ": ")
		header.Add(name, value)
	}
	return recordHeader(t, h, method, target, header)
}

func recordHeader(t testing.TB, h nethttp.Handler, method, target string, header nethttp.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), method, target, strings.NewReader(`[]`))
	r.Header = header
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// textLogger writes lines without times.
func textLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func recordHost(t testing.TB, h nethttp.Handler, host string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), "GET", "/api/v1/config", nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
