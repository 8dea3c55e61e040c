// Package policy answers one question: may grantd touch this client?
//
// A name proves nothing, because registration is open to anybody; what a client
// cannot fake is where its logins go. So a third-party client is eligible only
// if every one of its callbacks is on an allow-list of redirect URIs.
//
// Nothing here parses the URI under judgement. The allow-list is parsed, by a
// grammar so narrow that RFC 3986, net/url and the WHATWG URL standard read
// every URI of it alike (https://url.spec.whatwg.org/#url-parsing); a callback
// is then compared byte by byte. Whatever two parsers could disagree on (user
// info, upper case, a trailing dot, percent-encoding, dot segments, a
// backslash, a tab, a lookalike) is another string, and so no match.
//
// The package is pure: it does no I/O and imports nothing but the nouns.
package policy
