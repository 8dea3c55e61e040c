package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

const (
	// orderTime bounds one try with all it sets off.
	orderTime = 5 * time.Minute
	// repeats is how often the ACME client repeats one request within a try.
	repeats = 3
)

// order is what came of one try.
type order struct {
	cert   *tls.Certificate
	unkept error // the certificate is there and could not be kept
	err    error
	// notBefore is when the authority wants to be asked again; may be zero.
	notBefore time.Time
}

// order gets a certificate by an autocert.Manager that lives for this one try.
// A Manager that stays would get and renew certificates as handshakes and its
// own timers have it, forget with the process how often that failed, and not
// tell why.
func (a *ACME) order(ctx context.Context) order {
	// What the try sets off in the background, such as giving up what was not
	// proved, ends with this.
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(orderTime, cancel)
	w := &wire{ctx: ctx, next: a.o.Transport, now: a.o.Now}
	cache := &renewing{dir: a.dir, domain: a.o.Domain}
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: cache, HostPolicy: autocert.HostWhitelist(a.o.Domain), Email: a.o.Email,
		// Its timer would fire when the certificate ends; it finds the next one
		// in the directory then, or a wire that is cut.
		RenewBefore: time.Second,
		Client: &acme.Client{
			DirectoryURL: a.o.DirectoryURL, HTTPClient: &http.Client{Transport: w}, UserAgent: a.o.UserAgent,
			RetryBackoff: func(n int, _ *http.Request, _ *http.Response) time.Duration {
				if n > repeats {
					return 0
				}
				return time.Second
			},
		},
	}
	a.answering.Store(m)
	done := make(chan order, 1)
	go func() {
		var o order
		o.cert, o.err = m.GetCertificate(&tls.ClientHelloInfo{
			ServerName: a.o.Domain, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
		done <- o
	}()
	var o order
	select {
	case o = <-done:
	case <-ctx.Done():
		o.err = fmt.Errorf("not done after %v", orderTime)
	}
	a.answering.Store(nil)
	cache.ended.Store(true)
	if unkept := cache.unkept.Load(); unkept != nil {
		o.unkept = fmt.Errorf("keep the certificate: %w", *unkept)
	}
	if o.err == nil && o.cert.Leaf == nil {
		o.cert.Leaf, o.err = x509.ParseCertificate(o.cert.Certificate[0])
	}
	if o.err != nil {
		o.notBefore, o.err = w.explain(o.err)
	}
	return o
}
