// Package certs keeps the certificate that the listeners show: from files of
// somebody else that are followed (Files), or had from a certificate authority
// by ACME, RFC 8555, with the TLS-ALPN-01 challenge of RFC 8737 (ACME).
//
// A handshake never waits for a file or for the authority and never makes a
// request: it gets the certificate that is there. What is had and renewed, and
// when it is tried again, is decided in Run alone, so that strangers who open
// connections cannot use up the authority's limits.
package certs
