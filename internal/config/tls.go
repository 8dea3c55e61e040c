package config

import (
	"net"
	"net/url"
	"slices"
)

// ServesTLS reports whether the public listener speaks HTTPS itself.
func (c *Config) ServesTLS() bool { return c.TLSCertFile != "" || c.ACMEDomain != "" }

// AdminTLS reports whether the admin listener does: it has the same certificate
// where other machines can reach it.
func (c *Config) AdminTLS() bool {
	host, _, err := net.SplitHostPort(c.AdminListen)
	return err == nil && c.ServesTLS() && !isLoopback(host)
}

// checkTLS wants both files or none, files or ACME, and ACME where an authority
// can get to.
func (l *lookup) checkTLS(c *Config) {
	fail := func(name, value, hint, problem string) {
		l.fail(Variable{Name: name}, l.places[name], value, wrong(hint, "%s", problem))
	}
	failed := func(name string) bool {
		return slices.ContainsFunc(l.errs, func(e *FieldError) bool { return e.Name == name })
	}
	const cert, key, domain = "GRANTD_TLS_CERT_FILE", "GRANTD_TLS_KEY_FILE", "GRANTD_ACME_DOMAIN"
	switch {
	case c.TLSCertFile != "" && c.TLSKeyFile == "" && !failed(key):
		fail(key, "", "name the file of the certificate's private key, or take "+cert+" out", "not set although "+cert+" is")
	case c.TLSKeyFile != "" && c.TLSCertFile == "" && !failed(cert):
		fail(cert, "", "name the file of the certificate, or take "+key+" out", "not set although "+key+" is")
	}
	if c.ACMEDomain != "" && (c.TLSCertFile != "" || c.TLSKeyFile != "") {
		fail(domain, quote(c.ACMEDomain), "take one of the two out", "is set beside "+cert+" and "+key)
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return // reported already
	}
	switch {
	case c.ACMEDomain != "" && isLoopback(host):
		fail(domain, quote(c.ACMEDomain), "set GRANTD_LISTEN=:443, or have a proxy with a certificate and take "+domain+" out",
			"needs a listener that the authority can reach, and GRANTD_LISTEN is "+c.Listen)
	case c.ACMEDomain != "" && port != "443":
		l.notice(domain, "the authority connects to port 443 of %s: it must lead to GRANTD_LISTEN, which is %s", c.ACMEDomain, c.Listen)
	case !c.ServesTLS() && !failed(cert) && !failed(key) && !failed(domain) && !isLoopback(host) && len(c.TrustedProxies) == 0:
		l.notice("GRANTD_LISTEN", "other machines can reach %s, and there is no TLS: the webhook's secret crosses the network in the clear, unless a proxy encrypts it; GRANTD_TRUSTED_PROXIES names that, docs/tls.md the ways to have TLS", c.Listen)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && c.ACMEDomain != "" && err == nil && u.Hostname() != c.ACMEDomain {
		l.notice(domain, "is not the host of GRANTD_PUBLIC_URL, %s: a delivery to that one is refused", c.PublicURL)
	}
	if c.ACMEDomain == "" && !failed(domain) && (c.ACMEEmail != "" || c.ACMEDirectoryURL != LetsEncrypt) {
		l.notice(domain, "not set, so the other GRANTD_ACME_ variables have no effect")
	}
}
