package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// flood makes TestAttackFlood as large as the promise: 10,000 idle connections
// and 100 slow ones. It needs 10,200 descriptors.
//
//	go test -run AttackFlood -v ./internal/e2e -args -flood 10000
var flood = flag.Int("flood", 2000, "idle connections of TestAttackFlood")

const slowOnes = 100

// crowd is connections of people who waste them. Those that are closed come
// again when they are stubborn.
type crowd struct {
	address string
	trust   *tls.Config // of those who come over TLS with HTTP/1.1; nil: in the clear
	sources atomic.Uint32
	open    atomic.Int32
	closed  atomic.Int32 // by grantd, so far
	all     sync.WaitGroup
}

// join opens a connection from one of many addresses of the machine, uses it,
// and waits for its end; again and again where stubborn.
func (c *crowd) join(ctx context.Context, stubborn bool, use func(context.Context, net.Conn)) {
	for first := true; first || stubborn && ctx.Err() == nil; first = false {
		n := c.sources.Add(1)
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n%200))}}
		conn, err := d.DialContext(ctx, "tcp", c.address)
		if err != nil {
			continue // grantd's queue is full for a moment
		}
		c.open.Add(1)
		wire := conn // below TLS, which waits for its end to be taken
		hangUp := context.AfterFunc(ctx, func() { _ = wire.Close() })
		if c.trust != nil && n%5 > 0 { // every fifth never begins the handshake
			conn = tls.Client(conn, c.trust)
		}
		use(ctx, conn)
		_, _ = io.Copy(io.Discard, conn)
		hangUp()
		_ = conn.Close()
		c.open.Add(-1)
		c.closed.Add(1)
	}
}

// trickle sends text, and then a byte now and then.
func trickle(text string) func(context.Context, net.Conn) {
	return func(ctx context.Context, c net.Conn) {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if _, err := io.WriteString(c, " "); err != nil {
				return
			}
		}
	}
}

// says sends text once and reads the first line of the answer to it.
func says(text string) func(context.Context, net.Conn) {
	return func(_ context.Context, c net.Conn) {
		if _, err := io.WriteString(c, text); err == nil {
			_, _ = bufio.NewReader(c).ReadString('\n')
		}
	}
}

// lay is the siege: idle connections, half of them after a request, and slow
// headers and bodies without a secret, with a wrong one and with the right one.
func (c *crowd) lay(ctx context.Context, idle int) {
	const post = "POST /auth0-log-webhook HTTP/1.1\r\nHost: x\r\n"
	door := make(chan struct{}, 50) // or a slow machine has not shaken all hands before grantd gives up
	for i := range idle {
		use := func(context.Context, net.Conn) {}
		// A silent one is closed after 5 s, and handshakes take their time.
		if i%2 == 0 || c.trust != nil {
			use = says("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		c.all.Go(func() {
			door <- struct{}{}
			leave := sync.OnceFunc(func() { <-door })
			defer leave()
			c.join(ctx, false, func(ctx context.Context, conn net.Conn) {
				use(ctx, conn)
				leave()
			})
		})
	}
	for i := range slowOnes {
		text := post
		switch i % 4 {
		case 0:
			text += "X-Slow: "
		case 1:
			text += "Content-Length: 1000\r\n\r\n["
		case 2:
			text += "Authorization: wrong\r\nContent-Length: 1000\r\n\r\n["
		case 3:
			text += "Authorization: " + secret + "\r\nContent-Length: 1000\r\n\r\n["
		}
		c.all.Go(func() { c.join(ctx, true, trickle(text)) })
	}
}

// deliveries makes n of them, one after the other, each with a registration that
// is kept before it is acknowledged, and returns how long each took, sorted.
func (f *fortress) deliveries(name string, n int, reuse bool) []time.Duration {
	f.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: !reuse, TLSClientConfig: f.trust.Clone(), ForceAttemptHTTP2: true}, Timeout: patience}
	defer client.CloseIdleConnections()
	took, again := make([]time.Duration, n), 0
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for i := range took {
		<-pace.C
		entry := registration(fmt.Sprintf("%s-%d", name, i), fmt.Sprintf("tpc_nobody%d", i%7), otherApp)
		req, err := http.NewRequestWithContext(f.ctx(), http.MethodPost, f.url("/auth0-log-webhook"), bytes.NewReader(entry))
		if err != nil {
			f.Fatal(err)
		}
		req.Header.Set("Authorization", secret)
		begun := time.Now()
		resp, err := client.Do(req)
		for range 2 { // Auth0 tries three times; the time of all of them counts
			if err == nil {
				break
			}
			again++
			req.Body = io.NopCloser(bytes.NewReader(entry))
			resp, err = client.Do(req)
		}
		if err != nil {
			f.Errorf("delivery %d: %v", i, err)
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if took[i] = time.Since(begun); resp.StatusCode != 200 {
			f.Errorf("delivery %d: %s", i, resp.Status)
		}
	}
	slices.Sort(took)
	f.Logf("%-28s p50 %-12v p99 %-12v max %-12v %d made again, RssAnon %d MiB, %d descriptors",
		name, took[n/2], took[n*99/100], took[n-1], again, f.resident(), f.openFiles())
	return took
}

// Whatever number of connections stand idle or trickle, deliveries are taken, on
// connections of their own and on kept ones, and what all of it holds is bounded.
// How long they take is printed and not asserted: a machine has moods.
func TestAttackFlood(t *testing.T) {
	f := newFortress(t, setup{noStream: true})
	f.siege(*flood)
}

// siege is TestAttackFlood with so many idle connections.
func (f *fortress) siege(idle int) {
	const n = 200
	f.deliveries("in peace, new", n, false)
	f.deliveries("in peace, kept", n, true)
	ctx, cancel := context.WithCancel(f.Context())
	c := crowd{address: f.address(), trust: f.trust}
	defer c.all.Wait()
	defer cancel()
	c.lay(ctx, idle)
	const places = 1024
	f.eventually("the places are taken, or were", func() bool {
		return f.openFiles() > places || int(c.closed.Load()) >= idle-places
	})
	f.deliveries("under siege, new", n, false)
	f.deliveries("under siege, kept", n, true)
	f.eventually("all came, and those beyond the places were closed", func() bool {
		return int(c.open.Load())+int(c.closed.Load()) >= idle && int(c.closed.Load()) >= idle-places
	})
	f.deliveries("later, new", n, false)
	f.Logf("%d connections are open, %d were closed by grantd", c.open.Load(), c.closed.Load())
	if fds := f.openFiles(); fds > f.fds+places+120 {
		f.Errorf("%d descriptors", fds)
	}
	if mib := f.resident(); mib > 128 {
		f.Errorf("%d MiB are resident", mib)
	}
	cancel()
	c.all.Wait()
	f.letGo(5)
	f.unharmed()
}
