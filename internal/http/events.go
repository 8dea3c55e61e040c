package http

import (
	nethttp "net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// eventWrite is how long a reader of events may take for one of them.
const eventWrite = 10 * time.Second

// events streams what happens as server-sent events.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
func (a *api) events(c echo.Context) error {
	if c.Request().Method == nethttp.MethodHead {
		c.Response().Header().Set(echo.HeaderContentType, "text/event-stream")
		return c.NoContent(nethttp.StatusOK)
	}
	events, leave, ok := a.o.Events.subscribe()
	if !ok {
		return errUnavailable("Too many streams of events, or grantd is stopping.", nil)
	}
	defer leave()

	w := c.Response()
	control := nethttp.NewResponseController(w.Writer)
	// The stream outlives the server's timeouts; each write has its own.
	_ = control.SetReadDeadline(time.Time{})
	send := func(frame []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(eventWrite))
		if _, err := w.Write(frame); err != nil {
			return err
		}
		return control.Flush()
	}

	w.Header().Set(echo.HeaderContentType, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(nethttp.StatusOK)
	heartbeat := time.NewTicker(a.o.Heartbeat)
	defer heartbeat.Stop()
	frame := []byte(": grantd\nretry: 2000\n\n")
	for {
		if send(frame) != nil {
			return nil // the reader is gone
		}
		select {
		case next, open := <-events:
			if !open {
				return nil
			}
			frame = next
		case <-heartbeat.C:
			frame = []byte(":\n\n")
		case <-c.Request().Context().Done():
			return nil
		}
	}
}
