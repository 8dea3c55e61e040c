package http

import (
	"context"
	"errors"
	nethttp "net/http"
	"time"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/feed"
)

const (
	// maxBody is the largest delivery, on the wire and inflated.
	maxBody = 10 << 20
	// retryAfter is what Auth0 is told when a delivery could not be kept. It
	// delivers again, at least once and for days.
	retryAfter = 5 * time.Second
	// linger is how long a caller who was turned away may still send.
	linger = time.Second
)

// webhook answers a delivery and tells how.
func (p *public) webhook(c echo.Context) error {
	err := p.deliver(c)
	status := nethttp.StatusOK
	if err != nil {
		status = problemOf(err).status
	}
	p.o.OnDelivery(status)
	return err
}

// deliver takes a delivery of Auth0's log stream. The secret is checked before
// a byte of the body is read, and 200 is sent only once everything in it is
// kept.
func (p *public) deliver(c echo.Context) error {
	r := c.Request()
	if r.URL.Path != p.o.WebhookPath { // ":" and "*" mean something to the router
		return echo.ErrNotFound
	}
	if err := p.authenticate(c); err != nil {
		hangUp(c)
		return err
	}
	keep(r.Context())
	if r.ContentLength > maxBody {
		hangUp(c)
		return errTooLarge()
	}
	// Echo's own writer does not know the way to close the connection.
	body := &body{Reader: nethttp.MaxBytesReader(c.Response().Writer, r.Body, maxBody)}
	body.await()
	if !p.gate.enter(r.Context(), p.o.MaxWait) {
		hangUp(c)
		return errUnavailable("Too many deliveries at once.", nil)
	}
	defer p.gate.leave()

	receipt, err := p.o.Intake.Take(r.Context(), dcr.FeedWebhook, body)
	if err != nil {
		return p.refuse(body, err)
	}
	return c.JSON(nethttp.StatusOK, receipt)
}

// refuse is the answer to a delivery that was not taken.
func (p *public) refuse(b *body, err error) error {
	switch {
	case b.tooLarge() || errors.Is(err, feed.ErrTooLarge):
		return errTooLarge()
	case b.err != nil:
		return newProblem(nethttp.StatusBadRequest, codeBadRequest, "The body could not be read to its end.")
	case errors.Is(err, feed.ErrNothingReadable):
		return newProblem(nethttp.StatusBadRequest, codeNothingReadable, "There is no log entry in the body that can be read.")
	case errors.Is(err, context.Canceled):
		return errUnavailable("The delivery was given up.", nil)
	default:
		return errUnavailable("The ledger cannot be written; the delivery was not kept.", err)
	}
}

// authenticate turns away callers without the secret.
func (p *public) authenticate(c echo.Context) error {
	shown := webhookCredentials(c.Request().Header)
	switch {
	case len(shown) == 0:
		p.refusals.note("no_credential", peer(c.Request(), p.o.Proxies()))
		refused := newProblem(nethttp.StatusUnauthorized, codeUnauthorized, "Send the webhook's secret in Authorization or X-Webhook-Secret.")
		refused.challenges = []string{`Bearer realm="grantd"`}
		return refused
	case !p.o.Secrets.Match(shown...):
		p.refusals.note("wrong_credential", peer(c.Request(), p.o.Proxies()))
		return newProblem(nethttp.StatusForbidden, codeForbidden, "The webhook's secret is a different one.")
	default:
		return nil
	}
}

// hangUp keeps a caller who was turned away from holding the connection by
// sending slowly: net/http would read on, to be able to use it again. Over
// HTTP/2 that is the request's own affair; others on the connection, which may
// be a proxy's, go on.
func hangUp(c echo.Context) {
	if c.Request().ProtoMajor == 1 {
		c.Response().Header().Set("Connection", "close")
	}
	// Not every writer has deadlines; those of our server do.
	_ = nethttp.NewResponseController(c.Response().Writer).SetReadDeadline(time.Now().Add(linger))
}

func errTooLarge() *problem {
	return newProblem(nethttp.StatusRequestEntityTooLarge, codeTooLarge, "A delivery may have 10 MiB, on the wire and inflated.")
}

func errUnavailable(message string, cause error) *problem {
	p := newProblem(nethttp.StatusServiceUnavailable, codeUnavailable, message)
	p.retryAfter, p.cause = retryAfter, cause
	return p
}
