package certs

import (
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// expiring is how long before its end a certificate that was not replaced is
// worth a word; a quarter of its life where that is less.
const expiring = 14 * 24 * time.Hour

// Status is how a certificate stands.
type Status struct {
	From, Until time.Time // when it is valid; zero: there is none yet
	// Err is why the newest try to read or get another one failed; nil when it
	// did not.
	Err error
	// NextTry is when another one is asked for; zero for files.
	NextTry time.Time
}

// Expiring reports whether the certificate ends within 14 days, or within the
// last quarter of its life if that is less, or has ended.
func (s Status) Expiring(now time.Time) bool {
	return !s.Until.IsZero() && s.Until.Sub(now) < min(expiring, s.Until.Sub(s.From)/4)
}

// current is the certificate that is shown, and how it stands.
type current struct {
	cert atomic.Pointer[tls.Certificate]

	mu     sync.Mutex
	status Status
}

// errNone is what a handshake fails with while there is no certificate.
var errNone = errors.New("there is no certificate yet")

// show shows the certificate from now on. Its Leaf is parsed.
func (c *current) show(cert *tls.Certificate) {
	c.cert.Store(cert)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.From, c.status.Until, c.status.Err = cert.Leaf.NotBefore, cert.Leaf.NotAfter, nil
}

func (c *current) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Err = err
}

func (c *current) tryAt(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.NextTry = at
}

// Status is how the certificate stands.
func (c *current) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}
