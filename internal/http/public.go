package http

import (
	"context"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/health"
)

// Intake takes deliveries of log entries.
type Intake interface {
	// Take reads a delivery and records what it says. It returns once that is
	// kept for good. feed.ErrNothingReadable and feed.ErrTooLarge are the
	// sender's fault; with every other error the delivery is to come again.
	Take(ctx context.Context, f dcr.Feed, body io.Reader) (feed.Receipt, error)
}

// Health answers from memory.
type Health interface {
	// Ready is why nothing can be acknowledged now; empty when all is well.
	Ready(context.Context) []dcr.Reason
	// Report is how things stand.
	Report(context.Context) health.Report
}

// PublicOptions of the public listener. Intake, Secrets, Health, WebhookPath
// and Logger are required.
type PublicOptions struct {
	Intake      Intake
	Secrets     *Secrets // of the webhook
	Health      Health
	WebhookPath string // such as /auth0-log-webhook
	Logger      *slog.Logger
	// InFlight is how many bodies are read at once; 32 when zero. Others wait
	// for MaxWait, 10 s when zero, and are then told to come again.
	InFlight int
	MaxWait  time.Duration
	// OnDelivery is told the status of every answer of the webhook; nil: nobody is.
	OnDelivery func(status int)
	// Proxies are those whose X-Forwarded-For is believed; nil: nobody's is.
	Proxies func() []netip.Prefix
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type public struct {
	o        PublicOptions
	gate     gate // of deliveries
	looks    gate // of questions for health
	refusals *refusals
}

// maxLooks is how many questions for health are answered at once. Each reads the
// ledger, and over HTTP/2 a stranger may ask tens of thousands at a time.
const maxLooks = 16

func newPublic(o PublicOptions) *public {
	if o.InFlight <= 0 {
		o.InFlight = 32
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnDelivery == nil {
		o.OnDelivery = func(int) {}
	}
	if o.Proxies == nil {
		o.Proxies = func() []netip.Prefix { return nil }
	}
	return &public{o: o, gate: make(gate, o.InFlight), looks: make(gate, maxLooks), refusals: &refusals{log: o.Logger, now: o.Now}}
}

func (p *public) healthz(c echo.Context) error {
	return c.String(nethttp.StatusOK, "ok\n")
}

// inTurn lets questions for health wait for each other.
func (p *public) inTurn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !p.looks.enter(c.Request().Context(), p.o.MaxWait) {
			return errUnavailable("Too many requests at once.", nil)
		}
		defer p.looks.leave()
		return next(c)
	}
}

// Readiness is the body of GET /readyz.
type Readiness struct {
	Ready   bool         `json:"ready"`
	Reasons []dcr.Reason `json:"reasons"`
}

func (p *public) readyz(c echo.Context) error {
	r := Readiness{Reasons: p.o.Health.Ready(c.Request().Context())}
	if r.Ready = len(r.Reasons) == 0; r.Ready {
		r.Reasons = []dcr.Reason{}
		return c.JSON(nethttp.StatusOK, r)
	}
	return c.JSON(nethttp.StatusServiceUnavailable, r)
}

func (p *public) health(c echo.Context) error {
	r := p.o.Health.Report(c.Request().Context())
	if r.Status == health.StatusDown {
		return c.JSON(nethttp.StatusServiceUnavailable, r)
	}
	return c.JSON(nethttp.StatusOK, r)
}
