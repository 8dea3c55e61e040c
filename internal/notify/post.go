package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"grantd/internal/budget"
)

// timeout bounds one post, with its answer.
const timeout = 10 * time.Second

// failure is why a post did not arrive. Its text is made of ours alone, but for
// a word of the answer: errors of the network repeat the address.
type failure struct {
	what  string
	again bool          // it may arrive later
	after time.Duration // when whoever answered said how long to wait
}

func (f *failure) Error() string { return f.what }

// newClient makes the client that posts. It follows no redirect: what is told
// goes to the address that was configured, or nowhere.
func newClient(t http.RoundTripper) *http.Client {
	if t == nil {
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	}
	return &http.Client{Transport: t, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// post sends one text. It is done by any 2xx.
func post(ctx context.Context, c *http.Client, address, text string) *failure {
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return &failure{what: "the text cannot be encoded"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &failure{what: "GRANTD_NOTIFY_URL is not a URL"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "grantd")
	resp, err := c.Do(r)
	if err != nil {
		return &failure{what: unreachable(err), again: true}
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what there is will do
	if resp.StatusCode/100 == 2 {
		return nil
	}
	f := &failure{what: fmt.Sprintf("it answers with status %d", resp.StatusCode)}
	switch s := resp.StatusCode; {
	case s/100 == 3:
		f.what += ", a redirect, which is not followed"
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		f.again, f.after = true, budget.RetryAfter(resp.Header, time.Now())
	}
	if code := codeOf(answer, address); code != "" {
		f.what += " (" + code + ")"
	}
	return f
}

// codeOf is the word that Slack answers with, such as no_service, and nothing
// that could be of the address.
func codeOf(answer []byte, address string) string {
	code := strings.TrimSpace(string(answer))
	if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(code) || len(code) > 40 || strings.Contains(address, code) {
		return ""
	}
	return code
}

// unreachable says why there was no answer.
func unreachable(err error) string {
	var timedOut interface{ Timeout() bool }
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var certificate x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		return "its host has no address (DNS)"
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &certificate), errors.As(err, &verification):
		return "its certificate is not valid"
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections"
	case errors.Is(err, context.Canceled):
		return "grantd is stopping"
	case errors.As(err, &timedOut) && timedOut.Timeout():
		return fmt.Sprintf("it does not answer within %v", timeout)
	}
	return "it cannot be reached"
}

// Try posts one line at once, to see whether it arrives.
func Try(ctx context.Context, address, from, text string) error {
	if f := post(ctx, newClient(nil), address, escape(from+": "+text)); f != nil {
		return f
	}
	return nil
}
