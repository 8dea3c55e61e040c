package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newACMEWorld is a world whose grantd gets its certificate from p; it is not
// started.
func newACMEWorld(t *testing.T, p *pebble) *world {
	t.Helper()
	w := newWorld(t, setup{unstarted: true, trust: &tls.Config{ServerName: acmeHost}, env: []string{
		fmt.Sprintf("GRANTD_LISTEN=0.0.0.0:%d", p.tlsPort), "GRANTD_ACME_DOMAIN=" + acmeHost,
		"GRANTD_ACME_DIRECTORY_URL=" + p.directory(), "GRANTD_ACME_EMAIL=ops@example.com",
	}})
	w.extra = []string{"SSL_CERT_FILE=" + p.root()}
	return w
}

// issued waits for a certificate, and has the world trust it.
func (w *world) issued(p *pebble) {
	w.Helper()
	w.eventually("a certificate is issued", func() bool { return strings.Contains(w.metrics(), "\ngrantd_certificate_expires_timestamp_seconds ") })
	w.trustAll(p.trust())
}

// TestACME: a certificate is had at the start and not by a handshake, the whole
// way of a client works over it, no other host is answered, and a restart uses
// what is kept.
func TestACME(t *testing.T) {
	p := newPebble(t, 90*24*time.Hour)
	p.start()
	w := newACMEWorld(t, p)
	w.start()
	w.issued(p)
	if got := p.orders(); got != 1 {
		t.Errorf("%d orders", got)
	}
	w.warm()
	c := w.register("first")
	w.await(c.ID, "ready")
	if got := w.speaks(); got != "h2" {
		t.Errorf("the protocol is %q", got)
	}
	if until := w.shown().NotAfter; time.Until(until) < 89*24*time.Hour {
		t.Errorf("valid until %v", until)
	}
	w.othersAreRefused()
	w.acmeFilesArePrivate()

	serial := w.shown().SerialNumber.String()
	w.stop()
	w.start()
	if got := w.shown().SerialNumber.String(); got != serial {
		t.Errorf("the certificate is another one after a restart")
	}
	w.warm()
	w.post([]byte("[]"))
	w.daemon.Kill()
	w.start()
	if got := w.shown().SerialNumber.String(); got != serial {
		t.Errorf("the certificate is another one after a kill")
	}
	if got := p.orders(); got != 1 {
		t.Errorf("%d orders after restarts", got)
	}
	if got := w.health(); strings.Contains(fmt.Sprint(got.Reasons), "certificate") {
		t.Errorf("health: %v", got.Reasons)
	}
}

// othersAreRefused: a handshake for another host, for none, and one that asks
// for a proof that nobody expects.
func (w *world) othersAreRefused() {
	w.Helper()
	for name, c := range map[string]*tls.Config{
		"another host": {ServerName: "www.example.com"}, "no host": {}, "a subdomain": {ServerName: "x." + acmeHost},
		"a proof": {ServerName: acmeHost, NextProtos: []string{"acme-tls/1"}},
	} {
		c.InsecureSkipVerify = true //nolint:gosec // it must not get as far
		conn, err := tls.Dial("tcp", w.address(), c)
		if err == nil {
			_ = conn.Close()
			w.Errorf("%s is answered", name)
		}
	}
}

func (w *world) acmeFilesArePrivate() {
	w.Helper()
	names := ""
	root := filepath.Join(w.env["GRANTD_STATE_DIR"], "acme")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			w.Errorf("%s has mode %v", path, info.Mode())
		}
		names += d.Name() + " "
		return nil
	})
	if err != nil || !strings.Contains(names, acmeHost+" ") || !strings.Contains(names, "acme_account+key ") {
		w.Errorf("files: %s, %v", names, err)
	}
}

