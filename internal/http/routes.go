package http

import (
	nethttp "net/http"

	"github.com/labstack/echo/v4"
)

// Public returns what anybody who can reach the public listener may call. Only
// the webhook asks for a secret.
func Public(o PublicOptions) nethttp.Handler {
	p := newPublic(o)
	return router(p.o.Logger, p.routes()...)
}

func (p *public) routes() []route {
	return []route{
		post(p.o.WebhookPath, p.webhook),
		get("/healthz", p.healthz),
		get("/readyz", p.inTurn(p.readyz)),
		get("/health/auth0", p.inTurn(p.health)),
	}
}

// Admin returns what the operator may read: with the token, or without one
// from the machine itself.
func Admin(o AdminOptions) nethttp.Handler {
	return guardAdmin(o.Token, router(o.API.Logger, o.routes()...))
}

func (o AdminOptions) routes() []route {
	routes := append(newAPI(o.API).routes(), pages{o.Page}.routes()...)
	return append(routes, get("/metrics", echo.WrapHandler(o.Metrics)))
}

// Control returns what the owner of the control socket may call; the socket
// lets nobody else in.
func Control(o APIOptions, c Commands) nethttp.Handler {
	a, cmd := newAPI(o), commands{c, o.Logger, newAPI(o).o.Heartbeat}
	routes := append(a.routes(),
		post("/api/v1/plan", cmd.plan),
		post("/api/v1/sync", cmd.sync),
		post("/api/v1/resync", cmd.resyncAll),
		post("/api/v1/clients/:client_id/resync", cmd.resync),
		del("/api/v1/clients/:client_id", cmd.forget),
		post("/api/v1/doctor", cmd.doctor),
		post("/api/v1/explain", cmd.explain),
		post("/api/v1/revert", cmd.revert),
		post("/api/v1/holds", cmd.hold),
		del("/api/v1/holds", cmd.release),
	)
	if a.o.Snapshot != nil {
		routes = append(routes, post("/api/v1/backup", a.backup))
	}
	return kept(router(a.o.Logger, routes...))
}

// routes are shared by the admin listener and the control socket. They read.
func (a *api) routes() []route {
	return []route{
		get("/api/v1/clients", a.clients),
		get("/api/v1/clients/:client_id", a.client),
		get("/api/v1/journal", a.journal),
		get("/api/v1/holds", a.holds),
		get("/api/v1/config", a.config),
		get("/api/v1/events", a.events),
	}
}
