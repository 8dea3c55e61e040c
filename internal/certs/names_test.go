package certs

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"grantd/internal/certs/certstest"
)

// TestExactlyThatHost: any other name, and none, is told that it is not known
// here, and sees no certificate.
func TestExactlyThatHost(t *testing.T) {
	ca := certstest.New(t)
	o := ACMEOptions{Domain: host, DirectoryURL: "https://ca.example.com/dir", StateDir: t.TempDir(), Logger: quiet()}
	empty, err := OpenACME(o)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := ca.Issue(time.Hour, host)
	if err := empty.dir.put(host, append(key, cert...)); err != nil {
		t.Fatal(err)
	}
	a, err := OpenACME(o)
	if err != nil {
		t.Fatal(err)
	}
	const unknown, internal = "unrecognized name", "internal error"
	for name, tt := range map[string]struct {
		by        *ACME
		sni, want string
		protocols []string
	}{
		"that host":              {a, host, "", []string{"h2"}},
		"upper case":             {a, "GRANTD.Example.com", "", nil},
		"another":                {a, "www.example.com", unknown, nil},
		"below it":               {a, "x." + host, unknown, nil},
		"none":                   {a, "", unknown, nil},
		"an address":             {a, "192.0.2.1", unknown, nil},
		"a proof nobody expects": {a, host, internal, []string{ALPN}},
		"a proof for another":    {a, "www.example.com", unknown, []string{ALPN}},
		"a proof among others":   {a, host, "", []string{ALPN, "h2"}},
		"before there is any":    {empty, host, internal, nil},
		"another, without any":   {empty, "www.example.com", unknown, nil},
	} {
		here, there := net.Pipe()
		go func() {
			_ = tls.Server(there, ServerConfig(tt.by.GetCertificate, "h2", "http/1.1", ALPN)).HandshakeContext(t.Context())
			_ = there.Close()
		}()
		c := tls.Client(here, &tls.Config{ServerName: tt.sni, NextProtos: tt.protocols, InsecureSkipVerify: true}) //nolint:gosec // what it shows is looked at here
		err := c.HandshakeContext(t.Context())
		_ = here.Close()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
