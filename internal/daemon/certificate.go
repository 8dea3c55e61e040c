package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"grantd/internal/certs"
	"grantd/internal/config"
)

// certificate is what the listeners show, from files or by ACME.
type certificate interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Run keeps it up to date until ctx ends.
	Run(ctx context.Context)
	Status() certs.Status
}

// openCertificate gets the certificate that there is. Files that cannot be used
// are an error of the configuration.
func (d *Daemon) openCertificate(c *config.Config) error {
	switch {
	case c.TLSCertFile != "":
		f, err := certs.OpenFiles(c.TLSCertFile, c.TLSKeyFile, d.log)
		if err != nil {
			return certificateError(c, err)
		}
		d.certificate = f
	case c.ACMEDomain != "":
		a, err := certs.OpenACME(certs.ACMEOptions{
			Domain: c.ACMEDomain, DirectoryURL: c.ACMEDirectoryURL, Email: c.ACMEEmail,
			StateDir: c.StateDir, UserAgent: "grantd/" + d.version, Logger: d.log,
		})
		if err != nil {
			return err
		}
		d.certificate = a
	default:
		return nil
	}
	d.certificateHealth()
	if s := d.certificate.Status(); s.Expiring(time.Now()) {
		d.log.Warn("the certificate ends soon, or has ended", "valid_until", s.Until)
	}
	return nil
}

// certificateError says which variable to look at.
func certificateError(c *config.Config, err error) error {
	e := &config.FieldError{
		Name: "GRANTD_TLS_CERT_FILE", Problem: err.Error(),
		Hint: "name a certificate in PEM, with its intermediate certificates behind it, and its key",
	}
	if fe, ok := errors.AsType[*certs.FileError](err); ok && fe.Key {
		e.Name, e.Hint = "GRANTD_TLS_KEY_FILE", "name the private key in PEM that belongs to "+c.TLSCertFile
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		e.Hint = fmt.Sprintf("let user %d, as which grantd runs, read it; docs/tls.md says how", os.Geteuid())
	case errors.Is(err, os.ErrNotExist):
		e.Hint = "is the path right?"
	}
	return config.Errors{e}
}

// publicTLS is how the public listener speaks TLS; nil: not at all.
func (d *Daemon) publicTLS(c *config.Config) *tls.Config {
	if d.certificate == nil {
		return nil
	}
	protocols := []string{"h2", "http/1.1"}
	if c.ACMEDomain != "" {
		protocols = append(protocols, certs.ALPN)
	}
	return certs.ServerConfig(d.certificate.GetCertificate, protocols...)
}

// adminTLS is the same for the admin listener.
func (d *Daemon) adminTLS(c *config.Config) *tls.Config {
	if d.certificate == nil || !c.AdminTLS() {
		return nil
	}
	return certs.ServerConfig(d.certificate.GetCertificate, "h2", "http/1.1")
}

// certificateHealth tells health how the certificate stands.
func (d *Daemon) certificateHealth() {
	if d.certificate == nil {
		return
	}
	s := d.certificate.Status()
	d.health.Certificate(s.Err != nil, s.Expiring(time.Now()))
}

// tlsBy says, for the log, where the certificate is from.
func tlsBy(c *config.Config) string {
	switch {
	case c.TLSCertFile != "":
		return "files"
	case c.ACMEDomain != "":
		return "acme"
	default:
		return "off"
	}
}
