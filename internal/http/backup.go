package http

import (
	"errors"
	"io"
	nethttp "net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"grantd/internal/store"
)

// backup answers with a copy of the ledger's file. How slowly it is read is
// nobody's concern but the reader's; one that stops reading is left.
func (a *api) backup(c echo.Context) error {
	s, err := a.o.Snapshot(c.Request().Context())
	switch {
	case errors.Is(err, store.ErrBusy):
		return errUnavailable("Another backup is being taken; try again when it is done.", nil)
	case err != nil:
		return errUnavailable("The ledger cannot be copied: "+err.Error()+".", err)
	}
	defer func() { _ = s.Close() }()
	w := c.Response()
	control := nethttp.NewResponseController(w.Writer)
	w.Header().Set(echo.HeaderContentType, "application/octet-stream")
	w.Header().Set(echo.HeaderContentLength, strconv.FormatInt(s.Size(), 10))
	w.WriteHeader(nethttp.StatusOK)
	if _, err := io.Copy(deadlined{w, control}, s); err != nil {
		panic(nethttp.ErrAbortHandler) // the answer has begun: hang up, so that it is not taken for whole
	}
	return nil
}

// deadlined gives each write a time of its own.
type deadlined struct {
	w       io.Writer
	control *nethttp.ResponseController
}

// Write implements io.Writer.
func (d deadlined) Write(b []byte) (int, error) {
	_ = d.control.SetWriteDeadline(time.Now().Add(eventWrite))
	return d.w.Write(b)
}
