package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"grantd/internal/certs/certstest"
)

// withFiles is a setup whose listener has a certificate from files, in dir.
func withFiles(t *testing.T, s setup, dir string) (setup, *certstest.Authority) {
	t.Helper()
	ca := certstest.New(t)
	cert, key := ca.Files(dir, 30*24*time.Hour, "grantd.example.com")
	s.trust = ca.Trust("grantd.example.com")
	s.env = append(s.env, "GRANTD_TLS_CERT_FILE="+cert, "GRANTD_TLS_KEY_FILE="+key)
	return s, ca
}

// TestTLSByFiles: the whole way of a client over HTTPS; a new certificate is
// shown without a restart, a broken one is not, and is told of.
func TestTLSByFiles(t *testing.T) {
	dir := t.TempDir()
	s, ca := withFiles(t, setup{}, dir)
	w := newWorld(t, s)
	c := w.register("first")
	w.await(c.ID, "ready")
	if got := w.speaks(); got != "h2" {
		t.Errorf("the protocol is %q", got)
	}
	was := w.shown().SerialNumber.String()
	ca.Files(dir, 60*24*time.Hour, "grantd.example.com")
	w.eventually("the new certificate is shown", func() bool { return w.shown().SerialNumber.String() != was })

	was = w.shown().SerialNumber.String()
	if err := os.WriteFile(dir+"/cert.pem", []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.eventually("a broken certificate is told of", func() bool {
		return strings.Contains(w.metrics(), `grantd_check_failing{reason="certificate_failing"} 1`)
	})
	if got := w.shown().SerialNumber.String(); got != was {
		t.Error("another certificate is shown")
	}
	ca.Files(dir, 60*24*time.Hour, "grantd.example.com")
	w.eventually("it is mended", func() bool {
		return w.shown().SerialNumber.String() != was && strings.Contains(w.metrics(), `grantd_check_failing{reason="certificate_failing"} 0`)
	})
	w.reload("GRANTD_TLS_CERT_FILE=/elsewhere/cert.pem")
	w.eventually("it says that a restart is needed", func() bool {
		return strings.Contains(w.daemon.Logged(), `"a restart is needed before these take effect","variables":"GRANTD_TLS_CERT_FILE"`)
	})
	w.post([]byte("[]"))
}

// TestTLSRefusesOldProtocols: nothing below TLS 1.2, nothing without forward
// secrecy and authenticated encryption, and nothing in the clear.
func TestTLSRefusesOldProtocols(t *testing.T) {
	s, _ := withFiles(t, setup{noStream: true}, t.TempDir())
	w := newWorld(t, s)
	for name, tt := range map[string]struct {
		set func(*tls.Config)
		ok  bool
	}{
		"1.3": {func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, true},
		"1.2": {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		"1.1": {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		"1.2, CBC": {func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}, false},
	} {
		c := s.trust.Clone()
		tt.set(c)
		conn, err := tls.Dial("tcp", w.address(), c)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	resp, err := http.Get("http://" + w.address() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("in the clear: %s", resp.Status)
	}
}

// TestTLSFilesAreChecked: a pair that cannot be used is a configuration error,
// which no restart mends.
func TestTLSFilesAreChecked(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	s, ca := withFiles(t, setup{unstarted: true}, dir)
	w := newWorld(t, s)
	_, key := ca.Files(other, time.Hour, "grantd.example.com")
	for _, tt := range []struct{ env, want string }{
		{"GRANTD_TLS_CERT_FILE=" + other + "/none.pem", "GRANTD_TLS_CERT_FILE: open " + other + "/none.pem: no such file or directory; is the path right?"},
		{"GRANTD_TLS_KEY_FILE=" + key, "GRANTD_TLS_KEY_FILE: use " + dir + "/cert.pem with " + key + ": tls: private key does not match public key; name the private key in PEM that belongs to"},
		{"GRANTD_TLS_KEY_FILE=" + dir + "/cert.pem", "GRANTD_TLS_KEY_FILE: use "},
		{"GRANTD_TLS_CERT_FILE=" + key, "GRANTD_TLS_CERT_FILE: use "},
		{"GRANTD_TLS_CERT_FILE=" + dir, "GRANTD_TLS_CERT_FILE: open " + dir + ": not a file"},
	} {
		name, _, _ := strings.Cut(tt.env, "=")
		was := w.env[name]
		w.set(tt.env)
		err := w.tryStart(w.options("serve"))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "exit status 2") {
			t.Errorf("%s: %v", tt.env, err)
		}
		w.set(name + "=" + was)
	}
	w.start()
}

// TestTLSOfTheAdminListener: it has the same certificate where others can reach
// it, and none where they cannot.
func TestTLSOfTheAdminListener(t *testing.T) {
	const token = "admin-token-0123456789"
	s, _ := withFiles(t, setup{noStream: true, env: []string{"GRANTD_ADMIN_LISTEN=0.0.0.0:0", "GRANTD_ADMIN_TOKEN=" + token}}, t.TempDir())
	w := newWorld(t, s)
	_, port, err := net.SplitHostPort(w.daemon.Admin)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := w.send("GET", "https://127.0.0.1:"+port+"/metrics", nil, "Authorization", "Bearer "+token); status != 200 {
		t.Errorf("metrics: %d", status)
	}
	if strings.Contains(w.daemon.Logged(), "there is no TLS") {
		t.Error("it warns of no TLS")
	}
}

// TestAttackFloodTLS is TestAttackFlood over TLS; some never begin the
// handshake.
func TestAttackFloodTLS(t *testing.T) {
	s, _ := withFiles(t, setup{noStream: true}, t.TempDir())
	newFortress(t, s).siege(min(*flood, 10_000))
}

// shown is the certificate of the public listener.
func (w *world) shown() *x509.Certificate {
	w.Helper()
	conn, err := tls.Dial("tcp", w.address(), w.trust)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}

// speaks is the protocol that a client of our own agrees on with grantd.
func (w *world) speaks() string {
	w.Helper()
	c := w.trust.Clone()
	c.NextProtos = []string{"h2", "http/1.1"}
	conn, err := tls.Dial("tcp", w.address(), c)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().NegotiatedProtocol
}

func (w *world) metrics() string {
	w.Helper()
	_, answer, _ := w.send("GET", "http://"+w.daemon.Admin+"/metrics", nil)
	return string(answer)
}
