package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ALPN is the protocol by which the authority asks a listener for the proof of
// RFC 8737. Only the public listener offers it.
const ALPN = acme.ALPNProto

// DirName is the directory within the state directory in which ACME keeps its
// account, certificate and backoff.
const DirName = "acme"

// ACMEOptions of an ACME. Domain, DirectoryURL, StateDir and Logger are required.
type ACMEOptions struct {
	Domain       string // the one host; lower case, in ASCII
	DirectoryURL string // of the authority
	Email        string // for the authority to write to; may be empty
	StateDir     string // for its owner alone
	UserAgent    string
	Logger       *slog.Logger
	Transport    http.RoundTripper // to the authority; nil: one of its own
	Now          func() time.Time  // nil: time.Now
}

// ACME is a certificate that an authority issues by ACME.
type ACME struct {
	current
	o         ACMEOptions
	dir       dir
	answering atomic.Pointer[autocert.Manager] // what has an order under way
	backoff   backoff                          // Run's own
	renewAt   time.Time                        // Run's own; zero: there is no certificate
}

// OpenACME reads what an earlier process got. It makes no request. It fails if
// the directory cannot be used.
func OpenACME(o ACMEOptions) (*ACME, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		t := &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: 30 * time.Second,
		}
		o.Transport = t
	}
	a := &ACME{o: o, dir: dir(filepath.Join(o.StateDir, DirName, dirOf(o.DirectoryURL)))}
	if err := os.MkdirAll(string(a.dir), 0o700); err != nil {
		return nil, fmt.Errorf("make a directory for the certificate: %w", err)
	}
	var err error
	if a.backoff, err = a.dir.loadBackoff(o.Domain, o.Now()); err != nil {
		o.Logger.Warn("read when the certificate authority may be asked again", "error", err)
	}
	if a.backoff.LastError != "" {
		a.failed(errors.New(a.backoff.LastError))
	}
	switch cert, err := a.cached(); {
	case errors.Is(err, autocert.ErrCacheMiss):
	case err != nil:
		o.Logger.Warn("the certificate that was kept cannot be used", "error", err)
	default:
		a.put(cert)
		o.Logger.Info("certificate taken from the state directory", "domain", o.Domain, "valid_until", cert.Leaf.NotAfter)
	}
	a.tryAt(a.due())
	return a, nil
}

// dirOf is a directory's name for each authority, so that a certificate of a
// test authority is not taken for one of the real.
func dirOf(directoryURL string) string {
	sum := sha256.Sum256([]byte(directoryURL))
	host := "authority"
	if u, err := url.Parse(directoryURL); err == nil && u.Hostname() != "" {
		host = strings.ReplaceAll(u.Hostname(), ":", "_")
	}
	return host + "-" + hex.EncodeToString(sum[:4])
}

// cached is the certificate that is kept, if it is valid now for the domain.
func (a *ACME) cached() (*tls.Certificate, error) {
	data, err := a.dir.get(a.o.Domain)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, err
	}
	if err := cert.Leaf.VerifyHostname(a.o.Domain); err != nil {
		return nil, err
	}
	if !a.o.Now().Before(cert.Leaf.NotAfter) {
		return nil, errors.New("it expired")
	}
	return &cert, nil
}

// put shows the certificate, and sets when it is to be renewed: when a third of
// its life is left, or 30 days if that is less.
func (a *ACME) put(cert *tls.Certificate) {
	err := a.Status().Err
	a.show(cert)
	if err != nil && a.backoff.Tries > 0 {
		a.failed(err) // a renewal failed before, and goes on failing
	}
	left := min(cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore)/3, 30*24*time.Hour)
	jitter := time.Duration(rand.Int64N(max(int64(min(left/10, time.Hour)), 1)))
	a.renewAt = cert.Leaf.NotAfter.Add(jitter - left)
}

// GetCertificate is for tls.Config. It knows one host, and answers the
// authority while it has something to prove.
func (a *ACME) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if !strings.EqualFold(hello.ServerName, a.o.Domain) {
		return nil, nil // the caller is told: unrecognized_name (RFC 6066, section 3)
	}
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == ALPN {
		if m := a.answering.Load(); m != nil {
			return m.GetCertificate(hello)
		}
		return nil, errors.New("no proof is expected")
	}
	if cert := a.cert.Load(); cert != nil {
		return cert, nil
	}
	return nil, errNone
}

// due is when the authority is to be asked.
func (a *ACME) due() time.Time {
	if a.backoff.NextTryAt.After(a.renewAt) {
		return a.backoff.NextTryAt
	}
	return a.renewAt
}

// look is how long Run sleeps at most, so that a clock that is set is noticed.
const look = time.Minute

// Run gets the certificate and renews it until ctx ends.
func (a *ACME) Run(ctx context.Context) {
	if a.cert.Load() == nil && a.due().After(a.o.Now()) {
		a.o.Logger.Warn("there is no certificate yet, and the authority is not asked again before its time",
			"next_try_at", a.due(), "error", a.backoff.LastError)
	}
	for {
		sleep := time.NewTimer(max(min(a.due().Sub(a.o.Now()), look), 0))
		select {
		case <-ctx.Done():
			sleep.Stop()
			return
		case <-sleep.C:
		}
		if !a.due().After(a.o.Now()) {
			a.obtain(ctx)
			a.tryAt(a.due())
		}
	}
}

// obtain makes one try.
func (a *ACME) obtain(ctx context.Context) {
	b := &a.backoff
	b.Tries++
	b.NextTryAt = a.o.Now().Add(wait(b.Tries))
	log := a.o.Logger.With("domain", a.o.Domain)
	if err := a.dir.saveBackoff(*b); err != nil {
		// Without a memory it would ask with each start.
		a.failed(err)
		log.Error("no certificate is asked for, because the state directory cannot be written", "error", err, "next_try_at", b.NextTryAt)
		return
	}
	log.Info("asking for a certificate", "directory", a.o.DirectoryURL, "try", b.Tries)
	o := a.order(ctx)
	switch {
	case ctx.Err() != nil:
		return // counted as a try
	case o.err != nil:
		b.LastError = o.err.Error()
		if o.notBefore.After(b.NextTryAt) {
			b.NextTryAt = o.notBefore
		}
		a.failed(o.err)
		log.Error("no certificate was issued", "error", o.err, "next_try_at", b.NextTryAt)
	default:
		a.issued(o, log)
	}
	if err := a.dir.saveBackoff(*b); err != nil {
		log.Error("keep when the authority may be asked again", "error", err)
	}
}

// issued shows a new certificate.
func (a *ACME) issued(o order, log *slog.Logger) {
	life := o.cert.Leaf.NotAfter.Sub(a.o.Now())
	if o.unkept == nil {
		// Whatever becomes of it, the next one is not asked for at once.
		a.backoff = backoff{Domain: a.o.Domain, NextTryAt: a.o.Now().Add(min(life/2, time.Hour))}
	}
	a.put(o.cert)
	log.Info("certificate issued", "valid_until", o.cert.Leaf.NotAfter, "renewed_from", a.renewAt)
	if o.unkept != nil {
		a.backoff.LastError = o.unkept.Error()
		a.failed(o.unkept)
		log.Error("the certificate cannot be kept: every start would need a new one", "error", o.unkept)
	}
}
