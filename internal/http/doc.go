// Package http is everything grantd answers: the public listener that takes
// Auth0's log stream and tells of health, the admin listener that shows the
// ledger, and the control socket for commands. Every URL is in routes.go,
// grouped by who may call it.
//
// Echo v4 routes, as an http.Handler inside a net/http server of our own,
// because Echo's own server has no timeouts.
package http
