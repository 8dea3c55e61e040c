package scope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	fetchTimeout = 10 * time.Second // redirects and body included
	maxRedirects = 3
)

// CheckURL says what keeps raw from being the URL of a source: it must be
// https, or http to this machine, without user name, password and fragment.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Opaque != "", u.Hostname() == "":
		return errors.New("is not a URL with a host")
	case u.User != nil:
		return errors.New("has a user name or password in it")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return errors.New("has a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("is plain http to another machine")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("is not an https URL")
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// newClient makes the client that fetches. Without a transport it gets one that
// keeps no connection from one minute to the next.
func newClient(t http.RoundTripper) *http.Client {
	if t == nil {
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	}
	return &http.Client{Transport: t, Timeout: fetchTimeout, CheckRedirect: checkRedirect}
}

// checkRedirect stays at the origin that was configured (RFC 6454, section 5):
// whoever can make the gateway redirect shall not choose the scopes.
func checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case origin(r.URL) != origin(via[0].URL):
		return errors.New("redirects to another origin")
	case len(via) > maxRedirects:
		return fmt.Errorf("redirects more than %d times", maxRedirects)
	}
	return nil
}

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// answer is the last one that could be read, so that the next request can ask
// whether it still holds (RFC 9110, section 13).
type answer struct {
	etag, modified string
	resource       string // that it was found to be about
	scopes         []string
}

// fetch asks for the metadata at location. It returns last if the server says
// that nothing changed.
func fetch(ctx context.Context, c *http.Client, location, resource string, last answer) (answer, error) {
	if err := CheckURL(location); err != nil {
		return answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return answer{}, errors.New("is not a URL")
	}
	if last.resource != resource {
		last = answer{}
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "grantd")
	if last.etag != "" {
		r.Header.Set("If-None-Match", last.etag)
	}
	if last.modified != "" {
		r.Header.Set("If-Modified-Since", last.modified)
	}
	resp, err := c.Do(r)
	if err != nil {
		return answer{}, withoutURL(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && (last.etag != "" || last.modified != ""):
		return last, nil
	case resp.StatusCode != http.StatusOK:
		return answer{}, fmt.Errorf("answers with status %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxSize+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	scopes, err := ParseMetadata(data, resource)
	if err != nil {
		return answer{}, err
	}
	return answer{header(resp, "ETag"), header(resp, "Last-Modified"), resource, scopes}, nil
}

// header is a validator to send back, empty if it is longer than any sound one.
func header(r *http.Response, name string) string {
	const longest = 1 << 10
	if v := r.Header.Get(name); len(v) <= longest {
		return v
	}
	return ""
}

// withoutURL drops what http.Client puts before an error: the URL may hold
// something that is nobody's business in its query.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return fmt.Errorf("does not answer within %v", fetchTimeout)
		}
		return e.Err
	}
	return err
}
