package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"grantd/internal/display"
)

// parseFile takes an absolute path.
func parseFile(raw string) (string, error) {
	s := strings.TrimSpace(raw)
	if !filepath.IsAbs(s) {
		return "", wrong("write the whole path, from /", "is not an absolute path")
	}
	return filepath.Clean(s), nil
}

// parseACMEDomain takes a name that a public authority issues for: no address,
// no wildcard, no port.
func parseACMEDomain(raw string) (string, error) {
	const hint = "write one host name in full, such as grantd.example.com"
	s := strings.ToLower(strings.TrimSpace(raw))
	_, err := netip.ParseAddr(s)
	switch {
	case strings.HasPrefix(s, "*."):
		return "", wrong(hint, "is a wildcard, which cannot be proved by this listener")
	case err == nil:
		return "", wrong(hint, "is an address and not a name")
	case !isHost(s):
		return "", wrong(hint, "is not a host name")
	case !strings.Contains(s, "."):
		return "", wrong(hint, "is not a full host name")
	}
	return s, nil
}

func parseDirectoryURL(raw string) (string, error) {
	const hint = "write the authority's directory, such as " + LetsEncrypt
	s := strings.TrimSpace(raw)
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", !isHost(strings.ToLower(u.Hostname())), u.Port() != "" && !isPort(u.Port()):
		return "", wrong(hint, "is not a URL")
	case u.User != nil, u.Fragment != "":
		return "", wrong(hint, "has a user name or a fragment in it")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", wrong("use https", "is plain http to another machine")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", wrong(hint, "is not an https URL")
	}
	return s, nil
}

// parseEmail takes an address alone, without a name.
func parseEmail(raw string) (string, error) {
	s := strings.TrimSpace(raw)
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s || strings.ContainsAny(s, "?#%,") {
		return "", wrong("write one such as ops@example.com", "is not a mail address")
	}
	return s, nil
}

// parseProxies takes addresses and networks.
func parseProxies(c *Config, raw string) error {
	const hint = "write addresses such as 10.0.0.2, or networks such as 10.0.0.0/24"
	var all []netip.Prefix
	for _, s := range strings.FieldsFunc(raw, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		p, err := netip.ParsePrefix(s)
		if addr, e := netip.ParseAddr(s); e == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil:
			return wrong(hint, "has %q, which is neither an address nor a network", display.Visible(s))
		case p.Addr().Is4In6():
			return wrong(hint, "has %q, an IPv4 network in IPv6 form", s)
		case p.Bits() == 0:
			return wrong("name the proxies alone", "has %q, which is everybody: anybody could claim to be anybody", s)
		case p != p.Masked():
			return wrong("write "+p.Masked().String()+" for the network, or "+p.Addr().String()+" for the one address", "has %q, which is an address with the size of a network", s)
		}
		all = append(all, p)
	}
	c.TrustedProxies = all
	return nil
}

func joinPrefixes(all []netip.Prefix) string {
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.String()
		if p.IsSingleIP() {
			names[i] = p.Addr().String()
		}
	}
	return strings.Join(names, ",")
}
