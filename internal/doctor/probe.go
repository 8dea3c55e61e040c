package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"grantd/internal/scope"
)

// probeTimeout is how long the public address may take for an answer.
const probeTimeout = 10 * time.Second

// lookBeside asks what is not Auth0: the gateway and our own public address.
func (f *Facts) lookBeside(ctx context.Context) {
	if f.ScopesURL != "" {
		f.Resource = answer(scope.Resource(ctx, f.Transport, f.ScopesURL))
	}
	if f.PublicURL != "" {
		f.Webhook = probe(ctx, f.Transport, f.PublicURL, f.WebhookPath)
	}
}

// probe looks whether grantd's webhook answers at a public address, by asking
// without the secret: a proxy may carry that path alone.
func probe(ctx context.Context, t http.RoundTripper, base, path string) Webhook {
	if t == nil {
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	}
	c := &http.Client{
		Transport: t, Timeout: probeTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	w := Webhook{Asked: true}
	status, body, certs, err := ask(ctx, c, http.MethodPost, base+path)
	switch {
	case err != nil && badCertificate(err):
		w.Certificate = brief(err)
		return w
	case err != nil:
		w.Unreached = brief(err)
		return w
	}
	if len(certs) > 0 {
		w.Expires = certs[0].NotAfter
	}
	switch {
	case status != http.StatusUnauthorized:
		w.NotGrantd = fmt.Sprintf("POST %s without the secret answers with status %d, and grantd with 401", path, status)
	case !strings.HasPrefix(body, `{"error":"unauthorized"`):
		w.NotGrantd = fmt.Sprintf("POST %s answers with status 401, but not in grantd's words", path)
	}
	return w
}

// ask makes one request without a body.
func ask(ctx context.Context, c *http.Client, method, target string) (status int, body string, certs []*x509.Certificate, err error) {
	r, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return 0, "", nil, errors.New("is not a URL")
	}
	r.Header.Set("User-Agent", "grantd")
	resp, err := c.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return 0, "", nil, fmt.Errorf("no answer within %v", probeTimeout)
		}
		err = e.Err
	}
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	begin, err := io.ReadAll(io.LimitReader(resp.Body, 64))
	if err != nil {
		return 0, "", nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.TLS != nil {
		certs = resp.TLS.PeerCertificates
	}
	return resp.StatusCode, string(begin), certs, nil
}

// badCertificate tells what is wrong with a certificate from what keeps the
// server from being reached.
func badCertificate(err error) bool {
	_, bad := errors.AsType[*tls.CertificateVerificationError](err)
	_, stranger := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return bad || stranger || name || invalid
}
