package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// MaxURILength is the longest redirect URI, in bytes, that can be allowed.
const MaxURILength = 2048

// maxIDLength is the longest segment, in bytes, that {id} stands for.
const maxIDLength = 256

const (
	idMark   = "{id}"
	portMark = ":*/"
)

// pattern is one allowed redirect URI: literals, with a segment of its own
// choice between each two. An open port is a mark after the first literal.
type pattern struct {
	text     string // as written, which is its canonical form
	literals []string
	openPort bool // literals[0] ends in ":", then comes a port
}

// match compares byte by byte; see the package comment.
func (p pattern) match(raw string) bool {
	rest, ok := strings.CutPrefix(raw, p.literals[0])
	if !ok {
		return false
	}
	for i, literal := range p.literals[1:] {
		var n int
		if p.openPort && i == 0 {
			n = portLength(rest)
		} else {
			n = idLength(rest)
		}
		if n == 0 {
			return false
		}
		if rest, ok = strings.CutPrefix(rest[n:], literal); !ok {
			return false
		}
	}
	return rest == ""
}

// idLength is the length of the {id} that s begins with, 0 if it is none. The
// literal that follows begins with "/" or is the end, so the longest is the
// only one.
func idLength(s string) int {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || s[n] == '-' || s[n] == '_') {
		n++
	}
	if n > maxIDLength {
		return 0
	}
	return n
}

// portLength is the length of the port that s begins with, 0 if it is none in
// canonical form: 1 to 65535 without leading zeros, and not 80, which http URIs
// leave out.
func portLength(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if !validPort(s[:n], "80") {
		return 0
	}
	return n
}

// validPort reports whether s is a port in canonical form, which the scheme's
// default is not.
func validPort(s, byDefault string) bool {
	if s == "" || len(s) > 5 || s[0] == '0' || s == byDefault {
		return false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// parsePattern reads a redirect-URI pattern. Its errors say what to write
// instead.
func parsePattern(s string) (pattern, error) {
	if len(s) > MaxURILength {
		return pattern{}, fmt.Errorf("is longer than %d bytes", MaxURILength)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return pattern{}, fmt.Errorf("has the character %s; a URI is printable ASCII without spaces (write a host in its xn-- form)", strconv.QuoteToASCII(firstRune(s[i:])))
		}
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return pattern{}, errors.New("is neither a preset nor an absolute URI with scheme and host, such as https://example.com/callback")
	}
	end := strings.IndexAny(rest, "/?#\\")
	if end < 0 {
		end = len(rest)
	}
	authority, path := rest[:end], rest[end:]
	authority, openPort := strings.CutSuffix(authority, ":*")
	if err := checkScheme(scheme); err != nil {
		return pattern{}, err
	}
	if err := checkAuthority(scheme, authority, openPort); err != nil {
		return pattern{}, err
	}
	if openPort && !strings.HasPrefix(path, "/") {
		return pattern{}, errors.New("leaves the port open and has no path; write it after the port, as in http://localhost:*/callback")
	}
	if err := checkPath(scheme, path); err != nil {
		return pattern{}, err
	}
	p := pattern{text: s, openPort: openPort}
	if openPort {
		head, tail, _ := strings.Cut(s, portMark)
		p.literals = append([]string{head + ":"}, strings.Split("/"+tail, idMark)...)
	} else {
		p.literals = strings.Split(s, idMark)
	}
	return p, nil
}

func checkScheme(scheme string) error {
	switch {
	case scheme == "https", scheme == "http":
		return nil
	case scheme == "":
		return errors.New("has no scheme; begin with https://")
	case scheme != strings.ToLower(scheme):
		return errors.New("has upper case in the scheme; write it in lower case")
	case 'a' > scheme[0] || scheme[0] > 'z', strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "":
		return errors.New("has a malformed scheme; begin with https://")
	case slices.Contains(publicSchemes(), scheme):
		return fmt.Errorf("has scheme %s, which no application owns; use https, http on loopback, or the application's private-use scheme", scheme)
	}
	return nil
}

// publicSchemes are those that are not private-use (RFC 8252, section 7.1):
// some run code or read files where they are opened, the others belong to no
// one application.
func publicSchemes() []string {
	return []string{
		"about", "blob", "chrome", "chrome-extension", "content", "data", "file", "filesystem", "ftp", "ftps",
		"intent", "jar", "javascript", "ldap", "mailto", "sftp", "sms", "ssh", "tel", "urn", "vbscript",
		"view-source", "ws", "wss",
	}
}

// loopback are the hosts for which http is allowed (RFC 8252, section 7.3).
func loopback() []string { return []string{"localhost", "127.0.0.1", "[::1]"} }

func checkAuthority(scheme, authority string, openPort bool) error {
	if strings.Contains(authority, "@") {
		return errors.New("has user info before the host; write the host alone")
	}
	if strings.Contains(authority, "*") {
		return errors.New("has a * in the host; only http://localhost:*/path and http://127.0.0.1:*/path leave something open there")
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
		if byDefault := map[string]string{"https": "443", "http": "80"}[scheme]; !validPort(port, byDefault) {
			return fmt.Errorf("has port %q; write 1 to 65535 without leading zeros, and leave out the scheme's default", port)
		}
	}
	if err := checkHost(host); err != nil {
		return err
	}
	switch {
	case openPort && (scheme != "http" || port != "" || (host != "localhost" && host != "127.0.0.1")):
		return errors.New("leaves the port open; only http://localhost:*/path and http://127.0.0.1:*/path may")
	case scheme == "http" && !slices.Contains(loopback(), host):
		return errors.New("is plain http to a host that is not loopback; use https")
	}
	return nil
}

// checkHost admits what every URL parser leaves as it is: an IP address or a
// DNS name, in canonical form.
func checkHost(host string) error {
	if host == "" {
		return errors.New("has no host")
	}
	if host != strings.ToLower(host) {
		return errors.New("has upper case in the host; write it in lower case")
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if a, err := netip.ParseAddr(inner); !ok || err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" || a.String() != inner {
			return fmt.Errorf("has host %q, which is not an IPv6 address in canonical form", host)
		}
		return nil
	}
	if strings.HasSuffix(host, ".") {
		return errors.New("has a dot after the host; leave it out")
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("has host %q, which is not a host name", host)
		}
	}
	// A name whose last label is a number is an IPv4 address to browsers, in
	// any of many spellings. https://url.spec.whatwg.org/#ends-in-a-number-checker
	last := labels[len(labels)-1]
	if isDigit(last[0]) && (strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x")) {
		if a, err := netip.ParseAddr(host); err != nil || a.String() != host {
			return fmt.Errorf("has host %q, which is not an IPv4 address in canonical form", host)
		}
	}
	if len(host) > 253 {
		return errors.New("has a host longer than 253 bytes")
	}
	return nil
}
