package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	bits "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grantd/internal/certs/certstest"
	"grantd/internal/child"
)

const acmeHost = "grantd.example.com"

// pebble is Let's Encrypt's test server, as a process, and what it needs: names
// that lead to this machine, and a certificate of its own.
type pebble struct {
	*testing.T
	dir            string
	address, admin string // its own
	tlsPort        int    // where it looks for proofs
	ca             *certstest.Authority
	validity       time.Duration
	process        *exec.Cmd
	log            lockedBuffer
}

// newPebble returns one that is not started. scripts/acme-test builds it.
func newPebble(t *testing.T, validity time.Duration) *pebble {
	t.Helper()
	if os.Getenv("GRANTD_PEBBLE") == "" {
		t.Skip("needs a real ACME server; run scripts/acme-test")
	}
	p := &pebble{T: t, dir: t.TempDir(), ca: certstest.New(t), validity: validity}
	p.address, p.admin = fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	p.tlsPort = freePort(t)
	if err := os.WriteFile(p.root(), p.ca.Root(), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// root is the file of what signed Pebble's own certificate.
func (p *pebble) root() string { return filepath.Join(p.dir, "root.pem") }

func (p *pebble) directory() string { return "https://" + p.address + "/dir" }

func (p *pebble) start() {
	p.Helper()
	cert, key := p.ca.Files(p.dir, time.Hour, "127.0.0.1")
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": p.address, "managementListenAddress": p.admin, "certificate": cert, "privateKey": key,
		"httpPort": 1, "tlsPort": p.tlsPort,
		"profiles": map[string]any{"default": map[string]any{"description": "x", "validityPeriod": int(p.validity.Seconds())}},
	}})
	if err != nil {
		p.Fatal(err)
	}
	file := filepath.Join(p.dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		p.Fatal(err)
	}
	p.process = exec.Command(os.Getenv("GRANTD_PEBBLE"), "-config", file, "-dnsserver", namesLeadHere(p.T))
	p.process.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=10")
	p.process.Stdout, p.process.Stderr = &p.log, &p.log
	if err := p.process.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		_ = p.process.Process.Kill()
		_ = p.process.Wait()
		if p.Failed() {
			p.Logf("pebble logged:\n%s", tail(p.log.String(), 40))
		}
	})
	if !child.Poll(p.Context(), func() bool {
		c, err := net.Dial("tcp", p.admin)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	}) {
		p.Fatal("pebble did not start")
	}
}

// orders is how many certificates were asked for.
func (p *pebble) orders() int { return strings.Count(p.log.String(), "Added order ") }

// trust is a client's that trusts what Pebble issues.
func (p *pebble) trust() *tls.Config {
	p.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: p.ca.Trust("127.0.0.1")}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + p.admin + "/roots/0")
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	pem, err := io.ReadAll(resp.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		p.Fatalf("pebble's root: %v, %q", err, pem)
	}
	return &tls.Config{RootCAs: pool, ServerName: acmeHost, MinVersion: tls.VersionTLS12}
}

// namesLeadHere is a DNS server by which every name is 127.0.0.1 (RFC 1035). It
// answers over TCP, by which Pebble asks.
func namesLeadHere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerNames(conn)
		}
	}()
	return l.Addr().String()
}

// answerNames answers the questions of a connection, each after its length.
func answerNames(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		var n [2]byte
		if _, err := io.ReadFull(conn, n[:]); err != nil {
			return
		}
		q := make([]byte, bits.BigEndian.Uint16(n[:]))
		if _, err := io.ReadFull(conn, q); err != nil {
			return
		}
		a := dnsAnswer(q)
		bits.BigEndian.PutUint16(n[:], uint16(len(a)))
		if _, err := conn.Write(append(n[:], a...)); err != nil {
			return
		}
	}
}

// dnsAnswer answers a question for an address, and any other with nothing.
func dnsAnswer(q []byte) []byte {
	end := 12
	for end < len(q) && q[end] != 0 {
		end += int(q[end]) + 1
	}
	if end+5 > len(q) {
		return nil
	}
	a := append([]byte{}, q[:end+5]...)
	bits.BigEndian.PutUint16(a[2:], 0x8180)
	for i, n := range []uint16{1, 0, 0, 0} {
		bits.BigEndian.PutUint16(a[4+2*i:], n)
	}
	if bits.BigEndian.Uint16(q[end+1:]) == 1 {
		a[7] = 1
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
	}
	return a
}