// TestACMERenews: a certificate is replaced when a third of its life is left,
// and those who are connected stay so.
func TestACMERenews(t *testing.T) {
	p := newPebble(t, 20*time.Second)
	p.start()
	w := newACMEWorld(t, p)
	w.start()
	w.issued(p)
	first := w.shown()
	w.eventually("the certificate is renewed", func() bool { return w.shown().SerialNumber.Cmp(first.SerialNumber) != 0 })
	if second := w.shown(); !second.NotBefore.Before(first.NotAfter) {
		t.Errorf("the first ended at %v, the second began at %v", first.NotAfter, second.NotBefore)
	}
	w.post([]byte("[]"))
}

// TestACMEBackoff: an authority that is down, and one that gets no proof, is
// asked again after its time and no sooner, however often grantd is started and
// whoever shakes hands.
func TestACMEBackoff(t *testing.T) {
	p := newPebble(t, 90*24*time.Hour)
	w := newACMEWorld(t, p)
	w.start() // it serves all the same
	w.tried(1, "connection refused")
	w.eventually("metrics say so", func() bool {
		return strings.Contains(w.metrics(), `grantd_check_failing{reason="certificate_failing"} 1`)
	})
	p.start()
	for range 5 {
		w.daemon.Kill()
		w.start()
		for range 20 {
			if conn, err := tls.Dial("tcp", w.address(), &tls.Config{ServerName: acmeHost}); err == nil {
				_ = conn.Close()
				t.Fatal("there is a certificate")
			}
		}
	}
	if got := p.orders(); got != 0 || strings.Contains(p.log.String(), "GET /dir") {
		t.Errorf("the authority was asked, %d orders", got)
	}
	if !strings.Contains(w.daemon.Logged(), "not asked again before its time") {
		t.Error("the log does not say why there is no certificate")
	}

	// A minute later the proof fails, because another listener has the port
	// that the authority looks at.
	w.stop()
	w.passBackoff()
	w.set(fmt.Sprintf("GRANTD_LISTEN=0.0.0.0:%d", freePort(t)))
	w.start()
	w.tried(2, "failed to connect")
	w.stop()
	orders := p.orders()

	// And five minutes after that all is mended.
	w.passBackoff()
	w.set(fmt.Sprintf("GRANTD_LISTEN=0.0.0.0:%d", p.tlsPort))
	w.start()
	w.issued(p)
	if got := p.orders(); got != orders+1 {
		t.Errorf("%d orders, want %d", got, orders+1)
	}
	w.post([]byte("[]"))
}

// backoffFile is where grantd keeps when it asks again.
func (w *world) backoffFile() string {
	w.Helper()
	all, err := filepath.Glob(filepath.Join(w.env["GRANTD_STATE_DIR"], "acme", "*", "backoff.json"))
	if err != nil || len(all) > 1 {
		w.Fatalf("backoff files: %q, %v", all, err)
	}
	if len(all) == 0 {
		return "" // no try was made yet
	}
	return all[0]
}

type keptBackoff struct {
	Domain    string    `json:"domain"`
	Tries     int       `json:"tries"`
	NextTryAt time.Time `json:"next_try_at"`
	LastError string    `json:"last_error"`
}

func (w *world) backoff() (b keptBackoff) {
	w.Helper()
	file := w.backoffFile()
	if file == "" {
		return b
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &b) != nil {
		w.Fatalf("backoff: %q, %v", data, err)
	}
	return b
}

// tried waits until so many tries failed, the last one so.
func (w *world) tried(n int, why string) {
	w.Helper()
	w.eventually("a try failed", func() bool { return w.backoff().LastError != "" && w.backoff().Tries == n })
	b := w.backoff()
	if !strings.Contains(strings.ToLower(b.LastError), strings.ToLower(why)) {
		w.Errorf("it failed with %q, want %q", b.LastError, why)
	}
	least := []time.Duration{time.Minute, 5 * time.Minute}[n-1] - 30*time.Second
	if left := time.Until(b.NextTryAt); left < least {
		w.Errorf("the next try is in %v", left)
	}
}

// passBackoff lets the time pass until the next try.
func (w *world) passBackoff() {
	w.Helper()
	b := w.backoff()
	b.NextTryAt, b.LastError = time.Now(), ""
	data, err := json.Marshal(b)
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.backoffFile(), data, 0o600); err != nil {
		w.Fatal(err)
	}
}
