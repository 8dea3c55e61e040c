package http

import (
	"net"
	nethttp "net/http"
	"strings"

	"grantd/internal/page"
)

// AdminOptions of the admin listener. The API's options, Page and Metrics are
// required.
type AdminOptions struct {
	API     APIOptions
	Page    *page.Page
	Metrics nethttp.Handler
	// Token lets callers in; without one only those are let in who call the
	// listener by a name of the machine itself.
	Token *Secrets
}

// guardAdmin turns away who may not see the ledger, before anything is routed.
func guardAdmin(token *Secrets, next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		var refused *problem
		switch {
		case token.Empty() && (!localHost(r.Host) || !overLoopback(r)):
			refused = newProblem(nethttp.StatusForbidden, codeHostNotAllowed,
				"Without GRANTD_ADMIN_TOKEN the host must be localhost, 127.0.0.1 or [::1], on the machine itself.")
		case !token.Empty() && !token.Match(adminCredentials(r.Header)...):
			refused = newProblem(nethttp.StatusUnauthorized, codeUnauthorized,
				"Send GRANTD_ADMIN_TOKEN as a bearer token, or as the password of any user.")
			refused.challenges = []string{`Bearer realm="grantd"`, `Basic realm="grantd", charset="UTF-8"`}
		case crossSite(r):
			refused = newProblem(nethttp.StatusForbidden, codeCrossSite, "A page of another site asks; it would not get to see the answer.")
		default:
			keep(r.Context())
			next.ServeHTTP(w, r)
			return
		}
		setHeaders(w.Header())
		refused.write(w)
	})
}

// localHost reports whether a Host header names the machine itself. A page
// that a browser here has open can reach the listener too, by a name of its
// own that it points to 127.0.0.1 (DNS rebinding); its requests carry that
// name.
func localHost(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil && digits(port) {
		name = h
		if strings.Contains(h, ":") {
			name = "[" + h + "]"
		}
	}
	switch strings.ToLower(name) {
	case "localhost", "127.0.0.1", "[::1]":
		return true
	default:
		return false
	}
}

// overLoopback reports whether the request came to a loopback address. Any
// caller can claim a host; configuration asks for a token where others can
// connect, and this holds should the token be taken away while serving.
func overLoopback(r *nethttp.Request) bool {
	addr, ok := r.Context().Value(nethttp.LocalAddrContextKey).(*net.TCPAddr)
	return !ok || addr.IP.IsLoopback()
}

// crossSite reports whether a page of another site had the browser make this
// request. It could not read the answer, but hold streams of events open.
// Following a link to here is nobody's harm. Programs send none of these.
// https://www.w3.org/TR/fetch-metadata/
func crossSite(r *nethttp.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		origin := r.Header.Get("Origin")
		_, host, _ := strings.Cut(origin, "://")
		return origin != "" && !strings.EqualFold(host, r.Host)
	default:
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	}
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// index lists what there is for programs.
const index = `GET /api/v1/clients?phase=&limit=&after=
GET /api/v1/clients/{client_id}
GET /api/v1/journal?client_id=&limit=&after=
GET /api/v1/holds
GET /api/v1/config
GET /api/v1/events
GET /metrics

A browser gets the status page here.
`
