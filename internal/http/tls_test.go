package http_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"grantd/internal/certs"
	"grantd/internal/certs/certstest"
	"grantd/internal/feed"
	"grantd/internal/http"
)

const host = "grantd.example.com"

// secured makes a server speak TLS, and returns what a client trusts.
func secured(t *testing.T) (func(*http.ServerOptions), *tls.Config) {
	t.Helper()
	ca := certstest.New(t)
	cert, key := ca.Files(t.TempDir(), time.Hour, host)
	f, err := certs.OpenFiles(cert, key, discard())
	if err != nil {
		t.Fatal(err)
	}
	return func(o *http.ServerOptions) { o.TLS = certs.ServerConfig(f.GetCertificate, "h2", "http/1.1") }, ca.Trust(host)
}

// over speaks TLS and HTTP/1.1 over a connection.
func (r raw) over(trust *tls.Config) raw {
	r.t.Helper()
	c := tls.Client(r.Conn, trust)
	if err := c.HandshakeContext(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return raw{c, r.t}
}

// hello is the beginning of a handshake, as a client sends it.
func hello(t *testing.T) string {
	t.Helper()
	here, there := net.Pipe()
	defer there.Close()
	go func() { _ = tls.Client(here, &tls.Config{ServerName: host}).HandshakeContext(t.Context()) }()
	b := make([]byte, 100)
	if _, err := io.ReadFull(there, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSlowHandshakeIsCut: whoever does not end the handshake in the time of a
// header is closed.
func TestSlowHandshakeIsCut(t *testing.T) {
	enc, _ := secured(t)
	url := serve(t, http.Public(stubbed(drained)), enc, func(o *http.ServerOptions) { o.HeaderTimeout = 50 * time.Millisecond })
	for name, text := range map[string]string{"silence": "", "half a hello": hello(t)} {
		c := dial(t, url)
		c.send(text)
		if got := c.rest(); strings.Contains(got, "HTTP") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestSlowHandshakesMakeRoom: until then they hold places, and lose them to
// somebody who comes with a delivery.
func TestSlowHandshakesMakeRoom(t *testing.T) {
	enc, trust := secured(t)
	url := serve(t, http.Public(stubbed(drained)), enc, places(4))
	half := hello(t)
	for range 5 {
		for i := range 5 {
			c := dial(t, url)
			if i%2 == 0 {
				c.send(half)
			}
		}
		conn := dial(t, url).over(trust)
		conn.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\nContent-Length: 2\r\n\r\n[]")
		conn.answered(200)
	}
}

// TestStreamsKeepTheirConnection: over HTTP/2 a delivery under way keeps the
// connection although another request on it is answered.
func TestStreamsKeepTheirConnection(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	enc, trust := secured(t)
	url := serve(t, http.Public(stubbed(func(ctx context.Context, _ io.Reader) (feed.Receipt, error) {
		close(entered)
		select {
		case <-leave:
		case <-ctx.Done():
			t.Error("a delivery was cut")
		}
		return feed.Receipt{}, nil
	})), enc, places(2))
	wire := &nethttp.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	defer wire.CloseIdleConnections()
	ask := func(method, path string) error {
		req, err := nethttp.NewRequestWithContext(t.Context(), method, "https"+strings.TrimPrefix(url, "http")+path, strings.NewReader("[]"))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", secret)
		resp, err := wire.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("%s", resp.Proto)
		}
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- ask("POST", path) }()
	<-entered
	if err := ask("GET", "/healthz"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		c := dial(t, url).over(trust)
		c.send(alive)
		c.answered(200)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the delivery: %v", err)
	}
}

// TestRefusedStreamsLeaveOthersAlone: a proxy carries the deliveries of Auth0 and
// the attempts of strangers over one connection of HTTP/2.
func TestRefusedStreamsLeaveOthersAlone(t *testing.T) {
	enc, trust := secured(t)
	url := "https" + strings.TrimPrefix(serve(t, http.Public(stubbed(drained)), enc), "http") + path
	wire := &nethttp.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	defer wire.CloseIdleConnections()
	made := 0
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if !i.Reused {
			made++
		}
	}})
	for _, tt := range []struct {
		secret string
		size   int
		want   int
	}{{secret, 2, 200}, {"no", 1 << 20, 403}, {"", 2, 401}, {secret, 11 << 20, 413}, {secret, 2, 200}} {
		req, err := nethttp.NewRequestWithContext(trace, "POST", url, strings.NewReader(strings.Repeat(" ", tt.size-2)+"[]"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", tt.secret)
		resp, err := wire.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.want || resp.ProtoMajor != 2 {
			t.Errorf("%s over %s, want %d", resp.Status, resp.Proto, tt.want)
		}
	}
	if made != 1 {
		t.Errorf("%d connections", made)
	}
}

// TestBehindTLS: only the webhook and health, over HTTP/1.1 and HTTP/2.
func TestBehindTLS(t *testing.T) {
	enc, trust := secured(t)
	url := "https" + strings.TrimPrefix(serve(t, http.Public(stubbed(drained)), enc), "http")
	for _, two := range []bool{false, true} {
		wire := &nethttp.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: two}
		client := &nethttp.Client{Transport: wire}
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/health/auth0": 200, path: 405, "/metrics": 404, "/api/v1/clients": 404} {
			resp, err := client.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want || (resp.ProtoMajor == 2) != two {
				t.Errorf("%s over %s: %d, want %d", path, resp.Proto, resp.StatusCode, want)
			}
		}
		wire.CloseIdleConnections()
	}
}
