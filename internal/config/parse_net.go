package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// parseDomain takes a host, with or without a port; whether the port is welcome
// depends on GRANTD_MGMT_URL.
func parseDomain(raw string) (string, error) {
	s := strings.ToLower(strings.TrimSpace(raw))
	if u, err := url.Parse(s); strings.Contains(s, "/") {
		if strings.Contains(s, "://") && err == nil && isHost(u.Hostname()) {
			return "", wrong("write MGMT_DOMAIN="+u.Host, "is a URL, and must be the host alone")
		}
		host, _, _ := strings.Cut(s, "/")
		if isHost(host) {
			return "", wrong("write MGMT_DOMAIN="+host, "has a slash, and must be the host alone")
		}
		return "", wrong("write a host, such as acme.eu.auth0.com", "is not a host name")
	}
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		if !isPort(port) {
			return "", wrong("write MGMT_DOMAIN="+h, "has a port that is not a number from 1 to 65535")
		}
		host = h
	}
	if !isHost(host) {
		return "", wrong("write a host, such as acme.eu.auth0.com", "is not a host name")
	}
	return s, nil
}

// isHost reports whether s is an IP address or a host name of letters, digits
// and hyphens (RFC 1123, section 2.1) that does not end with a dot.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return r != '-' && !alphanumeric(r) }) {
			return false
		}
	}
	return true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// isLoopback reports whether only this machine can be meant by host.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func parseBaseURL(raw string) (string, error) {
	const hint = "write https://, the host and, if need be, :port"
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil, u.Host == "", !isHost(strings.ToLower(u.Hostname())), u.Port() != "" && !isPort(u.Port()):
		return "", wrong(hint, "is not the URL of a server")
	case u.User != nil:
		return "", wrong(hint, "has a user name or password in it")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.ForceQuery:
		return "", wrong(hint, "has something after the host")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", wrong("use https; plain http would show secrets to the network", "is plain http to another machine")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", wrong(hint, "is not an https URL")
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

// parseAddress takes host:port, as net.Listen does, but with a numeric port.
func parseAddress(raw string) (string, error) {
	s := strings.TrimSpace(raw)
	if isPort(s) {
		return "", wrong("write 127.0.0.1:"+s, "is a port without an address")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", wrong("write an address such as 127.0.0.1:8080 or [::1]:8080", "is not host:port")
	}
	if port != "0" && !isPort(port) {
		return "", wrong("write an address such as 127.0.0.1:8080", "has a port that is not a number up to 65535")
	}
	if name, _, _ := strings.Cut(host, "%"); host != "" && !isHost(strings.ToLower(name)) {
		return "", wrong("write an address such as 127.0.0.1:8080", "has an address that is neither an IP address nor a host name")
	}
	return s, nil
}

// listenOff makes v read an address or Off into the field at; off is "".
func listenOff(v Variable, at func(*Config) *string) Variable {
	v.parse = func(c *Config, raw string) error {
		if strings.EqualFold(strings.TrimSpace(raw), Off) {
			*at(c) = ""
			return nil
		}
		s, err := parseAddress(raw)
		if err == nil {
			*at(c) = s
		}
		return err
	}
	v.show = func(c *Config) string {
		if *at(c) == "" {
			return Off
		}
		return *at(c)
	}
	return v
}

// parseWebhookPath takes a plain path, which needs no escaping and means
// nothing to a router.
func parseWebhookPath(raw string) (string, error) {
	s := strings.TrimSpace(raw)
	switch {
	case !strings.HasPrefix(s, "/"):
		return "", wrong("write a path such as /auth0-log-webhook", "does not begin with a slash")
	case strings.ContainsFunc(s, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("/-_.~", r) }):
		return "", wrong("write a path of letters, digits and / - _ . ~", "has characters that do not belong in the path")
	case strings.Contains(s, "//"), strings.Contains(s+"/", "/./"), strings.Contains(s+"/", "/../"):
		return "", wrong("write a path such as /auth0-log-webhook", "has an empty, . or .. segment")
	}
	switch strings.TrimSuffix(s, "/") {
	case "/healthz", "/readyz", "/health/auth0":
		return "", wrong("choose another path", "is the path of a health check")
	}
	return s, nil
}

// parseNotifyURL takes an https address with any path and query, for secrets
// stand there. What is wrong with it is said without showing it.
func parseNotifyURL(raw string) (string, error) {
	const hint = "copy the whole address of the incoming webhook"
	s := strings.TrimSpace(raw)
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", !isHost(strings.ToLower(u.Hostname())), u.Port() != "" && !isPort(u.Port()):
		return "", wrong(hint, "is not a URL")
	case u.User != nil, u.Fragment != "":
		return "", wrong(hint, "has a user name or a fragment in it")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", wrong("use https; plain http would show the address to the network", "is plain http to another machine")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", wrong(hint, "is not an https URL")
	}
	return s, nil
}
