package config

// LetsEncrypt is the directory of Let's Encrypt.
// https://letsencrypt.org/docs/acme-protocol-updates/
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

func tlsVariables() []Variable {
	return []Variable{
		text(Variable{
			Name: "GRANTD_TLS_CERT_FILE", Group: groupTLS, Restart: true, Example: "/etc/grantd/tls/fullchain.pem",
			Help: "Certificate of the public listener, with its intermediate certificates, in PEM: the listener then speaks HTTPS itself, and so does the admin listener where other machines can reach it. Needs GRANTD_TLS_KEY_FILE. When the files change they are read again, without a restart; a pair that cannot be used leaves the one before in place.",
		}, func(c *Config) *string { return &c.TLSCertFile }, parseFile),
		text(Variable{
			Name: "GRANTD_TLS_KEY_FILE", Group: groupTLS, Restart: true, Example: "/etc/grantd/tls/privkey.pem",
			Help: "Its private key, in PEM.",
		}, func(c *Config) *string { return &c.TLSKeyFile }, parseFile),
		text(Variable{
			Name: "GRANTD_ACME_DOMAIN", Group: groupTLS, Restart: true, Example: "grantd.example.com",
			Help: "Instead of files: the host name for which grantd gets a certificate by ACME and renews it, and the only one that its listeners then answer to. By setting it you agree to the authority's terms of service. The authority connects to port 443 of this name, which must lead to GRANTD_LISTEN.",
		}, func(c *Config) *string { return &c.ACMEDomain }, parseACMEDomain),
		text(Variable{
			Name: "GRANTD_ACME_DIRECTORY_URL", Group: groupTLS, Restart: true, Default: LetsEncrypt,
			Example: "https://acme-staging-v02.api.letsencrypt.org/directory",
			Help:    "Directory of the certificate authority. One whose own certificate the system does not know is trusted by SSL_CERT_FILE. https; plain http for this machine only.",
		}, func(c *Config) *string { return &c.ACMEDirectoryURL }, parseDirectoryURL),
		text(Variable{
			Name: "GRANTD_ACME_EMAIL", Group: groupTLS, Restart: true, Example: "ops@example.com",
			Help: "Where the authority may write to; it need not be told.",
		}, func(c *Config) *string { return &c.ACMEEmail }, parseEmail),
	}
}
