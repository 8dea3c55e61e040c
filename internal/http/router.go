package http

import (
	"fmt"
	"log/slog"
	nethttp "net/http"
	"runtime/debug"
	"strings"

	"github.com/labstack/echo/v4"
)

// route is one URL and what may be done with it.
type route struct {
	methods []string
	path    string
	handle  echo.HandlerFunc
}

func get(path string, h echo.HandlerFunc) route {
	return route{[]string{nethttp.MethodGet, nethttp.MethodHead}, path, h}
}

func post(path string, h echo.HandlerFunc) route {
	return route{[]string{nethttp.MethodPost}, path, h}
}

func del(path string, h echo.HandlerFunc) route {
	return route{[]string{nethttp.MethodDelete}, path, h}
}

// router returns a handler for the routes: 404 elsewhere, 405 with Allow for
// other methods, every error as JSON, and a panic costs one request.
func router(log *slog.Logger, routes ...route) nethttp.Handler {
	e := echo.New()
	e.JSONSerializer = serializer{}
	allow := map[string][]string{}
	for _, r := range routes {
		e.Match(r.methods, r.path, r.handle)
		// Echo would answer OPTIONS by itself.
		e.OPTIONS(r.path, echo.MethodNotAllowedHandler)
		allow[r.path] = append(allow[r.path], r.methods...)
	}
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		p := problemOf(err)
		if p.status == nethttp.StatusMethodNotAllowed {
			c.Response().Header().Set(echo.HeaderAllow, strings.Join(allow[c.Path()], ", "))
		}
		if p.cause != nil {
			log.Error("answer request", "path", c.Path(), "error", p.cause)
		}
		if c.Response().Committed {
			return
		}
		p.write(c.Response())
	}
	e.Use(recovered, headers)
	return e
}

// recovered turns a panic into an error.
func recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch r := recover(); r {
			case nil:
			case nethttp.ErrAbortHandler:
				panic(r) // net/http's own way to hang up
			default:
				err = &panicError{r, debug.Stack()}
			}
		}()
		return next(c)
	}
}

// panicError is a panic that was caught.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// headers sets what every answer carries: nothing here is for a cache, and
// nothing for a browser to run or embed.
func headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		setHeaders(c.Response().Header())
		return next(c)
	}
}

func setHeaders(h nethttp.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
